"""The frozen values of a conversation: messages, tool calls, usage.

The field names are the OpenAI Chat Completions API's
(https://platform.openai.com/docs/api-reference/chat/object).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args

from .record_fields import Fields

__all__ = [
    "REASONING_FIELDS",
    "Content",
    "Message",
    "Reasoning",
    "ResultStatus",
    "Role",
    "ToolCall",
    "ToolResult",
    "Usage",
    "api_name",
    "is_left_out",
    "meant_name",
    "read_arguments",
    "read_part",
    "short_id",
    "tool_name",
]

#: Fields of a message that hold reasoning as text.
REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "reasoning_text")

_ID_LENGTH = 9
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

# What leaks around a call: a code fence, and `<|im_end|>` and the like of a chat template.
_LEAKED_BEFORE = re.compile(r"(?:\s|```(?:json)?|<[^<>\s]{1,40}>)*")
_LEAKED_AFTER = re.compile(r"(?:\s|```|<[^<>\s]{1,40}>)*")
_LEAKED_TOKEN = re.compile(r"<\|[^|<>]{0,40}(?:\|>)?")

ResultStatus = Literal["completed", "failed", "rejected", "stopped"]
Role = Literal["system", "developer", "user", "assistant", "tool"]

#: Plain text, or the API's list of content parts (`{"type": "text", ...}`, `image_url`, ...).
Content = str | tuple[Mapping[str, Any], ...] | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool call came to.

    Attributes:
        content: the text that the model reads.
        status: `completed`; or the call `failed`, was `rejected` by the user, or was `stopped`
            before its end: `content` then says why.
        seconds: how long the call ran, or None where that is unknown.
        summary: the result in a few words, for people, such as `3 rows`; may be empty.
        display: what people see, where that is something else than `content`: a mime
            bundle of `text/markdown`, `image/png` or `image/jpeg` (base64).
        value: the Python object itself; it is neither saved nor compared.
    """

    content: str
    status: ResultStatus = "completed"
    seconds: float | None = None
    summary: str = ""
    display: Mapping[str, str] = field(default_factory=dict)
    value: Any = field(default=None, compare=False, repr=False)

    @property
    def is_error(self) -> bool:
        """Whether the call did not complete."""
        return self.status != "completed"

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {"content": self.content, "status": self.status}
        data["seconds"] = self.seconds
        if self.summary:
            data["summary"] = self.summary
        if self.display:
            data["display"] = dict(self.display)
        return data

    @classmethod
    def from_dict(cls, data: Any) -> ToolResult:
        """The result that `to_dict` wrote.

        Raises:
            ValueError: it is none.
        """
        record = Fields.of(data)
        record.check_names("content", "status", "is_error", "seconds", "summary", "display")
        before = "failed" if record.flag("is_error") else "completed"  # of earlier records
        return cls(
            content=record.text("content"),
            status=record.choice("status", get_args(ResultStatus), before),
            seconds=record.number("seconds"),
            summary=record.text("summary", ""),
            display=record.texts("display"),
        )


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One function call that the model asked for.

    Attributes:
        id: the call's id, made up where the provider sent none.
        name: the function's name, as the model wrote it.
        arguments: the arguments as JSON text: what the model wrote, or what the user let
            run in its place.
        extra: fields that the provider wants echoed, verbatim (`extra_content`, ...).
        result: what the call came to, or None while it has not run.
        asked: what the model wrote, where the user changed it, else None.
    """

    id: str
    name: str
    arguments: str = "{}"
    extra: Mapping[str, Any] = field(default_factory=dict)
    result: ToolResult | None = None
    asked: str | None = None

    @property
    def answer(self) -> str | None:
        """The text with which the call is answered: its result, and what the user changed."""
        if self.result is None or self.asked is None:
            return None if self.result is None else self.result.content
        return f"(The user ran it with {self.arguments} instead.)\n{self.result.content}"

    @property
    def value(self) -> Any:
        """The Python object that the tool returned, or None."""
        return None if self.result is None else self.result.value

    def to_api(self, *, with_extra: bool = True, sent_id: str | None = None) -> dict[str, Any]:
        """The call as an assistant message of the next request carries it.

        It says what the model wrote, which may be signed. Servers check names and parse the
        arguments; what a model wrote wrong would fail this request and all later ones, so
        the name is cleaned, and what is no JSON object is wrapped in one.
        """
        written = self.arguments if self.asked is None else self.asked
        function = {"name": api_name(self.name), "arguments": _object(written)}
        data = {
            "id": self.id if sent_id is None else sent_id,
            "type": "function",
            "function": function,
        }
        return {**self.extra, **data} if with_extra else data

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {"id": self.id, "name": self.name, "arguments": self.arguments}
        if self.extra:
            data["extra"] = dict(self.extra)
        if self.result is not None:
            data["result"] = self.result.to_dict()
        if self.asked is not None:
            data["asked"] = self.asked
        return data

    @classmethod
    def from_dict(cls, data: Any) -> ToolCall:
        """The call that `to_dict` wrote.

        Raises:
            ValueError: it is none.
        """
        record = Fields.of(data)
        result = record.part_or_none("result")
        return cls(
            id=record.text("id"),
            name=record.text("name"),
            arguments=record.text("arguments"),
            extra=record.json("extra"),
            result=None if result is None else ToolResult.from_dict(result),
            asked=record.text_or_none("asked"),
        )

    @classmethod
    def from_api(cls, data: Any) -> ToolCall:
        """The call that `to_api` wrote.

        Raises:
            ValueError: it is none.
        """
        record = Fields.of(data)
        function = record.part("function")
        return cls(
            id=record.text("id"),
            name=function.text("name"),
            arguments=function.text("arguments"),
            extra=record.without("id", "type", "function"),
        )


def api_name(name: str) -> str:
    """A function's name as the API takes it: 1 to 64 letters, digits, `_` and `-` (OpenAI's)."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", meant_name(name))[:64] or "_"


