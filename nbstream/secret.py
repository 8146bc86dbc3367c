"""Values that are shown nowhere: keys, passwords, the values of headers."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from .errors import UsageError

__all__ = [
    "Headers",
    "Secret",
    "SecretURL",
    "check_variable_name",
    "secret_headers",
    "split_login",
    "variable",
    "without_secrets",
]

Headers = tuple[tuple[str, "Secret"], ...]

_SHORTEST = 8  # characters; what is shorter is no secret, and stands in other words too
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110, 5.6.2
_LOGIN = re.compile(r"(?P<before>(?:[A-Za-z][\w+.-]*:)?//|)(?P<login>[^/?#]*)@(?P<after>.*)")
_ESCAPED = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2})|\\u(?P<unicode>[0-9A-Fa-f]{4})|(?P<entity>&#?\w{1,8};)|\\/"
    r"|(?P<half>%\w?|&#?\w{0,8}|\\u?\w{0,3})(?=…)"  # where a text was shortened
)
_KEY_LIKE = re.compile(
    r"g?sk_.*|(?:pk|rk|hf|r8|gh[pousr]|xai|nvapi)_\w{16,}"  # as services begin their keys
    r"|AIza.*|.*(?:(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,}).*",  # no words
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Z][A-Z0-9]{0,18}(?:_[A-Z0-9]{0,19})*")  # HF_TOKEN, as variables are named
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|^OPENAI_", re.IGNORECASE)


class Secret:
    """A text that shows in no repr, no pickle and no traceback.

    What checks and changes it are its own methods: a variable that held the plain text
    would stand in tracebacks that show variables.

    Args:
        value: the text; white space around it, such as a pasted line's end, is dropped.
        also: further texts that give it away.
    """

    __slots__ = ("_also", "_value")

    def __init__(self, value: str, *also: str) -> None:
        self._value = value.strip()
        self._also = also

    def __bool__(self) -> bool:
        return bool(self._value)

    @property
    def is_key(self) -> bool:
        """Whether it can be sent as a key: printable ASCII in one word."""
        return self.is_header and " " not in self._value

    @property
    def is_header(self) -> bool:
        """Whether it can be sent as the value of a header."""
        return self._value.isascii() and self._value.isprintable()

    @property
    def authorization(self) -> Secret:
        """What the header `Authorization` says: before a token alone stands `Bearer` (RFC 6750)."""
        return Secret(f"Bearer {self._value}", *self._also) if self.is_key else self

    def reveal(self) -> str:
        return self._value

    def redact(self, text: str) -> str:
        """`text` without it, should a server echo it.

        Of `Bearer KEY`, the key alone is looked for too, and so is one that a shortened
        text breaks off with `…`, or whose characters are escaped as in addresses, web pages
        and JSON.
        """
        shown = self._redact_plain(text)
        plain = _ESCAPED.sub(self._unescape, shown)
        redacted = self._redact_plain(plain)
        return shown if redacted == plain else redacted

    @property
    def _forms(self) -> tuple[str, ...]:
        forms = (self._value, *self._also, self._value.rpartition(" ")[2])
        return tuple(form for form in forms if len(form) >= _SHORTEST)

    def _redact_plain(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, "[key]")
            for length in range(len(form) - 1, 3, -1) if "…" in text else ():
                text = text.replace(f"{form[:length]}…", "[key]…")
        return text

    def _unescape(self, escape: re.Match[str]) -> str:
        """The character that an escape stands for, where the secret has it."""
        code, entity, character = escape["percent"] or escape["unicode"], escape["entity"], "/"
        if escape["half"]:
            return ""
        if code:
            character = chr(int(code, 16))
        elif entity:
            character = html.unescape(entity)
        return character if any(character in form for form in self._forms) else escape[0]

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    def __deepcopy__(self, _memo: object) -> Secret:
        return self  # it never changes; settings are copied as they are loaded


class SecretURL(Secret):
    """A URL that shows without its login."""

    __slots__ = ()

    def __repr__(self) -> str:
        match = _LOGIN.fullmatch(self._value)
        if match is not None:
            return repr(f"{match['before']}…@{match['after']}")
        return super().__repr__() if "@" in self._value else repr(self._value)


def variable(name: str, environ: Mapping[str, str] | None = None) -> Secret:
    """What an environment variable holds; `environ` stands in for the process's own."""
    return Secret((os.environ if environ is None else environ).get(name, ""))


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process that needs no key: no variables that seem to hold one."""
    return {
        name: value
        for name, value in environ.items()
        if not _SECRET_VARIABLE.search(name) and not ("://" in value and "@" in value)
    }


def check_variable_name(name: str, taker: str = "--api-key-env") -> None:
    """Raise UsageError where a key stands in place of the name of a variable.

    The error does not say what stood there, but that `taker` takes a name.
    """
    is_name = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name)
    if not is_name or (_KEY_LIKE.fullmatch(name) and not _WORDS.fullmatch(name)):
        raise UsageError(f"{taker} takes the NAME of an environment variable, not the key itself")


def secret_headers(pairs: Iterable[tuple[str, str | Secret]]) -> Headers:
    """HTTP headers, the values hidden: any of them may carry a key.

    Raises:
        UsageError: a name or a value that HTTP cannot carry.
    """
    headers = tuple(
        (name, value if isinstance(value, Secret) else Secret(value)) for name, value in pairs
    )
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise UsageError("a header has a name of letters, digits and hyphens: NAME VALUE")
        if not value.is_header:
            raise UsageError(f"the header {name} has a value that HTTP cannot carry: copy it again")
    return headers


def split_login(url: Secret) -> tuple[str, Secret | None]:
    """`https://user:password@host/v1` as the address alone, and what `Authorization` says."""
    match = _LOGIN.fullmatch(url.reveal())
    if match is None:
        return url.reveal(), None
    user, _, password = match["login"].partition(":")
    user, password = unquote(user), unquote(password)
    token = base64.b64encode(f"{user}:{password}".encode(errors="replace")).decode()
    return match["before"] + match["after"], Secret(f"Basic {token}", password, user)
