"""What an endpoint lists at `/models`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Model", "models_in"]

# OpenRouter and Together; Groq; vLLM and SGLang; LM Studio and Mistral; llama.cpp's `meta`.
_CONTEXT = (
    "context_length",
    "context_window",
    "max_model_len",
    "max_context_length",
    "n_ctx",
    "n_ctx_train",
)


@dataclass(frozen=True, slots=True, order=True)
class Model:
    """A model that an endpoint offers.

    Attributes:
        name: what a request calls it.
        context: the tokens that a request and its answer may have together, or None: unknown.
    """

    name: str
    context: int | None = None


def models_in(listing: Any) -> list[Model] | None:
    """The models in `{"data": [{"id": …}]}`, or in the bare list that Together sends."""
    if isinstance(listing, Mapping) and "data" in listing:
        listing = listing["data"] or []  # Ollama without models sends null
    if not isinstance(listing, list):
        return None
    entries = [entry for entry in listing if isinstance(entry, Mapping)]
    return [Model(e["id"], _context(e)) for e in entries if isinstance(e.get("id"), str)]


def _context(entry: Mapping[str, Any]) -> int | None:
    meta = entry.get("meta")
    known = {**(meta if isinstance(meta, Mapping) else {}), **entry}
    sizes = (known.get(name) for name in _CONTEXT)
    return next((size for size in sizes if type(size) is int and size > 0), None)
