"""What a request carries beside its body: for whom, and in which place."""

from __future__ import annotations

import io
import json
import logging

import pytest
from replay import CHAT, MODELS, ReplayServer, completion, error, whole

import nbstream
from nbstream.endpoints import Endpoint, resolve
from nbstream.errors import AuthenticationError, NbstreamError
from nbstream.io_thread import io_thread
from nbstream.request import Options
from nbstream.transport import client as client_module
from nbstream.transport.connections import list_models

KEY = "canary-0123456789"
VARIABLES = {
    "OPENAI_ORG_ID": f"org-{KEY}",
    "OPENAI_PROJECT_ID": f"proj-{KEY}",
    "OPENAI_WEBHOOK_SECRET": f"webhook-{KEY}",
    "OPENAI_ADMIN_KEY": f"admin-{KEY}",
    "OPENAI_CUSTOM_HEADERS": f"X-Team: {KEY}\nauthorization: Bearer {KEY}\nUser-Agent: {KEY}",
    "AZURE_OPENAI_API_KEY": f"azure-{KEY}",
    "AZURE_OPENAI_AD_TOKEN": f"token-{KEY}",
    "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9/",
    "OPENAI_API_VERSION": KEY,
    "OPENAI_API_KEY": f"openai-{KEY}",
}
DEPLOYMENT = "/openai/deployments/my-gpt"


def names(server: ReplayServer, path: str = "/v1") -> list[str]:
    options = Options(base_url=server.origin + path)
    endpoint = resolve(options)
    assert isinstance(endpoint, Endpoint)
    return [model.name for model in io_thread.submit(list_models(options, endpoint)).wait()]


def test_what_the_environment_has_for_openai_goes_to_no_other_host(replay, monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTHER_KEY", "the-key-that-was-meant")
    replay.reply(completion("Hi"))
    chat = nbstream.Chat(
        base_url=replay.base_url, api_key_env="OTHER_KEY", headers={"X-Mine": "stays"}
    )
    chat.send("Hi")  # lists the models first
    assert [request.route for request in replay.requests] == [MODELS, CHAT]
    for request in replay.requests:
        assert KEY not in json.dumps([request.path, request.headers, request.json])
        assert not any(name.startswith("openai-") for name in request.headers)
        assert request.headers["authorization"] == "Bearer the-key-that-was-meant"
        assert request.headers["x-mine"] == "stays"


def test_it_goes_to_openai(replay, monkeypatch):
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Endpoint, "is_openai", True)
    replay.reply(completion("Hi"))
    nbstream.Chat("m", base_url=replay.base_url).send("Hi")
    (request,) = replay.requests
    assert request.headers["openai-organization"] == f"org-{KEY}"
    assert request.headers["openai-project"] == f"proj-{KEY}"


def test_a_changed_organization_is_seen_by_the_next_request(replay, monkeypatch):
    monkeypatch.setattr(Endpoint, "is_openai", True)
    replay.reply(completion("Hi"), completion("Hi"))
    for name in ("org-one", "org-two"):
        monkeypatch.setenv("OPENAI_ORG_ID", name)
        nbstream.Chat("m", base_url=replay.base_url).send("Hi")
    sent = [request.headers["openai-organization"] for request in replay.requests]
    assert sent == ["org-one", "org-two"]


def test_headers_for_openai_that_the_user_names_go_where_he_says(replay):
    replay.reply(completion("Hi"))
    headers = {"OpenAI-Organization": "for-my-gateway"}
    nbstream.Chat("m", base_url=replay.base_url, headers=headers).send("Hi")
    assert replay.requests[-1].headers["openai-organization"] == "for-my-gateway"


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("api-version=2024-10-21", "api-version=2024-10-21"),
        ("a=1&a=2&b=x%2Fy+z", "a=1&a=2&b=x%2Fy+z"),
        ("a=ü b", "a=%C3%BC%20b"),
        (f"key={KEY}", f"key={KEY}"),
    ],
)
def test_a_query_goes_with_every_request(replay, query, sent):
    replay.reply(completion("Hi"))
    nbstream.Chat(base_url=f"  {replay.base_url}/?{query} ").send("Hi")
    assert [request.path for request in replay.requests] == [f"{MODELS}?{sent}", f"{CHAT}?{sent}"]


def test_a_key_in_the_query_shows_nowhere(replay):
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        replay.reply(completion("Hi"), error(401, f"wrong key {KEY} in /v1?sig={KEY}"))
        chat = nbstream.Chat("m", base_url=f"{replay.base_url}?sig={KEY}")
        answer = chat.send("Hi")
        with pytest.raises(AuthenticationError, match=r"wrong key \[key\]") as caught:
            chat.send("Hi")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "HTTP Request: POST" in log.getvalue()
    assert replay.requests[0].path == f"{CHAT}?sig={KEY}"
    shown = [log.getvalue(), repr(chat.options), json.dumps(answer.to_dict()), str(caught.value)]
    assert not any(KEY in text for text in shown)


