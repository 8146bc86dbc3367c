"""`ChatPanel`: a conversation as a chat window in the notebook."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack

from IPython.core.getipython import get_ipython
from ipywidgets import Layout
from traitlets import Bool, Bunch, HasTraits, Instance, List

from ..chat import Chat, ChatOptions
from ..conversation import Turn
from ..errors import UsageError
from ..interrupts import interrupts
from ..messages import Content
from ..namespace import LAST, is_last_line, namespace, running_execution
from ..render.style import RenderStyle
from ..response import Response
from ..session import Place, Session
from ..views.frontend import is_attended, is_main_thread
from ..views.protocol import NullView, View
from .desk import Desk
from .kept import kept
from .record import read_record, write_record
from .screen import Screen
from .settings import Settings
from .transcript import turn_markdown
from .window import PanelWidget

__all__ = ["ChatPanel"]

log = logging.getLogger("nbstream")


class ChatPanel(HasTraits):
    """A conversation as a chat window; show it as the last line of a cell.

    What is typed there is sent with `{{ expression }}` replaced by its value, as in a
    `%%chat` cell. The conversation is also kept as static markdown below the panel.

    A cell that makes a panel and runs again goes on with the conversation; another variable,
    or another cell, has one of its own. After a restart of the kernel the turns that were saved
    below the panel stand there, and `resume` takes them up.

    Args:
        chat: the conversation to show; by default a new one, made with `options`.
        image_hosts: the hosts whose images may be shown as images; others become links.
        line_breaks: whether the ends of the answers' lines are kept.
        diagrams: whether harmless Mermaid diagrams are drawn in what is saved; else they are code.
        saved_timings: whether the notebook keeps times and rates of the answers.
        aliases: names of your own for models, as `%config ChatMagics.aliases` has them.
        options: what `Chat` takes; with `view="widget"` the panel is also shown in a front end
            that is not known to show widgets.

    Attributes:
        chat: the `Chat` behind the panel.
        response: the last answer, which fills while it streams; None at first.
        responses: the answers of the branch that is shown, in order.
        busy: whether an answer is being written.

    Example:
        >>> panel = ChatPanel(model="local")  # doctest: +SKIP
        >>> panel  # doctest: +SKIP
    """

    response = Instance(Response, allow_none=True, read_only=True)
    responses: List[Response] = List(Instance(Response), read_only=True)
    busy = Bool(read_only=True)

    def __init__(
        self,
        chat: Chat | None = None,
        *,
        image_hosts: Iterable[str] = (),
        line_breaks: bool = True,
        diagrams: bool = True,
        saved_timings: bool = True,
        aliases: Mapping[str, str] | None = None,
        **options: Unpack[ChatOptions],
    ) -> None:
        super().__init__()
        if not isinstance(chat, Chat | None):
            raise UsageError(f"{chat!r} is no Chat: for a model write ChatPanel(model=...)")
        if chat is not None and options:
            raise UsageError(f"a Chat has its own {', '.join(options)}: pass one or the other")
        self.chat = Chat(**options) if chat is None else chat
        self._slot = kept.slot(None if chat is None else _command(chat.session))
        self._take_over(is_own=chat is None)
        self.settings = Settings(self.chat, aliases or {})
        self._style = RenderStyle(frozenset(image_hosts), line_breaks, diagrams, saved_timings)
        self._main = _running_loop()
        name = "" if self._slot is None else self._slot.name
        self.screen = Screen(self.session, self.settings, Desk(self).hear, self._style, name)
        # The session may outlive the panel, which is then there only as long as it is shown.
        unwatch = self.session.watch(_Watcher(self))
        weakref.finalize(self, unwatch).atexit = False
        self.update()

    def _take_over(self, *, is_own: bool) -> None:
        """Go on with the conversation of the panel in whose place, in its cell, this one comes.

        Where the chat is not of the panel's own making, that conversation stands beside its turns.
        """
        earlier = kept.earlier(self._slot)
        if earlier is not None and is_own:
            earlier.system, self.chat.session = self.session.system, earlier
        elif earlier is not None and earlier is not self.session:
            self.session.show_saved(earlier.copy_of_shown())
        kept.keep(self._slot, self.session)

    @property
    def session(self) -> Session:
        """The turns of all branches."""
        return self.chat.session

    def send(self, prompt: Content) -> Response:
        """Ask, and return the answer at once; it fills while it streams (`.wait()` waits).

        As a cell's last line it shows nothing there: the answer comes in the panel.
        """
        response = self.ask(prompt, Place(keep=True))
        # The answer may outlive the panel.
        response.shown_where(partial(_is_shown_again, weakref.ref(self), running_execution()))
        return response

    def ask(self, prompt: Content, place: Place) -> Response:
        """As `send`, at some place in the conversation.

        Where nobody is there to see the answer come, the turn ends within the cell: what is
        shown later is in no file.
        """
        waits = not is_attended() and is_main_thread()
        with interrupts() if waits else nullcontext() as held:
            run = self.session.ask(
                prompt, self.settings.options, NullView(), place=place, blocking=waits
            )
            self.chat.last = namespace()[LAST] = run.response
            if waits:
                run.wait(held)
                self.screen.write()
                self.update()
        return run.response

    @property
    def widget(self) -> PanelWidget:
        """The panel as an `anywidget.AnyWidget`, to be placed among others.

        For `ipywidgets.VBox([panel.widget])`, `Tab`, `marimo.ui.anywidget(panel.widget)`, Panel and
        solara. It is the same one until `close`, and nothing but it is shown: where it stands no
        static conversation is kept below it.
        """
        return self.screen.widget

    @property
    def layout(self) -> Layout:
        """The layout of `widget`: `panel.layout.height = "400px"`."""
        layout: Layout = self.widget.layout
        return layout

    def open(self) -> None:
        """Show the panel in the cell that runs, and the static conversation below it."""
        self.screen.open()

    def resume(self) -> None:
        """Take the turns that were saved before the kernel restarted into the conversation.

        They stand in the panel, and no request carries them until then.
        """
        self.session.resume()

    def _ipython_display_(self) -> None:
        self.open()

    def _display_(self) -> PanelWidget:
        """What marimo shows of it, by its protocol for other libraries' objects."""
        return self.widget

    def close(self) -> None:
        """Take the panel away; the static conversation stays. `open` shows it again."""
        self.screen.close()

    def save(self, path: str | Path) -> None:
        """Write the conversation with all its branches as JSON: neither the endpoint nor its key.

        Raises:
            UsageError: the file cannot be written.
        """
        write_record(Path(path), self.chat)

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> Self:
        """The panel of a conversation that `save` wrote.

        Args:
            path: the file.
            options: what `ChatPanel` takes; they go before what was saved.

        Raises:
            UsageError: the file cannot be read, or is no conversation.
        """
        record = read_record(Path(path))
        saved = {} if options.get("chat") else record.options  # a chat has its own
        panel = cls(**{**saved, **options})
        before = panel.session.copy_of_shown()
        if options.get("chat") or not panel.session.holds(record.conversation):
            panel.session.restore(record.conversation)
            panel.session.show_saved(before)
        return panel  # else its cell has run before, and the conversation has gone on

    def to_markdown(self) -> str:
        """The branch that is shown, as markdown that is safe to show anywhere."""
        turns = [turn_markdown(t, self._style) for t in self.session.shown]
        return "\n\n---\n\n".join(turns)

    def update(self) -> None:
        """Bring the traits up to date."""
        shown = None
        while shown != (shown := self._what_is()):  # without a kernel two threads come here
            responses, busy = shown
            self.set_trait("responses", responses)
            self._set_response(responses[-1] if responses else None)
            self.set_trait("busy", busy)

    def notify_change(self, change: Bunch) -> None:
        """Tell the observers. Where one fails, its error is shown, and the turn goes on."""
        try:
            super().notify_change(change)
        except Exception:
            if (shell := get_ipython()) is not None:
                shell.showtraceback()  # as ipywidgets does
            else:
                log.warning("an observer of a ChatPanel failed", exc_info=True)

    def _set_response(self, response: Response | None) -> None:
        """Another answer is a change even where, so far, the same came of it."""
        old = self.response
        if response is old:
            return
        self.set_trait("response", response)
        if response == old:
            change = Bunch(name="response", old=old, new=response, owner=self, type="change")
            self.notify_change(change)

    def _what_is(self) -> tuple[list[Response], bool]:
        responses = [turn.response for turn in self.session.turns]
        return responses, any(not response.done for response in responses)

    def update_soon(self) -> None:
        """Bring the traits up to date on the kernel's thread, where observers belong."""
        if self._main is None or self._main.is_closed() or is_main_thread():
            self.update()
        else:
            self._main.call_soon_threadsafe(self.update)

    def __repr__(self) -> str:
        turns = len(self.session.turns)
        model = self.chat.options.model or "the default model"
        return f"<ChatPanel with {model}: {turns} turns>"


def _is_shown_again(sender: weakref.ref[ChatPanel], execution: object, response: Response) -> bool:
    """Whether a cell's last line is an answer that comes in the panel, or has not come."""
    panel = sender()
    if panel is None or not is_last_line(execution, response):
        return False
    if not panel.screen.is_shown and not response.done:
        print("The answer comes in the panel, which is not shown: panel.open() shows it.")  # noqa: T201
        return True
    return panel.screen.is_shown


class _Watcher:
    """Tells a panel what happens in its session, and keeps it not alive."""

    def __init__(self, panel: ChatPanel) -> None:
        self._panel = weakref.ref(panel)

    def changed(self) -> None:
        if (panel := self._panel()) is not None:
            panel.screen.refresh()
            panel.update_soon()

    def view(self, turn: Turn) -> View:
        panel = self._panel()
        return NullView() if panel is None else panel.screen.view(turn)


def _command(session: Session) -> str | None:
    """What shows the panel of a session of the cells; None for that of a `Chat`."""
    return None if session.name == "chat" else f"%chat panel {session.name}"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of a kernel, where there is one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
