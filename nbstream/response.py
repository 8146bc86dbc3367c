"""`Response`: what the user's variable holds.

A response is made of rounds, one a request: the model answers, or asks for tool calls
whose results go into the next round (`rounds.py`). The last one grows while it runs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, Literal, get_args

from .approval import Approval
from .endings import ending_of
from .errors import Failure, IncompleteError, error_from_dict, error_to_dict
from .messages import Message, ToolCall, Usage, api_name, tool_name
from .record_fields import Fields
from .rounds import Round

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from .render.extract import CodeBlock, Table

    T = TypeVar("T", default=Any)  # what `parsed` is; a bare `Response` says nothing of it
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["HOW_TO_GO_ON", "Response", "Status", "Timing"]

#: What asks for the rest of an answer that a cell asked for.
HOW_TO_GO_ON = "%chat continue"

Status = Literal["running", "complete", "cancelled", "incomplete", "error"]

RECORD_VERSION = 1
_POLL = 0.2  # seconds; a wait with a timeout can be interrupted on Windows too


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an answer took, in seconds.

    Attributes:
        first_token: from sending the request to the first text, reasoning or tool call.
        duration: from sending the request to the end of the stream.
        tokens_per_second: completion tokens over the time after the first token;
            None where the provider sent no usage, or the answer came all at once.
    """

    first_token: float | None = None
    duration: float | None = None
    tokens_per_second: float | None = None

    @classmethod
    def from_dict(cls, data: Any) -> Timing:
        """The times that a record holds.

        Raises:
            ValueError: they are none.
        """
        record = Fields.of(data)
        names = [field.name for field in fields(cls)]
        record.check_names(*names)
        return cls(*(record.number(name) for name in names))


