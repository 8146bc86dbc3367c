"""`%%chat` with tools, schemas and attachments in a real kernel, over real HTTP."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kernels import kernel
from replay import completion

RECORD = "application/vnd.nbstream.response+json"
MCP = f"mcp:{sys.executable} {Path(__file__).with_name('mcp_server.py')}"

TOOLS = """\
import asyncio, dataclasses, time, typing
import nbstream, pandas as pd, pydantic

def lookup_city(city: str) -> pd.DataFrame:
    "Look a city up."
    return pd.DataFrame({"city": [city], "people": [3.7]})

def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b

class Shop:
    stock = 3

    def take(self, n: int) -> str:
        "Take some away."
        self.stock -= n
        return f"{self.stock} left"

shop = Shop()

def says(text: str) -> str:
    print(f"The tool says {text}.")
    return "said"

def shows(text: str) -> str:
    display({"text/plain": f"shown {text}"}, raw=True)
    return "shown"

async def later(text: str) -> str:
    await asyncio.sleep(0.01)
    return text.upper()

def sleeps() -> None:
    print("asleep", flush=True)
    time.sleep(30)

@nbstream.tool(approve=True)
def delete(path: str) -> str:
    "Delete a file."
    deleted.append(path)
    return f"deleted {path}"

deleted = []

@dataclasses.dataclass
class City:
    name: str
    people: int

class CityModel(pydantic.BaseModel):
    name: str
    people: int

class CityDict(typing.TypedDict):
    name: str
    people: int

