"""`%%chat` and `%chat` in a real kernel, over real HTTP."""

from __future__ import annotations

import json
import re
import time

import pytest
from kernels import kernel
from replay import DONE, Cut, Hang, Reply, chunk, completion, cut, error, models

RECORD = "application/vnd.nbstream.response+json"


def sent(server):
    return server.requests[-1].json


# --- an answer ----------------------------------------------------------------------


def test_an_answer_is_shown_stored_and_saved(nb, server):
    server.reply(completion("Hello **world**", reasoning="thinking"))
    result = nb.run("%%chat --out answer\nSay hello.")
    assert result.status == "ok"
    assert sent(server)["messages"] == [{"role": "user", "content": "Say hello."}]
    assert nb.value("answer.text, answer is _chat, answer.status") == (
        "('Hello **world**', True, 'complete')"
    )
    assert len(result.outputs) == 1
    bundle = result.outputs[0]
    assert set(bundle) == {"text/markdown", "text/plain", RECORD}
    assert "Hello **world**" in bundle["text/markdown"]
    assert bundle[RECORD]["rounds"][0]["text"] == "Hello **world**"
    assert nb.value(f"__import__('nbstream').Response.from_dict({bundle[RECORD]!r}) == answer") == (
        "True"
    )


def test_the_flags_reach_the_request(nb, server):
    server.reply(completion("x"))
    nb.run("import os; os.environ['OTHER_KEY'] = 'sk-other'")
    line = (
        f'%%chat some-model -s "You are \\"terse\\"" -t 0.25 --max-tokens 7 --param top_k 3 '
        f"--param stop '[\"a\"]' --param note plain --base-url {server.base_url} "
        "--api-key-env OTHER_KEY --header X-Team 'data science' --timeout 30"
    )
    result = nb.run(f"{line}\nHi")
    assert not result.error, result.error
    body = sent(server)
    assert body["model"] == "some-model"
    assert body["messages"][0] == {"role": "system", "content": 'You are "terse"'}
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0.25, 7, 3)
    assert (body["stop"], body["note"]) == (["a"], "plain")
    headers = server.requests[-1].headers
    assert headers["authorization"] == "Bearer sk-other"
    assert headers["x-team"] == "data science"


def test_interpolation(nb, server):
    server.reply(completion("x"), completion("x"))
    nb.run("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})")
    nb.run("%%chat\nSum: {{ df }} and {code: {x}}")
    prompt = sent(server)["messages"][-1]["content"]
    assert "DataFrame, 2 rows × 1 columns" in prompt
    assert "{code: {x}}" in prompt
    nb.run("%%chat --no-interpolate --fresh\n{{ df }}")
    assert sent(server)["messages"] == [{"role": "user", "content": "{{ df }}"}]


def test_the_magic_line_is_not_expanded_by_ipython(nb, server):
    server.reply(completion("x"))
    nb.run("name = 'wrong'")
    nb.run("%%chat -s '{name} $name'\nHi")
    assert sent(server)["messages"][0]["content"] == "{name} $name"


# --- sessions -----------------------------------------------------------------------


def test_sessions(nb, server):
    server.fallback = completion("ok")
    nb.run("%%chat\none", cell_id="a")
    nb.run("%%chat\ntwo", cell_id="b")
    assert len(sent(server)["messages"]) == 3
    nb.run("%%chat --session other\nthree")
    assert len(sent(server)["messages"]) == 1
    nb.run("%%chat --no-history\nfour")
    assert len(sent(server)["messages"]) == 1
    again = nb.run("%%chat\none again", cell_id="a")
    assert [m["content"] for m in sent(server)["messages"]] == ["one again"]
    assert "1 later turn dropped" in again.stdout
    nb.run("%%chat --fresh\nfive")
    assert [m["content"] for m in sent(server)["messages"]] == ["five"]
    listing = nb.run("%chat sessions").stdout
    assert "default: 1 turn" in listing
    assert "other: 1 turn" in listing
    server.fallback = None


