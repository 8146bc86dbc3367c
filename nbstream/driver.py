"""Runs a turn: the one implementation behind cells, the panel and `Chat`.

A turn runs as one coroutine on the I/O thread and can be cancelled from anywhere. Its
life: resolve the endpoint, open the tools, carry out what the tool loop decides (ask, run
calls), close the record, hand it to the history, and close the view.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .approval import Approval
from .endpoints import resolve
from .errors import (
    APITimeoutError,
    Failure,
    IncompleteError,
    Interrupted,
    NbstreamError,
    SchemaError,
    causes,
    named_causes,
)
from .events import ApprovalEvent, Event, ToolResultEvent
from .interrupts import Interrupts
from .io_thread import Job, io_thread, tool_thread
from .messages import Message, ToolResult, tool_name
from .pacer import Pacer
from .request import Options
from .response import Response, Status
from .rounds import CallDraft, Round
from .schema import Schema
from .tools.arguments import as_meant
from .tools.foreground import Foreground
from .tools.toolbox import Toolbox
from .transport.connections import close_all
from .transport.exchange import Exchange
from .turn import Ask, tool_loop
from .views.protocol import View
from .wire.leaked_calls import leaked_call
from .wire.reducer import Reducer

__all__ = ["Question", "Run", "shut_down", "start"]

_OPENING = 1.0  # seconds that a view is waited for
_CUT = {
    "length": "it was cut off at the token limit · --max-tokens N allows more",
    "content_filter": "the provider's content filter cut it off · reword the prompt, run it again",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be asked.

    Attributes:
        messages: the conversation to send, system message first.
        options: how to ask, and whom.
        past_tools: the tools, in the API's form, that its calls were offered.
    """

    messages: tuple[Message, ...]
    options: Options
    past_tools: tuple[Mapping[str, Any], ...] = ()


class Run:
    """A turn that runs, for those who wait for it."""

    def __init__(self, runner: _Runner, job: Job, foreground: Foreground | None) -> None:
        self.response = runner.response
        self.job = job
        self._pacer = runner.pacer
        self._opened = runner.opened
        self._foreground = foreground

    @property
    def is_blocking(self) -> bool:
        """Whether somebody waits for it, who alone can be interrupted."""
        return self._foreground is not None

    def wait_open(self) -> None:
        """Wait a moment for the view, which opens in the cell that runs now."""
        self._opened.wait(_OPENING)

    def show(self, view: View) -> None:
        """Show the rest in one view more; on the I/O thread, before the end."""
        self._pacer.add(view)

    def wait(self, held: Interrupts | None = None) -> Response:
        """Wait until the answer has ended and the view has closed.

        An interrupt stops the answer; what came is kept, and the response says `cancelled`.
        """
        held = held or Interrupts()
        held.stop_by(self.job.cancel)
        try:
            if self._foreground is not None:
                self._foreground.serve(self.job, held)
            self.job.wait()
        except KeyboardInterrupt:
            self.job.cancel()
            self.job.wait()
        except BaseException:  # a tool that asks a model itself has reached its time limit
            self.job.cancel()
            raise
        return self.response


def start(
    question: Question,
    response: Response,
    views: Sequence[View],
    *,
    blocking: bool = False,
    observe: Callable[[Event], None] | None = None,
    on_end: Callable[[Response, BaseException | None], None] | None = None,
) -> Run:
    """Run a turn on the I/O thread, filling `response`.

    Args:
        question: what to ask.
        response: a fresh response; it is `running` until the turn has ended.
        views: show it; called on the I/O thread, in the caller's context.
        blocking: whether the caller is about to `wait`: plain tools then run on its
            thread, and there the user is asked about calls.
        observe: called with every event, on the I/O thread.
        on_end: called once when nothing comes any more, before the record and the view close,
            with why the answer is not whole.
    """
    foreground = Foreground() if blocking else None
    runner = _Runner(question, response, Pacer(views, response), foreground, observe)
    job = io_thread.submit(_run(runner, on_end))
    response.on_cancel(job.cancel)
    return Run(runner, job, foreground)


