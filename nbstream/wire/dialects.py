"""Chunks -> events: the only room for what providers do differently.

Each quirk has a named case in `tests/wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from ..events import (
    AnswerEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    ExtraEvent,
    FinishEvent,
    ModelEvent,
    ReasoningEvent,
    RefusalEvent,
    TextEvent,
    ThoughtEvent,
)
from ..rounds import CUT_REASONS, OWN_END_REASONS
from .apierrors import CHECK_BASE_URL, foreign_body, one_line, read_error, reported_error
from .bounds import MAX_CALLS, MAX_CHOICES, MAX_FIELDS, Room, too_many
from .calls import CallSlots, made_up_ids
from .sse import Body, Chunk, Done, ErrorFrame, Foreign, Malformed
from .think import ThinkSplitter
from .usage import read_usage, usage_in

__all__ = ["Dialect"]

# Fields that are read by name, or that say nothing: padding against traffic analysis
# (`p`, `obfuscation`) and what is the same for everyone.
_CHUNK_FIELDS = frozenset(
    {"choices", "created", "error", "id", "model", "obfuscation", "object", "p", "usage"}
)
_CHOICE_FIELDS = frozenset(
    {"delta", "error", "finish_reason", "index", "logprobs", "message", "text", "usage"}
)
_DELTA_FIELDS = frozenset(
    {
        "content",
        "function_call",
        "index",
        "reasoning_details",
        "refusal",
        "role",
        "tool_calls",
    }
)
# Where a delta has its reasoning: the first of these that is text.
_REASONING_FIELDS = (
    "reasoning_content",
    "reasoning",
    "reasoning_text",  # Copilot
    "thinking",  # Ollama's own name, and Claude's
    "thinking_content",
    "thought",
    "cot_summary",  # Azure
)
# What the provider wants back in the next request, verbatim.
_ECHOED = frozenset(
    {"extra_content", "provider_specific_fields", "reasoning_opaque", "thinking_blocks"}
)
# Where reasoning comes from that goes back in the form in which it came.
_ECHOED_CHANNELS = frozenset({"reasoning_content", "reasoning", "reasoning_text", "thinking"})
_IN_TEXT = "<think>"  # the channel of reasoning that stands in the text, however it is marked
# Lists and records that come in pieces: every piece counts, also one like the last.
_IN_PIECES = frozenset({"annotations", "audio", "images", "thinking_blocks"})

# The API's own word for what some servers call otherwise, so that a cut answer is marked.
_FINISH_WORDS = {
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "max_length": "length",
    "safety": "content_filter",
    # Bedrock's
    **dict.fromkeys(("content_filtered", "guardrail_intervened"), "content_filter"),
    "sensitive": "content_filter",
    # Gemini's, also behind a colon: `content_filter: RECITATION`
    **dict.fromkeys(("blocklist", "image_safety", "prohibited_content"), "content_filter"),
    **dict.fromkeys(("recitation", "spii"), "content_filter"),
    **{word: word for word in ("content_filter", "length", "stop", "tool_calls")},
}
# Reasons that a broken-off answer is given: it must not look complete.
_FAILED = frozenset(
    {
        *("abort", "aborted", "cancelled", "error", "insufficient_system_resource"),
        *("function_call_filter", "malformed_function_call", "network_error"),
    }
)
_NO_REASON = frozenset({"", "null", "none", "undefined"})  # values of other languages, as text
_LOOKED_AT = 1000  # characters of a reason: it is one word, whatever a server sends
_LONGEST_REASON = 100  # characters of a word that is shown and kept


class Dialect:
    """Reads the chunks of one request.

    Args:
        new_id: makes the id of a tool call that came without one.
    """

    def __init__(self, new_id: Callable[[], str] | None = None) -> None:
        self._new_id = new_id or made_up_ids()
        self._choices: dict[int, _Choice] = {}
        self._calls_left = Room(MAX_CALLS)
        self._seen: dict[str, Any] = {}  # the fields of a chunk as they were last

    def feed(self, chunk: Chunk) -> list[Event]:
        """Return what `chunk` says, in order; an error comes last."""
        if isinstance(chunk, dict):
            return self._chunk(chunk)
        match chunk:
            case Done():
                return [*self.close(is_done=True), DoneEvent()]
            case ErrorFrame(value):
                return [reported_error(value)]
            case Malformed(reason):
                return [ErrorEvent(one_line(reason))]
            case Body(value):
                return self._body(value)
            case Foreign(text):
                return [foreign_body(text)]
            case _:
                assert_never(chunk)

    def close(self, *, is_done: bool = False, is_orderly: bool = False) -> list[Event]:
        """Return what was held back, such as a partial tag: the stream has ended.

        Args:
            is_done: whether it said so itself.
            is_orderly: whether its body was closed in order.
        """
        events: list[Event] = []
        for choice in self._choices.values():
            events += choice.close(is_done=is_done, is_orderly=is_orderly)
        return events

    def _chunk(self, chunk: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        seen = self._seen
        for name, value in chunk.items():
            if name not in _CHUNK_FIELDS and _has_room(seen, name) and seen.get(name) != value:
                seen[name] = value
                if not _is_empty(value):
                    events.append(ExtraEvent(name, value))
        if chunk.get("model") != seen.get("model") or chunk.get("id") != seen.get("id"):
            events += self._names(chunk)
        choices = chunk.get("choices")
        if isinstance(choices, list):
            for fields in choices:
                if isinstance(fields, dict):
                    self._read_choice(fields, events)
        usage = usage_in(chunk)
        if usage and usage != seen.get("usage"):  # some send the same with every chunk
            seen["usage"] = usage
            read_usage(usage, events)
        error = read_error(chunk)
        if error is not None:  # it says more than `finish_reason: "error"` beside it
            events = [event for event in events if not isinstance(event, ErrorEvent)]
            events.append(error)
        return events

    def _names(self, chunk: dict[str, Any]) -> list[Event]:
        """The model and the completion's id, when the provider first says them or changes them."""
        new = {
            name: value
            for name in ("model", "id")
            if (value := _text(chunk.get(name))) and value != self._seen.get(name)
        }
        self._seen |= new
        return [ModelEvent(new.get("model"), new.get("id"))] if new else []

    def _read_choice(self, fields: dict[str, Any], events: list[Event]) -> None:
        index = fields.get("index")
        number = index if type(index) is int else 0
        choice = self._choices.get(number)
        if choice is None:
            if len(self._choices) >= MAX_CHOICES:
                events.append(ErrorEvent(too_many("choices", MAX_CHOICES)))
                return
            calls = CallSlots(number, self._new_id, self._calls_left)
            choice = self._choices[number] = _Choice(number, calls)
            if number:  # it has to end too, also where only its role comes
                events.append(TextEvent("", number))
        choice.read(fields, events)

    def _body(self, value: Any) -> list[Event]:
        """A server that ignored `stream`: the whole completion, or an error, at once."""
        if isinstance(value, dict) and value.get("choices"):
            events = [*self._chunk(value), *self.close(is_done=not value.get("error"))]
            return events if value.get("error") else [*events, DoneEvent()]
        error = read_error(value) if isinstance(value, dict) else None
        if error is None and isinstance(value, list) and value and isinstance(value[0], dict):
            error = read_error(value[0])
        if error is not None:
            return [error]
        said = reported_error(value).message
        return [ErrorEvent(f"no chat completion but JSON: {said} · {CHECK_BASE_URL}")]