@pytest.mark.parametrize(
    ("flags", "replies"),
    [
        ("-m typo", [error(400, "no")]),
        ("--bg -m typo", [error(400, "no")]),
        ("--base-url nonsense", []),
    ],
)
def test_a_fresh_start_that_fails_leaves_the_session_as_it_was(nb, server, flags, replies):
    server.reply(completion("1"), completion("2"), *replies, completion("3"))
    nb.run("%%chat -s Old\none", cell_id="a")
    nb.run("%%chat\ntwo", cell_id="b")
    nb.run(f"%%chat --fresh -s New {flags}\nthree", cell_id="b")
    assert nb.value("_chat.wait(10), _chat.status") == "(True, 'error')"
    assert "default: 2 turns, system: 'Old'" in nb.run("%chat sessions").stdout
    nb.run("%%chat\nfour")
    assert [m["content"] for m in sent(server)["messages"]] == [
        "Old",
        "one",
        "1",
        "two",
        "2",
        "four",
    ]


def test_a_fresh_start(nb, server):
    server.reply(completion("1"), completion("2"), completion("3"), completion("4"))
    nb.run("%config ChatMagics.system = 'Set'")
    nb.run("%%chat -s Old\none", cell_id="a")
    fresh = nb.run("%%chat --fresh\ntwo", cell_id="a")
    assert [m["content"] for m in sent(server)["messages"]] == ["Set", "two"]
    assert "dropped" not in fresh.stdout
    nb.run("%%chat --fresh -s New\nthree", cell_id="b")
    nb.run("%%chat\nfour")
    assert [m["content"] for m in sent(server)["messages"]] == ["New", "three", "3", "four"]
    assert "default: 2 turns" in nb.run("%chat sessions").stdout


def test_a_fresh_start_is_none_without_history(nb, server):
    server.reply(completion("1"))
    nb.run("%%chat\none")
    refused = nb.run("%%chat --fresh --no-history\ntwo")
    assert "leave out --fresh" in refused.error
    assert "default: 1 turn" in nb.run("%chat sessions").stdout


def test_the_rest_is_asked_for_in_the_session_of_the_last_cell(nb, server):
    server.reply(completion("Whole."), completion("Once upon", finish="length"))
    nb.run("%%chat\nTell of default.")
    nb.run("%%chat --session story\nTell a story.")
    server.reply(error(400, "no"), completion(" a time."))
    assert "BadRequestError" in nb.run("%chat continue").error
    again = nb.run("%chat continue")
    assert [m["content"] for m in sent(server)["messages"]][:2] == ["Tell a story.", "Once upon"]
    assert "Session 'story' goes on." in again.stdout
    asked = len(server.requests)
    server.reply(completion("Alone", finish="length"))
    nb.run("%%chat --no-history\nAlone.")
    refused = nb.run("%chat continue").error
    assert "--no-history" in refused
    assert "%chat continue SESSION" in refused
    assert len(server.requests) == asked + 1
    listing = nb.run("%chat sessions").stdout
    assert "default: 1 turn" in listing
    assert "story: 2 turns" in listing
    server.reply(completion("more"))
    assert "goes on" not in nb.run("%chat continue default").stdout
    assert sent(server)["messages"][1]["content"] == "Whole."


def test_reasoning_alone_can_be_continued(nb, server):
    thought = chunk({"reasoning_content": "Once upon"})
    server.reply(Reply([thought, Cut(), DONE]), completion("A story."))
    assert nb.run("%%chat\nTell a story.").error.endswith("%chat continue asks for the rest")
    assert not nb.run("%chat continue").error
    roles = [message["role"] for message in sent(server)["messages"]]
    assert roles == ["user", "assistant", "user"]
    server.reply(Reply([thought, Cut(), DONE]))
    assert nb.run("%%chat --no-history\nTell a story.").error.endswith(" · ask again")


def test_nothing_to_continue(nb, server):
    assert "session 'default' is empty · a Chat goes on by" in nb.run("%chat continue").error
    assert nb.run("%chat continue story").error.endswith("session 'story' is empty")
    assert not server.requests


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%chat\nMore.", "%chat reset, or --no-history"),
        ("%%chat --session story\nMore.", "%chat reset story, or --no-history"),
        ("%%chat --session 'a tale'\nMore.", "%chat reset 'a tale', or --no-history"),
        ("%%chat --session story --no-history\nMore.", "shorten the prompt"),
        ("import nbstream; nbstream.Chat('replay-1').send('More.')", "chat.reset()"),
    ],
)
def test_what_to_reset_where_a_conversation_is_too_long(nb, server, cell, says):
    server.reply(error(400, "This model's maximum context length is 8192 tokens."))
    assert nb.run(cell).error.endswith(f" characters): {says}")


