"""The live answer as sections, and what changed since the last frame.

A section is one reasoning fold, one stretch of text, or one tool call; sections come in
the order in which they are shown. `Outline.advance` turns what a growing `Response` says
now into operations, lists that begin with their name:

=====================================  ===============================================
`["add", id, kind, before, title]`     a new section, before section `before` or last
`["doc", id, patch operations]`        the markdown of section `id` changed
`["text", id, piece]`                  more of a call's arguments
`["title", id, title]`                 the fold's title
`["state", id, state]`                 a call waits, runs, or neither: see `_Call`
`["result", id, result]`               what a tool call came to
`["settle", id]`                       the fold need not stay open for the reader
`["drop", id]`                         the section is gone: it was not what it seemed, or could
                                       not be rendered and comes in another one
`["status", model, notice]`            the line that is there while the answer runs
=====================================  ===============================================

`Outline.state` is the same as a whole, for a page that missed something.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ..buffers import TextBuffer
from ..messages import ToolResult
from ..render.json_text import JSONAnswer, JSONIndenter, indented
from ..render.patches import Document
from ..render.plain import PlainDocument
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..render.summary import call_line, reasoning_line
from ..response import Response
from ..rounds import CallDraft, Round

__all__ = ["Operation", "Outline"]

Operation = list[Any]
Kind = Literal["reasoning", "answer", "refusal", "call"]

_RESULT_SHOWN = 4_000  # characters of a tool's result; the record keeps all of it
_CHANGED = "The user changed that, and ran:"

log = logging.getLogger("nbstream")


class Outline:
    """Follows one growing `Response`.

    Args:
        style: how answers look.
    """

    def __init__(self, style: RenderStyle = DEFAULT_STYLE) -> None:
        self._style = style
        self._rounds: list[_RoundOutline] = []
        self._status = ("", "")
        self._sections = 0

    def advance(self, response: Response) -> list[Operation]:
        """The operations that lead from the last call to what `response` says now."""
        operations: list[Operation] = []
        while len(self._rounds) < len(response.rounds):
            self._rounds.append(
                _RoundOutline(self._number, self._new_document, is_json=response.is_json)
            )
        for i, turn in enumerate(response.rounds):
            is_over = response.done or i + 1 < len(response.rounds)
            operations += self._rounds[i].advance(turn, is_over=is_over)
        status = (response.model or "", response.notice)
        if status != self._status:
            self._status = status
            operations.append(["status", *status])
        return operations

    def state(self) -> dict[str, Any]:
        """All sections as they stand."""
        sections = [section.state() for turn in self._rounds for section in turn.sections]
        return {"sections": sections, "status": list(self._status)}

    @property
    def size(self) -> int:
        """Characters shown so far, those of pictures among them."""
        return sum(section.size for turn in self._rounds for section in turn.sections)

    def _number(self) -> int:
        self._sections += 1
        return self._sections

    def _new_document(self) -> Document:
        return Document(self._style)


class _RoundOutline:
    """The sections of one round: reasoning, text, refusal, tool calls."""

    def __init__(
        self,
        number: Callable[[], int],
        new_document: Callable[[], Document],
        *,
        is_json: bool,
    ) -> None:
        self._number = number
        self._new_document = new_document
        self._is_json = is_json
        self._prose: dict[Kind, _Prose] = {}
        self._calls: list[_Call] = []
        self._is_reread = self._is_unclosed = False

    @property
    def sections(self) -> list[_Prose | _Call]:
        order: tuple[Kind, ...] = ("reasoning", "answer", "refusal")
        return [*(self._prose[kind] for kind in order if kind in self._prose), *self._calls]

    def advance(self, turn: Round, *, is_over: bool) -> Iterator[Operation]:
        ended = is_over or turn.ended  # a provider may send more after its finish_reason
        if turn.is_reread and not self._is_reread:
            self._is_reread = True
            yield from self._drop("answer")
        if turn.is_unclosed and not self._is_unclosed:
            self._is_unclosed = True
            yield from self._drop("reasoning")
        yield from self._read("reasoning", turn.reasoning, is_over=is_over)
        answered = len(turn.text) or len(turn.refusal) or turn.calls or ended
        if answered and "reasoning" in self._prose:
            yield from self._prose["reasoning"].settle(reasoning_line(turn))
        yield from self._read("answer", turn.text, is_over=is_over)
        yield from self._read("refusal", turn.refusal, is_over=is_over)
        for i, draft in enumerate(turn.calls):
            if i == len(self._calls):
                self._calls.append(_Call(self._number(), self._new_document))
                yield self._added(self._calls[i], "call")
            is_whole = ended or i + 1 < len(turn.calls)
            yield from self._calls[i].advance(draft, is_whole=is_whole)

    def _read(self, kind: Kind, text: TextBuffer, *, is_over: bool) -> Iterator[Operation]:
        if kind not in self._prose:
            if not text:
                return
            make = _JSONProse if self._is_json and kind == "answer" else _Prose
            yield self._begin(kind, make, self._new_document())
        try:
            operations = list(self._prose[kind].advance(text, is_over=is_over))
        except Exception:
            log.exception("a text could not be rendered; it is shown to the letter")
            yield from self._drop(kind)
            yield self._begin(kind, _Prose, PlainDocument())
            operations = list(self._prose[kind].advance(text, is_over=is_over))
        yield from operations

    def _begin(
        self, kind: Kind, make: type[_Prose], document: Document | PlainDocument
    ) -> Operation:
        title = "Reasoning" if kind == "reasoning" else ""
        self._prose[kind] = make(self._number(), kind, title, document)
        return self._added(self._prose[kind], kind)

    def _drop(self, kind: Kind) -> Iterator[Operation]:
        if kind in self._prose:
            yield ["drop", self._prose.pop(kind).number]

    def _added(self, section: _Prose | _Call, kind: Kind) -> Operation:
        after = self.sections[self.sections.index(section) + 1 :]
        return ["add", section.number, kind, after[0].number if after else None, section.title]


class _Prose:
    """Reasoning, the answer's text or a refusal: markdown that grows."""

    def __init__(
        self, number: int, kind: Kind, title: str, document: Document | PlainDocument
    ) -> None:
        self.number = number
        self.title = title
        self.shown = 0
        self._kind = kind
        self._document = document
        self._is_settled = False
        self._is_closed = False

    @property
    def size(self) -> int:
        return self.shown

    def advance(self, text: TextBuffer, *, is_over: bool) -> Iterator[Operation]:
        piece = text.since(self.shown)
        if piece:
            self.shown += len(piece)
            self._feed(piece)
            yield from self._changed(self._document.patch())
        if is_over and not self._is_closed:
            self._is_closed = True
            yield from self._changed(self._close())

    def _feed(self, piece: str) -> None:
        self._document.feed(piece)

    def _close(self) -> list[Any]:
        return self._document.close()

    def _changed(self, operations: list[Any]) -> Iterator[Operation]:
        if operations:
            yield ["doc", self.number, operations]

    def settle(self, title: str) -> Iterator[Operation]:
        """What follows has begun: name the fold for good, and let it close."""
        if title != self.title:
            self.title = title
            yield ["title", self.number, title]
        if not self._is_settled:
            self._is_settled = True
            yield ["settle", self.number]

    def state(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "kind": self._kind,
            "title": self.title,
            "settled": self._is_settled,
            "doc": self._document.snapshot(),
        }


