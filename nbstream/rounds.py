"""`Round`: the model's answer to one request, growing while it streams.

The reducer fills it on the I/O thread, and views and the user's own thread read it meanwhile;
afterwards nothing changes it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .approval import Approval
from .buffers import TextBuffer
from .messages import Message, ToolCall, ToolResult, Usage

__all__ = ["CallDraft", "Round"]

_DEEPEST = 100  # levels of a provider's fields


@dataclass(slots=True)
class CallDraft:
    """A tool call while its arguments stream in, while it waits, and while it runs.

    Attributes:
        arguments: as the model writes them.
        changed: what the user let run in their place, or None.
        approval: the question to the user that is open, or None.
        running_since: when the call began, by `time.monotonic`, or None.
        result: what it came to, or None.
    """

    id: str = ""
    name: str = ""
    arguments: TextBuffer = field(default_factory=TextBuffer)
    extra: dict[str, Any] = field(default_factory=dict)
    changed: str | None = None
    approval: Approval | None = None
    running_since: float | None = None
    result: ToolResult | None = None

    def call(self) -> ToolCall:
        """The call as it stands; empty arguments are `{}`."""
        call = ToolCall(
            self.id, self.name, str(self.arguments) or "{}", _copied(self.extra), self.result
        )
        if self.changed is None:
            return call
        return replace(call, arguments=self.changed, asked=call.arguments)


@dataclass(slots=True)
class Round:
    """The answer to one request, growing while it streams.

    Attributes:
        text, reasoning, refusal: what came so far.
        calls: the tool calls, in the order in which they opened.
        model, id: what the provider calls itself and the completion.
        origin: who answered (scheme, host and port), or None.
        usage: the last token counts that came, or None.
        finish_reason: the provider's word for why the answer ended, or None.
        done: whether the stream said `[DONE]`.
        reasoning_seconds: how long the model reasoned before it answered, or None.
        extra: fields kept as they came (annotations, images, audio, logprobs, ...).
        echo: fields to send back verbatim with the assistant message.
        echo_reasoning_as: the field in which the provider wants the reasoning back in a
            turn that calls tools, or None.
        alternatives: further choices by index, where `n` was asked for.
        is_reread: whether what came first as text turned out to be reasoning.
    """

    text: TextBuffer = field(default_factory=TextBuffer)
    reasoning: TextBuffer = field(default_factory=TextBuffer)
    refusal: TextBuffer = field(default_factory=TextBuffer)
    calls: list[CallDraft] = field(default_factory=list)
    model: str | None = None
    id: str | None = None
    origin: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    done: bool = False
    reasoning_seconds: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    echo: dict[str, Any] = field(default_factory=dict)
    echo_reasoning_as: str | None = None
    alternatives: dict[int, Round] = field(default_factory=dict)
    is_reread: bool = False

    @property
    def ended(self) -> bool:
        """Whether the provider said that the answer is over: the only proof that it is whole."""
        return self.done or self.finish_reason is not None

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.reasoning or self.refusal or self.calls)

    @property
    def others(self) -> list[tuple[int, Round]]:
        """The further choices and their indices, in order; more may come meanwhile."""
        return sorted(self.alternatives.copy().items())

    @property
    def _wants_back(self) -> str | None:
        """Who gets fields of it sent back, or None where there are none."""
        is_one = self.echo or self.echo_reasoning_as or any(call.extra for call in self.calls)
        return self.origin if is_one else None

    @property
    def size(self) -> int:
        """The characters that came, arguments of calls not counted."""
        return len(self.text) + len(self.reasoning) + len(self.refusal)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(draft.call() for draft in self.calls)

    def text_was_reasoning(self, seconds: float) -> None:
        """All text that came so far, in so many seconds, was reasoning."""
        self.reasoning, self.text = TextBuffer(str(self.text).strip()), TextBuffer()
        self.reasoning_seconds, self.is_reread = seconds, True

    def message(self, *, with_calls: bool | None = None) -> Message:
        """The assistant message of this round, as the next request carries it.

        Reasoning is not sent back, except what the provider demands (`echo`), and in a
        turn with calls where it demands that (`echo_reasoning_as`).

        Args:
            with_calls: whether the turn has calls; by default, whether this round has.
        """
        text = str(self.text) or str(self.refusal)
        content = text if text or not self.calls else None
        extra = _copied(self.echo)
        with_calls = bool(self.calls) if with_calls is None else with_calls
        if with_calls and self.echo_reasoning_as is not None:
            extra[self.echo_reasoning_as] = str(self.reasoning)
        return Message("assistant", content, self.tool_calls, extra=extra, origin=self._wants_back)

    def results(self) -> tuple[Message, ...]:
        """The messages that answer the calls of this round."""
        return tuple(
            Message("tool", call.answer, tool_call_id=call.id)
            for call in self.tool_calls
            if call.answer is not None
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON data; what is empty or unknown is left out."""
        data: dict[str, Any] = {
            "text": str(self.text),
            "reasoning": str(self.reasoning),
            "refusal": str(self.refusal),
            "tool_calls": [draft.call().to_dict() for draft in self.calls],
            "model": self.model,
            "id": self.id,
            "origin": self._wants_back,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "finish_reason": self.finish_reason,
            "done": self.done,
            "reasoning_seconds": self.reasoning_seconds,
            "extra": _copied(self.extra),
            "echo": _copied(self.echo),
            "echo_reasoning_as": self.echo_reasoning_as,
            "alternatives": {str(i): other.to_dict() for i, other in self.others},
        }
        return {key: value for key, value in data.items() if value not in (None, "", [], {}, False)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Round:
        usage = data.get("usage")
        return cls(
            text=TextBuffer(data.get("text", "")),
            reasoning=TextBuffer(data.get("reasoning", "")),
            refusal=TextBuffer(data.get("refusal", "")),
            calls=[_draft(ToolCall.from_dict(call)) for call in data.get("tool_calls", ())],
            model=data.get("model"),
            id=data.get("id"),
            origin=data.get("origin"),
            usage=None if usage is None else Usage(**usage),
            finish_reason=data.get("finish_reason"),
            done=data.get("done", False),
            reasoning_seconds=data.get("reasoning_seconds"),
            extra=dict(data.get("extra", {})),
            echo=dict(data.get("echo", {})),
            echo_reasoning_as=data.get("echo_reasoning_as"),
            alternatives={
                int(i): cls.from_dict(r) for i, r in data.get("alternatives", {}).items()
            },
        )


def _copied(value: Any, depth: int = 0) -> Any:
    """JSON data of its own, while another thread may put more into `value`.

    A dict that grows cannot be iterated; to copy it is one step.
    """
    if depth > _DEEPEST:  # whatever a server nests so deep came in one piece
        return value
    if isinstance(value, dict):
        return {name: _copied(each, depth + 1) for name, each in value.copy().items()}
    if isinstance(value, list):
        return [_copied(each, depth + 1) for each in value.copy()]
    return value


def _draft(call: ToolCall) -> CallDraft:
    written, changed = call.arguments, None
    if call.asked is not None:
        written, changed = call.asked, call.arguments
    return CallDraft(
        call.id, call.name, TextBuffer(written), dict(call.extra), changed, result=call.result
    )