class Response(Generic[T]):
    """An answer as data: text, reasoning, tool calls, usage, timings, the whole record.

    Over several rounds of tools, `text`, `reasoning` and `refusal` are the last
    round's, `usage` is the sum, `tool_calls` are all calls in order and `messages` the
    whole exchange.

    Two responses are equal when their records (`to_dict()`) are; a response pickles, one
    that runs as far as it came.

    Attributes:
        prompt: the messages that this turn added before the model answered.
        rounds: one `Round` a request; the last is the one that grows.
        offered_tools: what the model could call, in the API's form. Later requests that carry
            calls carry it too. Saved are those that were called.
        is_json: whether the answer was asked for as JSON, by a schema.
        schema_form: how else than by `json_schema` the endpoint was asked for it (`json_object`,
            `tool`), or None.
        parsed: the object that a schema made of the answer, or None. It is not saved.
        status: `running`, `complete`, `cancelled`, `incomplete` or `error`.
        error: why the answer is not complete, as an exception, or None.
        timing: seconds to the first token, in all, and tokens a second.
        notice: a passing word on what is happening (a retry), or "".
        how_to_go_on: what to type for the rest of the answer, or "" where nobody remembers it.
            It is not saved.
    """

    def __init__(
        self,
        prompt: Sequence[Message] = (),
        *,
        model: str | None = None,
        is_json: bool = False,
    ) -> None:
        self.prompt = tuple(prompt)
        self.requested_model = model
        self.is_json = is_json
        self.schema_form: str | None = None
        self.parsed: T | None = None
        self.rounds: list[Round] = []
        self.offered_tools: tuple[Mapping[str, Any], ...] = ()
        self.status: Status = "running"
        self.error: Failure | None = None
        self.timing = Timing()
        self.notice = ""
        self.how_to_go_on = HOW_TO_GO_ON
        self._finished: Future[None] = Future()
        self._finished.set_running_or_notify_cancel()  # who stops waiting does not cancel it
        self._cancel: Callable[[], None] | None = None
        self._is_shown_again: Callable[[Response[T]], bool] = lambda _: False

    # -- what came ---------------------------------------------------------------

    @property
    def _last(self) -> Round:
        return self.rounds[-1] if self.rounds else Round()

    @property
    def text(self) -> str:
        """The text of the last assistant message, as the model wrote it."""
        return str(self._last.text)

    @property
    def reasoning(self) -> str:
        return str(self._last.reasoning)

    @property
    def refusal(self) -> str:
        return str(self._last.refusal)

    @property
    def tool_calls(self) -> list[ToolCall]:
        return [call for turn in self.rounds for call in turn.tool_calls]

    @property
    def approvals(self) -> list[Approval]:
        """The calls that wait for the user's word: `.run()` or `.reject()` each."""
        found = (draft.approval for turn in self.rounds for draft in turn.calls)
        return [each for each in found if each is not None and not each.decision.done()]

    @property
    def usage(self) -> Usage:
        return sum((r.usage for r in self.rounds if r.usage is not None), Usage())

    @property
    def model(self) -> str | None:
        """The model as the provider names it, else as it was asked for."""
        return self._last.model or self.requested_model

    @property
    def finish_reason(self) -> str | None:
        return self._last.finish_reason

    @property
    def ending(self) -> str:
        """How it ended, in a word of `nbstream.endings.ENDINGS`; "" where it is whole."""
        return ending_of(self)

    @property
    def go_on(self) -> str:
        """What to type for the rest of the answer, or "" where there is nothing to go on from."""
        is_kept = any(turn.is_kept for turn in self.rounds)
        return self.how_to_go_on if is_kept and not self._last.has_half_call else ""

    @property
    def messages(self) -> list[Message]:
        """The turn's whole exchange: prompt, assistant messages, tool results."""
        messages = list(self.prompt)
        for turn in self.rounds:
            if turn.is_empty and not turn.ended:
                continue
            messages += [turn.message(), *turn.results()]
        return messages

    @property
    def choices(self) -> list[str]:
        """The text of every choice of the last round, where `n` was asked for."""
        last = self._last
        return [str(last.text), *(str(other.text) for _, other in last.others)]

    @property
    def code_blocks(self) -> list[CodeBlock]:
        """The fenced and indented code blocks of `text`: `language` and `text`."""
        from .render.extract import code_blocks

        return code_blocks(self.text)

    @property
    def tables(self) -> list[Table]:
        """The tables of `text`: `header` (a list of str) and `rows` (lists of str).

        Each has `.to_markdown()` and `.to_csv()`.
        """
        from .render.extract import tables

        return tables(self.text)

    def json(self) -> Any:
        """`text` parsed as JSON; where it holds prose and one `json` code block, that block.

        Where no block says that it is JSON, it is the one that does not say what it is.

        Raises:
            ValueError: neither is JSON (the parser's own message says where).
        """
        try:
            return json.loads(self.text, strict=False)  # line breaks in texts as they are
        except ValueError:
            found = self.code_blocks
            blocks = [b for b in found if b.language.lower() == "json"]
            blocks = blocks or [b for b in found if not b.language]
            if len(blocks) != 1:
                raise
            return json.loads(blocks[0].text, strict=False)

    # -- waiting and stopping ----------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the answer has ended, in whatever way."""
        return self.status != "running"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the answer has ended, at most `timeout` seconds; return `done`."""
        due = None if timeout is None else time.monotonic() + timeout
        while not self._finished.done():
            left = _POLL if due is None else min(_POLL, due - time.monotonic())
            if left <= 0:
                break
            concurrent.futures.wait((self._finished,), left)
        return self.done

    def __await__(self) -> Generator[Any, None, Response[T]]:
        yield from self._ended().__await__()
        return self

    async def _ended(self) -> None:
        # On no thread: Python would wait for it when the kernel shuts down.
        future = asyncio.wrap_future(self._finished)
        while not future.done():  # a kernel notices an interrupt when its loop turns
            await asyncio.wait((future,), timeout=_POLL)

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        """Say what stops the answer. For the driver."""
        if not self.done:
            self._cancel = cancel

    def cancel(self) -> None:
        """Stop the answer; what came is kept. Nothing happens when it has ended."""
        cancel = self._cancel  # which the end, on another thread, takes away
        if cancel is not None and not self.done:
            cancel()

    def finish(self, status: Status, error: Failure | None, timing: Timing) -> None:
        """Close the record. For the driver."""
        self.error, self.timing, self.notice = error, timing, ""
        self._cancel = None
        self.status = status  # last: who sees that it is done finds all the rest
        self._finished.set_result(None)

    # -- the record --------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The whole record as JSON data, from which `from_dict` makes an equal response."""
        return {
            "version": RECORD_VERSION,
            "status": self.status,
            "model": self.requested_model,
            "is_json": self.is_json,
            **({} if self.schema_form is None else {"schema_form": self.schema_form}),
            "prompt": [message.to_api() for message in self.prompt],
            "rounds": [turn.to_dict() for turn in self.rounds],
            **self._called_tools(),
            "error": None if self.error is None else error_to_dict(self.error),
            "timing": {
                "first_token": self.timing.first_token,
                "duration": self.timing.duration,
                "tokens_per_second": self.timing.tokens_per_second,
            },
        }

    def _called_tools(self) -> dict[str, Any]:
        called = {api_name(call.name) for call in self.tool_calls}
        tools = [dict(tool) for tool in self.offered_tools if tool_name(tool) in called]
        return {"tools": tools} if tools else {}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | Fields) -> Response:
        """The response that `to_dict` wrote.

        What was still running then is `incomplete`: nothing goes on in a copy.

        Raises:
            ValueError: the record is of a newer version, or something in it is not what it
                must be; one line says what, and where.
        """
        try:
            return cls._read(Fields.of(data))
        except ValueError as error:
            raise ValueError(f"not a response record: {error}") from None

    @classmethod
    def _read(cls, record: Fields) -> Response:
        if record.count("version") != RECORD_VERSION:
            raise ValueError(f"{record.wrong('version')}; this nbstream reads {RECORD_VERSION}")
        prompt = [Message.from_api(message) for message in record.parts("prompt")]
        response = cls(prompt, model=record.text_or_none("model"), is_json=record.flag("is_json"))
        response.schema_form = record.text_or_none("schema_form")
        response.rounds = [Round.from_dict(turn) for turn in record.parts("rounds")]
        response.offered_tools = tuple(_tool(tool) for tool in record.parts("tools", ()))
        status = record.choice("status", get_args(Status))
        failure = record.part_or_none("error")
        error = None if failure is None else error_from_dict(failure)
        if status == "running":
            status, error = "incomplete", IncompleteError("this is what had come")
        response.finish(status, error, Timing.from_dict(record.part("timing")))
        return response

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable while it runs, like a list

    def __reduce__(self) -> tuple[Any, ...]:
        return (Response.from_dict, (self.to_dict(),))

    # -- showing -----------------------------------------------------------------

    def __repr__(self) -> str:
        text = " ".join((self.text or self.refusal).split())
        short = text if len(text) <= 60 else text[:59] + "…"
        usage = self.usage
        tokens = "" if usage.total_tokens is None else f", {usage.total_tokens} tokens"
        ending = self.ending or "complete"
        return f"<Response {ending}: {short!r} ({self.model or 'no model'}{tokens})>"

    def __str__(self) -> str:
        """The answer's text, whole; of one that was refused, the refusal."""
        return self.text or self.refusal

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def shown_where(self, is_shown_again: Callable[[Response[T]], bool]) -> None:
        """Say what tells whether a cell is about to show again what it has just shown."""
        self._is_shown_again = is_shown_again

    def _ipython_display_(self) -> None:
        """Show nothing where the answer stands already; IPython does as ever where this raises."""
        if not self._is_shown_again(self):
            raise NotImplementedError

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        from .render.saved import bundle

        return bundle(self)

    def _mime_(self) -> tuple[str, str]:
        """What marimo shows of it, by its protocol for other libraries' objects."""
        from .render.marimo_html import marimo_html

        return "text/html", marimo_html(self)


def _tool(tool: Fields) -> dict[str, Any]:
    """A tool in the API's form, which later requests carry again."""
    tool.part("function").text("name")
    return tool.without()
