"""The names that `-m` takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from .endpoints import Endpoint, resolve
from .io_thread import io_thread
from .request import Options
from .transport.connections import list_models

__all__ = ["Catalog"]

_FRESH = 300.0  # seconds for which a list of models is good enough for Tab


class Catalog:
    """The models that the endpoint of the moment offers, and the embedded one.

    Args:
        options: gives the settings as they stand.
    """

    def __init__(self, options: Callable[[], Options]) -> None:
        self._options = options
        self._names: list[str] = []
        self._listed = float("-inf")

    def names(self, *, fresh: bool = False) -> list[str]:
        """The names; not asked for again within five minutes, unless `fresh`.

        Raises:
            NbstreamError: the endpoint could not be asked.
        """
        if fresh or time.monotonic() - self._listed > _FRESH:
            options = self._options()
            target = resolve(options)
            names: list[str] = []
            if isinstance(target, Endpoint):  # the embedded model need not be started for its name
                models = io_thread.submit(list_models(options, target)).wait()
                names = [model.name for model in models]
            self._names = [*names, "local"]
            self._listed = time.monotonic()
        return self._names