city_schema = {
    "title": "Stadt",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
"""


@pytest.fixture(scope="module")
def shared_kernel(server):
    with kernel(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test-canary-1") as running:
        loaded = running.run(TOOLS)
        assert not loaded.error, loaded.error
        yield running


@pytest.fixture
def nb(shared_kernel, server):
    """The kernel, with neither conversations nor kept tools."""
    shared_kernel.run(
        "get_ipython().config.pop('ChatMagics', None)\n"
        "%unload_ext nbstream\n%load_ext nbstream\n"
        "%config ChatMagics.model = 'replay-1'\n"
        "deleted.clear()"
    )
    server.requests.clear()
    yield shared_kernel
    assert not server.unexpected, [r.json for r in server.unexpected]


def calls(*pairs):
    return completion(
        tool_calls=[
            {"name": name, "arguments": arguments, "id": f"call_{number}"}
            for number, (name, arguments) in enumerate(pairs)
        ]
    )


def offered(server, number=-1):
    return [t["function"]["name"] for t in server.requests[number].json.get("tools", [])]


def results(server, number=-1):
    """What a request says that the calls came to, in order."""
    messages = server.requests[number].json["messages"]
    return [m["content"] for m in messages if m["role"] == "tool"]


def is_valid(messages):
    """Whether every call is answered, once, right after the message that asks for it."""
    wanted: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if not wanted or message["tool_call_id"] != wanted.pop(0):
                return False
        elif wanted:
            return False
        wanted += [call["id"] for call in message.get("tool_calls", [])]
    return not wanted


def run(nb, line, prompt="Go.", **more):
    result = nb.run(f"%%chat {line}\n{prompt}", **more)
    assert not result.error, result.error
    return result


# -- tools -----------------------------------------------------------------------


def test_tools_of_the_notebook_run_and_show(nb, server):
    server.reply(
        calls(("lookup_city", {"city": "Berlin"}), ("add", {"a": 1, "b": 2})),
        completion("Berlin is **large**."),
    )
    (bundle,) = run(nb, "--view display --tool lookup_city --tool add").outputs
    assert offered(server) == ["lookup_city", "add"]
    table, total = results(server)
    assert table.startswith("DataFrame, 1 rows × 2 columns")
    assert total == "3"
    markdown = bundle["text/markdown"]
    assert '<summary>lookup_city("Berlin") → 1 row' in markdown
    assert "<summary>add(a=1, b=2) → 3" in markdown
    assert "| 0 | Berlin | 3.7 |" in markdown
    assert "Berlin is **large**." in markdown
    values = "type(_chat.tool_calls[0].value).__name__, _chat.tool_calls[1].value"
    assert nb.value(values) == "('DataFrame', 3)"
    restored = f"__import__('nbstream').Response.from_dict({bundle[RECORD]!r})"
    assert nb.value(f"{restored} == _chat") == "True"


def test_a_method_is_a_tool_of_its_object(nb, server):
    server.reply(calls(("take", {"n": 2})), completion("Done."))
    run(nb, "--tool shop.take")
    assert results(server) == ["1 left"]
    assert nb.value("shop.stock") == "1"


def test_an_asynchronous_tool(nb, server):
    server.reply(calls(("later", {"text": "a"})), completion("Done."))
    run(nb, "--tool later")
    assert results(server) == ["A"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--tool nobody", "--tool nobody: NameError: name 'nobody' is not defined"),
        ("--tool shop", "is not a function"),
        ("--tool lookup_city --tool shop.lookup_city", "has no attribute 'lookup_city'"),
        ("--schema nobody", "--schema nobody: NameError"),
        ("--schema add", "--schema: <function add .* is a function"),
        ("--attach nobody.png", "--attach nobody.png: NameError: .*, and no such file"),
        ("--attach shop", "a Shop cannot be attached"),
        ("--max-rounds two", "invalid int value: 'two'"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_nothing_is_sent(nb, server, line, says):
    result = nb.run(f"%%chat {line}\nGo.")
    assert result.error.startswith("UsageError: ")
    assert re.search(says, result.error), result.error
    assert len(result.traceback) == 1
    assert not server.requests


def test_what_a_tool_prints_and_displays_lands_in_its_cell(nb, server):
    server.reply(
        calls(("says", {"text": "hello"}), ("shows", {"text": "this"})), completion("Done.")
    )
    result = run(nb, "--tool says --tool shows")
    assert result.stdout == "The tool says hello.\n"
    assert {"text/plain": "shown this"} in result.outputs
    assert any("Done." in output.get("text/markdown", "") for output in result.outputs)


def test_what_a_tool_shows_stays_beside_a_long_answer(nb, server):
    """An answer of many outputs is put together in one at its end."""
    long = [f"{'word ' * 300}\n\nParagraph {number}. " for number in range(12)]
    server.reply(calls(("shows", {"text": "this"})), completion(long, pace=0.1))
    result = run(nb, "--tool shows")
    assert {"text/plain": "shown this"} in result.outputs
    assert "Paragraph 11." in result.outputs[-1]["text/markdown"]


def test_a_cell_that_runs_again_replaces_its_turn_and_the_calls_in_it(nb, server):
    server.reply(calls(("add", {"a": 1, "b": 2})), completion("3"))
    run(nb, "--tool add", cell_id="a")
    server.reply(calls(("add", {"a": 3, "b": 4})), completion("7"))
    run(nb, "--tool add", cell_id="a")
    assert [m["role"] for m in server.requests[2].json["messages"]] == ["user"]
    server.reply(completion("Sure."))
    run(nb, "", "Sure?", cell_id="b")
    messages = server.requests[-1].json["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert is_valid(messages)
    assert results(server) == ["7"]


def test_the_history_shows_calls_and_results(nb, server):
    server.reply(calls(("add", {"a": 1, "b": 2})), completion("It is 3."))
    run(nb, "--tool add")
    assert nb.run("%chat history").stdout == (
        '[user]\nGo.\n\n[assistant]\nadd({"a": 1, "b": 2})\n\n[tool]\n3\n\n'
        "[assistant]\nIt is 3.\n\n"
    )


# -- rounds ----------------------------------------------------------------------


def test_rounds_are_bounded_and_go_on_with_the_same_tools(nb, server):
    server.reply(*[calls(("add", {"a": 1, "b": 2}))] * 2)
    result = nb.run("%%chat --tool add --max-rounds 2\nGo.")
    assert result.error.startswith("IncompleteError: stopped after 2 rounds of tools")
    assert len(result.traceback) == 1
    assert len(server.requests) == 2
    assert nb.value("[call.value for call in _chat.tool_calls]") == "[3, None]"
    server.reply(calls(("add", {"a": 3, "b": 4})), completion("All done."))
    result = nb.run("%chat continue")
    assert not result.error, result.error
    assert offered(server) == ["add"]
    assert all(is_valid(request.json["messages"]) for request in server.requests)
    assert nb.value("_chat.text, _chat.tool_calls[0].value") == "('All done.', 7)"


def test_an_interrupt_in_a_tool_ends_the_cell_and_the_next_turn_is_valid(nb, server):
    server.reply(calls(("sleeps", {}), ("add", {"a": 1, "b": 2})))
    running = nb.start("%%chat --tool sleeps --tool add\nGo.")
    before = wait_for(nb, "asleep")
    started = time.monotonic()
    nb.interrupt()
    result = nb.collect(running)
    result.messages[:0] = before
    assert time.monotonic() - started < 2
    assert result.error.startswith("Interrupted: ")
    assert not result.traceback  # the answer says it
    assert "⚠ Stopped. The text so far is kept." in result.outputs[-1]["text/markdown"]
    assert nb.value("_chat.status") == "cancelled"
    server.reply(completion("On."))
    run(nb, "", "Go on.")
    assert is_valid(server.requests[-1].json["messages"])
    stopped, not_run = results(server)
    assert stopped.startswith("stopped: ")
    assert not_run


def wait_for(nb, text):
    """Wait until the running cell prints `text`, and return all that it sent till then."""
    messages = []
    end = time.monotonic() + 20
    while time.monotonic() < end:
        message = nb.client.get_iopub_msg(timeout=20)
        messages.append(message)
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return messages
    raise TimeoutError(f"the cell did not print {text!r}")


# -- tools of every cell ---------------------------------------------------------


def test_kept_tools(nb, server):
    assert nb.run("%chat tools").stdout == "tool       none yet\n"
    assert nb.run("%chat tools add add shop.take").stdout == (
        "tool       add\ntool       shop.take\n"
    )
    server.reply(completion("x"), completion("x"), completion("x"))
    run(nb, "--tool lookup_city")
    assert offered(server) == ["add", "take", "lookup_city"]
    run(nb, "--tool add")
    assert offered(server) == ["add", "take"]
    assert nb.run("%chat tools remove shop.take").stdout == "tool       add\n"
    run(nb, "")
    assert offered(server) == ["add"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("add nobody", "nobody: NameError"),
        ("add shop", "is not a function"),
        ("remove nobody", "no tool 'nobody'; there are: none"),
        ("sing", "type %chat tools, %chat tools add NAME"),
        ("add", "type %chat tools, %chat tools add NAME"),
        ("add mcp:", "say what starts the server"),
        ("add mcp:'x", "No closing quotation"),
        ("add mcp:https://h/mcp --header-env Authorization sk-canary-0123456789", "takes the NAME"),
        ("add mcp:https://h/mcp --header-env Authorization", "--header-env HEADER VARIABLE"),
        ("add mcp:https://h/mcp --header Authorization canary", "--header-env HEADER VARIABLE"),
        ("add mcp:https://h/mcp add", "add further tools in a line of their own"),
        ("add mcp:https:/h/mcp", "not the address of an MCP server"),
    ],
)
def test_what_the_list_of_tools_does_not_take(nb, line, says):
    result = nb.run(f"%chat tools {line}")
    assert result.error.startswith("UsageError: ")
    assert says in result.error
    assert "canary" not in result.error
    assert len(result.traceback) == 1
    assert nb.run("%chat tools").stdout == "tool       none yet\n"


def test_a_kept_tool_is_the_function_as_it_is_now(nb, server):
    nb.run("def now() -> str:\n    return 'old'")
    nb.run("%chat tools add now")
    nb.run("def now() -> str:\n    return 'new'")
    assert not nb.run("%chat tools add now").error  # once more is no second tool
    server.reply(calls(("now", {})), completion("x"))
    run(nb, "")
    assert results(server) == ["new"]


def test_the_tools_of_an_mcp_server(nb, server, tmp_path):
    spaced = tmp_path / "my server.py"
    spaced.symlink_to(MCP.rsplit(maxsplit=1)[-1])
    command = f"mcp:{sys.executable} '{spaced}'"
    listed = nb.run(f"%chat tools add {command}")
    assert listed.stdout == f"tool       {command}\n"
    server.reply(calls(("greet", {"name": "Ada"})), completion("Done."))
    run(nb, "")
    assert "greet" in offered(server)
    assert results(server) == ["Hello, Ada!"]
    assert nb.run(f"%chat tools remove {command}").stdout == "tool       none yet\n"
    server.reply(completion("x"))
    run(nb, "--fresh")
    assert offered(server) == []


@pytest.fixture
def mcp_port():
    command = [sys.executable, str(Path(__file__).with_name("mcp_http_server.py"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:
        yield int(process.stdout.readline())
        process.kill()


def test_the_tools_of_an_mcp_server_at_an_address(nb, server, mcp_port):
    address = f"mcp:http://127.0.0.1:{mcp_port}/mcp"
    typed = f"{address} --header-env Authorization MCP_TOKEN --header-env X-Two MCP_TOKEN"
    nb.run("import os; os.environ['MCP_TOKEN'] = 'canary-' + '0123456789'")
    assert nb.run(f"%chat tools add {typed}").stdout == f"tool       {typed}\n"
    server.reply(calls(("requests", {})), completion("Done."))
    result = run(nb, "")
    (echo,) = results(server)
    came = json.loads(echo)[-1]["headers"]
    assert (came["authorization"], came["x-two"]) == ("[key]", "[key]")
    for seen in (result.outputs, server.requests[-1].json, nb.value("_chat.to_dict()")):
        assert "canary" not in json.dumps(seen, default=str)
    server.reply(calls(("destructiveHint", {})), completion("Done."))
    running = nb.start("%%chat --no-history\nGo.", allow_stdin=True)
    assert nb.answer("y").startswith("Run destructiveHint(")
    assert not nb.collect(running).error
    assert results(server) == ["done"]
    assert nb.run(f"%chat tools remove {typed}").stdout == "tool       none yet\n"


# -- approval --------------------------------------------------------------------

DELETE = ("delete", {"path": "/tmp/x"})
QUESTION = 'Run delete({"path": "/tmp/x"})? [y]es, [e]dit, [n]o: '


@pytest.mark.parametrize(
    ("answers", "deleted", "said"),
    [
        (["y"], "['/tmp/x']", "deleted /tmp/x"),
        (["what?", "Yes"], "['/tmp/x']", "deleted /tmp/x"),
        (["n", "not that one"], "[]", "The user rejected this call. not that one"),
        (
            ["e", '{"path": "/tmp/y"}'],
            "['/tmp/y']",
            '(The user ran it with {"path": "/tmp/y"} instead.)\ndeleted /tmp/y',
        ),
    ],
)
def test_the_running_cell_asks(nb, server, answers, deleted, said):
    server.reply(calls(DELETE), completion("Done."))
    running = nb.start("%%chat --tool delete\nGo.", allow_stdin=True)
    asked = [nb.answer(answer) for answer in answers]
    result = nb.collect(running)
    assert not result.error, result.error
    assert asked[0] == QUESTION
    assert nb.value("deleted") == deleted
    assert results(server) == [said]


def test_approve_asks_for_every_tool(nb, server):
    server.reply(calls(("add", {"a": 1, "b": 2}), ("later", {"text": "a"})), completion("Done."))
    running = nb.start("%%chat --approve --tool add --tool later\nGo.", allow_stdin=True)
    asked = [nb.answer("y"), nb.answer("n"), nb.answer("")]
    assert not nb.collect(running).error
    assert [question.split("(")[0] for question in asked] == ["Run add", "Run later", "Why not? "]
    assert results(server) == ["3", "The user rejected this call."]


def test_an_interrupt_at_the_question_runs_nothing(nb, server):
    server.reply(calls(DELETE))
    running = nb.start("%%chat --tool delete\nGo.", allow_stdin=True)
    assert nb.client.get_stdin_msg(timeout=20)["content"]["prompt"] == QUESTION
    nb.interrupt()
    result = nb.collect(running)
    assert result.error.startswith("Interrupted: ")
    assert nb.value("deleted") == "[]"


CHAT = "await nbstream.Chat(tools=[delete]).asend('Go.')"


def test_a_cell_that_awaits_asks(nb, server):
    server.reply(calls(DELETE), completion("Done."))
    running = nb.start(CHAT, allow_stdin=True)
    assert nb.answer("y") == QUESTION
    assert not nb.collect(running).error
    assert nb.value("deleted") == "['/tmp/x']"


def test_an_interrupt_at_the_question_of_a_cell_that_awaits(nb, server):
    server.reply(calls(DELETE))
    running = nb.start(CHAT, allow_stdin=True)
    assert nb.client.get_stdin_msg(timeout=20)["content"]["prompt"] == QUESTION
    nb.interrupt()
    assert nb.collect(running).error.startswith("Interrupted: ")
    assert nb.value("deleted") == "[]"


def test_without_somebody_to_ask_nothing_runs(nb, server):
    server.reply(calls(DELETE), completion("I see."))
    result = nb.run("%%chat --tool delete\nGo.", allow_stdin=False)
    assert "nobody is here to approve delete" in result.error
    assert nb.value("deleted") == "[]"
    assert results(server) == [
        "This call did not run: nobody could be asked (StdinNotImplementedError)."
    ]
    assert "→ rejected: nobody could be asked" in result.outputs[-1]["text/markdown"]


# -- structured output -----------------------------------------------------------

CITY = '{"name": "Berlin", "people": 3700000}'


@pytest.mark.parametrize(
    ("schema", "name", "parsed"),
    [
        ("City", "City", "City(name='Berlin', people=3700000)"),
        ("CityModel", "CityModel", "CityModel(name='Berlin', people=3700000)"),
        ("CityDict", "CityDict", "{'name': 'Berlin', 'people': 3700000}"),
        ("city_schema", "Stadt", "{'name': 'Berlin', 'people': 3700000}"),
    ],
)
def test_an_answer_becomes_an_object(nb, server, schema, name, parsed):
    server.reply(completion(CITY))
    (bundle,) = run(nb, f"--schema {schema} --out city").outputs
    form = server.requests[-1].json["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["name"] == name
    assert set(form["json_schema"]["schema"]["properties"]) == {"name", "people"}
    assert nb.value("repr(city.parsed)") == parsed
    assert '```json\n{\n  "name": "Berlin",\n  "people": 3700000\n}\n```' in bundle["text/markdown"]


def test_a_schema_after_a_tool(nb, server):
    server.reply(calls(("add", {"a": 1, "b": 2})), completion(CITY))
    run(nb, "--tool add --schema City")
    assert nb.value("_chat.parsed.name, _chat.tool_calls[0].value") == "('Berlin', 3)"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"name": "Berlin"}', "people: Field required"),
        ('{"name": "Berlin", "people": "many"}', "people: "),
        ("It is Berlin.", "Expecting value"),
    ],
)
def test_an_answer_that_does_not_fit_is_one_line_and_keeps_its_text(nb, server, text, says):
    server.reply(completion(text))
    result = nb.run("%%chat --schema City\nGo.")
    assert result.error.startswith("SchemaError: the answer is no City: ")
    assert says in result.error
    assert len(result.traceback) == 1
    assert nb.value("_chat.text, _chat.parsed") == repr((text, None))
    assert "⚠ the answer is no City" in result.outputs[-1]["text/markdown"]


# -- attachments -----------------------------------------------------------------

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def test_attachments_and_figures_in_the_prompt(nb, server, tmp_path):
    (tmp_path / "my dot.png").write_bytes(PNG)
    nb.run("from matplotlib.figure import Figure\nfig = Figure(figsize=(1, 1))")
    server.reply(completion("Two pictures."))
    result = run(nb, f"--attach '{tmp_path}/my dot.png' --attach fig", "{{ fig }} What is it?")
    (message,) = server.requests[-1].json["messages"]
    first, text, second, third = message["content"]
    assert text == {"type": "text", "text": " What is it?"}
    assert second["image_url"]["url"].endswith(base64.b64encode(PNG).decode())
    assert first["image_url"]["url"].startswith("data:image/png;base64,")
    assert third == first
    assert len(result.outputs) == 1
    assert nb.run("%chat history").stdout.startswith(
        "[user]\n[picture]  What is it? [picture] [picture]\n"
    )
    record = result.outputs[0][RECORD]
    assert json.loads(nb.value("__import__('json').dumps(_chat.to_dict())")) == record