async def _run(
    runner: _Runner, on_end: Callable[[Response, BaseException | None], None] | None
) -> None:
    """Run to the end, in whatever way it ends, and close record, history and view."""
    response = runner.response
    status: Status = "complete"
    error: Failure | None = None
    total = runner.question.options.deadlines.total
    try:
        async with asyncio.timeout(total) as limit:
            await runner.run(due=limit.when())
    except asyncio.CancelledError:
        status, error = "cancelled", Interrupted("Stopped. The text so far is kept.")
    except TimeoutError:
        status = runner.cut_short
        text = f"the answer took longer than {total:g} s · raise --timeout"
        go_on = response.go_on
        rest = f", or: {go_on} asks for the rest" if status == "incomplete" and go_on else ""
        error = APITimeoutError(text + rest)
    except Exception as failure:  # noqa: BLE001  # a bug of ours must not lose what came
        status, error = runner.failed_by(failure)
    finally:
        try:
            is_stopped = status == "cancelled"
            runner.answer_open_calls(
                "the user stopped it" if is_stopped else "the answer was cut off"
            )
            if on_end is not None:
                # First: who waits for the answer then finds it in the history.
                on_end(response, error)
        finally:
            runner.exchange.close()
            response.finish(status, error, runner.exchange.timing())
            await runner.pacer.close()
            runner.opened.set()


