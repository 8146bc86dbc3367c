"""The clients that ask the endpoints, kept from one turn to the next."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future
from dataclasses import replace
from typing import NamedTuple

from ..endpoints import Endpoint, LocalEndpoint
from ..request import Options
from ..secret import Secret
from .addressing import OPENAI_VARIABLES
from .client import Client, preloaded
from .faults import no_model
from .listing import Model

__all__ = ["close_all", "connect", "list_models"]

_MOST = 8  # clients that are kept; the one that was used last the longest ago goes


class _Key(NamedTuple):
    """What a client is made for.

    Attributes:
        endpoint: the server, and the key to it.
        variable: by whose name the key was found.
        connect: seconds to connect.
        loop: the event loop: connections belong to one, and a fork has another.
        surroundings: see `_surroundings`.
    """

    endpoint: Endpoint
    variable: str
    connect: float
    loop: asyncio.AbstractEventLoop
    surroundings: int

    def outdates(self, other: _Key) -> bool:
        """Whether nobody asks by `other` any more: its key, loop or surroundings are old ones."""
        if other.loop is not self.loop or other.surroundings != self.surroundings:
            return True
        key, name = self.endpoint.key, self.endpoint.key_name
        is_same = replace(other.endpoint, key=key, key_name=name) == self.endpoint
        return is_same and other.variable == self.variable and other.endpoint.key != key


_clients: dict[_Key, Client] = {}  # in the order of their last use


async def connect(options: Options, target: Endpoint | LocalEndpoint) -> tuple[Client, str]:
    """The client, and the name by which its endpoint knows the model.

    Who gets it says by `release` when it is needed no more.
    """
    await preloaded()
    if isinstance(target, LocalEndpoint):
        from .. import local

        stopped: Future[None] = Future()
        try:
            server = await asyncio.to_thread(local.ensure_server, target.path, stopped)
        finally:
            stopped.set_result(None)  # a thread does not end with who waits for it
        endpoint = Endpoint(
            server.base_url,
            Secret(server.api_key),
            key_name="the embedded model",
            name="the embedded model",
        )
        return _client(endpoint, options), server.model
    client = _client(target, options)
    if options.model:
        return client, options.model
    try:
        offered = [model.name for model in await client.models()]
        if len(offered) != 1:
            raise no_model(offered, target)
    except BaseException:
        client.release()
        raise
    return client, offered[0]


def _client(endpoint: Endpoint, options: Options) -> Client:
    """The client for an endpoint, held for the caller; those that it replaces are let go."""
    key = _Key(
        endpoint,
        options.api_key_env or "OPENAI_API_KEY",
        options.deadlines.connect,
        asyncio.get_running_loop(),
        _surroundings(),
    )
    client = _clients.pop(key, None) or Client(endpoint, options.deadlines)
    client.hold()
    for other in [other for other in _clients if key.outdates(other)]:
        _let_go(other, key.loop)
    _clients[key] = client
    while len(_clients) > _MOST:
        _let_go(next(iter(_clients)), key.loop)
    return client


def _let_go(key: _Key, loop: asyncio.AbstractEventLoop) -> None:
    """Forget a client; with a loop that has ended its connections have gone."""
    client = _clients.pop(key)
    if key.loop is loop:
        client.retire()


def _surroundings() -> int:
    """Changes with the variables that a client reads when it is made.

    Those are proxies, certificates, and what goes to OpenAI. A number, because a proxy's
    address may have a password in it.
    """
    read = ("SSL_CERT_FILE", "SSL_CERT_DIR", *OPENAI_VARIABLES)
    names = sorted(name for name in os.environ if name.lower().endswith("_proxy") or name in read)
    return hash(tuple((name, os.environ[name]) for name in names))


async def list_models(options: Options, target: Endpoint | LocalEndpoint) -> list[Model]:
    """The models that an endpoint offers; the embedded one is started if need be.

    Raises:
        APIConnectionError, APIStatusError, LocalModelError: it could not be asked.
    """
    if isinstance(target, LocalEndpoint):
        client, _ = await connect(options, target)
    else:
        client = _client(target, options)
    try:
        return await client.models()
    finally:
        client.release()


async def close_all() -> None:
    """Close every connection of this event loop; those of others went with them."""
    while _clients:
        key, client = _clients.popitem()
        if key.loop is asyncio.get_running_loop():
            await client.close()
