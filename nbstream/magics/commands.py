"""The commands of the line magic `%chat`."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

from ..catalog import Catalog
from ..driver import Run
from ..endpoints import NO_KEY, Endpoint, LocalEndpoint, resolve
from ..errors import NbstreamError, UsageError
from ..key_prompt import run_key_command
from ..messages import Message
from ..render.invisible import invisible_characters
from ..render.style import RenderStyle
from ..request import Options
from ..response import Response
from ..session import Session, Sessions
from ..tools.tool import tools_of
from ..views.choose import view_of_ended
from ..views.clipboard import offer
from ..views.protocol import View
from ..views.terminal import printable
from .copying import numbered, part_of
from .flags import words as split
from .follow import follow
from .habits import NEAR_COMMANDS

__all__ = ["Commands", "Host"]


class Host(Protocol):
    """What the commands act on.

    Attributes:
        sessions: the conversations of the notebook.
        catalog: the models.
        tools: what every cell offers the model, by the name that it was added by.
    """

    sessions: Sessions
    catalog: Catalog
    tools: dict[str, Any]

    @property
    def aliases(self) -> Mapping[str, str]:
        """Models by the names that the user gives them."""

    def options(self) -> Options:
        """The settings as they stand."""

    def session(self, name: str) -> Session:
        """The session of this name, made with the settings where it is new."""

    def last(self) -> Response | None:
        """The last answer."""

    def last_session(self) -> str | None:
        """The name of the session in which a cell asked last; None where it asked alone."""

    def running(self, response: Response) -> Run | None:
        """The run of an answer that has not ended, where a cell or a session here has it."""

    def shows_widgets(self) -> bool:
        """Whether the front end is known to show widgets, or said to."""

    def style(self) -> RenderStyle:
        """How answers look, by the settings."""

    def live_view(self) -> View:
        """What shows an answer in the running cell as it comes."""

    def value(self, name: str) -> Any:
        """What an expression is in the notebook."""

    def show_panel(self, session: Session) -> None:
        """Show the panel of a session in the running cell."""

    def insert(self, text: str) -> bool:
        """Put a text into the running cell, in the place of what it is; False: it cannot be."""

    def go_on(self, session: Session) -> None:
        """Ask for the rest of a session's last answer."""


class Commands:
    """`%chat NAME [ARGUMENT]`: each public method is a command, its first line the help."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def names(self) -> list[str]:
        return [name.rstrip("_") for name in vars(type(self)) if self._is_command(name)]

    @staticmethod
    def _is_command(name: str) -> bool:
        return not name.startswith("_") and name not in ("names", "run")

    def run(self, line: str) -> None:
        """Run one line.

        Raises:
            UsageError: there is no such command, or it does not take these arguments.
        """
        try:
            name, *arguments = split(line) or ["status"]
        except ValueError as error:
            raise UsageError(f"%chat {line}: {error} · see %chat help") from error
        name = "help" if name == "-h" else name.removeprefix("--")  # %chat --help, %chat --reset
        if name not in self.names:
            near = NEAR_COMMANDS.get(name) or next(iter(get_close_matches(name, self.names)), "")
            hint = f"did you mean %chat {near}? " if near else ""
            raise UsageError(
                f"%chat has no command {name!r}; {hint}it has: {', '.join(self.names)} "
                "(to ask a model, use %%chat at the top of a cell)"
            )
        # `continue` is a word of Python's own; its method ends in an underscore.
        command = getattr(self, name, None) or getattr(self, f"{name}_")
        try:
            inspect.signature(command).bind(*arguments)
        except TypeError as error:
            raise UsageError(f"%chat {name}: {error} · see %chat help") from error
        command(*arguments)

    def status(self) -> None:
        """what is asked, and what is remembered"""
        options = self._host.options()
        try:
            target = resolve(options)
        except NbstreamError as error:
            _say(f"endpoint   {error}")
        else:
            _say(f"endpoint   {_where(target)}")
            _say(f"model      {options.model or _default_model(target)}")
        self.sessions()

    def last(self) -> None:
        """show the last answer again"""
        response = self._host.last()
        if response is None:
            raise UsageError("no answer yet: ask with %%chat at the top of a cell")
        if (run := self._host.running(response)) is not None:
            follow(run, self._host.live_view())
            return
        if not response.done:  # such as that of a panel with a session of its own
            raise UsageError("the answer is still running: _chat.wait() waits for its end")
        view = view_of_ended(self._host.style())
        view.open(response)
        view.close(response)

    def panel(self, session: str = "default") -> None:
        """[SESSION]: show a session as a chat panel"""
        self._host.show_panel(self._host.session(session))

    def code(self, number: str = "1") -> None:
        """[N]: put code block N of the last answer into this cell"""
        response = self._host.last()
        blocks = [] if response is None else response.code_blocks
        block = numbered("code", blocks, number, command="code")
        code = block.text.rstrip("\n")
        if not self._host.insert(code):
            _say(f"{printable(code)}\n\nThe code could not be put into a cell: nobody is here.")
        _tell_of_invisible(block.text)

    def copy(self, *words: str) -> None:
        """[code N | table N [csv] | formula N]: copy the last answer, or that part of it"""
        response = self._host.last()
        if response is None:
            raise UsageError("no answer yet: ask with %%chat at the top of a cell")
        text, name = part_of(response, words)
        offer(text, name, has_widgets=self._host.shows_widgets())
        _tell_of_invisible(text)

    def history(self, session: str = "default") -> None:
        """[SESSION]: what the next request of a session carries"""
        messages = self._host.session(session).messages
        for message in messages:
            _say(f"[{message.role}]\n{_words(message)}\n")
        if not messages:
            _say(f"Session {session!r} is empty.")

    def continue_(self, session: str = "") -> None:
        """[SESSION]: ask for the rest of an answer that was cut, by default the last cell's"""
        name = session or self._host.last_session()
        if name is None:
            raise UsageError(
                "nothing to continue: the last cell asked alone (--no-history) · "
                "%chat continue SESSION goes on with a session"
            )
        chosen = self._host.session(name)
        if not all(turn.response.done for turn in chosen.turns):
            raise UsageError(
                f"session {name!r} is still answering: wait for its end or stop it with ■, "
                "and then continue"
            )
        if not chosen.responses:
            of_chat = "" if session else " · a Chat goes on by chat.send('Continue.')"
            raise UsageError(f"nothing to continue: session {name!r} is empty{of_chat}")
        self._host.go_on(chosen)
        if not session and name != "default":
            _say(f"Session {name!r} goes on.")

    def reset(self, session: str = "default") -> None:
        """[SESSION]: forget a session"""
        self._host.sessions[session].reset()
        _say(f"Session {session!r} is empty.")

    def sessions(self) -> None:
        """the sessions and their length"""
        lines = [
            f"session    {session.name}: {_turns(len(session.responses))}"
            + (f", system: {session.system!r}" if session.system else "")
            for session in self._host.sessions
        ]
        _say("\n".join(lines) or "session    none yet")

    def models(self) -> None:
        """the models that the endpoint offers"""
        for name, model in self._host.aliases.items():
            _say(f"{name} → {model}")
        for name in self._host.catalog.names():
            _say(name)

    def key(self, *words: str) -> None:
        """[NAME] [--env-file PATH] [--save | --forget]: type a key unseen, or read it"""
        _say(run_key_command(words, self._host.options()))

    def tools(self, verb: str = "list", *names: str) -> None:
        """[add|remove NAME...]: the tools of every cell; mcp:COMMAND or mcp:ADDRESS is a server"""
        known = self._host.tools
        if verb == "add" and names:
            added = {name: self._tool(name) for name in _tool_names(names)}
            tools_of({**known, **added}.values())
            known |= added
        elif verb == "remove" and names:
            for name in _tool_names(names):
                if name not in known:
                    raise UsageError(f"no tool {name!r}; there are: {', '.join(known) or 'none'}")
                del known[name]
        elif verb != "list" or names:
            raise UsageError("type %chat tools, %chat tools add NAME or %chat tools remove NAME")
        _say("\n".join(f"tool       {name}" for name in known) or "tool       none yet")

    def _tool(self, name: str) -> Any:
        scheme, _, server = name.partition(":")
        return _server(server) if scheme == "mcp" else self._host.value(name)

    def help(self) -> None:
        """this list"""
        for name in self.names:
            command = getattr(self, name, None) or getattr(self, f"{name}_")
            _say(f"%chat {name:<10} {inspect.getdoc(command)}")
        _say("%%chat?           the flags of the cell magic")


