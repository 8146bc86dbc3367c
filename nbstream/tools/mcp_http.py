"""MCP over streamable HTTP: an address to which every message is posted.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..endpoints import Endpoint
from ..errors import ConfigurationError, UsageError
from ..keys import kernel_keys
from ..secret import Headers, Secret, check_variable_name, secret_headers
from .mcp_client import MAX_BODY, make_client
from .mcp_connection import CLOSED, said

__all__ = ["Address", "HTTPTransport", "is_address"]

_EXAMPLE = '"https://mcp.example.com/mcp"'
_HOW_TO_NAME = '{"Authorization": "MCP_TOKEN"}'


def is_address(text: str) -> bool:
    """Whether this is meant to be the address of a server, and not a command."""
    return re.match(r"https?:", text, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what it gets with every request.

    Attributes:
        url: its address.
        headers: the names of variables, by the names of the headers that take their values.
    """

    url: str
    headers: Mapping[str, str]

    def __post_init__(self) -> None:
        """Check what was typed.

        Raises:
            UsageError: no address, or a header that names no variable; it does not say what
                stands in its place, which may be a key.
        """
        try:
            parts = urlsplit(self.url)
            is_whole = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_whole = False
        if not is_whole or not self.url.isprintable() or " " in self.url:
            raise UsageError(f"not the address of an MCP server; it looks like {_EXAMPLE}")
        if "@" in parts.netloc:
            raise UsageError(
                "a login in an address is seen by everybody: name the variable that holds it, "
                f"mcp({_EXAMPLE}, headers={_HOW_TO_NAME})"
            )
        secret_headers((name, "") for name in self.headers)
        for name in self.headers.values():
            check_variable_name(name, f"each of the headers, {_HOW_TO_NAME},")

    @property
    def shown(self) -> str:
        """Host and path: what follows may hold a key."""
        parts = urlsplit(self.url)
        return parts.netloc + parts.path.rstrip("/")


class HTTPTransport:
    """One session with a server at an address."""

    not_open = "no connection to MCP server {}"
    over = "the connection to MCP server {} has ended"
    again = "the next message makes a new one"

    def __init__(self, address: Address) -> None:
        self._address = address
        url = address.url.partition("?")[0].partition("#")[0]
        self._endpoint = Endpoint(url, Secret(""))
        self._client: Any = None
        self.hint = f"check the address {url}"

    def prepare(self) -> None:
        """Read the variables and the system's certificates.

        Raises:
            ConfigurationError: a variable is not set, or holds what no header can carry.
        """
        importlib.import_module("mcp.client.streamable_http")
        headers = _values(self._address.headers, self._endpoint.origin)
        self._endpoint = replace(self._endpoint, headers=headers)
        self._client = make_client(self._endpoint, ", ".join(self._address.headers.values()))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Any, Any]]:
        from mcp.client.streamable_http import streamable_http_client

        settings: dict[str, Any] = {"http_client": self._client}
        if "max_sse_event_size" in inspect.signature(streamable_http_client).parameters:
            settings["max_sse_event_size"] = MAX_BODY  # its own bound is too small for pictures
        async with (
            self._client,
            streamable_http_client(self._address.url, **settings) as (read, write, *_),
        ):
            yield read, write

    async def why(self, error: BaseException) -> tuple[str, str]:
        text = self.redact(said(error))
        what, _, hint = text.removeprefix(f"{CLOSED[1]}: ").rpartition(" · ")
        return (what, hint) if what else (hint, "")

    def redact(self, text: str) -> str:
        """`text` without what the headers carry."""
        return self._endpoint.redact(text)

    async def cleaned(self, value: Any) -> Any:
        """`value` without what the headers carry: a server may send back what it gets."""
        if not self._endpoint.headers:
            return value
        return await asyncio.to_thread(_redacted, value, self._endpoint)

    def release(self) -> None:
        """Nothing is left."""


def _values(names: Mapping[str, str], origin: str) -> Headers:
    """What the headers carry, as `%chat key`, the variables or the keyring have it now.

    Raises:
        ConfigurationError: one has nothing, or what HTTP cannot carry.
    """
    pairs = []
    for header, name in names.items():
        value, _ = kernel_keys.find(name, origin)
        if not value:
            raise ConfigurationError(
                f"{name} is not set, and a header takes its value from there · "
                f"type it into %chat key {name}, or set the environment variable"
            )
        if not value.is_header:
            raise ConfigurationError(
                f"{name} has a character that an HTTP header cannot carry · copy it again"
            )
        is_login = header.lower() == "authorization"
        pairs.append((header, value.authorization if is_login else value))
    return secret_headers(pairs)


def _redacted(value: Any, endpoint: Endpoint) -> Any:
    if isinstance(value, str):
        return endpoint.redact(value)
    if isinstance(value, list):
        return [_redacted(each, endpoint) for each in value]
    if isinstance(value, dict):
        # Megabytes of a picture's base64 are not text, and would take long.
        is_file = value.get("type") in ("image", "audio")
        return {
            endpoint.redact(key): each if is_file and key == "data" else _redacted(each, endpoint)
            for key, each in value.items()
        }
    return value
