"""The models of an endpoint, in the shapes that the servers list them."""

from __future__ import annotations

import pytest

from nbstream.transport.listing import Model, models_in

# One entry each, as the servers' documentation and their answers have it.
ENTRIES = {
    "OpenAI": (
        {"id": "gpt-4o-mini", "object": "model", "created": 1721172741, "owned_by": "system"},
        None,
    ),
    "OpenRouter": (
        {
            "id": "mistralai/mistral-small",
            "name": "Mistral: Small",
            "context_length": 32_768,
            "architecture": {"modality": "text->text"},
            "pricing": {"prompt": "0.0000002"},
            "top_provider": {"context_length": 16_384, "max_completion_tokens": None},
        },
        32_768,
    ),
    "vLLM": (
        {
            "id": "Qwen/Qwen3-8B",
            "object": "model",
            "root": "Qwen/Qwen3-8B",
            "max_model_len": 40_960,
        },
        40_960,
    ),
    "Groq": (
        {"id": "llama-3.1-8b-instant", "active": True, "context_window": 131_072},
        131_072,
    ),
    "LM Studio": (
        {
            "id": "qwen2-vl-7b-instruct",
            "object": "model",
            "type": "vlm",
            "state": "not-loaded",
            "max_context_length": 32_768,
        },
        32_768,
    ),
    "llama.cpp": (
        {
            "id": "model.gguf",
            "object": "model",
            "owned_by": "llamacpp",
            "meta": {"vocab_type": 2, "n_vocab": 49_152, "n_ctx_train": 8_192, "size": 144_000_000},
        },
        8_192,
    ),
    "llama.cpp, which says what it was started with": (
        {"id": "model.gguf", "meta": {"n_ctx": 4_096, "n_ctx_train": 8_192}},
        4_096,
    ),
    "Mistral": ({"id": "codestral", "max_context_length": 256_000}, 256_000),
    "Ollama": ({"id": "llama3.2:latest", "object": "model", "owned_by": "library"}, None),
}


@pytest.mark.parametrize("server", ENTRIES)
def test_a_listing_in_an_object(server):
    entry, context = ENTRIES[server]
    listing = {"object": "list", "data": [entry, {"id": "other"}]}
    assert models_in(listing) == [Model(entry["id"], context), Model("other")]


def test_together_sends_a_bare_list():
    listing = [
        {"id": "a/b", "type": "chat", "context_length": 8_192, "config": {"stop": ["</s>"]}},
        {"id": "c/d", "type": "image"},
    ]
    assert models_in(listing) == [Model("a/b", 8_192), Model("c/d")]


@pytest.mark.parametrize("data", [None, []])
def test_ollama_without_models(data):
    assert models_in({"object": "list", "data": data}) == []


def test_llama_cpp_lists_its_models_twice():
    listing = {"models": [{"name": "m", "model": "m"}], "object": "list", "data": [{"id": "m"}]}
    assert models_in(listing) == [Model("m")]


@pytest.mark.parametrize("listing", [None, 3, "models", {}, {"error": "no"}, {"data": {"id": "m"}}])
def test_what_is_no_listing(listing):
    assert models_in(listing) is None


def test_entries_that_are_none_are_left_out():
    listing = {"data": [None, "m", {"id": 3}, {"name": "m"}, [], {"id": "good"}]}
    assert models_in(listing) == [Model("good")]


@pytest.mark.parametrize("size", [0, -1, "8192", 8192.5, True, None, [8192], {}])
def test_a_size_that_is_none_is_unknown(size):
    assert models_in([{"id": "m", "context_length": size}]) == [Model("m")]


def test_the_first_size_that_is_one_counts():
    listing = [{"id": "m", "context_length": 0, "max_model_len": 10, "meta": ["no", "mapping"]}]
    assert models_in(listing) == [Model("m", 10)]