def _tool_names(words: Sequence[str]) -> list[str]:
    """The names; all that follows `mcp:` is one server: a command, or an address, with flags."""
    names = list(words)
    for position, word in enumerate(names):
        if word.startswith("mcp:"):
            rest = names[position + 1 :]
            return [*names[:position], f"mcp:{shlex.join([word[4:], *rest])}" if rest else word]
    return names


def _server(typed: str) -> Any:
    """The MCP server that a command starts, or that is at an address.

    Raises:
        UsageError: the quotes are not closed, or what follows the address is not the headers'
            variables. It is not named: it may be a key.
    """
    from ..tools.mcp_servers import is_address, mcp

    try:
        address, *flags = shlex.split(typed) or [""]
    except ValueError:
        return mcp(typed)  # which says so
    if not is_address(address):
        return mcp(typed)
    headers = {}
    while flags:
        match flags:
            case ["--header-env", header, variable, *flags]:
                headers[header] = variable
            case _:
                raise UsageError(
                    "after mcp:ADDRESS stands nothing, or --header-env HEADER VARIABLE for each "
                    "header · add further tools in a line of their own"
                )
    return mcp(address, headers=headers)


def _where(target: Endpoint | LocalEndpoint) -> str:
    if isinstance(target, LocalEndpoint):
        return "the embedded model, on this machine"
    is_key = target.key.reveal() != NO_KEY
    key = f"key from {target.key_name}" if is_key else f"no key: {target.key_name} is not set"
    return f"{target.address} ({key})"


def _default_model(target: Endpoint | LocalEndpoint) -> str:
    return "SmolLM2-135M-Instruct" if isinstance(target, LocalEndpoint) else "the only one it lists"


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def _words(message: Message) -> str:
    """A message as text: what is not text by a word each, calls as they would be typed."""
    content = message.content
    parts = [_label(part) for part in content] if isinstance(content, tuple) else [content or ""]
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    text = "\n".join(filter(None, [" ".join(parts), *calls]))
    return text if text or message.reasoning is None else "[reasoning]"


def _label(part: Mapping[str, Any]) -> str:
    """A content part in a line of text."""
    match part:
        case {"type": "text", "text": text}:
            return str(text)
        case {"type": "image_url"}:
            return "[picture]"
        case {"type": "file", "file": {"filename": name}}:
            return f"[{name}]"
    return f"[{part.get('type')}]"


def _tell_of_invisible(text: str) -> None:
    if found := invisible_characters(text):
        named = ", ".join(found)
        _say(f"The text holds invisible characters ({named}): look before you use it.")


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command's output
