"""A real server that is none of ours: the LiteLLM proxy, over real HTTP.

What it answers with is its own mock, or what it makes of the streams that a scripted
provider behind it sends, in OpenAI's, DeepSeek's, Anthropic's and Gemini's own formats.

`make setup` installs it into `.build/litellm`. Without it these tests are skipped; in CI
they fail.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from replay import ReplayServer, Reply, chunk, completion, error

import nbstream
from nbstream import errors
from nbstream.catalog import Catalog
from nbstream.events import TextEvent
from nbstream.request import Options

ROOT = Path(__file__).parents[1]
LITELLM = ROOT / ".build" / "litellm"
KEY = "sk-proxy-master-key"
ANTHROPIC = "/v1/messages"
GEMINI = "/models/gemini-2.5-flash:streamGenerateContent"


def config(upstream: ReplayServer) -> dict[str, Any]:
    """The proxy's configuration: each model, and the provider behind it."""

    def model(name: str, api_base: str, **more: Any) -> dict[str, Any]:
        return {"model": name, "api_base": api_base, "api_key": "sk-upstream", **more}

    providers = {
        "mock": model("openai/mock", upstream.base_url, mock_response="Hello from a **proxy**."),
        "gpt": model("openai/gpt-5.4", upstream.base_url),
        "deepseek": model("deepseek/deepseek-reasoner", upstream.base_url),
        "claude": model("anthropic/claude-sonnet-4-5", upstream.origin),
        "gemini": model("gemini/gemini-2.5-flash", upstream.origin),
    }
    return {
        "model_list": [
            {"model_name": name, "litellm_params": params} for name, params in providers.items()
        ],
        "general_settings": {"master_key": KEY},
        # One test's errors must neither be repeated nor keep a model from the next test.
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


@pytest.fixture(scope="module")
def upstream() -> Iterator[ReplayServer]:
    with ReplayServer() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(upstream: ReplayServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a proxy that runs."""
    if not (LITELLM / ".done").exists():
        message = "no LiteLLM proxy: run `make setup` where PyPI is reachable"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(json.dumps(config(upstream)))  # JSON is YAML
    port = free_port()
    command = [str(LITELLM / "bin" / "litellm"), "--config", "config.yaml", "--telemetry", "False"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is fetched from the network
        "LITELLM_MODE": "PRODUCTION",  # no .env file is read
    }
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_until_up(process, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until_up(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
        if process.poll() is not None:
            break
    pytest.fail(f"the proxy did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def chat(proxy: str, upstream: ReplayServer, monkeypatch: pytest.MonkeyPatch):
    """`chat(model)`: a conversation through the proxy."""
    monkeypatch.setenv("PROXY_KEY", KEY)
    upstream.requests.clear()
    yield lambda model: nbstream.Chat(
        model, base_url=proxy, api_key_env="PROXY_KEY", view="none", timeout=30
    )
    assert not upstream.unexpected, [request.json for request in upstream.unexpected]


def anthropic_stream(*events: Mapping[str, Any]) -> Reply:
    """A reply in the format of Anthropic's Messages API."""
    return Reply([f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events])


def anthropic_block(index: int, start: Mapping[str, Any], deltas: Iterable[Mapping[str, Any]]):
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


# --- answers ------------------------------------------------------------------------


def test_an_answer_streams(chat):
    talk = chat("mock")
    events = list(talk.stream("Hi"))
    pieces = [event.text for event in events if isinstance(event, TextEvent)]
    assert len(pieces) > 3
    assert "".join(pieces) == "Hello from a **proxy**."
    answer = talk.last
    assert (answer.text, answer.status, answer.finish_reason) == (
        "Hello from a **proxy**.",
        "complete",
        "stop",
    )
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    total = answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.total_tokens == total
    assert [event.kind for event in events][-1] == "done"


def test_tool_calls_stream(chat, upstream):
    calls = [
        {"id": "call_a", "name": "weather", "arguments": {"city": "Berlin", "days": 3}},
        {"id": "call_b", "name": "weather", "arguments": {"city": "Paris", "days": 1}},
    ]
    upstream.reply(completion("Let me look.", tool_calls=calls))
    talk = chat("gpt")
    events = list(talk.stream("How is the weather?"))
    assert sum(event.kind == "tool_call" for event in events) > 10
    answer = talk.last
    assert answer.text == "Let me look."
    assert answer.finish_reason == "tool_calls"
    assert [
        {"id": call.id, "name": call.name, "arguments": json.loads(call.arguments)}
        for call in answer.tool_calls
    ] == calls


def test_reasoning_content(chat, upstream):
    upstream.reply(completion("It is 4.", reasoning="Two and two."), to="/v1/chat/completions")
    answer = chat("deepseek").send("2 + 2?")
    assert (answer.text, answer.reasoning) == ("It is 4.", "Two and two.")


def test_the_signed_reasoning_of_claude_goes_back(chat, upstream):
    """The proxy hands out what it must have again; what it makes of that reaches Anthropic."""
    thinking = {"type": "thinking", "thinking": "Two and two.", "signature": "EqQBCgIYAhIM"}
    message = {"id": "msg_1", "role": "assistant", "content": [], "model": "claude-sonnet-4-5"}
    reply = anthropic_stream(
        {"type": "message_start", "message": {**message, "usage": {"input_tokens": 25}}},
        *anthropic_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                {"type": "thinking_delta", "thinking": "Two and "},
                {"type": "thinking_delta", "thinking": "two."},
                {"type": "signature_delta", "signature": thinking["signature"]},
            ],
        ),
        *anthropic_block(
            1, {"type": "text", "text": ""}, [{"type": "text_delta", "text": "It is 4."}]
        ),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 89},
        },
        {"type": "message_stop"},
    )
    upstream.reply(reply, reply, to=ANTHROPIC)
    talk = chat("claude")
    answer = talk.send("2 + 2?")
    assert (answer.text, answer.reasoning) == ("It is 4.", "Two and two.")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (25, 89)
    talk.send("Sure?")
    said = upstream.requests[-1].json["messages"][1]
    assert said["role"] == "assistant"
    assert said["content"][0] == thinking
    assert [block["type"] for block in said["content"]] == ["thinking", "text"]
    assert said["content"][1]["text"] == "It is 4."