def test_what_to_reset_stands_below_an_answer_too(nb, server):
    nb.run("def f(): return 1")
    server.reply(
        completion(tool_calls=[{"name": "f"}]),
        error(400, "This model's maximum context length is 8192 tokens."),
    )
    shown = nb.run("%%chat --session story --tool f\nGo.").outputs
    assert "%chat reset story, or" in shown[0]["text/markdown"]


# --- the line magic -----------------------------------------------------------------


def test_commands(nb, server):
    server.reply(completion("The answer.", finish="length"), completion(" And the rest."))
    assert "replay-1" in nb.run("%chat status").stdout
    assert server.base_url in nb.run("%chat").stdout
    assert "no answer yet" in nb.run("%chat last").error
    nb.run("%%chat\nAsk")
    shown = nb.run("%chat last").outputs
    assert "The answer." in shown[0]["text/markdown"]
    assert "[user]\nAsk" in nb.run("%chat history").stdout
    nb.run("%chat continue")
    assert [m["role"] for m in sent(server)["messages"]] == ["user", "assistant", "user"]
    assert nb.value("_chat.text") == " And the rest."
    server.reply(models(["m-1", "m-2"]), to="/v1/models")
    assert nb.run("%chat models").stdout.split() == ["m-1", "m-2", "local"]
    nb.run("%chat reset")
    assert "is empty" in nb.run("%chat history").stdout
    text = nb.run("%chat help").stdout
    for name in ("status", "last", "history", "continue", "reset", "sessions", "models", "help"):
        assert f"%chat {name}" in text
    assert "no command 'sing'" in nb.run("%chat sing").error
    assert "%chat help" in nb.run("%chat reset a b").error


def test_the_status_says_where_the_key_is_from(nb, server):
    assert f"{server.base_url} (key from OPENAI_API_KEY)" in nb.run("%chat status").stdout
    nb.run("import os\nkey = os.environ.pop('OPENAI_API_KEY')")
    shown = nb.run("%chat status").stdout
    nb.run("os.environ['OPENAI_API_KEY'] = key")
    assert f"{server.base_url} (no key: OPENAI_API_KEY is not set)" in shown


def test_help_and_completion(nb, server):
    text = re.sub(r"\x1b\[[0-9;]*m", "", nb.run("%%chat?").pager)
    assert "%%chat [-m MODEL]" in text
    for flag in ("--model MODEL", "--out VAR", "--param", "--timeout S", "{{ expression }}"):
        assert flag in text
    assert "--max-tokens" in nb.complete("%%chat --ma")
    server.reply(models(["m-1", "m-2"]), to="/v1/models")
    assert {"m-1", "m-2", "local"} <= set(nb.complete("%%chat -m "))
    assert "history" in nb.complete("%chat hi")


def test_unload_leaves_nothing_behind(nb, server):
    server.reply(completion("x"))
    nb.run("before = (sorted(get_ipython().magics_manager.magics['cell']), )")
    nb.run("%%chat\nHi")
    assert not nb.run("%unload_ext nbstream").error
    assert "chat" not in nb.value("get_ipython().magics_manager.magics['cell']")
    assert "chat" not in nb.value("get_ipython().magics_manager.magics['line']")
    assert nb.value("'_chat' in dir()") == "False"
    assert (
        nb.value("[t.name for t in __import__('threading').enumerate() if 'nbstream' in t.name]")
        == "[]"
    )
    assert "ChatMagics" not in nb.run("%config").stdout
    assert not [m for m in nb.complete("%%cha") if "chat" in m]
    assert not nb.run("%load_ext nbstream").error
    server.reply(completion("x"))
    assert not nb.run("%%chat -m replay-1\nHi").error


def test_another_extension_holding_the_name(nb):
    nb.run("%unload_ext nbstream")
    nb.run(
        "from IPython.core.magic import register_cell_magic\n"
        "@register_cell_magic\ndef chat(line, cell): print('the other')"
    )
    loaded = nb.run("%load_ext nbstream")
    assert loaded.stdout.count("%%nbchat") == 1
    assert "nothing to ask" in nb.run("%%chat\n ").error
    assert "nothing to ask" in nb.run("%%nbchat\n ").error
    nb.run("%unload_ext nbstream")
    assert nb.run("%%chat\nx").stdout == "the other\n"
    nb.run("del get_ipython().magics_manager.magics['cell']['chat']\n%load_ext nbstream")


