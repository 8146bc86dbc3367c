"""`%%chat` and `%chat`: parse, delegate, store."""

from __future__ import annotations

import argparse
import inspect
import keyword
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from traitlets import Bool, Dict, Float, Integer, List, Unicode

from ..attachments import attach, attachment
from ..catalog import Catalog
from ..chat import Chat, raise_for_status
from ..driver import Run
from ..errors import UsageError
from ..interpolate import interpolate
from ..interrupts import interrupts
from ..messages import Content
from ..namespace import LAST, running_cell
from ..render.style import RenderStyle
from ..request import Deadlines, Options
from ..response import Response
from ..schema import as_schema
from ..secret import Headers, Secret, SecretURL, check_variable_name, secret_headers
from ..session import CONTINUE, Place, Session, Sessions, System
from ..templates import filled, joined
from ..tools.tool import Tool, ToolSource, tools_of
from ..views.choose import choose_view
from ..views.frontend import has_widgets, is_attended
from ..views.protocol import View
from .commands import Commands
from .completion import Completer
from .flags import json_or_text, parse, with_flags
from .kept_tools import kept_tools

if TYPE_CHECKING:
    from ..panel.panel import ChatPanel

__all__ = ["ChatMagics"]

_NEXT = Place()  # after the last turn


class _VariableName(Unicode):  # type: ignore[type-arg]  # not subscriptable before 5.10
    """Takes no key by mistake: `%config ChatMagics` would show it."""

    def validate(self, obj: Any, value: Any) -> Any:
        name = super().validate(obj, value)
        if name:
            check_variable_name(name)
        return name


class _Address(Unicode):  # type: ignore[type-arg]  # as above
    """A `SecretURL`: `%config ChatMagics` shows it without its login."""

    def validate(self, obj: Any, value: Any) -> Any:
        return value if isinstance(value, SecretURL) else SecretURL(super().validate(obj, value))


class _Headers(Dict):
    """Texts by their names, of which `%config ChatMagics` shows the names alone."""

    def validate(self, obj: Any, value: Any) -> Any:  # noqa: ARG002  # the base class's
        if not isinstance(value, dict) or not all(map(_is_header, value.items())):
            # The base class would say what stands there instead.
            raise UsageError("ChatMagics.headers is a dict of texts: {'NAME': 'VALUE'}")
        return {name: v if isinstance(v, Secret) else Secret(v) for name, v in value.items()}


def _is_header(pair: tuple[Any, Any]) -> bool:
    name, value = pair
    return isinstance(name, str) and isinstance(value, str | Secret)


