"""A conversation as a request's `messages`, in the form that one endpoint and model take.

Servers that speak the API check histories by rules of their own, and one message that a server
refuses fails every later request of a conversation. All of the rules are kept for everybody,
where that harms nobody:

- a call is answered, by its id, and a tool message names its tool;
- ids are unique in the conversation; who did not make an id gets nine letters and digits
  (Mistral's form), under which call and answer still belong together;
- a user's message never follows a tool message (Mistral), and no assistant message is blank
  (Anthropic, Bedrock): `NO_ANSWER` stands there;
- signatures and other private fields go back to the model and the endpoint that sent them;
- what a model thought goes back to it within a turn that calls tools, in the form in which it
  came; where one message with calls carries that field, each one does (DeepSeek's and Kimi's
  rule: https://api-docs.deepseek.com/guides/thinking_mode).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .data_images import without_data_images
from .messages import REASONING_FIELDS, Message, short_id

__all__ = ["NO_ANSWER", "Recipient", "request_messages"]

#: Stands where an assistant's message has to be and none was written. No view shows it.
NO_ANSWER: Final = "(No answer was written here.)"

_CALL = "tool_calls"
_TAG = re.compile(r"[<\[◁][\w:|]{1,30}[>\]▷]")  # a record may say anything
# What Google documents for calls that its model has not made and so has not signed:
# https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = {"google": {"thought_signature": "skip_thought_signature_validator"}}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who a request goes to, and what is known of what it takes.

    Attributes:
        origin: scheme, host and port of the endpoint; None takes everything.
        model: the model's name in the request.
        reasoning_field: the field that it wants in each assistant message with calls, or None.
        refused_fields: fields of messages and calls that it does not take.
        wants_signatures: whether each call needs a thought signature (Gemini 3).
    """

    origin: str | None = None
    model: str | None = None
    reasoning_field: str | None = None
    refused_fields: frozenset[str] = frozenset()
    wants_signatures: bool = False

    def made(self, message: Message) -> bool:
        """Whether it wrote the message itself, and so gets its private fields back."""
        return self.origin is None or (
            message.origin == self.origin and message.model == self.model
        )


def request_messages(messages: Sequence[Message], to: Recipient) -> list[dict[str, Any]]:
    """`messages` in the API's form, valid for this recipient.

    Args:
        messages: a conversation in which every call is answered, system message first.
        to: who gets it.
    """
    field = to.reasoning_field or _field_it_sent(messages, to)
    writer = _Writer(to, field)
    written = [
        entry
        for message, in_tool_turn in zip(messages, _in_tool_turns(messages), strict=True)
        for entry in writer.write(message, in_tool_turn=in_tool_turn)
    ]
    return [_without(entry, to.refused_fields) for entry in written]


def _field_it_sent(messages: Sequence[Message], to: Recipient) -> str | None:
    """The field in which the recipient itself has sent reasoning in this conversation."""
    forms = (m.reasoning.form for m in messages if m.reasoning is not None and to.made(m))
    return next((form for form in forms if form in REASONING_FIELDS), None)


def _in_tool_turns(messages: Sequence[Message]) -> list[bool]:
    """For each message, whether it stands in a turn that calls tools."""
    number, numbers, with_calls = 0, [], set()
    for message in messages:
        number += message.role == "user"
        numbers.append(number)
        if message.tool_calls:
            with_calls.add(number)
    return [each in with_calls for each in numbers]


class _Writer:
    """Writes one message after the other."""

    def __init__(self, to: Recipient, reasoning_field: str | None) -> None:
        self._to = to
        self._field = reasoning_field
        self._last_role = ""
        self._used: set[str] = set()
        self._ids: dict[str, list[str]] = {}  # of the last calls: theirs -> those that are sent

    def write(self, message: Message, *, in_tool_turn: bool) -> Iterator[dict[str, Any]]:
        if message.role == "user" and self._last_role in ("tool", "user"):
            yield {"role": "assistant", "content": NO_ANSWER}
        self._last_role = message.role
        match message.role:
            case "assistant":
                yield self._assistant(message, in_tool_turn=in_tool_turn)
            case "tool":
                yield self._tool(message)
            case _:
                yield message.to_api()

    def _assistant(self, message: Message, *, in_tool_turn: bool) -> dict[str, Any]:
        is_own = self._to.made(message)
        data: dict[str, Any] = {"role": "assistant", "content": _content(message)}
        if message.tool_calls:
            data[_CALL] = self._calls(message, is_own=is_own)
        if is_own:
            data = {**message.kept, **data}
            if in_tool_turn and message.reasoning is not None:
                _put_reasoning(data, message.reasoning.text, message.reasoning.form)
        if self._field is not None and message.tool_calls:
            thought = message.reasoning.text if is_own and message.reasoning is not None else ""
            data.setdefault(self._field, thought)
        return data

    def _calls(self, message: Message, *, is_own: bool) -> list[dict[str, Any]]:
        self._ids = {}
        calls = []
        for call in message.tool_calls:
            sent = self._unused(call.id if is_own and call.id else short_id(call.id))
            self._ids.setdefault(call.id, []).append(sent)
            written = call.to_api(with_extra=is_own, sent_id=sent)
            if self._to.wants_signatures:
                written.setdefault("extra_content", _UNSIGNED)
            calls.append(written)
        return calls

    def _unused(self, wanted: str) -> str:
        """`wanted`, or where it has been used an id that follows from it."""
        made, count = wanted, 0
        while made in self._used:
            count += 1
            made = short_id(f"{wanted} {count}")
        self._used.add(made)
        return made

    def _tool(self, message: Message) -> dict[str, Any]:
        wanted = message.tool_call_id or ""
        left = self._ids.get(wanted)
        data = message.to_api()
        data["tool_call_id"] = left.pop(0) if left else wanted
        return data


def _content(message: Message) -> Any:
    content = message.content
    if isinstance(content, tuple):
        return list(content)
    if content is not None and content.strip():
        return without_data_images(content)
    return None if message.tool_calls else NO_ANSWER


def _put_reasoning(data: dict[str, Any], text: str, form: str) -> None:
    """Put what a model thought into its message, in the form in which it came."""
    content = data["content"]
    if form in REASONING_FIELDS:
        data[form] = text
    elif form == "thinking" and text:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        data["content"] = [thought, *parts]
    elif _TAG.fullmatch(form) and text:
        closing = f"{form[0]}/{form[1:]}"
        data["content"] = f"{form}\n{text}\n{closing}\n\n{content or ''}"


def _without(entry: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    if not refused:
        return entry
    kept = _kept(entry, refused)
    if _CALL in kept:
        kept[_CALL] = [_kept(call, refused) for call in kept[_CALL]]
    return kept


def _kept(fields: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in refused}
