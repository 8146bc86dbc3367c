"""The clients that ask the endpoints, kept from one turn to the next."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future

from ..endpoints import Endpoint, LocalEndpoint
from ..request import Options
from ..secret import Secret
from .client import Client, preload
from .faults import no_model
from .listing import Model

__all__ = ["close_all", "connect", "list_models"]

# By endpoint, seconds to connect, event loop (connections belong to one, and a fork has
# another), and `_surroundings`.
_clients: dict[tuple[Endpoint, float, asyncio.AbstractEventLoop, int], Client] = {}


async def connect(options: Options, target: Endpoint | LocalEndpoint) -> tuple[Client, str]:
    """The client, and the name by which its endpoint knows the model."""
    await asyncio.to_thread(preload)
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
    offered = [model.name for model in await client.models()]
    if len(offered) != 1:
        raise no_model(offered, target)
    return client, offered[0]


def _client(endpoint: Endpoint, options: Options) -> Client:
    key = endpoint, options.deadlines.connect, asyncio.get_running_loop(), _surroundings()
    if key not in _clients:
        _clients[key] = Client(endpoint, options.deadlines)
    return _clients[key]


def _surroundings() -> int:
    """Changes with the variables that a client reads when it is made: proxies, certificates.

    A number, because a proxy's address may have a password in it.
    """
    names = sorted(
        name
        for name in os.environ
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
    )
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
    return await client.models()


async def close_all() -> None:
    """Close every connection of this event loop; those of others went with them."""
    while _clients:
        (_, _, loop, _), client = _clients.popitem()
        if loop is asyncio.get_running_loop():
            await client.close()
