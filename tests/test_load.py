"""Many answers at once, and one that is very long, in a real kernel."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from pathlib import Path

import pytest
from kernels import kernel
from long import LONG
from replay import completion, encode

ANSWERS, TOKENS = 50, 300 if not LONG else 2_000
START = """
for i in range({count}):
    line = f"--bg --session s{{i}} --out r{{i}} --view {view}"
    get_ipython().run_cell_magic("chat", line, f"Number {{i}}.")
"""


@pytest.fixture(scope="module")
def nb(server):
    with kernel(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test") as running:
        assert not running.run("%load_ext nbstream\n%config ChatMagics.model = 'replay-1'").error
        running.run("import psutil, threading")
        yield running


def latency(result):
    """Seconds from a request's sending to its reply, by their own clocks."""
    asked, replied = result.messages[0]["parent_header"]["date"], result.reply["header"]["date"]
    return (replied - asked).total_seconds()


@pytest.mark.parametrize("view", ["widget", "display"])
def test_fifty_answers_at_once(nb, server, view):
    """Each at 100 tokens a second: none is lost, and other cells run meanwhile."""

    def numbered(request):
        words = request.json["messages"][-1]["content"]
        return completion([f"{words} {n} " for n in range(TOKENS)], pace=0.01)

    server.fallback = numbered
    nb.run(START.format(count=ANSWERS, view=view))
    latencies = []
    done = f"all(globals()[f'r{{i}}'].done for i in range({ANSWERS}))"
    while not latencies or len(latencies) % 10 or nb.value(done) != "True":
        latencies.append(latency(nb.run("1 + 1")))
        assert len(latencies) < 5_000
    median, worst = statistics.median(latencies), max(latencies)
    print(f"{len(latencies)} other cells: {median:.3f} s in the middle, {worst:.3f} s at most")
    assert median < 1  # a tenth of it on an idle machine
    exact = (
        f"sum(globals()[f'r{{i}}'].text == ''.join(f'Number {{i}}. {{n}} ' "
        f"for n in range({TOKENS})) for i in range({ANSWERS}))"
    )
    assert nb.value(exact) == str(ANSWERS)
    assert nb.value(f"{{globals()[f'r{{i}}'].status for i in range({ANSWERS})}}") == "{'complete'}"


def test_a_very_long_answer_takes_little_more_than_its_text(nb, server):
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    import corpus

    tokens = 1_000_000 if LONG else 100_000
    reply = completion(corpus.answer(tokens))
    body = [encode(step) for step in reply.body]
    server.fallback = dataclasses.replace(
        reply, body=[b"".join(body[at : at + 500]) for at in range(0, len(body), 500)]
    )
    memory = "psutil.Process().memory_info().rss"
    before = int(nb.value(memory))
    nb.run(
        "peak, ended = 0, threading.Event()\n"
        "def watch():\n"
        "    global peak\n"
        "    while not ended.wait(0.02):\n"
        f"        peak = max(peak, {memory})\n"
        "threading.Thread(target=watch).start()"
    )
    result = nb.run("%%chat --fresh --view widget\nGo on.", timeout=600)
    nb.run("ended.set()")
    assert not result.error
    text = int(nb.value("len(_chat.text.encode())"))
    peak = int(nb.value("peak")) - before
    print(f"{tokens:,} tokens, {text / 1e6:.1f} MB: {peak / 1e6:.0f} MB more memory at most")
    assert peak < 100e6 + 40 * text
    saved = [m for m in result.messages if m["msg_type"] == "update_display_data"][-1]
    assert corpus.END in saved["content"]["data"]["text/markdown"]