def meant_name(name: str) -> str:
    """The function that a model means, without what its chat template puts around the name.

    gpt-oss writes `functions.f<|channel|>commentary` or `to=functions.f<|constrain|>json`, Kimi
    `functions.f:0`. No function's own name has such characters.
    """
    parts = [part.strip() for part in _LEAKED_TOKEN.split(name)]
    first = next(filter(None, parts), "")
    meant = first.rpartition("to=")[2].removeprefix("functions.")
    return re.sub(r":\d+$", "", meant).strip()


def tool_name(tool: Mapping[str, Any]) -> str:
    """The name of a tool in the API's form, or "" where it has none."""
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else ""


def short_id(text: str) -> str:
    """Nine letters and digits that follow from `text`: an id as every provider takes it.

    Mistral wants exactly nine of `[a-zA-Z0-9]`, Anthropic `[a-zA-Z0-9_-]+`, OpenAI at most 64.
    """
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest())
    letters = ""
    while len(letters) < _ID_LENGTH:
        number, rest = divmod(number, len(_ID_ALPHABET))
        letters += _ID_ALPHABET[rest]
    return letters


def is_left_out(arguments: str) -> bool:
    """Whether a model wrote no arguments: nothing, space, or `null`, which all mean `{}`."""
    return arguments.strip() in ("", "null")


def read_arguments(text: str, **hooks: Any) -> Any:
    """The JSON value that a model meant, where that is beyond doubt.

    Models leave line breaks in texts as they are, put a fence or a token of their chat template
    around the JSON, and encode it twice.

    Args:
        text: what the model wrote.
        hooks: `object_pairs_hook` and the like, as `json.loads` takes them.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    decoder = json.JSONDecoder(strict=False, **hooks)
    value = _decoded(text, decoder)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return _decoded(value, decoder)
    return value


def _decoded(text: str, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError:
        before = _LEAKED_BEFORE.match(text)
        start = before.end() if before else 0
        if not text.startswith("{", start):
            raise
        with suppress(json.JSONDecodeError):
            value, end = decoder.raw_decode(text, start)
            if _LEAKED_AFTER.fullmatch(text, end):
                return value
        raise


def _object(arguments: str) -> str:
    """Arguments as JSON text that surely is an object's: as written, as meant, or wrapped."""
    if is_left_out(arguments):
        return "{}"
    if _is_object(arguments):
        return arguments
    with suppress(ValueError, RecursionError):
        meant = json.dumps(read_arguments(arguments), ensure_ascii=False)
        if _is_object(meant):
            return meant
    return _wrapped(arguments)


