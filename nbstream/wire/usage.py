"""The token counts of an answer, whatever a provider calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..events import Event, ExtraEvent, UsageEvent
from ..messages import Usage

__all__ = ["parse_usage", "read_usage", "usage_in"]

_NO_USAGE = Usage()
_MOST_TOKENS = 10**12  # no model reads or writes more, and beyond a float nothing can be computed
_PLAIN_USAGE = {"prompt_tokens", "completion_tokens", "total_tokens"}


def parse_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts, whatever the provider calls them; what is missing is None."""
    prompt = _details(
        usage, "prompt_tokens_details", "input_tokens_details", "prompt_token_details"
    )
    completion = _details(usage, "completion_tokens_details", "output_tokens_details")
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens", "input_tokens"),
        completion_tokens=_count(usage, "completion_tokens", "output_tokens"),
        total_tokens=_count(usage, "total_tokens"),
        cached_tokens=_first(
            _count(prompt, "cached_tokens"),
            # DeepSeek; Anthropic and Databricks; Moonshot
            _count(usage, "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"),
        ),
        reasoning_tokens=_first(
            _count(completion, "reasoning_tokens"),
            _count(usage, "reasoning_tokens"),  # Perplexity
        ),
    )


def usage_in(chunk: Mapping[str, Any]) -> Any:
    """The token counts of a chunk, wherever it has them, as they came."""
    if chunk.get("usage"):
        return chunk["usage"]
    groq = chunk.get("x_groq")
    return groq.get("usage") if isinstance(groq, dict) else None


def read_usage(usage: Any, events: list[Event]) -> None:
    """Add what token counts say to `events`."""
    if not isinstance(usage, dict):
        return
    counts = parse_usage(usage)
    if counts == _NO_USAGE:
        return
    events.append(UsageEvent(counts))
    if not usage.keys() <= _PLAIN_USAGE:
        events.append(ExtraEvent("usage", usage))  # costs, and counts of the provider's own


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    found = (usage.get(name) for name in names)
    return next((value for value in found if isinstance(value, Mapping)), {})


def _count(counts: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = counts.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if 0 <= value <= _MOST_TOKENS:
            return int(value)
    return None


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)
