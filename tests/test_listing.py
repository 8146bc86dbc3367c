"""The models of an endpoint: the shapes that servers list them in, and what Tab has of them."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from replay import MODELS, Gate, ReplayServer, error, models, silence

from nbstream import catalog
from nbstream.catalog import Catalog
from nbstream.errors import ServerError, UsageError
from nbstream.request import Options
from nbstream.transport.client import preload
from nbstream.transport.listing import Model, for_chat, models_in, next_pages

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
    assert models_in(listing) == [Model("a/b", 8_192), Model("c/d", is_other=True)]


@pytest.mark.parametrize("data", [None, []])
def test_ollama_without_models(data):
    assert models_in({"object": "list", "data": data}) == []


COHERE = {"name": "command-a-03-2025", "endpoints": ["chat"], "context_length": 288_000}
TAG = {"name": "llama3.2:latest", "model": "llama3.2:latest", "size": 2_019_393_189, "details": {}}
GEMINI = {"name": "models/gemini-2.5-pro", "displayName": "Pro", "inputTokenLimit": 1_048_576}


@pytest.mark.parametrize(
    ("entry", "model"),
    [
        (COHERE, Model("command-a-03-2025", 288_000)),
        (TAG, Model("llama3.2:latest")),
        (GEMINI, Model("models/gemini-2.5-pro", 1_048_576)),
        ({"id": "m"}, Model("m")),
    ],
)
def test_a_listing_by_names(entry, model):
    listing = {"models": [entry, {"name": "other"}, {"name": 3}, None, "m", {"name": ""}]}
    assert models_in(listing) == [model, Model("other")]
    assert models_in({"models": []}) == models_in({"models": None}) == []


def test_a_model_listed_twice_is_one():
    twice = [{"id": "a"}, {"id": "b", "n_ctx": 1}, {"id": "a", "n_ctx": 5}, {"id": "b", "n_ctx": 2}]
    assert models_in({"data": twice}) == models_in(twice) == [Model("a", 5), Model("b", 1)]


@pytest.mark.parametrize(
    "page",
    [
        {"data": [], "has_more": True},
        {"data": [{"id": "a"}], "has_more": False, "last_id": "a"},
        {"data": [{"id": "a"}], "has_more": "true", "last_id": "a"},
        {"data": [{"id": 3}], "has_more": True, "last_id": None},
        {"models": [], "next_page_token": ""},
        {"models": [], "nextPageToken": 3},
        {"models": [], "nextPageToken": "x" * 5_000},
        {"data": [], "links": {"next": None}},
        {"data": [], "links": ["next"]},
        {"data": [], "next": "https://elsewhere/v1/models?page=2"},
        {"data": [], "next": "http://there/v1/models?page=2"},
        {"data": [], "next": "//elsewhere/v1/models?page=2"},
        {"data": [], "next": "https://[/?page=2"},
        [{"id": "a"}],
        None,
    ],
)
def test_there_is_no_next_page(page):
    assert next_pages(page, "https://there") == []


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


# --- the catalog that Tab reads -----------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def _sdk():
    preload()  # as the extension does where it is loaded


@pytest.fixture
def clock(monkeypatch):
    """Says how much later it is for the catalog."""

    class Clock:
        later = 0.0

        def monotonic(self):
            return time.monotonic() + self.later

    clock = Clock()
    monkeypatch.setattr(catalog, "time", clock)
    return clock


def catalog_of(server, **options):
    return Catalog(lambda: Options(base_url=server.base_url, **options))


def test_tab_asks_once_in_five_minutes(replay, clock):
    replay.models = ("a", "b")
    offered = catalog_of(replay)
    assert offered.names_at_hand() == offered.names_at_hand() == ["a", "b", "local"]
    assert len(replay.requests) == 1
    replay.models = ("c",)
    assert offered.names() == ["c", "local"]  # %chat models asks anew, and Tab knows it then
    assert offered.names_at_hand() == ["c", "local"]
    assert len(replay.requests) == 2
    clock.later = 301
    replay.reply(error(500, "no"), to=MODELS)
    assert offered.names_at_hand() == ["c", "local"]  # better than nothing
    assert len(replay.requests) == 3


def test_tab_waits_a_moment_and_not_again(replay, monkeypatch, clock):
    monkeypatch.setattr(catalog, "_PATIENCE", 0.2)
    offered = catalog_of(replay)
    replay.reply(silence(), to=MODELS)
    begun = time.monotonic()
    for _ in range(3):
        assert offered.names_at_hand() == ["local"]
    assert time.monotonic() - begun < 1
    assert replay.wait_requests(1)
    assert len(replay.requests) == 1
    clock.later = 31
    assert offered.names_at_hand() == ["replay-1", "local"]


def test_names_that_come_late_are_there_the_next_time(replay, monkeypatch):
    monkeypatch.setattr(catalog, "_PATIENCE", 0.2)
    offered = catalog_of(replay)
    replay.reply(replace(models(["late"]), before=(Gate("late"),)), to=MODELS)
    assert offered.names_at_hand() == ["local"]
    replay.open("late")
    assert replay.wait_until(lambda: offered.names_at_hand() == ["late", "local"])
    assert len(replay.requests) == 1


def test_tab_remembers_a_failure_for_a_while(replay, clock):
    offered = catalog_of(replay)
    replay.reply(error(500, "no"), to=MODELS)
    assert offered.names_at_hand() == offered.names_at_hand() == ["local"]
    assert len(replay.requests) == 1
    replay.reply(error(500, "no"), to=MODELS)
    with pytest.raises(ServerError):  # who asks in so many words is told
        offered.names()
    clock.later = 31
    assert offered.names_at_hand() == ["replay-1", "local"]


def test_each_endpoint_has_names_of_its_own(replay, monkeypatch):
    monkeypatch.setenv("ONE_KEY", "sk-one")
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    with ReplayServer() as other:
        other.models = ("other",)
        options = Options(base_url=replay.base_url, api_key_env="ONE_KEY")
        offered = Catalog(lambda: options)
        assert offered.names_at_hand() == ["replay-1", "local"]
        options = Options(base_url=other.base_url, api_key_env="ONE_KEY")
        assert offered.names_at_hand() == ["other", "local"]
        options = Options(base_url=replay.base_url, api_key_env="OTHER_KEY")
        assert offered.names_at_hand() == ["replay-1", "local"]
        assert [r.headers["authorization"] for r in replay.requests] == [
            "Bearer sk-one",
            "Bearer sk-other",
        ]


def test_the_embedded_model_alone():
    options = Options()
    offered = Catalog(lambda: options)
    assert offered.names() == offered.names_at_hand() == ["local"]
    options = Options(base_url="nonsense")
    assert offered.names_at_hand() == ["local"]
    with pytest.raises(UsageError):
        offered.names()


CHATS = (
    *(
        "gpt-5.4",
        "o3-mini",
        "claude-sonnet-4.5",
        "gemini-3-flash",
        "qwen3:8b",
        "gpt-4o-audio-preview",
    ),
    *("deepseek/deepseek-r1", "mistral-embedded-chat", "llama-3.2-vision", "gpt-oss:20b"),
)
OTHERS = (
    *("text-embedding-3-small", "whisper-1", "tts-1-hd", "gpt-4o-mini-tts", "dall-e-3", "sora-2"),
    *("omni-moderation-latest", "gpt-4o-transcribe", "nomic-embed-text:latest", "gpt-realtime"),
    *("openai/text-embedding-ada-002", "BAAI/bge-m3", "cohere/rerank-v3.5", "mxbai-embed-large"),
)


def test_what_does_not_chat_is_left_out_and_the_order_stays():
    names = [name for pair in itertools.zip_longest(OTHERS, CHATS) for name in pair if name]
    listed = models_in({"data": [{"id": name} for name in names]})
    assert [model.name for model in for_chat(listed)] == list(CHATS)


@pytest.mark.parametrize(
    "said",
    [
        {"type": "embeddings"},  # LM Studio
        {"type": "image"},  # Together
        {"capabilities": {"completion_chat": False}},  # Mistral
        {"architecture": {"output_modalities": ["image"]}},  # OpenRouter
        {"supportedGenerationMethods": ["embedContent"]},  # Gemini
        {"endpoints": ["embed"]},  # Cohere
    ],
)
def test_an_endpoint_says_what_does_not_chat(said):
    listed = models_in({"data": [{"id": "a", **said}, {"id": "b"}]})
    assert [model.name for model in for_chat(listed)] == ["b"]


def test_where_nothing_seems_to_chat_all_are_listed():
    listed = models_in({"data": [{"id": "text-embedding-3-small"}]})
    assert for_chat(listed) == listed


def test_what_an_endpoint_says_goes_before_the_name():
    said = {"architecture": {"output_modalities": ["text"]}}
    listed = models_in({"data": [{"id": "vendor/whisper-chat", **said}, {"id": "whisper-1"}]})
    assert [model.name for model in for_chat(listed)] == ["vendor/whisper-chat"]
