"""Values that are shown nowhere: keys, passwords, the values of headers."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from .errors import UsageError

__all__ = [
    "Address",
    "Headers",
    "Query",
    "Secret",
    "SecretURL",
    "check_variable_name",
    "secret_headers",
    "split_address",
    "variable",
    "without_secrets",
]

Headers = tuple[tuple[str, "Secret"], ...]

_LONGEST_NAME = 32  # characters of a query parameter; what is longer may be a key
_SHORTEST = 8  # characters; what is shorter is no secret, and stands in other words too
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110, 5.6.2
_LOGIN = re.compile(r"(?P<before>(?:[A-Za-z][\w+.-]*:)?//|)(?P<login>[^/?#]*)@(?P<after>.*)")
_QUERY = re.compile(r"(?P<before>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?", re.DOTALL)
_HOST_ALONE = re.compile(r"(?:[A-Za-z][\w+.-]*:)?(?://)?[^/]*")
_SECRET_PARAMETER = re.compile(
    r"key|token|secret|pass|pwd|sig|auth|cred|code|jwt|sas|session", re.IGNORECASE
)
_PLAIN_VALUE = re.compile(r"[\w.:/-]{0,16}|[0-9]{4}-[0-9]{2}-[0-9]{2}[a-z-]{0,12}", re.ASCII)
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
    """A URL that shows without its login, and without the keys of its query."""

    __slots__ = ()

    def __repr__(self) -> str:
        before, login, after = _without_login(self._value)
        url, query = _without_query(after)
        if login is None and "@" in url:
            return super().__repr__()
        return repr(f"{before}{'' if login is None else '…@'}{url}{query.shown}")


class Query(Secret):
    """What stands behind the `?` of an address, of which the keys are shown nowhere.

    A parameter holds a key where its name says so, and where its value is no short word,
    number or date.

    Args:
        value: the parameters, escaped as in the address.
    """

    __slots__ = ()

    def __init__(self, value: str = "") -> None:
        hidden = [text for _, text, is_secret in _parameters(value) if is_secret]
        unescaped = [plain(text) for text in hidden for plain in (unquote, unquote_plus)]
        super().__init__(value, *dict.fromkeys([*hidden, *unescaped]))

    @property
    def shown(self) -> str:
        """`?api-version=2024-10-21&key=…`, for messages; "" where there is none."""
        parts = (
            name + ("…" if is_secret else value)
            for name, value, is_secret in _parameters(self._value)
        )
        return "?" + "&".join(parts) if self else ""

    @property
    def _forms(self) -> tuple[str, ...]:
        return tuple(form for form in self._also if len(form) >= _SHORTEST)

    def __repr__(self) -> str:
        return repr(self.shown)


def _parameters(query: str) -> list[tuple[str, str, bool]]:
    """Each parameter: its name with the `=`, its value, and whether that is a key."""
    found = []
    for part in filter(None, re.split("[&;]", query.strip())):
        name, equals, value = part.partition("=")
        if equals and len(name) <= _LONGEST_NAME:
            plain = _PLAIN_VALUE.fullmatch(unquote_plus(value))
            is_secret = bool(_SECRET_PARAMETER.search(unquote_plus(name)) or not plain)
            found.append((f"{name}=", value, is_secret))
        else:  # a key that stands alone, perhaps with a `=` in it
            found.append(("", part, True))
    return found


def variable(name: str, environ: Mapping[str, str] | None = None) -> Secret:
    """What an environment variable holds; `environ` stands in for the process's own."""
    return Secret((os.environ if environ is None else environ).get(name, ""))


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process that needs no key: no variables that seem to hold one."""
    return {
        name: value
        for name, value in environ.items()
        if not _SECRET_VARIABLE.search(name) and not ("://" in value and _holds_secret(value))
    }


def _holds_secret(address: str) -> bool:
    query = address.partition("?")[2].partition("#")[0]
    return "@" in address or any(is_secret for _, _, is_secret in _parameters(query))


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


class Address(NamedTuple):
    """The parts of an address.

    Attributes:
        url: scheme, host, port and path.
        login: what `Authorization` says instead of a login in the address, or None.
        query: what stood behind the `?`.
    """

    url: str
    login: Secret | None
    query: Query


def split_address(address: Secret) -> Address:
    """`https://user:password@host/v1?key=…` in its parts, so that no secret stays in the URL.

    Of a fragment, which no server gets, it stays that there was one.
    """
    before, login, after = _without_login(address.reveal())
    url, query = _without_query(after)
    if login is None:
        return Address(before + url, None, query)
    user, _, password = login.partition(":")
    user, password = unquote(user), unquote(password)
    token = base64.b64encode(f"{user}:{password}".encode(errors="replace")).decode()
    return Address(before + url, Secret(f"Basic {token}", password, user), query)


def _without_login(address: str) -> tuple[str, str | None, str]:
    match = _LOGIN.fullmatch(address)
    return (
        ("", None, address) if match is None else (match["before"], match["login"], match["after"])
    )


def _without_query(url: str) -> tuple[str, Query]:
    match = _QUERY.fullmatch(url)
    if match is None or ("@" in url and _HOST_ALONE.fullmatch(match["before"])):
        return url, Query()  # the `?` or `#` may belong to a password that is not escaped
    mark = "#…" if match["fragment"] else ""
    return match["before"] + mark, Query(match["query"] or "")