class _Runner:
    """Carries out what the tool loop decides."""

    def __init__(
        self,
        question: Question,
        response: Response,
        pacer: Pacer,
        foreground: Foreground | None,
        observe: Callable[[Event], None] | None,
    ) -> None:
        self.question = question
        self.response = response
        self.pacer = pacer
        self.opened = threading.Event()
        self.exchange = Exchange(question.options, response, pacer, observe)
        self._foreground = foreground
        self._observe = observe
        self._approvals: list[Approval] = []

    @property
    def cut_short(self) -> Status:
        """What an answer is that was cut: incomplete, or nothing came of it."""
        has_output = any(not turn.is_empty for turn in self.response.rounds)
        return "incomplete" if has_output else "error"

    def failed_by(self, failure: Exception) -> tuple[Status, NbstreamError]:
        """What an answer is that failed so, and the error that says it."""
        known = next((e for e in causes(failure) if isinstance(e, NbstreamError)), None)
        if known is not None:
            is_cut = isinstance(known, IncompleteError | APITimeoutError)
            return (self.cut_short if is_cut else "error"), known
        error = NbstreamError(named_causes(failure))
        error.__cause__ = failure
        return "error", error

    async def run(self, due: float | None) -> None:
        """Run until the model has answered; `due` is when the time is over, by the loop's clock."""
        options = self.question.options
        # Before anything is shown; on a thread, because a keyring may have to be unlocked.
        target = await asyncio.to_thread(resolve, options)
        await self.pacer.open()
        self.opened.set()
        # Tools that the user sends by a parameter are the user's own to run, and go alone.
        past = () if "tools" in options.params else self.question.past_tools
        toolbox = await Toolbox.opened(
            options.tools,
            approve_all=options.approve,
            timeout=options.deadlines.tool,
            due=due,
            foreground=self._foreground,
            past=[tool_name(tool) for tool in past],
        )
        await self.exchange.open(target, toolbox.tools, past)
        loop = tool_loop(
            self.question.messages,
            # A model that calls a tool of an earlier turn is told, and answers without it.
            has_tools=bool(toolbox.tools or past),
            max_rounds=options.max_rounds,
            how_to_go_on=self.response.how_to_go_on,
        )
        effect = next(loop)
        while True:
            if isinstance(effect, Ask):
                answer = await self.exchange.ask(effect.messages)
                _note_leaked_call(answer, toolbox)
            else:
                await self._run_calls(toolbox, effect.round)
            try:
                effect = loop.send(answer)
            except StopIteration:
                break
        if options.schema is not None and not self.response.refusal:
            # Reading a long answer, and making the user's object of it, takes time.
            self.response.parsed = await asyncio.to_thread(self._parsed, options.schema)
        self._raise_for_unheard()

    def _raise_for_unheard(self) -> None:
        """Let nobody take an answer for whole whose calls were rejected because nobody was there.

        Raises:
            IncompleteError: there are such calls.
        """
        names = dict.fromkeys(each.call.name for each in self._approvals if each.is_unheard)
        if names:
            raise IncompleteError(
                f"nobody is here to approve {', '.join(names)}, so it did not run · run the cell "
                "where you can answer, or let the tool run without being asked about"
            )

    def _parsed(self, schema: Schema) -> Any:
        """The object that the answer is.

        Raises:
            SchemaError: it is none.
            IncompleteError: it was cut before it was one.
        """

        def read() -> Any:
            data = self.response.json()
            return (
                as_meant(schema.json_schema, data) if self.response.schema_form == "tool" else data
            )

        try:
            return schema.parse(read)
        except SchemaError as error:
            cut = _CUT.get(self.response.finish_reason or "")
            if cut is None:
                raise
            raise IncompleteError(f"the answer is no whole {schema.name}: {cut}") from error

    async def _run_calls(self, toolbox: Toolbox, turn: Round) -> None:
        """Run the calls of a round side by side; each result shows when it is there."""
        async with asyncio.TaskGroup() as group:
            for slot, draft in enumerate(turn.calls):
                group.create_task(self._run_call(toolbox, turn, slot, draft))
        if any(draft.result is None for draft in turn.calls):
            raise asyncio.CancelledError  # an interrupt in a tool stops the answer

    async def _run_call(self, toolbox: Toolbox, turn: Round, slot: int, draft: CallDraft) -> None:
        def waits(approval: Approval) -> None:
            draft.approval = approval
            self._approvals.append(approval)
            self._tell(ApprovalEvent(slot, approval))
            self._say_what_waits()

        def runs(changed: str | None) -> None:
            draft.approval, draft.changed, draft.running_since = None, changed, time.monotonic()
            self._say_what_waits()

        result = await toolbox.run(draft.call(), waits=waits, runs=runs)
        event = ToolResultEvent(slot, result)
        draft.approval = None
        Reducer(turn).apply(event, time.monotonic())
        self._tell(event)
        self._say_what_waits()

    def _tell(self, event: Event) -> None:
        if self._observe is not None:
            self._observe(event)

    def _say_what_waits(self) -> None:
        """Call for the user as long as a call waits, whatever runs and ends beside it."""
        self.response.notice = _what_waits(self.response.approvals)
        self.pacer.notify()

    def answer_open_calls(self, why: str) -> None:
        """A call that was stopped is answered too: the next request must be valid."""
        for turn in self.response.rounds:
            if not turn.ended:
                continue  # half a call is none
            for slot, draft in enumerate(turn.calls):
                is_stopped = draft.running_since is not None or draft.approval is not None
                if draft.result is None and is_stopped:
                    draft.approval = None
                    result = ToolResult(f"stopped: {why}", status="stopped")
                    Reducer(turn).apply(ToolResultEvent(slot, result), 0.0)


def _note_leaked_call(answer: Round, toolbox: Toolbox) -> None:
    """Keep what shows that the model called a tool and the server did not say so."""
    names = [tool.name for tool in toolbox.tools]
    for choice in (answer, *answer.alternatives.values()):
        if names and not choice.calls:
            text = str(choice.text)  # where it is empty, the call may stand in what it thought
            written = text if text.strip() else str(choice.reasoning)
            choice.leaked_call = leaked_call(written, names)


def _what_waits(approvals: Sequence[Approval]) -> str:
    """The notice for the user, or ""; what is asked at a prompt needs none."""
    names = [each.call.name for each in approvals if not each.is_at_prompt]
    match names:
        case []:
            return ""
        case [name]:
            return f"{name} needs your approval"
    return f"{len(names)} calls need your approval"


def shut_down() -> None:
    """Stop what runs, close all connections and servers of tools, end the threads."""
    io_thread.submit(close_all()).wait()
    if "nbstream.tools.mcp_servers" in sys.modules:
        from .tools import mcp_servers

        io_thread.submit(mcp_servers.close_all()).wait()
    io_thread.stop()
    tool_thread.stop()