class _JSONProse(_Prose):
    """An answer that was asked for as JSON: what of it is JSON is laid out while it grows."""

    def __init__(
        self, number: int, kind: Kind, title: str, document: Document | PlainDocument
    ) -> None:
        super().__init__(number, kind, title, document)
        self._answer = JSONAnswer(is_markdown=True)

    def _feed(self, piece: str) -> None:
        super()._feed(self._answer.feed(piece))

    def _close(self) -> list[Any]:
        super()._feed(self._answer.close())
        return super()._close()


class _Call:
    """A tool call: its arguments as they stream, what becomes of it, and its result.

    Its state is `{}`, or has one of these:
        asks: whose answer is waited for: `prompt` (the running cell asks) or `page`.
        runs: for how many seconds it has run.
    With `asks` come `call`, the id to answer with, `arguments` and `problem`.
    Under arguments that the user has changed stand those that ran.
    """

    def __init__(self, number: int, new_document: Callable[[], Document]) -> None:
        self.number = number
        self.title = ""
        self.shown = 0
        self._new_document = new_document
        self._indenter = JSONIndenter()
        self._arguments = TextBuffer()  # as they are shown
        self._draft = CallDraft()
        self._stage: tuple[object, object] = (None, None)
        self._is_changed = False
        self._is_whole = False
        self._result: dict[str, Any] | None = None
        self._result_size = 0

    @property
    def size(self) -> int:
        return self.shown + self._result_size

    def advance(self, draft: CallDraft, *, is_whole: bool) -> Iterator[Operation]:
        self._draft = draft
        piece = draft.arguments.since(self.shown)
        if piece:
            self.shown += len(piece)
            yield from self._written(self._indenter.feed(piece))
        is_changed = draft.changed is not None and not self._is_changed
        if is_changed:
            self._is_changed = True
            yield from self._written(f"\n\n{_CHANGED}\n{indented(draft.changed or '')}")
        stage = (draft.approval, draft.running_since if draft.result is None else None)
        if stage != self._stage:
            self._stage = stage
            yield ["state", self.number, self._waiting()]
        ends = (is_whole, draft.result is not None) != (self._is_whole, self._result is not None)
        self._is_whole = is_whole
        if draft.result is not None and self._result is None:
            self._result = self._shown_result(draft.result)
            self._result_size = len(json.dumps(self._result))
            yield ["result", self.number, self._result]
        if ends or is_changed or not is_whole:
            yield from self._named(call_line(draft.call()) if is_whole else f"{draft.name}…")

    def _written(self, arguments: str) -> Iterator[Operation]:
        self._arguments.append(arguments)
        yield ["text", self.number, arguments]

    def _named(self, title: str) -> Iterator[Operation]:
        if title != self.title:
            self.title = title
            yield ["title", self.number, title]

    def _waiting(self) -> dict[str, Any]:
        draft = self._draft
        if draft.approval is not None:
            return {
                "asks": "prompt" if draft.approval.is_at_prompt else "page",
                "call": draft.id,
                "arguments": indented(draft.approval.arguments),
                "problem": draft.approval.problem,
            }
        if draft.result is None and draft.running_since is not None:
            return {"runs": round(time.monotonic() - draft.running_since, 1)}
        return {}

    def _shown_result(self, result: ToolResult) -> dict[str, Any]:
        """The result for the page: `text` or `doc`, `failed`, and `image` where there is one."""
        shown: dict[str, Any] = {"failed": result.status == "failed"}
        document = self._rendered(result.display.get("text/markdown"))
        if document is not None:
            shown["doc"] = document
        else:
            shown["text"] = _shortened(result.content)
        for kind in ("image/png", "image/jpeg"):
            if kind in result.display:
                shown["image"] = [kind, result.display[kind]]
        return shown

    def _rendered(self, markdown: str | None) -> dict[str, Any] | None:
        """The page of a result, or None where it has none that can be rendered."""
        if markdown is None:
            return None
        try:
            document = self._new_document()
            document.feed(markdown)
            document.close()
            return document.snapshot()
        except Exception:
            log.exception("a result could not be rendered; it is shown as text")
            return None

    def state(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "kind": "call",
            "title": self.title,
            "text": str(self._arguments),
            "state": self._waiting(),
            "result": self._result,
        }


def _shortened(text: str) -> str:
    hidden = len(text) - _RESULT_SHOWN
    return text if hidden <= 0 else f"{text[:_RESULT_SHOWN]}\n… {hidden:,} more characters"
