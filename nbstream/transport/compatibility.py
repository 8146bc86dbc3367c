"""What endpoints take of a request, learnt from what they refuse.

Servers that speak the API differ in what they accept, and no list of names could keep up with
them. A request goes out in the API's own form. Where a 400 names a part of it, the request goes
out once more in the next form, and what was learnt holds for this endpoint and model until the
kernel ends.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import BadRequestError
from ..request import Compatibility, Request

__all__ = ["known", "learn"]

_known: dict[tuple[str, str], Compatibility] = {}


def known(origin: str, model: str) -> Compatibility:
    """What is known of a model at an endpoint (scheme, host and port)."""
    return _known.get((origin, model), Compatibility())


def learn(origin: str, request: Request, error: Exception) -> Compatibility | None:
    """What a refused request teaches, or None where it is refused in every form."""
    if not isinstance(error, BadRequestError):
        return None
    learnt = _lesson(request, str(error))
    if learnt is not None:
        _known[origin, request.model] = learnt
    return learnt


def _lesson(request: Request, words: str) -> Compatibility | None:
    """What else to try where a server complains in these words; each form is tried once."""
    takes = request.takes
    if takes.stream_options and "stream_options" in words:
        return replace(takes, stream_options=False)
    return None
