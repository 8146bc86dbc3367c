"""Where a panel stands in the notebook: the window, and the static conversation below it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

from IPython.display import display

from ..conversation import Turn
from ..io_thread import io_thread
from ..messages import Usage
from ..namespace import running_cell
from ..render.safe_text import escape_text
from ..render.style import RenderStyle
from ..response import Response
from ..session import Session
from ..views.frontend import (
    has_rich_output,
    has_widgets,
    is_attended,
    is_in_voila,
    output_widget,
)
from ..views.hooks import CellHooks
from ..views.protocol import View
from ..views.server import lacks
from ..views.widget import metadata_of, view_of
from .kept import kept
from .settings import Settings
from .transcript import Transcript
from .window import PanelWidget, Window

__all__ = ["Screen", "close_all"]

# Marks the output of a panel, of which the page saves the text alone (static/unsaved.js).
_PANEL_TYPE = "application/vnd.nbstream.panel+json"
_UNSAVED = "A chat panel was open here: run this cell to open it again."
# What stands in the place of the conversation that is saved, before there are turns.
_LATER = "The conversation will be saved here with the notebook."
_EMPTY = "A conversation without turns."
_NO_WIDGETS = (
    "No turns yet. The panel is not shown, because this front end is not known to show widgets; "
    'if it does, set <code>view="widget"</code>: <code>ChatPanel(..., view="widget")</code>, '
    'or <code>%config ChatMagics.view = "widget"</code> before <code>%chat panel</code>.'
)
_STOPPING = 2.0  # seconds until an answer that is stopped has ended, at most


_open: set[Screen] = set()


log = logging.getLogger("nbstream")


class Screen:
    """Shows a session while it is open. What shows happens on the I/O thread, in order.

    Args:
        session: what is shown.
        settings: how the next question is asked.
        hear: is told what the reader does, on the kernel's thread.
        style: how answers look.
        panel: under which name the conversation is kept in the notebook.
    """

    def __init__(
        self,
        session: Session,
        settings: Settings,
        hear: Callable[[Any, list[Any]], None],
        style: RenderStyle,
        panel: str = "",
    ) -> None:
        self._session = session
        self._settings = settings
        self._hear = hear
        self._style = style
        self._panel = panel
        self._name = uuid.uuid4().hex
        self._window: Window | None = None
        self._transcript: Transcript | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_stale = False  # the static conversation
        self._is_open = False
        self._is_copied = False  # the static conversation, by a page that was loaded anew
        self._cell: tuple[str, str] | None = None

    def open(self) -> None:
        """Show both in the cell that runs; a terminal gets a line."""
        if not has_rich_output():
            print("A chat panel needs a notebook; its conversation is .to_markdown()")  # noqa: T201
            return
        self._cell = running_cell()
        self._close_replaced()
        kept.show_saved(self._session, self._panel)
        # An `Output` takes what is shown, and no update of it: the conversation would stay empty.
        keeps = output_widget() is None
        io_thread.submit(self._open(CellHooks(), keeps=keeps)).wait()

    @property
    def widget(self) -> PanelWidget:
        """What a page shows, made if it is not there; whoever asks for it places it."""
        if self._window is None:
            if not self._is_open:
                self._cell = running_cell()
                self._close_replaced()
            io_thread.submit(self._make_window()).wait()
        assert self._window is not None
        return self._window.widget

    async def _make_window(self) -> None:
        _open.add(self)
        self._made_window()

    def _made_window(self) -> Window:
        if self._window is None:
            self._window = Window(
                self._session,
                self._about,
                self._hear,
                self._style,
                self._name,
            )
            for turn in self._session.turns:
                if run := self._session.running(turn):
                    run.show(self.view(turn))
        return self._window

    def _close_replaced(self) -> None:
        """Close what stood in the output of this cell when it ran before."""
        for earlier in list(_open):
            if self._replaces(earlier):
                earlier.leave(self._session)

    async def _open(self, hooks: CellHooks, *, keeps: bool) -> None:
        if self._transcript is not None and self._is_open:
            self._transcript.empty()  # it moves here
        self._is_open = True
        _open.add(self)
        if self._shows_window():
            try:
                with hooks:
                    self._open_window()
            except Exception:  # whatever is wrong with a widget, the conversation is shown
                log.warning("the panel's widget could not be made", exc_info=True)
        self._transcript = None
        self._is_copied = False
        if keeps or self._window is None:
            parted = is_attended()
            self._transcript = Transcript(
                self._style, hooks, self._panel, self._copy, parted=parted
            )
            await asyncio.wait((self._write(),))

    def _shows_window(self) -> bool:
        """Whether there is a page that can show it: not in the file of a run that nobody sees."""
        is_seen = is_attended() or is_in_voila()
        return (has_widgets() and is_seen) or self._settings.wants_widgets

    def _open_window(self) -> None:
        widget = self._made_window().widget
        view = {**view_of(widget, _UNSAVED), _PANEL_TYPE: {}}
        display(view, raw=True, metadata=metadata_of(widget, panel=self._name))
        # Last: a page in which it is displayed does not look for its place.
        cell = "" if self._cell is None else self._cell[0]
        run = "" if self._cell is None else self._cell[1]
        place = {"view": widget.model_id, "panel": self._panel, "text": _UNSAVED}
        widget.place = {"cell": cell, "run": run, **place}

    def _replaces(self, earlier: Screen) -> bool:
        """Whether `earlier` stood in the output of this cell when it ran before."""
        if self._cell is None or earlier._cell is None or earlier is self:
            return False
        (cell, run), (its_cell, its_run) = self._cell, earlier._cell
        return cell == its_cell and run != its_run

    def leave(self, kept: Session) -> None:
        """Close what nobody sees any more; its answers, unless `kept` shows them, are stopped."""
        if self._session is not kept:
            for turn in self._session.copy():
                turn.response.cancel()
        self.close()

    def close(self) -> None:
        """Take the window away; the conversation stays, unfolded."""
        io_thread.submit(self._close()).wait()

    async def _close(self) -> None:
        if self._window is not None:
            self._window.close()
            self._window = None
        self._is_open = False
        _open.discard(self)
        await asyncio.wait((self._write(),))

    def stop(self) -> None:
        """Stop the answers, and wait until they have ended."""
        responses = [turn.response for turn in self._session.copy()]
        for response in responses:
            response.cancel()
        for response in responses:
            response.wait(_STOPPING)

    def view(self, turn: Turn) -> View:
        """What shows a turn that runs."""
        return _TurnView(self, turn)

    @property
    def is_shown(self) -> bool:
        """Whether the window, or the static conversation, shows what is asked and answered."""
        return self._transcript is not None or self._window is not None

    def refresh(self) -> None:
        """Show what changed; from any thread."""
        if self.is_shown:
            io_thread.loop.call_soon_threadsafe(self._sync)

    def write(self) -> None:
        """Bring the static conversation up to date before the calling cell ends."""
        io_thread.submit(self._write_now()).wait()

    async def _write_now(self) -> None:
        await asyncio.wait((self._write(),))

    def copied(self) -> list[dict[str, Any]]:
        """The outputs of the static conversation, for a page that has lost its hold of them.

        What Jupyter sends to an output arrives only where the cell has run since the page was
        loaded. From now on such pages are told what becomes of each.
        """
        found: list[dict[str, Any]] = io_thread.submit(self._copied()).wait()
        return found

    async def _copied(self) -> list[dict[str, Any]]:
        self._is_copied = True
        return [] if self._transcript is None else self._transcript.outputs

    def _copy(self, number: int, data: dict[str, Any]) -> None:
        if self._is_copied:
            self._reply({"saved": number, "data": data})

    def offer(self, records: list[Any]) -> None:
        """Let turns stand there that a page has kept of this panel, from before a restart."""
        kept.offer(self._session, self._panel, records)

    def reply(self, message: dict[str, Any]) -> None:
        """Answer a page, after what was shown so far; from any thread."""
        io_thread.loop.call_soon_threadsafe(self._reply, message)

    def list_models(self) -> None:
        """Ask the endpoint for its models, and show them when they come."""
        io_thread.submit(self._list_models())

    async def _list_models(self) -> None:
        await self._settings.list_models()
        self._sync()

    def _reply(self, message: dict[str, Any]) -> None:
        if self._window is not None:
            self._window.widget.send(message)

    def _sync(self) -> None:
        if self._window is not None:
            self._window.sync()
        self._write()

    def _write(self) -> asyncio.Task[None]:
        """Bring the static conversation up to date; the task is done when it is."""
        self._is_stale = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._written())
        return self._writing

    async def _written(self) -> None:
        while self._is_stale:
            self._is_stale = False
            try:
                await self._write_once()
            except Exception:
                log.exception("the conversation of a panel could not be written")

    async def _write_once(self) -> None:
        """Write what there is; the last time when all of it has ended."""
        transcript, talk = self._transcript, self._session.copy_of_shown()
        if transcript is None:
            return
        ended = [turn for turn in talk if turn.response.done]
        await transcript.render(ended)  # on a thread: a long answer takes long
        if self._is_stale:
            return  # it comes again, with what has happened meanwhile
        has_window = self._window is not None
        if has_window and is_in_voila():
            return  # its page is no file
        without = _LATER if has_window else _without_widgets() if self._is_open else _EMPTY
        transcript.update(talk, ended, folded=has_window, without=without)
        if not self._is_open and all(turn in ended for turn in talk):
            self._transcript = None

    def _advance(self, turn: Turn, response: Response) -> None:
        if self._window is not None:
            self._window.advance(turn, response)
            if response.status == "complete" and not self._settings.has_models:
                self.list_models()  # how much of the model's context is used

    def _about(self) -> dict[str, Any]:
        """What stands beside the turns, as JSON data."""
        turns = self._session.turns
        running = [turn.id for turn in turns if not turn.response.done]
        return {
            **self._settings.state(),
            "answered": turns[-1].response.model or "" if turns else "",
            "running": running[-1] if running else None,
            "count": len(self._session.shown),
            "saved": [turn.id for turn in self._session.saved.branch],
            "undo": self._session.can_undo,
            **_totals([turn.response for turn in turns], self._settings),
        }


def _without_widgets() -> str:
    """Why only the conversation is shown, as markdown."""
    missing = lacks()
    return f"No turns yet. {escape_text(missing)}" if missing else _NO_WIDGETS


def close_all() -> None:
    """Stop what is shown in panels, and close them; their conversations stay."""
    for screen in list(_open):
        screen.stop()
        screen.close()


class _TurnView:
    """One running turn, for those who show it."""

    def __init__(self, screen: Screen, turn: Turn) -> None:
        self._screen = screen
        self._turn = turn

    def open(self, _response: Response) -> None:
        self._loop = asyncio.get_running_loop()
        self._screen._sync()  # noqa: SLF001  # of this module

    def update(self, response: Response) -> None:
        self._screen._advance(self._turn, response)  # noqa: SLF001

    def close(self, response: Response) -> None:
        """The static conversation, which has it all, is written when the turn is over."""
        self._loop.call_soon_threadsafe(self.update, response)


def _totals(responses: list[Response], settings: Settings) -> dict[str, Any]:
    """`usage`: all tokens asked and answered; `context`: the last turn's, and how many fit."""
    usage = sum((response.usage for response in responses), Usage())
    used = size = None
    for response in reversed(responses):
        counts = response.rounds[-1].usage if response.rounds else None
        if counts is not None:
            used, size = counts.total_tokens, settings.context_of(response)
            break
    return {
        "usage": [usage.prompt_tokens, usage.completion_tokens],
        "context": [used, size],
    }
