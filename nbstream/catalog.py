"""The names that `-m` takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import wait

from .endpoints import Destination, Endpoint, LocalEndpoint, destination, resolve
from .errors import NbstreamError
from .io_thread import io_thread
from .request import Options
from .transport.connections import list_models

__all__ = ["Catalog"]

_FRESH = 300.0  # seconds for which a list of models is good enough for Tab
_RETRY = 30.0  # seconds after which Tab asks again an endpoint that gave none
_PATIENCE = 2.0  # seconds that Tab waits, and nothing else runs in the kernel
_LOCAL = "local"


class Catalog:
    """The models that the endpoint of the moment offers, and the embedded one.

    Args:
        options: gives the settings as they stand.
    """

    def __init__(self, options: Callable[[], Options]) -> None:
        self._options = options
        self._names: dict[Destination | LocalEndpoint, list[str]] = {}
        self._due: dict[Destination | LocalEndpoint, float] = {}  # when Tab asks again

    def names(self) -> list[str]:
        """Ask for the names.

        Raises:
            NbstreamError: the endpoint could not be asked.
        """
        options = self._options()
        names: list[str] = io_thread.submit(self._list(options, destination(options))).wait()
        return names

    def names_at_hand(self) -> list[str]:
        """The names for Tab, which fails never and waits for a moment at most.

        What comes too late is there the next time.
        """
        try:
            options = self._options()
            where = destination(options)
        except NbstreamError:
            return [_LOCAL]
        if time.monotonic() >= self._due.get(where, 0.0):
            self._due[where] = time.monotonic() + _RETRY
            wait([io_thread.submit(self._list(options, where)).future], timeout=_PATIENCE)
        return self._names.get(where, [_LOCAL])

    async def _list(self, options: Options, where: Destination | LocalEndpoint) -> list[str]:
        target = await asyncio.to_thread(resolve, options)  # a keyring may have to be unlocked
        if not isinstance(target, Endpoint):  # need not be started for its name
            return [_LOCAL]
        models = await list_models(options, target)
        self._names[where] = [*(model.name for model in models), _LOCAL]
        self._due[where] = time.monotonic() + _FRESH
        return self._names[where]