def test_settings(nb, server):
    server.reply(completion("x"))
    nb.run(
        "%config ChatMagics.temperature = 0.125\n%config ChatMagics.params = {'seed': 4}\n"
        "%config ChatMagics.system = 'Be kind.'"
    )
    nb.run("%%chat\nHi")
    assert (sent(server)["temperature"], sent(server)["seed"]) == (0.125, 4)
    assert sent(server)["messages"][0] == {"role": "system", "content": "Be kind."}


def test_the_system_message_of_the_settings_is_read_until_there_are_turns(nb, server):
    def system():
        return [m["content"] for m in sent(server)["messages"] if m["role"] == "system"]

    nb.run("%config ChatMagics.system = 'A'\n%chat history")
    server.reply(error(400, "no"), completion("x"), completion("y"))
    nb.run("%%chat -m typo\nHi")
    assert system() == ["A"]
    nb.run("%config ChatMagics.system = 'B'")
    nb.run("%%chat\nHi")
    assert system() == ["B"]
    nb.run("%config ChatMagics.system = 'C'")
    nb.run("%%chat\nOn.")
    assert system() == ["B"]


@pytest.mark.parametrize(("own", "kept"), [("Own", ["Own"]), ("", [])])
def test_a_system_message_of_a_session_is_kept_where_its_cell_failed(nb, server, own, kept):
    nb.run("%config ChatMagics.system = 'A'")
    server.reply(error(400, "no"), completion("x"))
    nb.run(f"%%chat -s '{own}' -m typo\nHi")
    nb.run("%%chat\nHi")
    said = sent(server)["messages"]
    assert [m["content"] for m in said if m["role"] == "system"] == kept


def test_settings_of_the_profile(server, tmp_path):
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.ChatMagics.model = 'from-the-profile'\n"
    )
    with kernel(IPYTHONDIR=str(tmp_path), OPENAI_BASE_URL=server.base_url) as nb:
        assert "from-the-profile" in nb.run("%chat status").stdout


def test_settings_of_the_profile_that_hold_secrets(server, tmp_path):
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.ChatMagics.model = 'replay-1'\n"
        f"c.ChatMagics.base_url = {server.base_url.replace('://', '://me:canary-1@')!r}\n"
        "c.ChatMagics.headers = {'X-One': 'canary-2'}\n"
        "c.ChatMagics.headers.update({'X-Two': 'canary-3'})\n"
    )
    server.reply(completion("x"))
    with kernel(IPYTHONDIR=str(tmp_path)) as nb:
        shown = nb.run("%config ChatMagics").stdout
        assert not nb.run("%%chat\nHi").error
    headers = server.requests[-1].headers
    assert (headers["x-one"], headers["x-two"]) == ("canary-2", "canary-3")
    assert headers["authorization"].startswith("Basic ")
    assert "X-Two" in shown
    assert server.host in shown
    assert "canary" not in shown


# --- kept tools ---------------------------------------------------------------------


def test_kept_tools_are_what_their_names_stand_for_now(nb, server):
    define = (
        "class Shop:\n    def __init__(self, name): self.name = name\n"
        "    def search(self): return self.name\n"
        "    def made(self): return self.name\n"
        "shop = Shop({0!r})\ndef f(): return {0!r}"
    )
    nb.run(define.format("old"))
    nb.run("%chat tools add shop.search f Shop('call').made")
    nb.run(define.format("new"))
    names = ("search", "f", "made")
    called = [{"name": name, "arguments": "{}"} for name in names]
    server.reply(completion(tool_calls=called), completion("x"))
    nb.run("%%chat\nGo.")
    assert nb.value("[call.value for call in _chat.tool_calls]") == "['new', 'new', 'call']"
    nb.run("del shop, f")
    server.reply(completion(tool_calls=called), completion("x"))
    nb.run("%%chat\nGo.")
    assert nb.value("[call.value for call in _chat.tool_calls]") == "['old', 'old', 'call']"


