"""`%%chat` and `%chat`: parse, delegate, store."""

from __future__ import annotations

import argparse
import json
import keyword
import os
import shlex
from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Dict, Float, Integer, List, Unicode

from .catalog import Catalog
from .chat import raise_for_status
from .commands import Commands
from .completion import Completer
from .errors import UsageError
from .interpolate import interpolate
from .request import Deadlines, Options
from .response import Response
from .session import Session, Sessions
from .views.choose import choose_view

__all__ = ["ChatMagics"]

LAST = "_chat"  # the variable that is always the last response

_CONTINUE = (
    "Continue exactly where your last answer stopped. Do not repeat anything, "
    "and do not comment on it."
)


def _words(line: str) -> list[str]:
    """The words of a magic line, quotes taken off.

    IPython's own splitting leaves the quotes on the values.
    """
    splitter = shlex.shlex(line, posix=True, punctuation_chars="")
    splitter.whitespace_split = True
    splitter.commenters = ""
    if os.name == "nt":
        splitter.escape = ""  # paths are full of backslashes
    return list(splitter)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@magics_class
class ChatMagics(Magics):
    """The settings of `%%chat`; `%config ChatMagics.model = "..."` sets one.

    They are read anew for every cell; a flag of the cell goes before a setting.
    """

    model = Unicode(help="The model to ask; 'local' is the embedded one.").tag(config=True)
    base_url = Unicode(help="The endpoint, up to and with /v1.").tag(config=True)
    api_key_env = Unicode(help="The NAME of the environment variable that holds the key.").tag(
        config=True
    )
    headers = Dict(key_trait=Unicode(), value_trait=Unicode(), help="Further HTTP headers.").tag(
        config=True
    )
    system = Unicode(help="The system message of new sessions.").tag(config=True)
    temperature = Float(None, allow_none=True, help="As the API has it.").tag(config=True)
    max_tokens = Integer(None, allow_none=True, help="As the API has it.").tag(config=True)
    params = Dict(help="Further parameters of the API, by name.").tag(config=True)
    view = Unicode("auto", help="auto, widget, display or text.").tag(config=True)
    image_hosts = List(
        Unicode(), help="Hosts whose images are shown; images of others become links."
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

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        self.sessions = Sessions()
        self.catalog = Catalog(self.options)
        self.commands = Commands(self)
        self.completer = Completer(
            self.chat_cell.parser, self.commands.names, self.sessions, self.catalog
        )

    @no_var_expand
    @magic_arguments("%chat")  # the help puts one more % before it
    @argument("positional_model", nargs="?", metavar="MODEL", help="the same as --model")
    @argument(
        "-m", "--model", help="the model to ask; local or local:/path/to.gguf: on this machine"
    )
    @argument("-s", "--system", metavar="TEXT", help="the system message of the session")
    @argument("-t", "--temperature", type=float, metavar="X", help="sampling temperature")
    @argument("--max-tokens", type=int, metavar="N", help="the most tokens of the answer")
    @argument(
        "--param",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="any further parameter of the API; the value is JSON, else text",
    )
    @argument("--base-url", metavar="URL", help="the endpoint, up to and with /v1")
    @argument("--api-key-env", metavar="NAME", help="the NAME of the variable that holds the key")
    @argument(
        "--header",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a further HTTP header",
    )
    @argument("--out", metavar="VAR", help="the variable for the Response, beside _chat")
    @argument("--session", default="default", metavar="NAME", help="the conversation to go on with")
    @argument("--fresh", action="store_true", help="start the session over")
    @argument("--no-history", action="store_true", help="ask alone: send and remember nothing else")
    @argument("--no-interpolate", action="store_true", help="leave {{ }} as it is")
    @argument(
        "--view", choices=["auto", "widget", "display", "text"], help="how the answer is shown"
    )
    @argument("--timeout", type=float, metavar="S", help="seconds for the whole answer")
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
        args = self._parse(line)
        out = self._variable(args.out)
        prompt = self._prompt(cell, interpolated=not args.no_interpolate)
        self.ask(
            prompt,
            self._options(args),
            self._chosen(args),
            out=out,
            view=args.view,
            remember=not args.no_history,
        )

    @no_var_expand
    @line_magic("chat")  # type: ignore[arg-type]
    def chat_line(self, line: str) -> None:
        """Commands beside ``%%chat``; ``%chat help`` lists them."""
        self.commands.run(line)

    def ask(
        self,
        prompt: str,
        options: Options,
        session: Session,
        *,
        out: str | None = None,
        view: str | None = None,
        remember: bool = True,
    ) -> None:
        """Run a turn in the running cell: show it, store it, fail as it fails."""
        key = self._cell_id() if remember else None
        dropped = session.later_than(key)
        run = session.ask(
            prompt,
            options,
            choose_view(view or self.view, owns_cell=True, image_hosts=frozenset(self.image_hosts)),
            key=key,
            remember=remember,
        )
        self._store(run.response, out)
        run.wait()
        if dropped and not session.later_than(key):
            turns = "1 later turn" if dropped == 1 else f"{dropped} later turns"
            print(f"Session {session.name!r} goes on from this cell: {turns} dropped.")  # noqa: T201
        raise_for_status(run.response)

    def go_on(self, session: Session) -> None:
        """Ask for the rest of a session's last answer."""
        self.ask(_CONTINUE, self.options(), session)

    def options(self) -> Options:
        """The settings as they stand, without a cell's flags."""
        return self._options(self._parse(""))

    def last(self) -> Response | None:
        """What `_chat` holds."""
        response = self.shell.user_ns.get(LAST)
        return response if isinstance(response, Response) else None

    def session(self, name: str) -> Session:
        """The session of this name; a new one has the system message of the settings."""
        session = self.sessions[name]
        if not session.responses and session.system is None:
            session.system = self.system or None
        return session

    def _parse(self, line: str) -> argparse.Namespace:
        parser: argparse.ArgumentParser = self.chat_cell.parser
        try:
            return parser.parse_args(_words(line))
        except (IPythonUsageError, ValueError) as error:
            raise UsageError(f"{error} · %%chat? lists the flags") from error

    def _options(self, args: argparse.Namespace) -> Options:
        headers = {**self.headers, **dict(args.header)}
        params = {key: _json_or_text(value) for key, value in args.param}
        return Options(
            model=args.model or args.positional_model or self.model or None,
            base_url=args.base_url or self.base_url or None,
            api_key_env=args.api_key_env or self.api_key_env or None,
            headers=tuple(headers.items()),
            temperature=self.temperature if args.temperature is None else args.temperature,
            max_tokens=self.max_tokens if args.max_tokens is None else args.max_tokens,
            params={**self.params, **params},
            deadlines=Deadlines(
                first_token=self.first_token_timeout,
                idle=self.idle_timeout,
                total=self.timeout if args.timeout is None else args.timeout,
            ),
            max_retries=self.max_retries,
        )

    def _chosen(self, args: argparse.Namespace) -> Session:
        if args.fresh:
            self.sessions[args.session].reset()
        session = self.session(args.session)
        if args.system is not None:
            session.system = args.system or None
        return session

    def _prompt(self, cell: str, *, interpolated: bool) -> str:
        prompt = interpolate(cell, self.shell.user_ns) if interpolated else cell
        if not prompt.strip():
            raise UsageError("nothing to ask: type the prompt below the %%chat line")
        return prompt.strip("\n")

    def _variable(self, name: str | None) -> str | None:
        if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
            raise UsageError(f"--out {name!r} is no variable name: use letters, digits and _")
        return name

    def _store(self, response: Response, out: str | None) -> None:
        for name in filter(None, (LAST, out)):
            self.shell.user_ns[name] = response

    def _cell_id(self) -> str | None:
        """The id of the cell that runs, where the front end tells it."""
        get_parent: Callable[[], Any] | None = getattr(self.shell, "get_parent", None)
        parent = get_parent() if get_parent is not None else None
        metadata = (parent or {}).get("metadata") or {}
        cell_id = metadata.get("cellId")
        return cell_id if isinstance(cell_id, str) else None
