"""What an endpoint lists at `/models`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["MAX_PAGES", "Model", "for_chat", "models_in", "next_pages", "unique"]

MAX_PAGES = 50  # Anthropic and Cohere send 20 models each, OpenRouter 500
_LONGEST_MARK = 2048  # characters of what says where the next page begins

# OpenRouter and Together; Groq; vLLM and SGLang; LM Studio and Mistral; llama.cpp's `meta`; Gemini.
_CONTEXT = (
    "context_length",
    "context_window",
    "max_model_len",
    "max_context_length",
    "n_ctx",
    "n_ctx_train",
    "inputTokenLimit",
)
# What OpenAI, and gateways by its names, offer beside models that chat.
_OTHER_NAME = re.compile(
    r"(?:^|[/:_-])(?:(?:text-|nomic-|mxbai-)?embed(?:ding|dings)?|bge|e5|whisper|tts|transcribe"
    r"|dall-e|gpt-image|chatgpt-image|sora|(?:omni-|text-)?moderation|rerank(?:er)?|realtime"
    r"|davinci|babbage)(?=$|[/:_.0-9-])",
    re.IGNORECASE,
)
# `type` of LM Studio and Together.
_OTHER_TYPES = frozenset(
    {"embedding", "embeddings", "rerank", "image", "audio", "transcribe", "moderation", "video"}
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that an endpoint offers.

    Attributes:
        name: what a request calls it.
        context: the tokens that a request and its answer may have together, or None: unknown.
        is_other: whether it is known to be for something else than a chat: embeddings, speech.
    """

    name: str
    context: int | None = None
    is_other: bool = False


def models_in(listing: Any) -> list[Model] | None:
    """The models of a listing, each once; None where it is none.

    `{"data": [{"id": …}]}` is the API's form, a bare list is Together's, and in
    `{"models": [{"name": …}]}` Cohere, Ollama's `/api/tags` and Gemini's own API have them.
    """
    key = "id"
    if isinstance(listing, Mapping) and "data" in listing:
        listing = listing["data"] or []  # Ollama without models sends null
    elif isinstance(listing, Mapping) and "models" in listing:
        listing, key = listing["models"] or [], "name"
    if not isinstance(listing, list):
        return None
    entries = [entry for entry in listing if isinstance(entry, Mapping)]
    named = [(_name(entry, key), entry) for entry in entries]
    return unique(
        [Model(name, _context(entry), _is_other(name, entry)) for name, entry in named if name]
    )


def for_chat(models: list[Model]) -> list[Model]:
    """Those that may be for a chat, in their order; all, where none seems to be."""
    return [model for model in models if not model.is_other] or models


def unique(models: Iterable[Model]) -> list[Model]:
    """Each name once, with the first size that is known."""
    found: dict[str, Model] = {}
    for model in models:
        known = found.setdefault(model.name, model)
        if known.context is None:
            found[model.name] = model
    return list(found.values())


def next_pages(listing: Any, origin: str) -> list[dict[str, str]]:
    """The parameters by which `/models` may give the next page, the likeliest first.

    Empty where it is the last. The forms are those of Anthropic (`after_id`), OpenAI's other
    lists (`after`), Cohere (`page_token`), Gemini (`pageToken`) and OpenRouter (`links`):
    https://platform.claude.com/docs/en/api/models/list,
    https://docs.cohere.com/reference/list-models, https://ai.google.dev/api/models,
    https://openrouter.ai/docs/api/api-reference/models/get-models

    Args:
        listing: a page.
        origin: the endpoint's; an address elsewhere is not followed.
    """
    if not isinstance(listing, Mapping):
        return []
    links = listing.get("links")
    link = links.get("next") if isinstance(links, Mapping) else listing.get("next")
    if isinstance(link, str) and (params := _params(link, origin)):
        return [params]
    for field, name in (("next_page_token", "page_token"), ("nextPageToken", "pageToken")):
        if token := _mark(listing.get(field)):
            return [{name: token}]
    last = _mark(listing.get("last_id") or _last_id(listing))
    if listing.get("has_more") is True and last:
        return [{"after_id": last}, {"after": last}]
    return []


def _params(link: str, origin: str) -> dict[str, str]:
    """The query of a link to the next page, which may be relative."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return {}
    if (parts.scheme or parts.netloc) and f"{parts.scheme}://{parts.netloc}".lower() != origin:
        return {}
    return dict(parse_qsl(parts.query)) if len(parts.query) <= _LONGEST_MARK else {}


def _mark(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST_MARK else ""


def _last_id(listing: Mapping[str, Any]) -> Any:
    data = listing.get("data")
    last = data[-1] if isinstance(data, list) and data else None
    return last.get("id") if isinstance(last, Mapping) else None


def _is_other(name: str, entry: Mapping[str, Any]) -> bool:
    """By what the endpoint says of a model, and else by its name.

    Mistral says `capabilities.completion_chat`, OpenRouter `architecture.output_modalities`,
    Gemini's own API `supportedGenerationMethods`, Cohere `endpoints`.
    """
    said = entry.get("capabilities")
    chats = said.get("completion_chat") if isinstance(said, Mapping) else None
    architecture = entry.get("architecture")
    output = architecture.get("output_modalities") if isinstance(architecture, Mapping) else None
    for words, one in (
        (output, "text"),
        (entry.get("supportedGenerationMethods"), "generateContent"),
        (entry.get("endpoints"), "chat"),
    ):
        if chats is None and isinstance(words, list) and words:
            chats = one in words
    if isinstance(chats, bool):
        return not chats
    kind = entry.get("type")
    is_named = isinstance(kind, str) and kind.lower() in _OTHER_TYPES
    return is_named or _OTHER_NAME.search(name) is not None


def _name(entry: Mapping[str, Any], key: str) -> str | None:
    name = entry.get(key)
    if name is None and key == "name":
        name = entry.get("id")
    return name if isinstance(name, str) and name else None


def _context(entry: Mapping[str, Any]) -> int | None:
    meta = entry.get("meta")
    known = {**(meta if isinstance(meta, Mapping) else {}), **entry}
    sizes = (known.get(name) for name in _CONTEXT)
    return next((size for size in sizes if type(size) is int and size > 0), None)