class _Choice:
    """What has to be remembered of one choice, from chunk to chunk."""

    __slots__ = (
        *("_calls", "_channel", "_goes_on", "_had_delta", "_has_more", "_number"),
        *("_reason", "_seen", "_splitter"),
    )

    def __init__(self, number: int, calls: CallSlots) -> None:
        self._number = number
        self._channel: str | None = None  # where the reasoning comes from: one place only
        self._splitter: ThinkSplitter | None = ThinkSplitter()
        self._calls = calls
        self._seen: dict[str, Any] = {}
        self._had_delta = False
        self._has_more = False  # than text and reasoning: a call, a refusal
        self._reason: str | None = None  # why it has ended, while nothing follows that
        self._goes_on = False  # whether something has followed such a reason

    def read(self, fields: dict[str, Any], events: list[Event]) -> None:
        """Add what one entry of `choices` says to `events`."""
        delta = self._part(fields)
        content = delta.get("content")
        if type(content) is str and len(delta) == 1:  # the common chunk
            if content:
                self._add_text(content, events)
        elif delta:
            self._read_delta(delta, events)
        if len(fields) > 2 or "delta" not in fields or "index" not in fields:
            self._read_rest(fields, events)

    def flush(self) -> list[Event]:
        """What was held back, because the choice has ended."""
        events: list[Event] = []
        for kind, piece in self._splitter.close() if self._splitter else ():
            self._add_piece(kind, piece, events)
        events += self._calls.flush()
        return events

    def close(self, *, is_done: bool, is_orderly: bool) -> list[Event]:
        """What was held back, and what the end of the stream says of it."""
        events = self.flush()
        splitter, self._splitter = self._splitter, None
        is_unclosed = splitter is not None and splitter.is_unclosed and not self._has_more
        # A reason that something has followed is believed with the end of the stream alone.
        is_proven = is_orderly or not self._goes_on
        is_believed = is_done or (self._reason is not None and is_proven)
        if is_unclosed and is_believed and (self._reason or "stop").lower() in OWN_END_REASONS:
            events.append(AnswerEvent(self._number))
        return events

    def _part(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The new part of the message.

        Perplexity and Writer send a `message` beside the `delta`: it repeats what came.
        """
        delta = fields.get("delta")
        if isinstance(delta, dict):
            self._had_delta = True
            return delta
        message = fields.get("message")
        if isinstance(message, dict) and not self._had_delta:
            return message
        text = fields.get("text")  # the older completions API
        return {"content": text} if isinstance(text, str) else {}

    def _read_delta(self, delta: dict[str, Any], events: list[Event]) -> None:
        self._read_reasoning(delta, events)
        content = delta.get("content")
        if content:
            self._read_content(content, events)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self._has_more = True
            events.append(RefusalEvent(refusal, self._number))
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            self._has_more = self._has_more or bool(calls)
            events += self._calls.feed(calls)
        call = delta.get("function_call")  # the API before `tool_calls`
        if isinstance(call, dict):
            self._has_more = True
            events += self._calls.feed([{"index": "function_call", "function": call}])
        if self._calls.are_too_many:
            events.append(ErrorEvent(too_many("tool calls", MAX_CALLS)))
        for name, value in delta.items():
            if name == "provider_specific_fields":
                self._keep(name, _without(value, delta), events)
            elif name not in _DELTA_FIELDS and not _is_reasoning(name, value):
                self._keep(name, value, events)

    def _read_rest(self, fields: dict[str, Any], events: list[Event]) -> None:
        """What stands beside the delta."""
        for name, value in fields.items():
            if name not in _CHOICE_FIELDS:
                self._keep(name, value, events)
        logprobs = fields.get("logprobs")
        if isinstance(logprobs, dict):
            events.append(ExtraEvent("logprobs", logprobs, choice=self._number))
        usage = fields.get("usage")  # Moonshot's place for it
        if usage:
            read_usage(usage, events)
        reason = fields.get("finish_reason")
        if isinstance(reason, str) and _first_word(reason) not in _NO_REASON:
            self._finish(one_line(reason[:_LOOKED_AT], _LONGEST_REASON), fields, events)
        if fields.get("error"):
            events.append(reported_error(fields["error"]))

    # -- text and reasoning ------------------------------------------------------

    def _add_text(self, text: str, events: list[Event]) -> None:
        if self._splitter is None:
            events.append(TextEvent(text, self._number))
            return
        for kind, piece in self._splitter.feed(text):
            self._add_piece(kind, piece, events)
        if self._splitter.is_done:
            self._splitter = None

    def _add_piece(self, kind: str, piece: str, events: list[Event]) -> None:
        if self._reason is not None:
            self._reason, self._goes_on = None, True
        if kind == "text":
            events.append(TextEvent(piece, self._number))
        elif kind == "thought":
            self._channel = _IN_TEXT
            events.append(ThoughtEvent(self._number, self._form()))
        else:
            self._add_reasoning(_IN_TEXT, piece, events)

    def _form(self) -> str | None:
        """The form in which reasoning that stood in the text goes back."""
        return self._splitter.form if self._splitter else None

    def _stop_splitting(self, events: list[Event]) -> None:
        for kind, piece in self._splitter.close() if self._splitter else ():
            self._add_piece(kind, piece, events)
        self._splitter = None

    def _add_reasoning(
        self, channel: str, text: str, events: list[Event], *, goes_back: bool = True
    ) -> bool:
        """Add reasoning, unless it already comes from another place; return whether it was."""
        if self._channel is None:
            self._channel = channel
            if channel != _IN_TEXT:
                self._stop_splitting(events)
        if self._channel != channel:
            return False
        is_echoed = goes_back and channel in _ECHOED_CHANNELS
        echo_as = self._form() if channel == _IN_TEXT else channel if is_echoed else None
        events.append(ReasoningEvent(text, self._number, echo_as))
        return True

    def _read_reasoning(self, delta: dict[str, Any], events: list[Event]) -> None:
        details = delta.get("reasoning_details")
        if details and isinstance(details, list):
            events.append(ExtraEvent("reasoning_details", details, echo=True, choice=self._number))
            text = "".join(_detail_text(detail) for detail in details)
            if text and self._add_reasoning("reasoning_details", text, events):
                return
        for channel in _REASONING_FIELDS:
            text = _text(delta.get(channel))
            if text and self._add_reasoning(channel, text, events):
                return

    def _read_content(self, content: Any, events: list[Event]) -> None:
        """Content is text, or a list of parts (Mistral's thinking, Databricks' reasoning)."""
        if isinstance(content, str):
            self._add_text(content, events)
            return
        if isinstance(content, dict):
            content = [content]
        for part in content if isinstance(content, list) else ():
            if isinstance(part, str):
                self._add_text(part, events)
            elif isinstance(part, dict):
                self._read_part(part, events)

    def _read_part(self, part: dict[str, Any], events: list[Event]) -> None:
        match part.get("type"):
            case "thinking" | "reasoning":
                text = _joined(part.get("thinking") or part.get("summary") or part.get("text"))
                if text:
                    # Databricks' parts have signatures in them, which would be missing.
                    goes_back = "thinking" in part
                    self._add_reasoning("thinking", text, events, goes_back=goes_back)
            case "text" | "output_text":
                text = _joined(part.get("text"))
                if text:
                    self._add_text(text, events)
            case "refusal":
                text = _text(part.get("refusal"))
                if text:
                    events.append(RefusalEvent(text, self._number))
            case "image_url":
                events.append(ExtraEvent("images", [part], choice=self._number))
            case _:
                events.append(ExtraEvent("content_parts", [part], choice=self._number))

    # -- the rest ----------------------------------------------------------------

    def _keep(self, name: str, value: Any, events: list[Event]) -> None:
        """Keep a field that is not understood, once, as long as it stays the same."""
        if _is_empty(value) or not _has_room(self._seen, name):
            return
        if name not in _IN_PIECES:
            if self._seen.get(name) == value:
                return
            self._seen[name] = value
        events.append(ExtraEvent(name, value, name in _ECHOED, self._number))

    def _finish(self, reason: str, fields: dict[str, Any], events: list[Event]) -> None:
        events += self.flush()  # which leaves an open block open: more may follow
        said = _first_word(reason)
        word = _FINISH_WORDS.get(said, reason)
        native = _first_word(_text(fields.get("native_finish_reason")))
        if word in ("stop", "tool_calls") and _FINISH_WORDS.get(native) == "length":
            word = "length"  # OpenRouter says `tool_calls` where the upstream model was cut
        elif word != reason:
            self._keep("native_finish_reason", reason, events)
        if self._reason not in CUT_REASONS:  # nothing takes these back
            self._reason = word
        events.append(FinishEvent(word, self._number))
        if said in _FAILED and not fields.get("error"):
            events.append(ErrorEvent(f"the answer was broken off ({reason})", reason))


# -- values ----------------------------------------------------------------------


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_reasoning(name: str, value: Any) -> bool:
    """Whether a field of a delta has been read as reasoning."""
    return name in _REASONING_FIELDS and isinstance(value, str)


def _first_word(reason: str) -> str:
    return reason[:_LOOKED_AT].partition(":")[0].strip().lower()


def _joined(value: Any) -> str:
    """Text, or the text of a list of text parts."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return _text(value)


def _detail_text(detail: Any) -> str:
    """The readable part of one of OpenRouter's `reasoning_details`; encrypted ones have none."""
    if not isinstance(detail, dict):
        return ""
    return _text(detail.get("text")) or _text(detail.get("summary"))


def _without(fields: Any, said: Mapping[str, Any]) -> Any:
    """`fields` without those that stand in `said`: LiteLLM repeats them."""
    if not isinstance(fields, dict):
        return fields
    return {name: value for name, value in fields.items() if name not in said}


def _has_room(fields: Mapping[str, Any], name: str) -> bool:
    """Whether one more field can be kept; its name may be there already."""
    return len(fields) < MAX_FIELDS or name in fields


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)
