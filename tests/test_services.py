"""Every kind of service end to end: `%%chat` in a real kernel, over real HTTP.

A stream is one of `tests/wire`, or where there is one a recording of the real service. What
must come out of it is what its file says, or an independent reading of its JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
from kernels import kernel
from recordings import finish_of, payloads, reasoning_of, text_of, usage_of
from replay import ReplayServer, Reply, completion, error, models, whole
from wire_cases import wire_cases

from nbstream.messages import Usage

RECORD = "application/vnd.nbstream.response+json"
WIRE = {case.name: case for case in wire_cases()}


@dataclass(frozen=True)
class Service:
    """A kind of service, and what a user sets to reach it.

    Attributes:
        path: of the base URL.
        env: environment variables; `{url}` stands for the base URL.
        settings: of `ChatMagics`, likewise.
        code: run before all that.
        authorization: the header that the service must get.
        listing: what its `GET models` answers.
    """

    path: str
    authorization: str
    listing: Reply
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


OPENAI = Service(
    path="/v1",
    env={"OPENAI_API_KEY": "sk-openai"},
    code="import nbstream.endpoints; nbstream.endpoints.OPENAI_URL = '{url}'",
    authorization="Bearer sk-openai",
    listing=models(["gpt-5.4", "gpt-5-nano"]),
)
GATEWAY = Service(
    path="/api/v1",
    env={"OPENROUTER_API_KEY": "sk-or-v1-gateway"},
    settings={"base_url": "{url}", "api_key_env": "OPENROUTER_API_KEY"},
    authorization="Bearer sk-or-v1-gateway",
    listing=whole(
        {
            "data": [
                {"id": "x-ai/grok-4", "name": "xAI: Grok 4", "pricing": {"prompt": "0.000003"}},
                {"id": "anthropic/claude-haiku-4.5", "context_length": 200000},
            ]
        }
    ),
)
SELF_HOSTED = Service(
    path="/v1",
    env={"OPENAI_BASE_URL": "{url}"},
    authorization="Bearer none",  # the SDK sends the header; it means nothing
    listing=whole(
        {
            "models": [{"name": "llama-3.2-3b", "type": "model"}],
            "object": "list",
            "data": [{"id": "llama-3.2-3b", "object": "model", "meta": {"n_params": 3}}],
        }
    ),
)
DEEPSEEK = Service(
    path="",
    env={"DEEPSEEK_API_KEY": "sk-deepseek"},
    settings={"base_url": "{url}", "api_key_env": "DEEPSEEK_API_KEY"},
    authorization="Bearer sk-deepseek",
    listing=models(["deepseek-chat", "deepseek-reasoner"]),
)
GEMINI = Service(
    path="/v1beta/openai",
    env={"GEMINI_API_KEY": "AIza-gemini"},
    settings={"base_url": "{url}/", "api_key_env": "GEMINI_API_KEY"},
    authorization="Bearer AIza-gemini",
    listing=models(["models/gemini-2.5-flash", "models/gemini-3-flash-preview"]),
)
AZURE = Service(
    path="/openai/v1",
    env={"AZURE_OPENAI_API_KEY": "0123456789abcdef"},
    settings={"base_url": "{url}/", "api_key_env": "AZURE_OPENAI_API_KEY"},
    authorization="Bearer 0123456789abcdef",
    listing=models(["gpt-5-nano-2025-08-07"]),
)
SERVICES = {
    "openai": OPENAI,
    "azure": AZURE,
    "gateway": GATEWAY,
    "self-hosted": SELF_HOSTED,
    "deepseek": DEEPSEEK,
    "gemini": GEMINI,
}


@dataclass(frozen=True)
class Answer:
    """What a stream says."""

    text: str
    reasoning: str
    finish: str | None
    usage: Usage

    @classmethod
    def of_wire(cls, expected: Mapping[str, Any]) -> Answer:
        texts = (expected.get("text", ""), expected.get("reasoning", ""))
        return cls(*texts, expected["finish"], Usage(**expected.get("usage", {})))

    @classmethod
    def of_recording(cls, body: bytes) -> Answer:
        usage = Usage(*(usage_of(body) or ()))
        return cls(text_of(body), reasoning_of(body), finish_of(body), usage)


@pytest.fixture(scope="module")
def shared_kernel(server):
    with kernel() as running:
        yield running


@pytest.fixture
def nb(shared_kernel, server):
    """The kernel, with nothing set and nothing left of the test before."""
    shared_kernel.run(
        "get_ipython().config.pop('ChatMagics', None)\n"
        "%unload_ext nbstream\n%load_ext nbstream\n%config ChatMagics.view = 'display'\n"
        "import os\n"
        "for name in list(os.environ):\n"
        "    if name.endswith(('_API_KEY', '_BASE_URL', 'HTTP_PROXY')): del os.environ[name]"
    )
    server.requests.clear()
    yield shared_kernel
    assert not server.unexpected, [request.json for request in server.unexpected]


def set_up(nb, server: ReplayServer, service: Service) -> None:
    """Do what a user of the service does before her first cell."""
    url = server.origin + service.path
    lines = [service.code, "import os"]
    lines += [f"os.environ[{name!r}] = {value!r}" for name, value in service.env.items()]
    lines += [f"%config ChatMagics.{name} = {value!r}" for name, value in service.settings.items()]
    result = nb.run("\n".join(lines).replace("{url}", url))
    assert not result.error, result.error


def stream(body: bytes) -> Reply:
    """The stream in pieces, as its events come."""
    return Reply(re.split(rb"(?<=\n\n)", body))


def ask(nb, server: ReplayServer, service: Service, body: bytes, line: str = ""):
    server.reply(stream(body), to=f"{service.path}/chat/completions")
    return nb.run(f"%%chat {line}\nWhat is it?")


def sent(server: ReplayServer) -> dict[str, Any]:
    return server.requests[-1].json


def held(nb) -> Answer:
    """What `_chat` holds."""
    names = "_chat.text, _chat.reasoning, _chat.finish_reason, _chat.usage.to_dict()"
    text, reasoning, finish, usage = json.loads(nb.value(f"__import__('json').dumps([{names}])"))
    return Answer(text, reasoning, finish, Usage(**usage))


def check_request(server: ReplayServer, service: Service, model: str) -> None:
    request = server.requests[-1]
    assert (request.method, request.path) == ("POST", f"{service.path}/chat/completions")
    assert request.headers["authorization"] == service.authorization
    assert request.json == {
        "model": model,
        "messages": [{"role": "user", "content": "What is it?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def check_bundle(bundle: Mapping[str, Any], answer: Answer) -> None:
    """The cell shows the answer, its reasoning in a fold of its own, and its counts."""
    assert set(bundle) == {"text/markdown", "text/plain", RECORD}
    markdown = bundle["text/markdown"]
    fold, shown = re.fullmatch(
        r"(<details><summary>Reasoning[^<]*</summary>\n\n.*?\n\n</details>\n\n)?(.*)",
        markdown,
        re.DOTALL,
    ).groups("")
    assert bool(fold) == bool(answer.reasoning)
    assert words(answer.reasoning) <= words(fold)
    assert words(answer.text)
    assert words(answer.text) <= words(shown)
    for item in fields(Usage):
        count = getattr(answer.usage, item.name)
        row = item.name.replace("_", " ").capitalize()
        if count and item.name != "total_tokens":
            assert f"| {row} | {count:,} |" in shown
    usage = answer.usage
    counts = f"{usage.prompt_tokens or 0:,} in · {usage.completion_tokens or 0:,} out"
    assert (counts in bundle["text/plain"]) == (usage != Usage())
    assert bundle[RECORD]["rounds"][0]["text"] == answer.text


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


# --- an answer ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "model", "case"),
    [
        ("openai", "gpt-5.4", "openai_chat_model"),
        ("openai", "gpt-5-nano", "openai_reasoning_model"),
        ("azure", "my-deployment", "azure_empty_first_chunk"),
        ("gateway", "anthropic/claude-haiku-4.5", "openrouter_claude"),
        ("gateway", "google/gemini-2.5-pro", "openrouter_gemini"),
        ("gateway", "deepseek/deepseek-r1", "openrouter_deepseek"),
        ("gateway", "x-ai/grok-4", "openrouter_grok"),
        ("self-hosted", "meta-llama/Llama-3.2-3B", "llama_cpp"),
        ("self-hosted", "gpt-oss:20b", "ollama"),
        ("self-hosted", "qwen3", "vllm_reasoning_and_token_ids"),
        ("deepseek", "deepseek-reasoner", "deepseek_reasoner"),
        ("gemini", "gemini-3-flash-preview", "gemini_signature_of_a_text"),
    ],
)
def test_an_answer(nb, server, service, model, case):
    service, case = SERVICES[service], WIRE[case]
    set_up(nb, server, service)
    result = ask(nb, server, service, case.body, f"-m {model}")
    assert not result.error, result.error
    answer = Answer.of_wire(case.expected)
    check_request(server, service, model)
    assert held(nb) == answer
    assert nb.value("_chat.status, _chat.model") == str(("complete", case.expected["model"]))
    assert len(result.outputs) == 1
    check_bundle(result.outputs[0], answer)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("openai", "chatlas_test_openai_simple_streaming_request__0"),
        ("openai", "openllmetry_test_chat_completion_metrics_stream__0"),
        ("gateway", "pyai_test_openrouter_streaming_reasoning__0"),
        ("gateway", "pyai_test_openrouter_web_search_annotations_stream__0"),
        ("gateway", "pyai_test_openrouter_stream_with_native_options__0"),
        ("gateway", "chatlas_test_openrouter_simple_streaming_request__0"),
        ("self-hosted", "pyai_test_crusoe_model_streaming__0"),
        ("self-hosted", "rubyllm_chat_streaming_responses_ollama_cloud_gpt-oss_120b"),
        ("deepseek", "chatlas_test_deepseek_simple_streaming_request__0"),
        ("azure", "rubyllm_chat_with_extended_thinking_azure_gpt-5-nano"),
    ],
)
def test_a_recorded_answer(nb, server, shared: Path, service, name):
    service = SERVICES[service]
    (path,) = (shared / "streams").glob(f"{name}*.sse")
    body = path.read_bytes()
    answer = Answer.of_recording(body)
    model = payloads(body)[-1]["model"]
    set_up(nb, server, service)
    result = ask(nb, server, service, body, f"-m {model}")
    assert not result.error, result.error
    check_request(server, service, model)
    assert held(nb) == answer
    check_bundle(result.outputs[0], answer)


def test_a_self_hosted_server_with_one_model_needs_no_name(nb, server):
    set_up(nb, server, SELF_HOSTED)
    server.reply(SELF_HOSTED.listing, to="/v1/models")
    result = ask(nb, server, SELF_HOSTED, WIRE["llama_cpp"].body)
    assert not result.error, result.error
    check_request(server, SELF_HOSTED, "llama-3.2-3b")


def test_a_service_with_many_models_asks_for_a_name(nb, server):
    set_up(nb, server, GATEWAY)
    server.reply(GATEWAY.listing, to="/api/v1/models")
    result = nb.run("%%chat\nWhat is it?")
    assert "-m NAME" in result.error
    assert "x-ai/grok-4, anthropic/claude-haiku-4.5" in result.error


@pytest.mark.parametrize(
    ("host", "name"),
    [("api.openai.com", "max_completion_tokens"), ("llm.example.com", "max_tokens")],
)
def test_the_limit_has_the_name_that_the_service_knows(nb, server, host, name):
    """The server is the proxy here, so that the host is the real one."""
    nb.run(f"import os; os.environ.update(HTTP_PROXY={server.origin!r}, OPENAI_API_KEY='sk-x')")
    url = f"http://{host}/v1"
    server.reply(completion("Fine."), to=f"{url}/chat/completions")
    result = nb.run(f"%%chat -m m --max-tokens 7 --base-url {url}\nHi")
    assert not result.error, result.error
    assert {key: value for key, value in sent(server).items() if value == 7} == {name: 7}


# --- errors -------------------------------------------------------------------------


def check_broken_off(nb, result, says: str, answer: Answer) -> None:
    assert result.error.startswith("APIResponseError")
    assert says in result.error
    assert len(result.traceback) == 1
    assert held(nb) == answer
    assert nb.value("_chat.status") == "error"
    (bundle,) = result.outputs
    assert says in bundle["text/markdown"]
    assert words(answer.text or answer.reasoning) <= words(bundle["text/markdown"])
    assert bundle["text/plain"].startswith("[failed] ")


def test_an_error_inside_the_stream_keeps_the_part(nb, server):
    case = WIRE["openrouter_error"]
    set_up(nb, server, GATEWAY)
    result = ask(nb, server, GATEWAY, case.body, "-m openai/gpt-4o")
    check_broken_off(nb, result, "Provider disconnected", Answer.of_wire(case.expected))


def test_a_recorded_error_inside_the_stream_keeps_the_part(nb, server, shared: Path):
    body = (shared / "streams" / "pyai_test_openrouter_stream_error__0.sse").read_bytes()
    set_up(nb, server, GATEWAY)
    result = ask(nb, server, GATEWAY, body, "-m minimax/minimax-m2:free")
    answer = Answer.of_recording(body)
    assert answer.reasoning
    check_broken_off(nb, result, "Token limit reached", answer)


# --- what goes back -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "case", "wanted"),
    [
        ("gateway", "openrouter_claude", "reasoning_details"),
        ("gateway", "openrouter_gemini", "reasoning_details"),
        ("gateway", "openrouter_grok", "reasoning_details"),
        ("gemini", "gemini_signature_of_a_text", "extra_content"),
    ],
)
def test_what_the_service_wants_back_is_in_the_next_request(nb, server, service, case, wanted):
    service, case = SERVICES[service], WIRE[case]
    set_up(nb, server, service)
    for _ in range(2):
        result = ask(nb, server, service, case.body, "-m some/model")
        assert not result.error, result.error
    kept = case.expected["echo"][wanted]
    assert kept
    assert sent(server)["messages"][1] == {
        "role": "assistant",
        "content": case.expected["text"],
        wanted: kept,
    }


def test_reasoning_content_stays_here(nb, server):
    case = WIRE["deepseek_reasoner"]
    set_up(nb, server, DEEPSEEK)
    for _ in range(2):
        ask(nb, server, DEEPSEEK, case.body, "-m deepseek-reasoner")
    assert sent(server)["messages"][1] == case.expected["message"]


# --- the list of models -------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_the_models_are_listed(nb, server, service):
    set_up(nb, server, service)
    server.reply(service.listing, to=f"{service.path}/models")
    result = nb.run("%chat models")
    assert not result.error, result.error
    (body,) = service.listing.body
    offered = [entry["id"] for entry in json.loads(body)["data"]]
    assert offered
    assert result.stdout.split() == [*offered, "local"]
    assert server.requests[-1].headers["authorization"] == service.authorization


def test_a_server_without_models_lists_the_embedded_one(nb, server):
    """Ollama, before any model is pulled."""
    set_up(nb, server, SELF_HOSTED)
    server.reply(whole({"object": "list", "data": None}), to="/v1/models")
    result = nb.run("%chat models")
    assert not result.error, result.error
    assert result.stdout.split() == ["local"]


# --- servers that do less -----------------------------------------------------------


REFUSALS = {
    400: {"error": {"message": "Unrecognized request argument supplied: stream_options"}},
    422: {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["body", "stream_options"],
                "msg": "Extra inputs are not permitted",
            }
        ]
    },
}


@pytest.mark.parametrize("status", REFUSALS)
def test_stream_options_refused(nb, server, status):
    set_up(nb, server, SELF_HOSTED)
    server.reply(error(status, REFUSALS[status]), completion("Fine.", usage=None))
    result = nb.run("%%chat -m llama\nHi")
    assert not result.error, result.error
    first, second = (request.json for request in server.requests)
    assert first.pop("stream_options") == {"include_usage": True}
    assert second == first
    assert nb.value("_chat.text") == "Fine."


@pytest.mark.parametrize("status", REFUSALS)
def test_stream_options_refused_is_asked_again_once_only(nb, server, status):
    set_up(nb, server, SELF_HOSTED)
    server.reply(*[error(status, REFUSALS[status])] * 2)
    result = nb.run("%%chat -m llama\nHi")
    assert result.error.startswith("BadRequestError")
    assert "stream_options" in result.error
    assert ["stream_options" in request.json for request in server.requests] == [True, False]


def test_a_server_that_ignores_stream(nb, server):
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    message = {"role": "assistant", "content": "Hello **there**.", "reasoning_content": "Greet."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"object": "chat.completion", "model": "llama", "choices": [choice], "usage": usage}
    set_up(nb, server, SELF_HOSTED)
    server.reply(whole(body))
    result = nb.run("%%chat -m llama\nWhat is it?")
    assert not result.error, result.error
    check_request(server, SELF_HOSTED, "llama")
    answer = Answer("Hello **there**.", "Greet.", "stop", Usage(**usage))
    assert held(nb) == answer
    check_bundle(result.outputs[0], answer)


# --- the page that says what to set -------------------------------------------------


PAGE = Path(__file__).parents[1] / "docs" / "services.md"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"https?://[^/\s\"]+((?:/[\w.-]+)*)")


def sections() -> dict[str, list[tuple[str, str]]]:
    """The code blocks of each section of the page: language and text."""
    parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    found = {part.partition("\n")[0]: BLOCK.findall(part) for part in parts}
    return {title: blocks for title, blocks in found.items() if blocks}


def exports(text: str) -> dict[str, str]:
    """The environment variables that a block for the shell sets."""
    lines = text.splitlines()
    assert all(line.startswith("export ") for line in lines)
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def follow(nb, server: ReplayServer, code: str, path: str) -> None:
    """Run a cell of the page; what asks a model is answered under `path`."""
    asks = code.startswith("%%chat") or ".send(" in code
    if asks:
        server.reply(completion("Berlin."), to=f"{path}/chat/completions")
    before = len(server.requests)
    result = nb.run(code)
    assert not result.error, (code, result.error)
    if asks:
        assert server.requests[-1].route == f"{path}/chat/completions"
        assert "Berlin." in result.outputs[-1]["text/markdown"]
    elif "%chat models" not in code:
        assert len(server.requests) == before


@pytest.mark.parametrize("title", sections())
def test_what_the_page_says_works(nb, server, title):
    """Each section as a reader follows it, with every address replaced by the server's."""
    blocks = sections()[title]
    env = {
        k: v for language, text in blocks if language == "bash" for k, v in exports(text).items()
    }
    key = next((value for name, value in env.items() if name.endswith("_KEY")), "none")
    nb.run(
        f"import nbstream.endpoints; nbstream.endpoints.OPENAI_URL = {server.base_url!r}\n"
        f"get_ipython().kernel.getpass = lambda prompt: {key!r}\n"
        "nbstream.endpoints.kernel_keys._typed.clear()"  # what another section had typed
    )
    path = "/v1"
    for language, text in blocks:
        path = next((address[1] for address in ADDRESS.finditer(text)), path).rstrip("/")
        here = ADDRESS.sub(server.origin + r"\1", text)
        if language == "bash":
            nb.run(f"import os; os.environ.update({exports(here)!r})")
        else:
            follow(nb, server, here, path)
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {key}"}