def test_the_signature_of_a_call_of_gemini_goes_back(chat, upstream):
    parts = [
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "CiQB"},
        {"functionCall": {"name": "f", "args": {"a": 2}}},
    ]
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 12, "totalTokenCount": 22}
    upstream.reply(Reply([{"candidates": [candidate], "usageMetadata": usage}]), to=GEMINI)
    talk = chat("gemini")
    list(talk.stream("Hi"))
    first, second = talk.last.tool_calls
    assert [json.loads(call.arguments) for call in (first, second)] == [{"a": 1}, {"a": 2}]
    assert "CiQB" in json.dumps(first.to_api())
    assert "CiQB" not in json.dumps(second.to_api())


def test_the_models_are_listed(chat, proxy):
    options = Options(base_url=proxy, api_key_env="PROXY_KEY")
    *offered, last = Catalog(lambda: options).names()
    assert sorted(offered) == ["claude", "deepseek", "gemini", "gpt", "mock"]
    assert last == "local"


# --- errors -------------------------------------------------------------------------


def test_a_wrong_key(chat, proxy, monkeypatch):
    """Without a database the proxy has one key, and answers any other with a 400."""
    monkeypatch.setenv("PROXY_KEY", "sk-wrong-canary")
    with pytest.raises(errors.APIStatusError, match="No connected db") as caught:
        chat("mock").send("Hi")
    assert "canary" not in str(caught.value)
    assert caught.value.response.status == "error"


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (error(401, "Incorrect API key"), errors.AuthenticationError, "check PROXY_KEY"),
        (error(404, "no such model"), errors.NotFoundError, "no such model"),
    ],
    ids=["401", "404"],
)
def test_an_error_of_the_provider_behind_it(chat, upstream, reply, kind, says):
    upstream.reply(reply)
    talk = chat("gpt")
    with pytest.raises(kind, match=says) as caught:
        talk.send("Hi")
    assert "sk-upstream" not in str(caught.value)
    assert talk.messages == []


def test_a_provider_that_is_busy_is_asked_again(chat, upstream):
    upstream.reply(error(429, "slow down"), completion("Fine."))
    talk = chat("gpt")
    (retry,) = [event for event in talk.stream("Hi") if event.kind == "retry"]
    assert "slow down" in retry.reason
    assert talk.last.text == "Fine."


def test_a_model_that_it_does_not_have(chat):
    with pytest.raises(errors.BadRequestError, match=r"no model .nope. here; the nearest"):
        chat("nope").send("Hi")


def test_an_error_inside_the_stream_keeps_the_part(chat, upstream):
    part = [chunk({"content": "Half an answer"}), {"error": {"message": "overloaded", "code": 529}}]
    upstream.reply(Reply(part))
    talk = chat("gpt")
    with pytest.raises(errors.APIResponseError, match="overloaded"):
        talk.send("Hi")
    assert (talk.last.text, talk.last.status) == ("Half an answer", "error")