@pytest.mark.parametrize("cell", ["%%chat\nHi", "%chat status", "%chat panel"])
def test_a_kept_tool_that_is_none_any_more_is_named(nb, server, cell):
    nb.run("def f(): return 1\ndef g(): return 1")
    nb.run("%chat tools add g f\nf = 5")
    refused = nb.run(cell)
    assert "UsageError: kept tool f: 5 is not a function · %chat tools remove f" in refused.error
    assert len(refused.traceback) == 1
    assert not server.requests
    assert nb.run("%chat tools remove f").stdout == "tool       g\n"
    assert not nb.run("%chat status").error


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%chat\n   \n", "nothing to ask"),
        ("%%chat --wat\nHi", "no flag --wat · %%chat? lists the flags"),
        ("%%chat --temprature=1\nHi", "no flag --temprature · did you mean --temperature?"),
        ("%%chat --key=sk-canary-123\nHi", "no flag --key"),
        ("%%chat gpt sk-canary-123\nHi", "words that no flag takes"),
        ("%%chat gpt -k sk-canary-123\nHi", "words that no flag takes"),
        ("%%chat -t hot\nHi", "invalid float"),
        ("%%chat\n{{ nobody }}", "no 'nobody' in the notebook"),
        ("%%chat --out 2x\nHi", "no variable name"),
        ("%%chat --out class\nHi", "no variable name"),
        ("%%chat --api-key-env sk-canary-123\nHi", "not the key itself"),
        ("%%chat --api-key-env NOT_SET_ANYWHERE\nHi", "variable NOT_SET_ANYWHERE"),
        ("%%chat --base-url localhost\nHi", "not a base URL"),
        ("%%chat --view hologram\nHi", "invalid choice"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_sent(nb, server, cell, says):
    result = nb.run(cell)
    assert result.status == "error"
    assert says in result.error
    assert len(result.traceback) == 1
    shown = [m for m in result.messages if m["msg_type"] != "execute_input"]
    assert "canary" not in json.dumps(shown, default=str)
    assert not server.requests


@pytest.mark.parametrize(
    ("reply", "says", "text"),
    [
        (error(401, "Incorrect API key: sk-test-canary-1"), "check OPENAI_API_KEY", ""),
        (error(404, "no such model"), "nearest: replay-1", ""),
        (cut(completion("Hello world, how are you?"), 900), "broke inside the answer", "Hello"),
        (Reply([chunk({"content": "Hello"})]), "ended the stream", "Hello"),
    ],
    ids=["wrong key", "unknown model", "cut", "no finish"],
)
def test_a_failure_is_one_line_and_what_came_is_kept(nb, server, reply, says, text):
    server.reply(reply)
    nb.run("%config ChatMagics.model = 'replay-9'")
    result = nb.run("%%chat --out mine\nHi")
    assert result.status == "error"
    assert says in result.error
    assert len(result.traceback) == 1
    assert "canary" not in json.dumps(result.messages, default=str)
    assert nb.value("mine.text").startswith(text)
    if text:
        assert nb.value("mine.status") == "incomplete"
        assert text in result.outputs[0]["text/markdown"]
        assert "incomplete" in result.outputs[0]["text/plain"]
    else:
        assert result.outputs == []


def test_an_interrupt_keeps_the_part_and_the_next_turn_works(nb, server):
    server.reply(Reply([chunk({"content": "Half an ans"}), Hang()]))
    started = nb.start("%%chat --out mine\nHi")
    while not (server.requests and server.requests[-1].sent):
        time.sleep(0.01)
    time.sleep(0.3)
    asked = time.monotonic()
    nb.interrupt()
    result = nb.collect(started)
    assert time.monotonic() - asked < 1
    assert result.status == "error"
    assert result.error.startswith("Interrupted")
    assert server.requests[-1].aborted.wait(2)
    assert nb.value("mine.text, mine.status") == "('Half an ans', 'cancelled')"
    assert "Half an ans" in result.outputs[0]["text/markdown"]
    server.reply(completion("fine"))
    assert not nb.run("%%chat\nAgain").error
    assert [m["content"] for m in sent(server)["messages"]] == ["Hi", "Half an ans", "Again"]


# --- from Python --------------------------------------------------------------------


def test_chat_in_a_cell(nb, server):
    server.reply(completion("one"), completion("two"), completion("three"), completion("four"))
    nb.run("import nbstream\nchat = nbstream.Chat('replay-1', system='S')")
    shown = nb.run("print('before')\nr = chat.send('a')")
    assert "before" in shown.stdout
    assert "one" in shown.outputs[-1]["text/markdown"]
    nb.run("events = list(chat.stream('b'))")
    assert nb.value("''.join(e.text for e in events if e.kind == 'text')") == "two"
    nb.run("r = await chat.asend('c')")
    assert nb.value("r.text") == "three"
    nb.run("events = [e async for e in chat.astream('d')]")
    assert nb.value("[e.kind for e in events][-1]") == "done"
    assert [m["role"] for m in sent(server)["messages"]] == ["system"] + [
        "user",
        "assistant",
    ] * 3 + ["user"]
