"""What a kernel does for the front end that asks: consoles, captures, runs that nobody sees."""

from __future__ import annotations

import itertools
import textwrap

import nbformat
import pytest
from kernels import kernel
from nbclient import NotebookClient
from replay import ReplayServer, completion, error

RECORD = "application/vnd.nbstream.response+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
PARAGRAPHS = ["First *one*.\n\n", "```python\nx = 1\n```\n\n", "The end."]
TOOL = {"name": "delete", "arguments": {"path": "/tmp/x"}}
DELETE = (
    "deleted = []\n"
    "def delete(path: str):\n"
    "    '''Delete a file.'''\n"
    "    deleted.append(path)\n"
    "    return 'gone'"
)


@pytest.fixture(scope="module")
def server():
    with ReplayServer() as running:
        yield running


@pytest.fixture(scope="module")
def nb(server):
    """A kernel of which nothing is known: no Jupyter Server has started it."""
    with kernel(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test") as running:
        running.tells_cells = False
        prepared = running.run(
            "%config ChatMagics.model = 'replay-1'\nimport ipywidgets, nbstream\n" + DELETE
        )
        assert not prepared.error
        yield running


@pytest.fixture(scope="module")
def jupyter(server):
    """A kernel as Jupyter Server starts one."""
    environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-test"}
    with kernel(JPY_SESSION_NAME="x.ipynb", **environment) as running:
        running.tells_cells = False
        prepared = running.run(
            "%config ChatMagics.model = 'replay-1'\nimport ipywidgets, nbstream\n" + DELETE
        )
        assert not prepared.error
        yield running


@pytest.fixture(autouse=True)
def _asked(server):
    yield
    assert server.unexpected == []


def displays(result):
    kinds = ("display_data", "update_display_data", "clear_output", "comm_open")
    return [m["msg_type"] for m in result.messages if m["msg_type"] in kinds]


def texts(outputs, kind="text/markdown"):
    return [output[kind] for output in outputs]


GATES = (f"gate-{number}" for number in itertools.count())


def in_parts(nb, server, code, **how):
    """The result of a cell whose answer goes on as soon as what came of it is shown."""
    gate = next(GATES)
    server.reply(completion(PARAGRAPHS, gate=gate))
    cell = nb.start(code, **how)
    seen = []
    for number, part in enumerate(PARAGRAPHS[:-1]):
        server.open(f"{gate}-{number}")
        seen += until(nb, cell, part.strip())
    server.open(f"{gate}-{len(PARAGRAPHS) - 1}")
    result = nb.collect(cell)
    result.messages[:0] = seen
    return result


def until(nb, msg_id, words):
    """The messages that answer a request, up to the one that shows these words."""
    seen = []
    while not seen or words not in shown_by(seen[-1]):
        message = nb.client.get_iopub_msg(timeout=20)
        seen += [message] if message["parent_header"].get("msg_id") == msg_id else []
    return seen


def shown_by(message):
    return message["content"].get("data", {}).get("text/markdown", "")


# -- consoles ------------------------------------------------------------------------


def test_a_console_gets_each_part_once_when_it_is_finalized(nb, server):
    server.reply(completion(PARAGRAPHS, gate="part"))
    cell = nb.start("%%chat --out answer\nGo.")
    shown = []
    for number in range(3):
        server.open(f"part-{number}")
        if number < 2:
            shown.append(next_display(nb))
    assert [data["text/plain"] for data in shown] == ["First *one*.\n", "```python\nx = 1\n```\n"]
    assert [data["text/markdown"] for data in shown] == ["First *one*.", "```python\nx = 1\n```"]
    result = nb.collect(cell)
    assert not result.error
    assert displays(result) == ["display_data"]
    (last,) = result.outputs
    end, _, usage = last["text/plain"].partition("\n\n")
    assert end == "The end."
    assert usage.startswith("replay-1 · ")
    assert last[RECORD]["rounds"][0]["text"] == "".join(PARAGRAPHS)
    assert last["text/markdown"].startswith("The end.\n\n<details>")


def next_display(nb):
    while True:
        message = nb.client.get_iopub_msg(timeout=20)
        assert message["msg_type"] != "update_display_data"
        if message["msg_type"] == "display_data":
            return message["content"]["data"]


def test_a_console_reads_reasoning_calls_and_how_it_ended(nb, server):
    server.reply(
        completion(reasoning="Let me\nthink.", tool_calls=[TOOL]),
        completion("Half of", finish="length"),
    )
    result = nb.run("%%chat --tool delete\nGo.")
    text = "\n".join(texts(result.outputs, "text/plain"))
    assert "| Let me\n| think.\n\n" in text
    assert "delete(path='/tmp/x') → gone" in text or 'delete("/tmp/x") → gone' in text
    assert text.index("gone") < text.index("Half of") < text.index("limit")
    assert "update_display_data" not in displays(result)


def test_a_console_shows_the_last_answer_again_as_text(nb, server):
    server.reply(completion("# Title\n\nText."))
    nb.run("%%chat\nGo.")
    (again,) = nb.run("%chat last").outputs
    assert again["text/plain"].startswith("# Title\n\nText.\n\nreplay-1 ·")


def test_links_that_are_defined_later_are_told_at_the_end(nb, server):
    parts = ["See [the docs][d].\n\n", "Then.\n\n", "[d]: https://example.org/docs\n"]
    server.reply(completion(parts, gate="link"))
    cell = nb.start("%%chat\nGo.")
    server.open("link-0")
    assert next_display(nb)["text/plain"] == "See [the docs][d].\n"
    server.open("link-1")
    server.open("link-2")
    markdown = "\n\n".join(texts(nb.collect(cell).outputs))
    assert "https://example.org/docs" in markdown


@pytest.mark.parametrize("known", ["cell", "program"])
def test_other_front_ends_get_no_parts(nb, server, known):
    """A cell's id, or a program that runs the notebook: updates count."""
    more = {"cell": {"cell_id": "a"}, "program": {"allow_stdin": False}}[known]
    result = in_parts(nb, server, "%%chat --no-history\nGo.", **more)
    assert_one_output(result)


def test_a_kernel_of_jupyter_server_gives_no_parts(jupyter, server):
    server.reply(completion(PARAGRAPHS))
    assert_one_output(jupyter.run("%%chat --no-history\nGo."))


def assert_one_output(result):
    assert "update_display_data" in displays(result)
    (output,) = result.outputs
    assert output["text/markdown"].startswith("".join(PARAGRAPHS))


# -- captures ------------------------------------------------------------------------

IN_OUTPUT = {
    "with": "with out:\n    print('own')\n    {ask}",
    "capture": "@out.capture()\ndef f():\n    print('own')\n    {ask}\nf()",
    "tab": "tab = ipywidgets.Tab([out])\nwith tab.children[0]:\n    print('own')\n    {ask}",
}
ASK = {
    "magic": "get_ipython().run_cell_magic('chat', '--no-history', 'Go.')",
    "chat": "nbstream.Chat('replay-1').send('Go.');",
}


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("where", IN_OUTPUT)
def test_in_an_output_widget_nothing_is_updated_or_cleared(jupyter, server, where, ask):
    cell = IN_OUTPUT[where].format(ask=ASK[ask])
    result = in_parts(jupyter, server, f"out = ipywidgets.Output()\n{cell}", cell_id="c")
    assert not result.error
    shown = [m for m in result.messages if m["msg_type"] == "display_data"]
    kinds = {k for k in displays(result) if k != "comm_open"}
    assert kinds == {"display_data"}
    assert len(shown) == 3
    assert shown[-1]["content"]["data"][RECORD]["status"] == "complete"
    assert "own" in result.stdout
    after = "print(out.msg_id == '')"
    assert jupyter.run(after).stdout.strip() == "True"


def test_a_button_that_asks_into_an_output(jupyter, server):
    server.reply(completion(PARAGRAPHS, gate="button"))
    made = jupyter.run(
        textwrap.dedent("""
        out, button, chat = ipywidgets.Output(), ipywidgets.Button(), nbstream.Chat('replay-1')
        @button.on_click
        def _(_):
            with out:
                chat.send('Go.')
        print(button.comm.comm_id, end='')
        """)
    )
    clicked = {"method": "custom", "content": {"event": "click"}}
    content = {"comm_id": made.stdout, "data": clicked}
    message = jupyter.client.session.msg("comm_msg", content)
    jupyter.client.shell_channel.send(message)
    said = []
    for number, part in enumerate(PARAGRAPHS):
        server.open(f"button-{number}")
        said += until(jupyter, message["header"]["msg_id"], part.strip())
    parts = [each["content"]["data"] for each in said if is_shown(each)]
    assert "update_display_data" not in {each["msg_type"] for each in said}
    assert texts(parts)[:2] == ["First *one*.", "```python\nx = 1\n```"]
    assert RECORD in parts[2]
    assert WIDGET not in str(parts)


def test_after_the_output_the_cell_has_its_widget_again(jupyter, server):
    server.reply(completion("In."), completion("Out."))
    result = jupyter.run(
        "out = ipywidgets.Output()\nwith out:\n    nbstream.Chat('replay-1').send('Go.');\n"
        "nbstream.Chat('replay-1').send('Go.');"
    )
    first, second = (m["content"]["data"] for m in result.messages if is_shown(m))
    assert first["text/markdown"].startswith("In.")
    assert WIDGET in second


def is_shown(message):
    return message["msg_type"] == "display_data"


def test_what_a_cell_captures_is_shown_as_it_was(jupyter, server):
    server.reply(completion(PARAGRAPHS))
    kept = jupyter.run("%%capture kept\n_r = nbstream.Chat('replay-1').send('Go.')")
    assert not kept.error
    assert displays(kept) == []
    result = jupyter.run("kept.show()")
    assert "".join(PARAGRAPHS[:1]).strip() in "\n\n".join(texts(result.outputs))
    assert RECORD in result.outputs[-1]


# -- runs that nobody sees -----------------------------------------------------------


def test_in_the_background_of_a_run_that_nobody_sees(jupyter, server):
    server.reply(completion(PARAGRAPHS, pace=0.1))
    result = jupyter.run("%%chat --bg --out answer --no-history\nGo.", allow_stdin=False)
    assert not result.error
    (output,) = result.outputs
    assert output["text/markdown"].startswith("".join(PARAGRAPHS))
    assert jupyter.value("answer.done") == "True"
    server.reply(error(400, "no"))
    failed = jupyter.run("%%chat --bg --no-history\nGo.", allow_stdin=False)
    assert "no" in failed.error


@pytest.mark.parametrize("line", ["--approve --tool delete", "--bg --approve --tool delete"])
def test_a_call_that_nobody_can_approve_fails_the_cell(jupyter, server, line):
    server.reply(completion(tool_calls=[TOOL]), completion("I see."))
    result = jupyter.run(f"%%chat --no-history {line} --out answer\nGo.", allow_stdin=False)
    assert "nobody is here to approve delete" in result.error
    assert "\n" not in result.error
    assert len(result.traceback) == 1
    assert "I see." in result.outputs[-1]["text/markdown"]
    assert "nobody is here to approve" in result.outputs[-1]["text/markdown"]
    assert jupyter.value("deleted, answer.text") == "([], 'I see.')"
    heard = server.requests[-1].json["messages"][-1]["content"]
    assert "nobody could be asked" in heard


def test_code_for_a_cell_that_nobody_sees_is_printed(nb, server):
    server.reply(completion("```python\nx = '\x1b[31m'\n```\n"))
    nb.run("%%chat\nGo.")
    result = nb.run("%chat code 1", allow_stdin=False)
    assert result.stdout.startswith("x = ''\n")
    assert "could not be put into a cell" in result.stdout
    assert result.reply["content"]["payload"] == []
    assert nb.run("%chat code 1").reply["content"]["payload"][0]["source"] == "set_next_input"


class InParts(NotebookClient):
    """Runs a notebook in which an answer goes on as soon as what came of it is shown.

    Attributes:
        go_on: opens the gate of the part of this number.
    """

    def process_message(self, msg, cell, cell_index):
        for number, part in enumerate(PARAGRAPHS[:-1]):
            if part.strip() in shown_by(msg):
                self.go_on(number + 1)
        return super().process_message(msg, cell, cell_index)


def executed(cells, monkeypatch, server, **environment):
    more = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-test", **environment}
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    setup = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\nimport nbstream"
    made = [nbformat.v4.new_code_cell(cell) for cell in (setup, *cells)]
    notebook = nbformat.v4.new_notebook(cells=made)
    runner = InParts(notebook, timeout=60, kernel_name="python3")
    runner.go_on = lambda number: server.open(f"program-{number}")
    runner.go_on(0)
    runner.execute()
    return notebook


@pytest.mark.parametrize("environment", [{}, {"JPY_SESSION_NAME": "/home/x/y.ipynb"}])
def test_a_notebook_that_a_program_runs_holds_all_answers(server, monkeypatch, environment):
    long = "word " * 4_000
    server.reply(completion("**Later**"), *(completion(f"Turn {n}. {long}") for n in range(3)))
    cells = [
        "%%chat --bg\nGo.",
        "panel = nbstream.ChatPanel(model='replay-1')\npanel",
        *("panel.send('Hi');" for _ in range(3)),
    ]
    notebook = executed(cells, monkeypatch, server, **environment)
    assert "widgets" not in notebook.metadata
    (answer,) = notebook.cells[1].outputs
    assert answer.data["text/markdown"].startswith("**Later**")
    (panel,) = notebook.cells[2].outputs
    assert [panel.data["text/markdown"].count(f"Turn {n}.") for n in range(3)] == [1, 1, 1]


def test_an_output_widget_of_a_notebook_that_a_program_runs(server, monkeypatch):
    server.reply(completion(PARAGRAPHS, gate="program"), completion("From interact."))
    cells = [
        "import ipywidgets\nout = ipywidgets.Output()\nout",
        "with out:\n    print('own')\n    nbstream.Chat('replay-1').send('Go.');",
        "@ipywidgets.interact(x=['a'])\ndef f(x):\n    nbstream.Chat('replay-1').send(x);",
    ]
    notebook = executed(cells, monkeypatch, server)
    saved = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    models = [m["state"] for m in saved.values() if m["model_name"] == "OutputModel"]
    first, second = sorted((m["outputs"] for m in models), key=len, reverse=True)
    assert first[0]["text"] == "own\n"
    assert [o["data"]["text/plain"].split("\n")[0] for o in first[1:]] == [
        "First *one*.",
        "```python",
        "The end.",
    ]
    assert second[0]["data"]["text/markdown"].startswith("From interact.")


# -- hooks of a thread ---------------------------------------------------------------

# As google.colab's `output.enable_custom_widget_manager`: a hook on the thread that calls it,
# once, whoever it is.
COLAB = """
import sys, types
def hook(message):
    if "{kind}" in message["content"].get("data", {{}}):
        message["content"].setdefault("metadata", {{}})["colab"] = True
    return message
installed = []
def enable_custom_widget_manager():
    if not installed:
        installed.append(get_ipython().display_pub.register_hook(hook))
output = types.ModuleType("google.colab.output")
output.enable_custom_widget_manager = enable_custom_widget_manager
sys.modules["google.colab"] = colab = types.ModuleType("google.colab")
sys.modules["google.colab.output"] = colab.output = output
"""
SHOW = {
    "cell": "%%chat --no-history\nGo.",
    "background": "%%chat --bg --no-history\nGo.",
    "chat": "nbstream.Chat('replay-1').send('Go.');",
    "panel": "%chat panel",
}


@pytest.mark.parametrize("show", SHOW)
def test_widgets_have_what_the_hooks_of_the_cells_thread_add(server, show):
    """Ours, and those that a cell shows later; the first one of all registers the hook."""
    server.fallback = completion("Fine.")
    environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-test"}
    with kernel(**environment) as running:
        running.run("%config ChatMagics.model = 'replay-1'\nimport nbstream")
        assert not running.run(COLAB.format(kind=WIDGET)).error
        assert marked(running.run(SHOW[show])) == [True]
        later = "import ipywidgets\ndisplay(ipywidgets.IntSlider())"
        assert marked(running.run(later)) == [True]
    server.fallback = None


def marked(result):
    """Of each widget that was shown, whether the hook was there."""
    shown = [m["content"] for m in result.messages if m["msg_type"] in SHOWN]
    return [
        content["metadata"].get("colab", False) for content in shown if WIDGET in content["data"]
    ]


SHOWN = ("display_data", "execute_result")


def test_hooks_of_a_thread_stay_its_own(nb):
    result = nb.run(
        textwrap.dedent("""
        import threading
        from nbstream.views.hooks import CellHooks
        pub = get_ipython().display_pub
        cell, seen = CellHooks(), []
        def other():
            pub.register_hook(seen.append)
            with cell:
                pub.register_hook(len)
            print([h is len for h in pub._hooks])
        thread = threading.Thread(target=other); thread.start(); thread.join()
        print(len in pub._hooks); pub.unregister_hook(len)
        """)
    )
    assert not result.error