def _is_object(text: str) -> bool:
    """Whether a strict parser takes it: Python's own takes NaN and half characters too."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _wrapped(text: str) -> str:
    return json.dumps({"invalid_json": text}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it wrote a message.

    Attributes:
        text: what it thought.
        form: how it came, which is how it goes back where it must: the field of the message
            (`reasoning_content`, `reasoning`), the opening tag in its text (`<think>`),
            `thinking` (a part of its content), or "": it goes back by other fields, or not.
    """

    text: str
    form: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who says it.
        content: text, content parts, or None (an assistant that only calls tools).
        tool_calls: the calls that an assistant message asks for.
        tool_call_id, name: of a `tool` message, the call that it answers, and the tool's name.
        reasoning: what the model thought, where it goes back to it in a turn that calls tools.
        extra: fields to send back verbatim (`reasoning_details`, signatures, ...).
        origin: who said it (scheme, host and port), and gets these fields back; None: anybody.
        model: the model that said it, as it was asked for; other models there get none of them.
    """

    role: Role
    content: Content = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    origin: str | None = None
    name: str | None = None
    model: str | None = None
    reasoning: Reasoning | None = None

    def to_api(self) -> dict[str, Any]:
        """The message in the API's form, for who said it.

        What goes to an endpoint is written by `request_messages.py`, which knows the whole
        conversation.
        """
        content = list(self.content) if isinstance(self.content, tuple) else self.content
        data: dict[str, Any] = {"role": self.role, "content": content}
        if self.tool_calls:
            data["tool_calls"] = [call.to_api() for call in self.tool_calls]
            if self.reasoning is not None and self.reasoning.form in REASONING_FIELDS:
                data[self.reasoning.form] = self.reasoning.text
        if self.tool_call_id is not None:
            data["tool_call_id"] = self.tool_call_id
        if self.name is not None:
            data["name"] = self.name
        return {**data, **self.kept}

    @property
    def kept(self) -> dict[str, Any]:
        """What of `extra` is sent: nothing in it, which may be from a file, goes for its own."""
        return {name: value for name, value in self.extra.items() if name not in _OWN_FIELDS}

    @classmethod
    def from_api(cls, data: Any) -> Message:
        """The message that `to_api` wrote.

        Raises:
            ValueError: it is none.
        """
        record = Fields.of(data)
        return cls(
            role=record.choice("role", get_args(Role)),
            content=_content(record),
            tool_calls=tuple(ToolCall.from_api(call) for call in record.parts("tool_calls", ())),
            tool_call_id=record.text_or_none("tool_call_id"),
            name=record.text_or_none("name"),
            extra=record.without(*_OWN_FIELDS),
        )


_OWN_FIELDS = ("role", "content", "tool_calls", "tool_call_id", "name")


def _content(message: Fields) -> Content:
    if not message.is_list("content"):
        return message.text_or_none("content", is_required=True)
    return tuple(read_part(part) for part in message.parts("content"))


def read_part(data: Any) -> dict[str, Any]:
    """A content part that somebody else made: a text, a picture, a file, or any other kind.

    Raises:
        ValueError: it is none.
    """
    record = Fields.of(data)
    match record.text("type"):
        case "text":
            record.text("text")
        case "image_url":
            if not record.is_text("image_url"):  # the bare address is Mistral's way
                record.part("image_url").text("url")
        case "file":
            record.part("file").text("filename", "")
    return record.without()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer, or of all rounds of a turn; None is unknown.

    Attributes:
        prompt_tokens: tokens of the request, cached ones included.
        completion_tokens: tokens of the answer, reasoning included.
        total_tokens: the provider's own sum.
        cached_tokens: tokens of the request that came from the provider's cache.
        reasoning_tokens: tokens of the answer that were reasoning.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        def plus(a: int | None, b: int | None) -> int | None:
            return b if a is None else a if b is None else a + b

        return Usage(*(plus(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def to_dict(self) -> dict[str, int | None]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, data: Any) -> Usage:
        """The counts that `to_dict` wrote.

        Raises:
            ValueError: they are none.
        """
        record = Fields.of(data)
        names = [f.name for f in fields(cls)]
        record.check_names(*names)
        return cls(*(record.count(name) for name in names))