def test_azures_classic_api(replay, monkeypatch):
    monkeypatch.setenv("AZURE_KEY", "the-key")
    replay.reply(completion("Hi"), to=f"{DEPLOYMENT}/chat/completions")
    address = f"{replay.origin}{DEPLOYMENT}?api-version=2024-10-21"
    nbstream.Chat(base_url=address, api_key_env="AZURE_KEY").send("Hi")
    for request in replay.requests:
        assert request.path.endswith("?api-version=2024-10-21")
        assert request.headers["api-key"] == "the-key"
        assert "authorization" not in request.headers  # both are a 400
    assert replay.requests[-1].json["model"] == "my-gpt"  # nothing lists it there


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"Authorization": "Bearer entra-token"}, ("Bearer entra-token", None)),
        ({"Api-Key": "mine"}, (None, "mine")),
        ({}, (None, None)),
    ],
)
def test_azure_gets_one_of_both_headers(replay, monkeypatch, headers, sent):
    if headers:
        monkeypatch.setenv("OPENAI_API_KEY", "of-openai")
    replay.reply(completion("Hi"), to=f"{DEPLOYMENT}/chat/completions")
    nbstream.Chat("m", base_url=replay.origin + DEPLOYMENT, headers=headers).send("Hi")
    got = replay.requests[-1].headers
    assert (got.get("authorization"), got.get("api-key")) == sent


# --- the pages of a list of models --------------------------------------------------


def paged(replay, *pages):
    replay.reply(*(whole(page) for page in pages), to=MODELS)


def listed(*ids, **more):
    return {"data": [{"id": name} for name in ids], **more}


PAGES = {
    "Anthropic": (listed("a", "b", has_more=True, last_id="b"), "after_id=b"),
    "without its last": (listed("a", "b", has_more=True), "after_id=b"),
    "Cohere": (
        {"models": [{"name": "a"}, {"name": "b"}], "next_page_token": "t/1"},
        "page_token=t%2F1",
    ),
    "Gemini": ({"models": [{"name": "a"}, {"name": "b"}], "nextPageToken": "t"}, "pageToken=t"),
    "OpenRouter": (
        listed("a", "b", links={"next": "/api/v1/models?offset=2&limit=2"}),
        "offset=2&limit=2",
    ),
    "a link": (listed("a", "b", next="?page=2"), "page=2"),
}


@pytest.mark.parametrize("server", PAGES)
@pytest.mark.parametrize("query", ["", "api-version=1"])
def test_a_list_in_pages(replay, server, query):
    first, params = PAGES[server]
    paged(replay, first, listed("c", "b", has_more=False))
    assert names(replay, f"/v1?{query}") == ["a", "b", "c"]
    asked = [request.path.partition("?")[2] for request in replay.requests]
    assert asked == [query, "&".join(filter(None, [params, query]))]


def test_a_list_by_openais_own_parameter(replay):
    first = listed("a", has_more=True, last_id="a")
    paged(replay, first, first, listed("b", has_more=False))
    assert names(replay) == ["a", "b"]
    assert replay.requests[-1].path == f"{MODELS}?after=a"


def test_a_list_that_goes_round_ends(replay):
    first, second = listed("a", next="?page=2"), listed("b", next="?page=1")
    paged(replay, first, second, first)
    assert names(replay) == ["a", "b"]
    assert len(replay.requests) == 3


def test_a_list_without_end_ends(replay, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_PAGES", 5)
    paged(replay, *(listed(f"m{number}", nextPageToken=f"{number}") for number in range(9)))
    assert names(replay) == [f"m{number}" for number in range(5)]
    assert len(replay.requests) == 5


def test_no_page_is_asked_for_elsewhere(replay):
    with ReplayServer() as other:
        paged(replay, listed("a", links={"next": f"{other.base_url}/models?page=2"}))
        assert names(replay) == ["a"]
        assert (len(replay.requests), other.requests) == (1, [])


@pytest.mark.parametrize("second", [error(500), error(404), whole("no list"), whole({"data": 3})])
def test_what_came_before_a_bad_page_counts(replay, second):
    replay.reply(whole(listed("a", has_more=True)), second, second, to=MODELS)
    assert names(replay) == ["a"]


def test_a_first_page_that_is_refused_is_an_error(replay):
    replay.reply(error(500, "no"), to=MODELS)
    with pytest.raises(NbstreamError):
        names(replay)
