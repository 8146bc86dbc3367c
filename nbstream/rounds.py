"""`Round`: the model's answer to one request, growing while it streams.

The reducer fills it on the I/O thread, and views and the user's own thread read it meanwhile;
afterwards nothing changes it any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from .approval import Approval
from .buffers import TextBuffer
from .messages import Message, Reasoning, ToolCall, ToolResult, Usage, api_name, is_left_out
from .record_fields import Fields

__all__ = [
    "CALL_REASONS",
    "CUT_REASONS",
    "MEDIA",
    "OWN_END_REASONS",
    "CallDraft",
    "Round",
    "tool_message",
]

#: The reasons of answers that the model has ended itself, as providers call them,
OWN_END_REASONS = frozenset(
    {"complete", "completed", "end_turn", "eos", "eos_token", "stop", "stop_sequence"}
)
#: and of those whose tools are to run.
CALL_REASONS = frozenset({"function_call", "tool_calls", "tool_use"})
#: The reasons of answers that stop before their end.
CUT_REASONS = frozenset({"length", "content_filter"})
#: The fields of `extra` that are a part of the answer beside its text.
MEDIA = frozenset({"audio", "content_parts", "images"})

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

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are JSON, or were left out."""
        arguments = str(self.arguments)
        if is_left_out(arguments):
            return True
        try:
            json.loads(arguments)
        except (ValueError, RecursionError):
            return False
        return True

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
        asked_model: the model's name in the request, or None.
        usage: the last token counts that came, or None.
        finish_reason: the provider's word for why the answer ended, or None; one that more
            output followed is forgotten.
        done: whether the stream said `[DONE]`, or its body closed in order where reasons
            alone prove nothing.
        has_early_reason: whether output followed a reason of this stream: no other one is
            believed without the end of the stream then. Of a round that runs only.
        reasoning_seconds: how long the model reasoned before it answered, or None.
        extra: fields kept as they came (annotations, images, audio, logprobs, ...).
        echo: fields to send back verbatim with the assistant message.
        echo_reasoning_as: the form in which the reasoning goes back in a turn that calls tools
            (see `Reasoning`), or None.
        alternatives: further choices by index, where `n` was asked for.
        is_reread: whether what came first as text turned out to be reasoning.
        is_unclosed: whether `text` came as reasoning, in a block that the model never closed.
        leaked_call: what shows that the text holds a tool call that the server did not
            read, or "".
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
    has_early_reason: bool = False
    reasoning_seconds: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    echo: dict[str, Any] = field(default_factory=dict)
    echo_reasoning_as: str | None = None
    alternatives: dict[int, Round] = field(default_factory=dict)
    is_reread: bool = False
    is_unclosed: bool = False
    leaked_call: str = ""

    @property
    def ended(self) -> bool:
        """Whether the provider said that the answer is over: the only proof that it is whole."""
        return self.done or (self.finish_reason is not None and not self.has_early_reason)

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.reasoning or self.refusal or self.calls or self.has_media)

    @property
    def others(self) -> list[tuple[int, Round]]:
        """The further choices and their indices, in order; more may come meanwhile."""
        return sorted(self.alternatives.copy().items())

    @property
    def has_media(self) -> bool:
        """Whether there is an image, a sound, or another part that is not text."""
        return any(self.extra.get(name) for name in MEDIA)

    @property
    def has_half_call(self) -> bool:
        """Whether a call in it is, or may be, a part: it is never run, and cannot go on."""
        if not self.calls or not self.ended:
            return bool(self.calls)
        return self.finish_reason in CUT_REASONS and not self.calls[-1].is_whole

    @property
    def is_kept(self) -> bool:
        """Whether later requests carry something of it."""
        said = self.size or self.has_media
        return bool(said or (self.calls and not self.has_half_call))

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
        before, text = str(self.reasoning), str(self.text).strip()
        self.reasoning = TextBuffer(f"{before}\n\n{text}" if before and text else before or text)
        self.text = TextBuffer()
        self.reasoning_seconds = (self.reasoning_seconds or 0.0) + seconds
        self.is_reread = True

    def reasoning_was_text(self) -> None:
        """All reasoning that came was the answer: its block was never closed."""
        self.text, self.reasoning = self.reasoning, TextBuffer()
        self.reasoning_seconds, self.is_unclosed = None, True
        self.echo_reasoning_as = None

    def message(self) -> Message:
        """The assistant message of this round, with all that may have to go back in it."""
        text = str(self.text) or str(self.refusal)
        form = self.echo_reasoning_as or ""
        thought = Reasoning(str(self.reasoning), form) if form or len(self.reasoning) else None
        return Message(
            "assistant",
            text if text or not self.calls else None,
            self.tool_calls,
            extra=_copied(self.echo),
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
            "extra": _copied(self.extra),
            "echo": _copied(self.echo),
            "echo_reasoning_as": self.echo_reasoning_as,
            "is_unclosed": self.is_unclosed,
            "leaked_call": self.leaked_call,
            "alternatives": {str(i): other.to_dict() for i, other in self.others},
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
            is_unclosed=record.flag("is_unclosed"),
            leaked_call=record.text("leaked_call", ""),
            alternatives={
                number: cls.from_dict(choice)
                for number, choice in record.numbered_parts("alternatives")
            },
        )


def tool_message(call: ToolCall, content: str) -> Message:
    """The message that answers a call."""
    return Message("tool", content, tool_call_id=call.id, name=api_name(call.name))


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
