"""What a type checker knows of the public names: nobody has to guess what is in an answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

USER = """
import dataclasses
from typing import Any
import nbstream
from nbstream import Chat, ChatPanel, Response, errors

@dataclasses.dataclass
class City:
    name: str

cities = Chat("m", schema=City)
reveal_type(cities.send("x").parsed)  # City | None
reveal_type(cities.last)  # Response[City] | None
plain = Chat("m")
reveal_type(plain.send("x"))  # Response[Any]
of_json = Chat(schema={"type": "object"})
reveal_type(of_json.send("x").parsed)  # Any | None
reveal_type(plain.send("x").error)  # NbstreamError | Interrupted | None

async def ask() -> None:
    reveal_type(await cities.asend("x"))  # Response[City]

def bare(answer: Response) -> None:
    reveal_type(answer.text)  # str
    reveal_type(answer.code_blocks[0].text)  # str

panel = ChatPanel(model="m", base_url="x", temperature=0.5, image_hosts=["a.example"])
reveal_type(panel.responses)  # list[Response[Any]]
reveal_type(panel.response)  # Response[Any] | None
reveal_type(panel.busy)  # bool
reveal_type(panel.widget)  # PanelWidget
reveal_type(nbstream.last())  # Response[Any]
try:
    plain.send("x")
except errors.APIStatusError as error:
    reveal_type(error.response)  # Response[Any] | None
    reveal_type(error.status_code)  # int
except errors.Interrupted as stop:
    reveal_type(stop.response)  # Response[Any] | None

ChatPanel(modle="m")  # error: Unexpected keyword argument "modle"
ChatPanel(model=3)  # error: Argument "model" to "ChatPanel" has incompatible type "int"
Chat(temperature="hot")  # error: Argument "temperature" to "Chat" has incompatible type "str"
nbstream.lsat()  # error: Module has no attribute "lsat"
"""
_QUALIFIED = re.compile(r"\b(?:\w+\.)+(\w+)")


@pytest.mark.timeout(400)  # where nothing is cached, mypy reads the SDK too
def test_public_names_are_typed(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    # As the project itself is checked, so that what `make lint` has read is not read again.
    settings = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, "--no-pretty", tmp_path / "user.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    lines_said = r"^user\.py:(\d+): (?:note: (?=Revealed)|error: )(.*)$"
    said = dict(re.findall(lines_said, done.stdout, re.MULTILINE))
    lines = [(n, each) for n, each in enumerate(USER.splitlines(), 1) if "  # " in each]
    for number, line in lines:
        expected = line.partition("  # ")[2]
        found = said.pop(str(number), "nothing")
        if expected.startswith("error: "):
            assert found.startswith(expected.removeprefix("error: ")), line
        else:
            revealed = found.removeprefix('Revealed type is "').rstrip('"')
            assert _QUALIFIED.sub(r"\1", revealed) == expected, line
    assert not said, done.stdout


def test_help_shows_the_public_names():
    code = "import nbstream; help(nbstream)"
    env = {**os.environ, "PAGER": "cat", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    head = done.stdout.partition("PACKAGE CONTENTS")[0]
    public = {"Chat", "ChatPanel", "Response", "last", "tool", "Tool", "mcp", "errors", "Message"}
    assert public <= set(re.findall(r"\w+", head))
    assert "class ChatPanel(" in done.stdout
    assert "last() -> " in done.stdout