@magics_class
class ChatMagics(Magics):
    """The settings of `%%chat`; `%config ChatMagics.model = "..."` sets one.

    They are read anew for every cell; a flag of the cell goes before a setting.
    """

    model = Unicode(help="The model to ask; 'local' is the embedded one.").tag(config=True)
    aliases = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Names for models: with {'fast': 'MODEL'}, -m fast asks MODEL.",
    ).tag(config=True)
    base_url = _Address(help="The endpoint, up to and with /v1.").tag(config=True)
    api_key_env = _VariableName(
        help="The NAME of the environment variable that holds the key."
    ).tag(config=True)
    headers = _Headers(help="Further HTTP headers.").tag(config=True)
    system = Unicode(help="The system message of new sessions.").tag(config=True)
    temperature = Float(None, allow_none=True, help="As the API has it.").tag(config=True)
    max_tokens = Integer(None, allow_none=True, help="As the API has it.").tag(config=True)
    params = Dict(help="Further parameters of the API, by name.").tag(config=True)
    view = Unicode("auto", help="auto, widget, display, text or none.").tag(config=True)
    stream = Bool(
        default_value=True, help="Whether answers come piece by piece; some servers refuse to."
    ).tag(config=True)
    image_hosts = List(
        Unicode(), help="Hosts whose images are shown; images of others become links."
    ).tag(config=True)
    line_breaks = Bool(
        default_value=True,
        help="Whether the ends of an answer's lines are kept; CommonMark has them as spaces.",
    ).tag(config=True)
    diagrams = Bool(
        default_value=True,
        help="Whether harmless Mermaid diagrams are drawn in what is saved; else code.",
    ).tag(config=True)
    saved_timings = Bool(
        default_value=True,
        help="Whether what is saved holds times, rates and ids; without, equal answers are equal "
        "outputs, and git shows only what changed.",
    ).tag(config=True)
    timeout = Float(
        None, allow_none=True, help="Seconds for a whole answer; None is no bound."
    ).tag(config=True)
    first_token_timeout = Float(600.0, allow_none=True, help="Seconds until an answer begins.").tag(
        config=True
    )
    idle_timeout = Float(
        120.0, allow_none=True, help="Seconds between two pieces of an answer."
    ).tag(config=True)
    max_retries = Integer(
        2, help="How often a request that failed before any output is sent again."
    ).tag(config=True)

    approve = Bool(help="Whether to ask before each call of a tool.").tag(config=True)
    max_rounds = Integer(8, help="The most requests of one turn with tools.").tag(config=True)
    tool_timeout = Float(
        300.0, allow_none=True, help="Seconds for a call of a tool that does not say itself."
    ).tag(config=True)

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        self.sessions = Sessions()
        self.tools: dict[str, Any] = {}
        self._panels: dict[str, ChatPanel] = {}
        self._asked: Run | None = None  # what a cell asked last; no session may have it
        self._asked_in: str | None = "default"  # the session that it has been for, if any
        self.catalog = Catalog(self.options)
        self.commands = Commands(self)
        self.completer = Completer(
            self.chat_cell.parser,
            self.commands.names,
            self.sessions,
            lambda: [*self.aliases, *self.catalog.names_at_hand()],
        )

    @no_var_expand
    @with_flags
    @cell_magic("chat")  # type: ignore[arg-type]  # typed for the bare decorator only
    def chat_cell(self, line: str, cell: str) -> None:
        """Ask a model, and stream its answer into the cell.

        The cell is the prompt. ``{{ expression }}`` in it is evaluated in the notebook; a
        DataFrame goes in as a compact table; write ``\\{{`` for two braces.

        The answer is in ``_chat``, and in the variable that ``--out`` names: ``.text``,
        ``.code_blocks``, ``.usage``, ``.json()`` and more. A session remembers; running
        the same cell again replaces its turn.

        ``%chat help`` lists the commands beside it; ``%config ChatMagics`` the settings.
        """
        args = parse(self.chat_cell.parser, line)
        if args.help:
            print(inspect.getdoc(self.chat_cell))  # noqa: T201  # what was asked for
            return
        if args.fresh and args.no_history:
            raise UsageError("with --no-history no session can start over: leave out --fresh")
        out = self._variable(args.out)
        evaluated = not args.no_interpolate
        prompt = self._prompt(cell, args.template, interpolated=evaluated)
        evaluate = partial(self._value, "--attach")
        parts = tuple(attachment(each, evaluate) for each in args.attach)
        # Of a template it is what was made of it: a file's text is not evaluated later either.
        is_typed = evaluated and not args.template
        typed = cell.strip("\n") if is_typed else None
        place = Place(
            typed=typed, typed_here=is_typed, attached=parts, fresh=self._fresh_system(args)
        )
        self.ask(
            attach(prompt, parts),
            self._options(args),
            self._chosen(args),
            out=out,
            view=args.view,
            place=None if args.no_history else place,
            background=args.bg,
        )

    @no_var_expand
    @line_magic("chat")  # type: ignore[arg-type]
    def chat_line(self, line: str) -> None:
        """Commands beside ``%%chat``; ``%chat help`` lists them."""
        self.commands.run(line)

    def ask(
        self,
        prompt: Content,
        options: Options,
        session: Session,
        *,
        out: str | None = None,
        view: str | None = None,
        place: Place | None = _NEXT,
        background: bool = False,
    ) -> None:
        """Run a turn in the running cell: show it, store it, fail as it fails.

        Without a `place` it is not remembered; with one, the cell is its key. In the background
        the cell ends at once, and what fails is shown and stored only; where nobody is there
        to come back to it, the cell waits after all: what comes later is in no file.
        """
        background = background and is_attended()
        cell = running_cell() if place else None
        key = cell[0] if cell else None
        dropped = 0 if place and place.fresh else session.later_than(key)
        with interrupts() as held:
            run = session.ask(
                prompt,
                options,
                self._view(view, blocking=not background),
                place=replace(place, key=key) if place else None,
                blocking=not background,
            )
            self._asked, self._asked_in = run, session.name if place else None
            self._store(run.response, out)
            if background:
                run.wait_open()  # earlier kernels show it in whichever cell runs
                return
            run.wait(held)
        if dropped and not session.later_than(key):
            turns = "1 later turn" if dropped == 1 else f"{dropped} later turns"
            print(f"Session {session.name!r} goes on from this cell: {turns} dropped.")  # noqa: T201
        raise_for_status(run.response, is_shown=(view or self.view) != "none")

    def go_on(self, session: Session) -> None:
        """Ask for the rest of a session's last answer."""
        self.ask(CONTINUE, session.options or self.options(), session)

    def show_panel(self, session: Session) -> None:
        """Show the panel of a session in the running cell."""
        from ..panel.panel import ChatPanel

        panel = self._panels.get(session.name)
        if panel is None or panel.session is not session:
            chat = Chat.of(session, self.options())
            panel = self._panels[session.name] = ChatPanel(
                chat,
                image_hosts=self.image_hosts,
                line_breaks=self.line_breaks,
                diagrams=self.diagrams,
                saved_timings=self.saved_timings,
                aliases=self.aliases,
            )
        panel.chat.view = self.view
        panel.open()

    def insert(self, text: str) -> bool:
        """Put a text into the running cell, in the place of what it is; False: it cannot be."""
        if not is_attended():
            return False
        self.shell.set_next_input(text, replace=True)
        return True

    def options(self) -> Options:
        """The settings as they stand, without a cell's flags."""
        return self._options(parse(self.chat_cell.parser, ""))

    def style(self) -> RenderStyle:
        """How answers look, by the settings."""
        return RenderStyle(
            frozenset(self.image_hosts), self.line_breaks, self.diagrams, self.saved_timings
        )

    def last(self) -> Response | None:
        """What `_chat` holds."""
        response = self.shell.user_ns.get(LAST)
        return response if isinstance(response, Response) else None

    def last_session(self) -> str | None:
        """The name of the session in which a cell asked last; None where it asked alone."""
        return self._asked_in

    def running(self, response: Response) -> Run | None:
        """The run of an answer that has not ended, where a cell or a session here has it."""
        turns = [(session, turn) for session in self.sessions for turn in session.copy()]
        runs = (self._asked, *(session.running(turn) for session, turn in turns))
        found = (run for run in runs if run is not None and run.response is response)
        return None if response.done else next(found, None)

    def shows_widgets(self) -> bool:
        """Whether the front end is known to show widgets, or said to."""
        return self.view == "widget" or (self.view == "auto" and has_widgets())

    def live_view(self) -> View:
        """What shows an answer in the running cell as it comes."""
        return self._view(None, blocking=False)

    def value(self, name: str) -> Any:
        """What an expression is in the notebook."""
        return self._value("%chat tools", name)

    def session(self, name: str) -> Session:
        """The session of this name; a new one has the system message of the settings."""
        session = self.sessions[name]
        session.follow_settings(self.system or None)
        return session

    def _view(self, name: str | None, *, blocking: bool) -> View:
        return choose_view(
            name or self.view,
            owns_cell=blocking,
            blocking=blocking,
            raises=blocking,
            style=self.style(),
        )

    def _options(self, args: argparse.Namespace) -> Options:
        params = {key: json_or_text(value) for key, value in args.param}
        model = args.model or args.positional_model or self.model or None
        return Options(
            model=self.aliases.get(model or "", model),
            base_url=args.base_url or self.base_url.reveal() or None,
            api_key_env=args.api_key_env or self.api_key_env or None,
            headers=self._headers(args),
            temperature=self.temperature if args.temperature is None else args.temperature,
            max_tokens=self.max_tokens if args.max_tokens is None else args.max_tokens,
            params={**self.params, **params},
            deadlines=Deadlines(
                first_token=self.first_token_timeout,
                idle=self.idle_timeout,
                total=self.timeout if args.timeout is None else args.timeout,
                tool=self.tool_timeout,
            ),
            max_retries=self.max_retries,
            stream=self.stream and not args.no_stream,
            tools=self._tools(args.tool),
            approve=args.approve or self.approve,
            max_rounds=args.max_rounds or self.max_rounds,
            schema=None if args.schema is None else as_schema(self._value("--schema", args.schema)),
        )

    def _headers(self, args: argparse.Namespace) -> Headers:
        # Alone, so that no traceback that shows variables shows what they hold.
        return secret_headers({**self.headers, **dict(args.header)}.items())

    def _chosen(self, args: argparse.Namespace) -> Session:
        if args.fresh:  # it stays as it is until something has come of the new start
            return self.sessions[args.session]
        session = self.session(args.session)
        if args.system is not None:
            session.system = args.system or None
        return session

    def _fresh_system(self, args: argparse.Namespace) -> System | None:
        """The system message of a session that starts over; None where it goes on."""
        if not args.fresh:
            return None
        is_own = args.system is not None
        return System((args.system if is_own else self.system) or None, is_own=is_own)

    def _tools(self, names: list[str]) -> tuple[Tool | ToolSource, ...]:
        """The kept tools and the cell's own, of which each counts once."""
        kept = kept_tools(self.tools, self.value)
        chosen = {**kept, **{name: self._value("--tool", name) for name in names}}
        return tools_of(chosen.values())

    def _value(self, flag: str, expression: str) -> Any:
        """What an expression is in the notebook."""
        try:
            # What the user typed in the user's own notebook, as if it stood in a cell.
            return eval(expression, dict(self.shell.user_ns))  # noqa: S307
        except Exception as error:
            raise UsageError(f"{flag} {expression}: {type(error).__name__}: {error}") from error

    def _prompt(self, cell: str, template: list[str] | None, *, interpolated: bool) -> Content:
        typed, namespace = cell.strip("\n"), self.shell.user_ns
        if not (typed.strip() or template):
            raise UsageError("nothing to ask: type the prompt below the %%chat line")
        prompt = interpolate(typed, namespace) if interpolated else typed
        return joined(filled(template[0], template[1:], namespace), prompt) if template else prompt

    def _variable(self, name: str | None) -> str | None:
        if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
            raise UsageError(f"--out {name!r} is no variable name: use letters, digits and _")
        return name

    def _store(self, response: Response, out: str | None) -> None:
        for name in filter(None, (LAST, out)):
            self.shell.user_ns[name] = response
