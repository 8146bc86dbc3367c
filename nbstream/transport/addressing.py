"""What the SDK would send to the wrong host, and what it cannot send to the right one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from ..endpoints import NO_KEY, Endpoint

__all__ = ["OPENAI_VARIABLES", "address_request", "drop_openai_variables"]

# Variables that the SDK reads and sends as headers, to whatever host it asks.
OPENAI_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS")

# What it reads as well, as attributes: https://github.com/openai/openai-python, `_client.py`.
# The key and the base URL are always given, so that it looks for none.
_ATTRIBUTES = ("organization", "project", "admin_api_key", "webhook_secret")

_QUERY_CHARACTERS = "%&=+;,/?:@!$'()*~[]"  # RFC 3986, 3.4, and what servers take beside


def drop_openai_variables(sdk: Any, headers: Mapping[str, str]) -> None:
    """Take from a client of the SDK what it read in the environment for OpenAI.

    Args:
        sdk: the client.
        headers: those that were meant, and that alone stay.
    """
    for name in _ATTRIBUTES:
        if hasattr(sdk, name):  # earlier versions have fewer
            setattr(sdk, name, None)
    # With OPENAI_CUSTOM_HEADERS merged in, for which the SDK has no other switch.
    sdk._custom_headers = headers  # noqa: SLF001


def address_request(request: Any, endpoint: Endpoint) -> None:
    """Put into a request of httpx what only the endpoint's address tells.

    The query comes here and not through the SDK, because from here on the URL shows without
    it: httpx logs every URL.

    Args:
        request: as it is about to be sent; it is changed.
        endpoint: where it goes.
    """
    if endpoint.wants_api_key_header:
        _move_key(request.headers, endpoint)
    if endpoint.query:
        added = quote(endpoint.query.reveal(), safe=_QUERY_CHARACTERS).encode()
        query = b"&".join(filter(None, [request.url.query, added]))
        url_class: Any = type(request.url)
        request.url = _quiet(url_class)(request.url, query=query)


def _move_key(headers: Any, endpoint: Endpoint) -> None:
    """Send the key in `api-key` instead of `Authorization`, unless the user sends either."""
    own = {name.lower() for name, _ in endpoint.headers}
    if "authorization" in own:
        return
    headers.pop("Authorization", None)
    if "api-key" not in own and endpoint.key.reveal() != NO_KEY:
        headers["api-key"] = endpoint.key.reveal()


@cache
def _quiet(url_class: Any) -> Any:
    """A class like httpx's or httpx2's `URL` that shows without its query."""

    class QuietURL(url_class):  # type: ignore[misc]
        def __str__(self) -> str:
            return str(url_class(self, query=None))

        def __repr__(self) -> str:
            return repr(url_class(self, query=None))

    return QuietURL
