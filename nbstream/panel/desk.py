"""What the reader of a panel asks for, done on the kernel's thread.

Each message of the page has `do`, the name of an action, what the action takes, and `n`,
by which the page knows the reply: `{"re": n}` with what was asked for, or with an `error`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..attachments import attach, file_part
from ..conversation import Turn, came_to_nothing
from ..errors import NbstreamError, UsageError
from ..interpolate import interpolate
from ..messages import Content
from ..namespace import namespace, variables
from ..response import Response
from ..session import CONTINUE, END, Place, Session
from ..views.widget import decide
from .questions import editable, parts_of, text_of
from .screen import Screen
from .settings import Settings
from .sources import source_of

__all__ = ["Desk", "Host"]

_MOST_NAMES = 500

log = logging.getLogger("nbstream")

Part = Mapping[str, Any]
Reply = dict[str, Any]


class Host(Protocol):
    """The panel that a desk works for.

    Attributes:
        session: the conversation.
        settings: how it asks.
        screen: where it shows, and where replies go.
    """

    settings: Settings
    screen: Screen

    @property
    def session(self) -> Session: ...

    def ask(self, prompt: Content, place: Place) -> Response:
        """Start a turn, and return its response at once."""


class Desk:
    """Carries out what the pages of `panel` say."""

    def __init__(self, panel: Host) -> None:
        self._panel = panel
        self._actions: dict[str, Callable[[dict[str, Any], list[Any]], Reply | None]] = {
            "send": self._send,
            "edit": self._edit,
            "again": self._again,
            "continue": self._continue,
            "branch": self._branch,
            "remove": self._remove,
            "clear": self._clear,
            "undo": self._undo,
            "preview": self._preview,
            "names": self._names,
            "models": self._models,
            "set": self._set,
            "text": self._text,
            "source": self._source,
            "decide": self._decide,
            "resume": self._resume,
            "copy": self._copy,
            "offer": self._offer,
        }

    def hear(self, said: Any, buffers: list[Any]) -> None:
        """Do what a page said, and reply."""
        action = said.get("do") if isinstance(said, dict) else None
        if not isinstance(action, str) or action not in self._actions:
            return
        try:
            reply = self._actions[action](said, buffers) or {}
        except NbstreamError as error:
            reply = {"error": str(error)}
        except Exception as error:
            log.exception("the panel could not do %s", said["do"])
            reply = {"error": f"{type(error).__name__}: {error}"}
        self._panel.screen.reply({"re": said.get("n"), **reply})

    # -- turns -----------------------------------------------------------------------

    def _send(self, said: dict[str, Any], buffers: list[Any]) -> None:
        attached = _attached(said, buffers)
        self._panel.ask(_content(said, attached), _place(said, attached, END))

    def _edit(self, said: dict[str, Any], buffers: list[Any]) -> None:
        turn = self._turn(said)
        without = said.get("without", ())
        _, parts = editable(turn)
        kept = (part for number, part in enumerate(parts) if number not in without)
        attached = (*kept, *_attached(said, buffers))
        content = _content(said, attached, typed_here=turn.typed_here)
        self._stop_all()
        before = self._panel.session.conversation.before(turn)
        place = _place(said, attached, before, typed_here=turn.typed_here)
        self._panel.ask(content, place)

    def _again(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        turn = self._turn(said)
        self._stop_all()
        session = self._panel.session
        before = session.conversation.before(turn)
        is_nothing = turn.response.done and came_to_nothing(turn.response)
        if is_nothing and not session.conversation.after(turn):
            session.drop(turn)  # nothing to come back to
        content = turn.response.prompt[-1].content
        place = Place(
            after=before,
            typed=turn.typed,
            typed_here=turn.typed_here,
            attached=turn.attached,
            keep=True,
        )
        self._panel.ask(content, place)

    def _continue(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        turn = self._turn(said)
        if any(_goes_on(after) for after in self._panel.session.conversation.after(turn)):
            return  # the second click of two
        self._stop_all()
        place = Place(after=turn, typed="Continue.", typed_here=True, keep=True)
        self._panel.ask(CONTINUE, place)

    def _branch(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        session = self._panel.session
        turn = self._turn(said)
        alternatives = session.conversation.alternatives(turn)
        at = alternatives.index(turn) + (1 if said["by"] > 0 else -1)
        if 0 <= at < len(alternatives):
            session.choose(alternatives[at])

    def _remove(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        self._panel.session.remove(self._turn(said))

    def _clear(self, _said: dict[str, Any], _buffers: list[Any]) -> None:
        self._panel.session.clear()

    def _undo(self, _said: dict[str, Any], _buffers: list[Any]) -> None:
        self._panel.session.undo()

    def _resume(self, _said: dict[str, Any], _buffers: list[Any]) -> None:
        self._panel.session.resume()

    def _decide(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        decide(self._turn(said).response, said["what"])

    def _text(self, said: dict[str, Any], _buffers: list[Any]) -> Reply:
        return {"text": self._shown(said).response.text}

    def _source(self, said: dict[str, Any], _buffers: list[Any]) -> Reply:
        return {"text": source_of(self._shown(said).response, said)}

    # -- questions -------------------------------------------------------------------

    def _preview(self, said: dict[str, Any], _buffers: list[Any]) -> Reply:
        content = _content(said, ())
        return {"text": text_of(content), **parts_of(content)}

    def _names(self, said: dict[str, Any], _buffers: list[Any]) -> Reply:
        prefix = str(said.get("prefix", ""))
        found = [[name, kind] for name, kind in variables() if name.startswith(prefix)]
        return {"names": found[:_MOST_NAMES]}

    # -- settings --------------------------------------------------------------------

    def _models(self, _said: dict[str, Any], _buffers: list[Any]) -> None:
        self._panel.screen.list_models()

    def _set(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        self._panel.settings.set(said)
        self._panel.screen.refresh()

    # -- what is kept ------------------------------------------------------------------

    def _copy(self, _said: dict[str, Any], _buffers: list[Any]) -> Reply:
        return {"outputs": self._panel.screen.copied()}

    def _offer(self, said: dict[str, Any], _buffers: list[Any]) -> None:
        records = said.get("records")
        self._panel.screen.offer(records if isinstance(records, list) else [])

    # -- parts -----------------------------------------------------------------------

    def _turn(self, said: dict[str, Any]) -> Turn:
        try:
            return self._panel.session.conversation[said["turn"]]
        except KeyError:
            raise UsageError("this turn is not there any more") from None

    def _shown(self, said: dict[str, Any]) -> Turn:
        """The same, or one that was saved before."""
        saved = (turn for turn in self._panel.session.saved if turn.id == said["turn"])
        return next(saved, None) or self._turn(said)

    def _stop_all(self) -> None:
        for turn in self._panel.session.turns:
            turn.response.cancel()


def _goes_on(turn: Turn) -> bool:
    """Whether this is the rest of an answer, which is being written."""
    response = turn.response
    return not response.done and response.prompt[-1].content == CONTINUE


def _content(
    said: dict[str, Any], attached: tuple[Part, ...], *, typed_here: bool = True
) -> Content:
    """What a page says: with values in the place of `{{names}}`, or as it stands."""
    text = _typed(said).strip("\n")
    if not text.strip() and not attached:
        raise UsageError("nothing to send: type a question")
    return attach(interpolate(text, namespace()) if typed_here else text, attached)


def _place(
    said: dict[str, Any],
    attached: tuple[Part, ...],
    after: Turn | object | None,
    *,
    typed_here: bool = True,
) -> Place:
    typed = _typed(said) if typed_here else None
    return Place(after=after, typed=typed, typed_here=typed_here, attached=attached, keep=True)


def _typed(said: dict[str, Any]) -> str:
    text = said.get("text")
    return text if isinstance(text, str) else ""


def _attached(said: dict[str, Any], buffers: list[Any]) -> tuple[Part, ...]:
    """The files that came along, as content parts."""
    names = [str(name) for name in said.get("files", ())]
    if len(names) != len(buffers):
        raise UsageError("the attached files did not arrive: attach them again")
    return tuple(file_part(bytes(data), name) for name, data in zip(names, buffers, strict=True))
