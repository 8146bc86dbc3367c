"""A tool call that waits for the user's word: run it, change it, or reject it.

Whoever can reach the user answers: the buttons of a widget, a prompt in the running
cell, or code. Without an answer nothing runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .messages import ToolCall

__all__ = ["Approval", "Decision", "ask"]

_REJECTED = "The user rejected this call."


@dataclass(frozen=True, slots=True)
class Decision:
    """What the user said.

    Attributes:
        arguments: the JSON text to call with, or None: the call is rejected.
        reason: why it is rejected, where the user says so.
        told: what the model reads then.
    """

    arguments: str | None
    reason: str = ""
    told: str = _REJECTED


class Approval:
    """A call that waits. The first answer holds; all methods are safe from any thread.

    Attributes:
        call: what is to be run.
        arguments: the JSON text to start from: the model's, or what was tried last.
        problem: what was wrong with the last answer, or "".
        is_at_prompt: whether the running cell asks; otherwise whoever comes may answer.
        is_unheard: whether the cell could not ask, because nobody is there who could type.
        decision: becomes the `Decision`.
    """

    def __init__(
        self,
        call: ToolCall,
        *,
        arguments: str | None = None,
        problem: str = "",
        is_at_prompt: bool = False,
    ) -> None:
        self.call = call
        self.arguments = call.arguments if arguments is None else arguments
        self.problem = problem
        self.is_at_prompt = is_at_prompt
        self.is_unheard = False
        self.decision: Future[Decision] = Future()

    def run(self, arguments: Mapping[str, Any] | str | None = None) -> None:
        """Let it run, with other `arguments` (a mapping, or JSON text) where they are given."""
        if arguments is None:
            arguments = self.call.arguments
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments))
        self._answer(Decision(text))

    def reject(self, reason: str = "") -> None:
        """Do not run it; the model reads why, and goes on."""
        self._answer(Decision(None, reason, f"{_REJECTED} {reason}".strip()))

    def reject_unheard(self, error: Exception) -> None:
        """Do not run it, because nobody could be asked."""
        # What a kernel raises whose front end lets no cell ask.
        self.is_unheard = isinstance(error, NotImplementedError)
        why = f"nobody could be asked ({type(error).__name__})"
        self._answer(Decision(None, why, f"This call did not run: {why}."))

    def _answer(self, decision: Decision) -> None:
        with suppress(InvalidStateError):  # another answer was first, or the turn was stopped
            self.decision.set_result(decision)

    def __repr__(self) -> str:
        state = "answered" if self.decision.done() else "waiting: .run() or .reject()"
        return f"<Approval of {self.call.name}({self.call.arguments}): {state}>"


def ask(approval: Approval, read: Callable[[str], str] | None = None) -> None:
    """Ask at a prompt, for a cell whose buttons cannot reach the kernel.

    Args:
        approval: what is asked.
        read: shows a prompt and reads a line; by default `input` as it is now, which a
            kernel replaces. Where nobody can type, it raises, and the call is rejected.
    """
    read = read or input
    call = approval.call
    problem = f"{approval.problem}\n" if approval.problem else ""
    try:
        while not approval.decision.done():
            question = f"{problem}Run {call.name}({call.arguments})? [y]es, [e]dit, [n]o: "
            answer = read(question).strip().lower()
            if answer in ("y", "yes"):
                approval.run()
            elif answer in ("n", "no"):
                approval.reject(read("Why not? (for the model; may be empty) ").strip())
            elif answer in ("e", "edit") and (text := read("Arguments, as JSON: ").strip()):
                approval.run(text)
    except Exception as error:  # noqa: BLE001  # a front end without a prompt, a closed input
        approval.reject_unheard(error)
