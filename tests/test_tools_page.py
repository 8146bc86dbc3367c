"""`docs/tools.md`, followed from top to bottom in a real kernel, over real HTTP.

The cells of the page are run as they stand there. What a model may say to each is written
here; the functions of the page are really called, its questions really asked.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from kernels import Kernel, Result, kernel
from replay import ReplayServer, Reply, completion

PAGE = Path(__file__).parents[1] / "docs" / "tools.md"
MCP = f"{sys.executable} {Path(__file__).with_name('mcp_server.py')}"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CITY = '{"name": "Berlin", "people": 3700000, "rivers": ["Spree", "Havel"]}'


def call(name: str, **arguments: str) -> Reply:
    return completion(tool_calls=[{"name": name, "arguments": arguments}])


def sections() -> dict[str, list[str]]:
    """The code blocks of each section of the page."""
    parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {part.partition("\n")[0]: BLOCK.findall(part) for part in parts}
    assert {language for blocks in found.values() for language, _ in blocks} == {"python"}
    return {title: [code for _, code in blocks] for title, blocks in found.items() if blocks}


@pytest.fixture(scope="module")
def nb(server, tmp_path_factory):
    """One kernel, in a folder of its own, for all of the page."""
    with kernel(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test-canary-1") as running:
        running.run(f"import os; os.chdir({str(tmp_path_factory.mktemp('page'))!r})")
        yield running


class Reader:
    """Runs the blocks of the page, each of them once and in order."""

    def __init__(self, nb: Kernel, server: ReplayServer) -> None:
        self._nb = nb
        self._server = server
        self.expected = 0
        self.left = {title: list(blocks) for title, blocks in sections().items()}

    def run(self, title: str, *replies: Reply, answers: tuple[str, ...] = ()) -> Result:
        """Run the next block of a section."""
        code = self.left[title].pop(0).replace("uvx mcp-server-time", MCP)
        asks = code.startswith("%%chat") or ".send(" in code
        assert bool(replies) == asks, code
        self._server.reply(*replies)
        self.expected += len(replies)
        running = self._nb.start(code)
        for answer in answers:
            self._nb.answer(answer)
        result = self._nb.collect(running)
        assert not result.error, (code, result.error)
        return result

    def sent(self) -> list[dict]:
        """The messages of the last request."""
        return self._server.requests[-1].json["messages"]

    def offered(self) -> list[str]:
        return [tool["function"]["name"] for tool in self._server.requests[-1].json["tools"]]


def text(result: Result) -> str:
    """What the last output of a cell shows."""
    bundle = result.outputs[-1]
    return str(bundle.get("text/markdown") or bundle["text/plain"])


def test_the_page(nb, server):
    page = Reader(nb, server)
    (opening, *titles) = page.left
    page.run(opening)
    follow_tools(page)
    follow_approval(page, nb)
    follow_schemas(page)
    follow_attachments(page)
    follow_servers(page)
    page.run("Settings")
    assert nb.value("get_ipython().config.ChatMagics") == (
        "{'approve': True, 'max_rounds': 20, 'tool_timeout': 60}"
    )
    assert titles
    assert not any(page.left.values()), f"not followed: {page.left}"
    assert not server.unexpected
    asked = [request for request in server.requests if request.method == "POST"]
    assert len(asked) == page.expected


def follow_tools(page: Reader) -> None:
    page.run("A function is a tool")
    asked = page.run(
        "A function is a tool", call("lookup_city", city="Berlin"), completion("3.7 million.")
    )
    assert '<summary>lookup_city("Berlin") → 1 row' in text(asked)
    assert "| 0 | Berlin | 3700000 |" in page.sent()[-1]["content"]
    assert page.run("A function is a tool").stdout == "tool       lookup_city\n"
    page.run("A function is a tool", call("lookup_city", city="Bonn"), completion("340,000."))
    assert page.offered() == ["lookup_city"]
    shown = text(page.run("What came of a call"))
    assert shown.startswith("('lookup_city',\n '{\"city\": \"Bonn\"}',\n 'DataFrame, 1 rows × 2 ")
    assert "Bonn" in page.run("What came of a call").outputs[-1]["text/html"]


def follow_approval(page: Reader, nb: Kernel) -> None:
    title = "Ask me first"
    page.run(title)
    page.run(title, call("delete_city", city="Bonn"), completion("Gone."), answers=("y",))
    assert page.sent()[-1]["content"] == "1 left"
    page.run(title, call("delete_city", city="Berlin"), completion("I see."))
    end = time.monotonic() + 20
    while nb.value("len(_chat.approvals)") != "1":
        assert time.monotonic() < end, "no call waits"
        time.sleep(0.05)
    page.run(title)
    assert page.sent()[-1]["content"] == "The user rejected this call. We live there."
    assert nb.value("list(cities.city), _chat.text") == "(['Berlin'], 'I see.')"


def follow_schemas(page: Reader) -> None:
    title = "An answer that is an object"
    page.run(title)
    page.run(title, completion(CITY))
    expected = "City(name='Berlin', people=3700000, rivers=['Spree', 'Havel'])"
    assert text(page.run(title)) == expected
    parsed = page.run(title, completion('{"value": ["Spree", "Havel"]}'))
    assert text(parsed) == "['Spree', 'Havel']"


def follow_attachments(page: Reader) -> None:
    title = "Pictures, documents, texts"
    page.run(title)
    page.run(title, completion("It does."))
    question, chart, file = page.sent()[-1]["content"]
    assert question["text"].startswith("Does the chart")
    assert chart["type"] == "image_url"
    assert file["text"].startswith("cities.csv:\n\n,city,people\n0,Berlin,3700000\n")
    page.run(title, completion("Nothing."))
    before, chart, after = page.sent()[-1]["content"]
    assert (before["text"], chart["type"]) == ("What is wrong in ", "image_url")
    assert "| 0 | Berlin | 3700000 |" in after["text"]


def follow_servers(page: Reader) -> None:
    title = "Servers of tools (MCP)"
    assert f"tool       mcp:{MCP}\n" in page.run(title).stdout
    page.run(title, completion("Some."))
    assert page.offered()[:2] == ["lookup_city", "greet"]
    page.run(title)
    address = "mcp:https://mcp.example.com/mcp --header-env Authorization MCP_TOKEN"
    assert page.run(title).stdout.endswith(f"tool       {address}\n")
    page.run(title)
