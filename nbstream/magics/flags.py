"""The flags of `%%chat`."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from IPython.core import magic_arguments
from IPython.core.error import UsageError as IPythonUsageError

from ..errors import UsageError
from ..views.choose import VIEWS
from .habits import near_flag

__all__ = ["json_or_text", "parse", "with_flags", "words"]

_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
# A flag that is short for several is quoted with its value, which may be a key.
_AMBIGUOUS = re.compile(r"(ambiguous option: [^\s=]+)=.*?(?= could match)", re.DOTALL)
_EXPRESSION = re.compile(r"""[^\s"']*[\[({][^\s"']*["']""")

argument: Any = magic_arguments.argument  # typed nowhere


class _Once(argparse.Action):
    """Stores one value. A flag that is given twice would lose the first one without a word."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option_string: str | None = None,
    ) -> None:
        given: set[str] = vars(namespace).setdefault("given", set())
        if self.dest in given:
            raise argparse.ArgumentError(self, "it takes one value, and is given twice")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def _one(*flags: str, **about: Any) -> Any:
    """A flag that takes one value."""
    return argument(*flags, action=_Once, **about)


def _temperature(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"invalid float value: {text!r}; a template is --template NAME"
        ) from None


_ARGUMENTS = (
    argument("positional_model", nargs="?", metavar="MODEL", help="the same as --model"),
    _one("-m", "--model", help="the model to ask; local or local:/path/to.gguf: on this machine"),
    _one("-s", "--system", metavar="TEXT", help="the system message of the session"),
    # `--temp` would else be short for `--template` as well.
    _one(
        "-t",
        "--temperature",
        "--temp",
        type=_temperature,
        metavar="X",
        help="sampling temperature",
    ),
    _one("--max-tokens", type=int, metavar="N", help="the most tokens of the answer"),
    argument(
        "--param",
        "-o",
        "--option",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="any further parameter of the API; the value is JSON, else text",
    ),
    _one("--base-url", "--api-base", metavar="URL", help="the endpoint, up to and with /v1"),
    _one(
        "--api-key-env",
        "--api-key-name",
        metavar="NAME",
        help="the NAME of the variable that holds the key",
    ),
    argument(
        "--header",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a further HTTP header",
    ),
    argument(
        "-T",
        "--tool",
        action="append",
        default=[],
        metavar="NAME",
        help="a function of the notebook that the model may call; may be repeated",
    ),
    argument(
        "--approve",
        "--ta",
        "--tools-approve",
        action="store_true",
        help="ask before each call of a tool",
    ),
    _one(
        "--max-rounds",
        "--cl",
        "--chain-limit",
        type=int,
        metavar="N",
        help="the most requests of one turn with tools",
    ),
    _one("--schema", metavar="NAME", help="the form of the answer: a type, or a JSON schema"),
    argument(
        "-a",
        "--attach",
        "--attachment",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="a path, bytes, figure or image that goes along; may be repeated",
    ),
    _one("--out", metavar="VAR", help="the variable for the Response, beside _chat"),
    _one(
        "--session",
        "--cid",
        "--conversation",
        default="default",
        metavar="NAME",
        help="the conversation to go on with",
    ),
    argument("--fresh", "-r", "--reset", action="store_true", help="start the session over"),
    argument("--no-history", action="store_true", help="ask alone: send and remember nothing else"),
    argument("--no-interpolate", action="store_true", help="leave {{ }} in the cell as it is"),
    _one(
        "--template",
        nargs="+",
        metavar=("NAME", "KEY=VALUE"),
        help="a prompt that is kept in a variable or a file, with its parameters; the cell's own "
        "text, if there is any, stands below it",
    ),
    argument(
        "--bg",
        action="store_true",
        help="return at once: the answer streams on while other cells run",
    ),
    argument(
        "--no-stream",
        action="store_true",
        help="ask for the answer in one piece: for servers that do not stream",
    ),
    _one("--view", choices=VIEWS, help="how the answer is shown"),
    _one("--timeout", type=float, metavar="S", help="seconds for the whole answer"),
    argument(
        *("-c", "--continue", "-u", "--usage"),
        action="store_true",
        dest="anyway",
        help="taken, and needed by nobody: cells go on with their session and show its usage",
    ),
    argument("-h", "--help", action="store_true", help="show this, and ask nothing"),
)


def with_flags(magic: Callable[..., Any]) -> Any:
    """Decorates the cell magic with its flags; its help then writes itself."""
    # Decorators: the last one applied is the first in the help.
    for each in reversed(_ARGUMENTS):
        magic = each(magic)
    as_magic: Any = magic_arguments.magic_arguments
    return as_magic("%chat")(magic)  # the help puts one more % before the name


def parse(parser: argparse.ArgumentParser, line: str) -> argparse.Namespace:
    """The flags of a magic line.

    Raises:
        UsageError: the line cannot be read. It names no words that no flag takes: one may be
            a key.
    """
    try:
        typed = words(line)
        _refuse_other_tools(typed)
        arguments, rest = parser.parse_known_args(typed)
    except (IPythonUsageError, ValueError) as error:
        said = _AMBIGUOUS.sub(r"\1", str(error))
        raise UsageError(f"{said} · %%chat? lists the flags") from None
    flag = next((word.partition("=")[0] for word in rest if word.startswith("--")), None)
    if flag is not None:
        near = get_close_matches(flag, parser._option_string_actions, 1, 0.75)  # noqa: SLF001
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no flag {flag} · {hint}%%chat? lists the flags")
    if arguments.model and arguments.positional_model:
        raise UsageError("-m/--model: the line names two models, and one is asked · leave one out")
    if rest:
        raise UsageError(
            "after the model there are words that no flag takes · quote what has spaces, "
            "as in --system 'Be brief.' · %%chat? lists the flags"
        )
    return arguments


def _refuse_other_tools(typed: Sequence[str]) -> None:
    """Name what is near to a flag that another tool has.

    Raises:
        UsageError: there is one.
    """
    for word in typed:
        if near := near_flag(word):
            raise UsageError(f"there is no flag {word.partition('=')[0]} · {near}")


def words(line: str) -> list[str]:
    """The words of a magic line, quotes taken off, but not those of an expression.

    IPython's own splitting leaves the quotes on the values. `Literal["a"]` and `{"a":1}` need
    theirs.
    """
    whole = _split(line)
    if not _EXPRESSION.search(line):
        return whole
    raw = (found[0] for found in _WORD.finditer(line))
    return [part for word in raw for part in ([word] if _is_expression(word) else _split(word))]


def _is_expression(word: str) -> bool:
    """Whether a bracket stands before the first quote."""
    return _EXPRESSION.match(word) is not None


def _split(line: str) -> list[str]:
    splitter = shlex.shlex(line, posix=True, punctuation_chars="")
    splitter.whitespace_split = True
    splitter.commenters = ""
    if os.name == "nt":
        splitter.escape = ""  # paths are full of backslashes
    return list(splitter)


def json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
