"""Where a request goes: a remote endpoint or the embedded model, and with which key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ConfigurationError, UsageError
from .request import Options

__all__ = ["OPENAI_URL", "Endpoint", "LocalEndpoint", "Secret", "resolve"]

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # the SDK wants a key; servers without keys ignore this one


class Secret:
    """A key that shows in no repr, no pickle and no traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def redact(self, text: str) -> str:
        """`text` without the key, should a server echo it."""
        if len(self._value) < 8:
            return text
        return text.replace(self._value, "[key]")

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks the API.

    Attributes:
        base_url: its address, up to and with `/v1`.
        key: what authenticates.
        key_name: the environment variable that the key came from, for messages.
        headers: further HTTP headers.
    """

    base_url: str
    key: Secret
    key_name: str = "OPENAI_API_KEY"
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or self.base_url

    @property
    def is_openai(self) -> bool:
        return self.host == "api.openai.com"


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """The embedded model: the built-in one, or any GGUF file."""

    path: Path | None = None


def resolve(options: Options, environ: Mapping[str, str] | None = None) -> Endpoint | LocalEndpoint:
    """Where a request with these options goes.

    The embedded model answers where it is named, and where nothing says otherwise: no
    model, no base URL, no key.

    Raises:
        ConfigurationError: a remote model without a key, or a key that cannot be sent.
        UsageError: a base URL or a variable name that is none.
    """
    env = os.environ if environ is None else environ
    model = options.model or ""
    if model == "local" or model.startswith("local:"):
        path = model.partition(":")[2]
        return LocalEndpoint(Path(path).expanduser() if path else None)
    base_url = options.base_url or env.get("OPENAI_BASE_URL", "").strip() or None
    key_name = _variable_name(options.api_key_env or "OPENAI_API_KEY")
    key = env.get(key_name, "").strip()
    if not (base_url or key or model or options.api_key_env):
        return LocalEndpoint()
    if not key and (options.api_key_env or not base_url):
        if key_name == "OPENAI_API_KEY":
            hint = "set OPENAI_API_KEY, pass --api-key-env NAME, or use -m local"
        else:
            hint = f"set the environment variable {key_name}"
        raise ConfigurationError(f"no API key: {hint}")
    url = _checked_url(base_url or OPENAI_URL)
    return Endpoint(url, Secret(_checked_key(key, key_name) or NO_KEY), key_name, options.headers)


def _variable_name(name: str) -> str:
    # A key pasted here by mistake must not be shown again, so the name is not echoed.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name) or re.match(r"(?i)g?sk_|AIza", name):
        raise UsageError(
            "--api-key-env takes the NAME of an environment variable, not the key itself"
        )
    return name


def _checked_key(key: str, name: str) -> str:
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError(
            f"the key in {name} has a space or a character that an HTTP header cannot carry: "
            "copy it again"
        )
    return key


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(
            f"not a base URL: {url!r}; it looks like https://api.example.com/v1 or "
            "http://localhost:8000/v1"
        )
    return url.rstrip("/")
