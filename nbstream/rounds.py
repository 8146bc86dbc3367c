"""`Round`: the model's answer to one request, growing while it streams.

The reducer fills it, views read it; afterwards nothing changes it any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .approval import Approval
from .buffers import TextBuffer
from .messages import Message, Reasoning, ToolCall, ToolResult, Usage, api_name
from .record_fields import Fields

__all__ = ["CallDraft", "Round", "tool_message"]


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
            self.id, self.name, str(self.arguments) or "{}", dict(self.extra), self.result
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
        asked_model: the model's name in the request, or None.
        usage: the last token counts that came, or None.
        finish_reason: the provider's word for why the answer ended, or None.
        done: whether the stream said `[DONE]`.
        reasoning_seconds: how long the model reasoned before it answered, or None.
        extra: fields kept as they came (annotations, images, audio, logprobs, ...).
        echo: fields to send back verbatim with the assistant message.
        echo_reasoning_as: the form in which the reasoning goes back in a turn that calls tools
            (see `Reasoning`), or None.
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
    asked_model: str | None = None
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
        return not (len(self.text) or len(self.reasoning) or len(self.refusal) or self.calls)

    @property
    def _has_a_maker(self) -> bool:
        """Whether something in it goes back to nobody but who wrote it."""
        return bool(self.echo or self.echo_reasoning_as or self.calls)

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
        self.echo_reasoning_as = "<think>"

    def message(self) -> Message:
        """The assistant message of this round, with all that may have to go back in it."""
        text = str(self.text) or str(self.refusal)
        form = self.echo_reasoning_as or ""
        thought = Reasoning(str(self.reasoning), form) if form or len(self.reasoning) else None
        return Message(
            "assistant",
            text if text or not self.calls else None,
            self.tool_calls,
            extra=dict(self.echo),
            origin=self.origin if self._has_a_maker else None,
            model=self.asked_model if self._has_a_maker else None,
            reasoning=thought,
        )

    def results(self) -> tuple[Message, ...]:
        """The messages that answer the calls of this round."""
        return tuple(
            tool_message(call, call.answer) for call in self.tool_calls if call.answer is not None
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
            "origin": self.origin if self._has_a_maker else None,
            "asked_model": self.asked_model if self._has_a_maker else None,
            "usage": None if self.usage is None else self.usage.to_dict(),
            "finish_reason": self.finish_reason,
            "done": self.done,
            "reasoning_seconds": self.reasoning_seconds,
            "extra": self.extra,
            "echo": self.echo,
            "echo_reasoning_as": self.echo_reasoning_as,
            "alternatives": {str(i): r.to_dict() for i, r in self.alternatives.items()},
        }
        return {key: value for key, value in data.items() if value not in (None, "", [], {}, False)}

    @classmethod
    def from_dict(cls, data: Any) -> Round:
        """The round that `to_dict` wrote.

        Raises:
            ValueError: it is none.
        """
        record = Fields.of(data)
        usage = record.part_or_none("usage")
        return cls(
            text=TextBuffer(record.text("text", "")),
            reasoning=TextBuffer(record.text("reasoning", "")),
            refusal=TextBuffer(record.text("refusal", "")),
            calls=[_draft(ToolCall.from_dict(call)) for call in record.parts("tool_calls", ())],
            model=record.text_or_none("model"),
            id=record.text_or_none("id"),
            origin=record.text_or_none("origin"),
            asked_model=record.text_or_none("asked_model"),
            usage=None if usage is None else Usage.from_dict(usage),
            finish_reason=record.text_or_none("finish_reason"),
            done=record.flag("done"),
            reasoning_seconds=record.number("reasoning_seconds"),
            extra=record.json("extra"),
            echo=record.json("echo"),
            echo_reasoning_as=record.text_or_none("echo_reasoning_as"),
            alternatives={
                number: cls.from_dict(choice)
                for number, choice in record.numbered_parts("alternatives")
            },
        )


def tool_message(call: ToolCall, content: str) -> Message:
    """The message that answers a call."""
    return Message("tool", content, tool_call_id=call.id, name=api_name(call.name))


def _draft(call: ToolCall) -> CallDraft:
    written, changed = call.arguments, None
    if call.asked is not None:
        written, changed = call.asked, call.arguments
    return CallDraft(
        call.id, call.name, TextBuffer(written), dict(call.extra), changed, result=call.result
    )
