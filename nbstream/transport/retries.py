"""Whether and when a request that failed is sent again."""

from __future__ import annotations

import random

from ..errors import APIConnectionError, APIStatusError
from .faults import is_quota_spent

__all__ = ["retry_delay"]

_LONGEST_RETRY_AFTER = 60.0  # seconds; a server that asks for more is not waited for


def retry_delay(error: APIConnectionError | APIStatusError, retries: int) -> float | None:
    """Seconds until the next try, or None where another try cannot help.

    The rules are the SDK's: connection errors, 408, 409, 429 and 5xx, or what the header
    `x-should-retry` says, at exponential delays from 0.5 to 8 s, or when the server says.
    """
    backoff = min(8.0, 0.5 * 2.0**retries) * (1 - 0.25 * random.random())  # noqa: S311
    if isinstance(error, APIConnectionError):
        return None if error.permanent else backoff
    should_retry = error.should_retry
    if should_retry is None:
        should_retry = error.status_code in (408, 409, 429) or error.status_code >= 500
    if not should_retry or is_quota_spent(error):
        return None
    if error.retry_after is None:
        return backoff
    return error.retry_after if error.retry_after <= _LONGEST_RETRY_AFTER else None
