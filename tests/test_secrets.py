"""A key is found nowhere: in no message of the kernel, no file, no log and no traceback.

One real kernel asks a server with keys that came in every way a key can come. Whatever
the kernel says is kept, and at the end of each test searched for the keys.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import IPython
import nbformat
import pytest
from kernels import Kernel, Result, kernel
from replay import (
    CHAT,
    MODELS,
    ReplayServer,
    Reply,
    Request,
    Wait,
    completion,
    error,
    redirect,
    whole,
)

# In every key of these tests; like no service's keys, which are known by their first letters.
CANARY = "canary-0123456789"
LOGIN = base64.b64encode(f"someone:{CANARY}-login".encode()).decode()
MODES = ["Plain", "Context", "Verbose"]
if IPython.version_info >= (8,):  # in earlier ones a cell does not fail in "Minimal"
    MODES += ["Minimal", "Docs"]

_PREPARE = """
import io, logging, os, sys, dataclasses, pickle, traceback, nbstream
log = io.StringIO()
logging.basicConfig(level=logging.DEBUG, stream=log, force=True)
chat_magic = lambda line: get_ipython().run_cell_magic("chat", line, "Hi")
"""


@dataclass
class Watch:
    """A kernel of which everything it says is kept."""

    kernel: Kernel
    folder: Path
    said: list[str] = field(default_factory=list)
    cells: list[tuple[str, Result]] = field(default_factory=list)

    def run(self, code: str, *, fails: bool = False) -> Result:
        return self._kept(code, self.kernel.run(code, allow_stdin=False), fails=fails)

    def type_in(self, code: str, typed: str, *, fails: bool = False) -> tuple[Result, str]:
        """Run a cell and answer its password prompt; return the prompt too."""
        client = self.kernel.client
        msg_id = client.execute(code, allow_stdin=True)
        request = client.get_stdin_msg(timeout=10)
        client.input(typed)
        assert request["msg_type"] == "input_request"
        assert request["content"]["password"] is True
        self._keep(request)
        result = self._kept(code, self.kernel.collect(msg_id), fails=fails)
        return result, request["content"]["prompt"]

    def _kept(self, code: str, result: Result, *, fails: bool) -> Result:
        assert bool(result.error) == fails, result.error or "no error"
        self._keep(*result.messages, result.reply)
        self.cells.append((code, result))
        return result

    def _keep(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self.said.append(json.dumps(message, default=str, ensure_ascii=False))
            self.said += [bytes(buffer).decode("latin-1") for buffer in message["buffers"]]

    def notebook(self) -> str:
        """What a front end would save."""
        notebook = nbformat.v4.new_notebook()
        kinds = ("stream", "display_data", "execute_result", "error")
        for code, result in self.cells:
            shown = [m for m in result.messages if m["msg_type"] in kinds]
            outputs = [nbformat.v4.output_from_msg(message) for message in shown]
            outputs += [
                nbformat.v4.new_output("display_data", m["content"]["data"])
                for m in result.messages
                if m["msg_type"] == "update_display_data"
            ]
            notebook.cells.append(nbformat.v4.new_code_cell(code, outputs=outputs))
        return nbformat.writes(notebook)

    def check(self) -> None:
        """Search what was said, logged and would be saved since the last time."""
        self.run("print(log.getvalue())\nlog.seek(0), log.truncate()")
        for text in (*self.said, self.notebook()):
            _search(text)
        self.said.clear()
        self.cells.clear()

    def check_files(self) -> None:
        """Search what IPython and nbstream stored."""
        names = set()
        for path in self.folder.rglob("*"):
            if path.is_file():
                names.add(path.name)
                _search(path.read_bytes().decode("latin-1"))
        assert "history.sqlite" in names


def _search(text: str) -> None:
    for form in (CANARY[:12], CANARY[:12].replace("-", "_"), LOGIN):
        place = text.find(form)
        assert place < 0, f"the key stands in: {text[max(0, place - 800) : place + 60]}"


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as server:
        server.fallback = completion("Hello")
        yield server


@pytest.fixture(scope="module")
def running(server, tmp_path_factory) -> Iterator[Watch]:
    folder = tmp_path_factory.mktemp("home")
    hidden = tmp_path_factory.mktemp("hidden")
    environment = {
        "OPENAI_API_KEY": f" {CANARY}-variable \n",
        "OPENAI_BASE_URL": server.base_url,
        "MY_KEY": f"{CANARY}-named\r\n",
        "BAD_KEY": f"{CANARY}-käse",
        "SPLIT_KEY": f"{CANARY} in two",
        "LOGIN_URL": server.base_url.replace("://", f"://someone:{CANARY}-login@"),
        "QUERY_URL": f"{server.base_url}?api-version=1&sig={CANARY}-query",
        "BEARER_TOKEN": f"Bearer {CANARY}-header\n",
        "PASTED_KEY": f"{CANARY}-pasted",
        "WORD_KEY": f"sk_{CANARY}".replace("-", "_"),
        "FILE_KEYRING": str(hidden / "keyring.json"),
        "PYTHON_KEYRING_BACKEND": "file_keyring.FileKeyring",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    with kernel(**environment) as started:
        watch = Watch(started, folder)
        watch.run(_PREPARE)
        watch.run(f"sys.path.append({str(Path(__file__).parent)!r})")  # for the keyring
        yield watch
        watch.run("%history -n -o")
        watch.check()
        watch.check_files()


@pytest.fixture
def nb(running: Watch) -> Iterator[Watch]:
    yield running
    running.run("%xmode Context")
    running.check()


@pytest.fixture
def hidden_keyring(running: Watch) -> Path:
    return Path(running.kernel.value("os.environ['FILE_KEYRING']"))


def echo(request: Request) -> str:
    return f"Incorrect API key provided: {request.headers['authorization']}."


def echoes() -> list[Any]:
    """A refusal that shows the key, in each form that servers have for one."""
    html = {"content-type": "text/html"}
    return [
        lambda request: error(401, echo(request)),
        lambda request: error(401, {"message": echo(request), "code": echo(request)}),
        lambda request: whole({"detail": [{"loc": ["key"], "msg": echo(request)}]}, status=401),
        lambda request: Reply([f"<title>{echo(request)}</title>"], 403, html, "length"),
        lambda request: Reply([f"{echo(request)} " * 40], 401, html, "length"),
        lambda request: Reply([{"error": {"message": echo(request), "code": echo(request)}}]),
        lambda request: Reply([echo(request)], 200, {"content-type": "text/plain"}, "length"),
        lambda request: Reply([{"error": {"message": "x" * 350 + echo(request)}}]),
        lambda request: Reply([": x\n\nevent: error\ndata: " + echo(request) + "\n\n"]),
    ]


# --- the ways in which a key comes --------------------------------------------------------

WAYS = {
    "variable": ("chat_magic('')", f"Bearer {CANARY}-variable"),
    "widget": ("chat_magic('--view widget')", f"Bearer {CANARY}-variable"),
    "name": ("chat_magic('--api-key-env MY_KEY')", f"Bearer {CANARY}-named"),
    "login": ("chat_magic('--base-url ' + os.environ['LOGIN_URL'])", f"Basic {LOGIN}"),
    "header": (
        "chat_magic(f'''--header authorization \"{os.environ['BEARER_TOKEN']}\"''')",
        f"Bearer {CANARY}-header",
    ),
    "Chat": (
        "nbstream.Chat(headers={'Authorization': os.environ['BEARER_TOKEN']}).send('Hi')",
        f"Bearer {CANARY}-header",
    ),
    "Chat login": ("nbstream.Chat(base_url=os.environ['LOGIN_URL']).send('Hi')", f"Basic {LOGIN}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_arrives_and_is_not_shown_even_by_a_server_that_echoes_it(nb, server, way):
    code, authorization = WAYS[way]
    nb.run(code)
    assert server.requests[-1].headers["authorization"] == authorization
    for reply in echoes() if way == "variable" else (echoes()[0], echoes()[5]):
        server.reply(reply)
        result = nb.run(code, fails=True)
        assert len(result.traceback) == 1
        assert "[key]" in result.error
        nb.run("repr(_chat.error), _chat.error.args, _chat.to_dict()")
    assert ('"comm_open"' in " ".join(nb.said)) == (way == "widget")
    assert "HTTP Request: POST" in nb.run("print(log.getvalue())").stdout


def test_a_setting_works_and_is_not_shown(nb, server):
    name = server.host
    nb.run("%config ChatMagics.headers = {'Authorization': os.environ['BEARER_TOKEN']}")
    nb.run("%config ChatMagics.base_url = os.environ['LOGIN_URL']")
    shown = nb.run("%config ChatMagics").stdout
    assert "{'Authorization': Secret(...)}" in shown
    assert f"Current: 'http://…@{name}/v1'" in shown
    nb.run("%config ChatMagics.headers")
    nb.run(
        "magics = get_ipython().magics_manager.registry['ChatMagics']\n"
        "print(magics.trait_values(config=True), magics.base_url, magics.headers)"
    )
    nb.run("chat_magic('')")
    assert authorization(server) == f"Bearer {CANARY}-header"
    nb.run("%config ChatMagics.headers = os.environ['BEARER_TOKEN']")
    nb.run("%config ChatMagics.headers = {}")
    nb.run("chat_magic('')")
    assert authorization(server) == f"Basic {LOGIN}"
    nb.run("%config ChatMagics.headers = {'Authorization': [os.environ['BEARER_TOKEN']]}")
    nb.run("%config ChatMagics.headers = {}\n%config ChatMagics.base_url = ''")


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_key_in_the_query_works_and_is_not_shown(nb, server, by_variable):
    if by_variable:
        nb.run("os.environ.update(OPENAI_BASE_URL=os.environ['QUERY_URL'])")
    else:
        nb.run("%config ChatMagics.base_url = os.environ['QUERY_URL']")
        shown = nb.run("%config ChatMagics").stdout
        assert f"Current: '{server.base_url}?api-version=1&sig=…'" in shown
    nb.run("chat_magic('')\n%chat models")
    assert {request.path for request in server.requests[-2:]} == {
        f"{path}?api-version=1&sig={CANARY}-query" for path in (CHAT, MODELS)
    }
    assert f"{server.base_url}?api-version=1&sig=…" in nb.run("%chat status").stdout
    server.reply(error(404, f"nothing at /v1?sig={CANARY}-query"))
    assert "[key]" in nb.run("chat_magic('-m m')", fails=True).error
    nb.run("repr(_chat.error), _chat.error.args, _chat.to_dict(), chat_magic")
    nb.run(
        f"%config ChatMagics.base_url = ''\nos.environ.update(OPENAI_BASE_URL={server.base_url!r})"
    )


@pytest.mark.parametrize("name", ["BAD_KEY", "SPLIT_KEY"])
def test_a_key_that_cannot_be_sent_is_refused(nb, server, name):
    asked = len(server.requests)
    result = nb.run(f"chat_magic('--api-key-env {name}')", fails=True)
    assert f"the key in {name} has a space or a character" in result.error
    result = nb.run(f"nbstream.Chat(headers=dict(X=os.environ['{name}'] + 'é'))", fails=True)
    assert "the header X" in result.error
    assert len(server.requests) == asked


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["PASTED_KEY", "WORD_KEY"])
def test_a_key_in_place_of_its_name_is_refused_and_not_shown(nb, server, mode, name):
    nb.run(f"%xmode {mode}\npasted = lambda: os.environ['{name}']")
    asked = len(server.requests)
    for code in (
        "chat_magic(f'--api-key-env {pasted()}')",
        "get_ipython().run_line_magic('chat', f'key {pasted()}')",
        "nbstream.Chat(api_key_env=pasted())",
    ):
        result = nb.run(code, fails=True)
        assert "takes the NAME of an environment variable" in result.error
        assert len(result.traceback) == 1
    nb.run("%config ChatMagics.api_key_env = pasted()")  # which prints what is raised
    assert nb.kernel.value("get_ipython().magics_manager.registry['ChatMagics'].api_key_env") == ""
    nb.run("%config ChatMagics")
    assert len(server.requests) == asked


# --- typed, and saved ---------------------------------------------------------------------


def authorization(server: ReplayServer) -> str:
    return server.requests[-1].headers["authorization"]


def test_a_typed_key_goes_to_its_host_alone(nb, server):
    with ReplayServer() as other:
        other.fallback = completion("Hello")
        result, prompt = nb.type_in("%chat key", f" {CANARY}-typed\n")
        assert server.origin in prompt
        assert server.origin in result.stdout
        assert nb.kernel.value("'keyring' in sys.modules") == "False"
        nb.run("chat_magic('')")
        assert authorization(server) == f"Bearer {CANARY}-typed"
        nb.run(f"chat_magic('--base-url {other.base_url}')")
        assert authorization(other) == f"Bearer {CANARY}-variable"
        nb.run("chat_magic('--api-key-env MY_KEY')")
        assert authorization(server) == f"Bearer {CANARY}-named"
        assert "-typed" not in nb.kernel.value("dict(os.environ)")
        server.reply(*echoes()[:1])
        assert "check %chat key" in nb.run("chat_magic('')", fails=True).error
        nb.run("%chat status")
        nb.run("%chat key --forget")
        nb.run("chat_magic('')")
        assert authorization(server) == f"Bearer {CANARY}-variable"


def test_a_typed_key_stands_in_for_a_variable(nb, server):
    _, prompt = nb.type_in("%chat key MY_KEY", f"{CANARY}-again")
    assert "MY_KEY" in prompt
    nb.run("chat_magic('--api-key-env MY_KEY')")
    assert authorization(server) == f"Bearer {CANARY}-again"
    nb.run("%chat key MY_KEY --forget")


@pytest.mark.parametrize("typed", ["", f"{CANARY} two", f"{CANARY}-käse"])
@pytest.mark.parametrize("mode", ["Context", "Verbose"])
def test_what_is_no_key_is_not_kept(nb, server, typed, mode):
    nb.run(f"%xmode {mode}")
    result, _ = nb.type_in("%chat key", typed, fails=True)
    assert len(result.traceback) == 1
    nb.run("chat_magic('')")
    assert authorization(server) == f"Bearer {CANARY}-variable"


def test_without_a_prompt_it_says_so(nb):
    assert "nobody can be asked" in nb.run("%chat key", fails=True).error


def test_a_saved_key_is_found_by_later_kernels(nb, server, hidden_keyring):
    nb.run("del os.environ['OPENAI_API_KEY']")
    nb.type_in("%chat key --save", f"{CANARY}-saved")
    assert f"{CANARY}-saved" in hidden_keyring.read_text()
    assert list(nb.folder.rglob("saved_keys.json"))
    # As after a restart: nothing typed.
    nb.run("from nbstream.keys import kernel_keys\nkernel_keys._typed.clear()")
    nb.run("chat_magic('')")
    assert authorization(server) == f"Bearer {CANARY}-saved"
    with ReplayServer() as other:
        other.fallback = completion("Hello")
        nb.run(f"chat_magic('--base-url {other.base_url}')")
        assert authorization(other) == "Bearer none"
    server.reply(*echoes()[:1])
    assert "check the keyring" in nb.run("chat_magic('')", fails=True).error
    nb.run("%chat key --forget")
    assert "-saved" not in hidden_keyring.read_text()
    nb.run("chat_magic('')")
    assert authorization(server) == "Bearer none"


# --- what goes wrong ----------------------------------------------------------------------

FAILURES = {
    # A bug at each place where a key passes.
    "in the magic": "with breaks('nbstream.session', 'start'): chat_magic('')",
    "in the client": "with breaks('nbstream.transport.client', '_plain'): chat_magic('')",
    "in the address": "with breaks('nbstream.endpoints', '_checked_url'): status()",
    "in the environment": "with breaks('nbstream.keys', 'variable'): status()",
    "in the endpoint": "with breaks('nbstream.endpoints', 'Endpoint'): status()",
    # An error of ours behind one of the user's.
    "refused": "try: chat_magic('')\nexcept Exception as e: raise RuntimeError('mine') from e",
    "cut": "try: chat_magic('')\nexcept Exception: raise KeyError('mine')",
    "late": "try: chat_magic('--timeout 0.1')\nexcept Exception: raise KeyError('mine')",
    "idle": "try: impatient().send('x')\nexcept Exception: raise KeyError('mine')",
}
REPLIES = {
    "refused": lambda request: error(401, echo(request)),
    "cut": lambda _: Reply([b"data: {}\n\n"], 200, {"content-length": "99"}, "close"),
    "late": lambda _: completion("Hello, world", pace=0.2),
    "idle": lambda _: completion("Hello", before=(Wait(0.3),)),
}
_BREAKS = """
import contextlib, importlib
os.environ['OPENAI_API_KEY'] = os.environ['MY_KEY']
status = lambda: get_ipython().run_line_magic('chat', 'status')

def impatient():
    chat = nbstream.Chat()
    deadlines = dataclasses.replace(chat.options.deadlines, first_token=0.1)
    chat.options = dataclasses.replace(chat.options, deadlines=deadlines)
    return chat

@contextlib.contextmanager
def breaks(module, name):
    nbstream.transport.connections._clients.clear()
    module = importlib.import_module(module)
    whole = getattr(module, name)
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")
    setattr(module, name, broken)
    try:
        yield
    finally:
        setattr(module, name, whole)
"""
_WITH_LOCALS = """
error = traceback.TracebackException.from_exception(sys.last_value, capture_locals=True)
print(*error.format())
"""


@pytest.mark.parametrize("mode", MODES)
def test_tracebacks_show_no_key(nb, server, mode):
    nb.run(_BREAKS)
    nb.run(f"%xmode {mode}")
    # Verbose shows what the others do and more; those would take IPython long.
    for name in FAILURES if mode == "Verbose" else ("in the address", "refused", "idle"):
        code = FAILURES[name]
        if name in REPLIES:
            server.reply(REPLIES[name])
        result = nb.run(code, fails=True)
        assert any(word in result.error for word in ("a bug", "mine")), (name, result.error)
        if mode == "Verbose":
            assert "a bug" in (shown := nb.run(_WITH_LOCALS).stdout) or "mine" in shown
            nb.run("%tb")


@pytest.mark.parametrize("path", ["/v1/elsewhere", None])
def test_a_redirect_is_not_followed(nb, server, path):
    with ReplayServer() as other:
        asked = len(server.requests)
        place = other.origin + "/v1/chat/completions" if path is None else server.origin + path
        server.reply(redirect(place))
        assert "redirects elsewhere (307)" in nb.run("chat_magic('')", fails=True).error
        sent = [(request.method, request.path) for request in server.requests[asked:]]
        assert sent == [("GET", "/v1/models"), ("POST", "/v1/chat/completions")]
        assert other.requests == []


# --- what holds a key ---------------------------------------------------------------------

_WALK = """
import copy
from nbstream.transport import connections
from nbstream.magics import magics
from nbstream import chat, endpoints, keys, request, secret

def walk(value, path, seen):
    \"\"\"Show every value of nbstream that can be reached, but for what a Secret hides.\"\"\"
    if id(value) in seen:
        return
    seen[id(value)] = value
    print(path, repr(value), str(value), f"{value}")
    if isinstance(value, dict):
        parts = [*value.items()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = [*enumerate(value)]
    elif isinstance(value, secret.Secret):
        parts = []
    elif type(value).__module__.startswith("nbstream"):
        names = {*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())}
        parts = [(name, getattr(value, name, None)) for name in names]
    else:
        parts = []
    for name, part in parts:
        walk(part, f"{path}.{name}", seen)
    for dump in (pickle.dumps, copy.deepcopy):
        try:
            print(dump(value))
        except Exception as error:
            print(repr(error), error.args)

seen = {}
for each in (
    _chat, asked, login, asked.session, asked.options, login.options,
    query, query.options, endpoints.resolve(query.options),
    endpoints.resolve(asked.options), endpoints.resolve(login.options), connections._clients,
    keys.kernel_keys, get_ipython().magics_manager.registry["ChatMagics"],
):
    walk(each, type(each).__name__, seen)
print(len(seen), sum(isinstance(each, secret.Secret) for each in seen.values()))
"""


def test_no_object_shows_what_it_holds(nb, server):
    nb.run("asked = nbstream.Chat(headers={'X': os.environ['BEARER_TOKEN']}); asked.send('Hi')")
    nb.run("login = nbstream.Chat(base_url=os.environ['LOGIN_URL']); login.send('Hi')")
    nb.run("query = nbstream.Chat(base_url=os.environ['QUERY_URL']); query.send('Hi')")
    nb.run("chat_magic('--api-key-env MY_KEY')")
    nb.type_in("%chat key MY_KEY", f"{CANARY}-kept")
    shown = nb.run(_WALK).stdout
    values, secrets = map(int, shown.split()[-2:])
    assert values > 100
    assert secrets >= 5
    nb.run("%chat key MY_KEY --forget")


_SERVER = """
from pathlib import Path
from nbstream import local
server = local.LocalServer(Path("no.gguf"), "m")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_embedded_server_gets_no_key(nb):
    nb.run(_SERVER)
    pid = nb.kernel.value("server.pid")
    process = Path("/proc", pid)
    command, environ = (process / name for name in ("cmdline", "environ"))
    assert b"_local_server.py" in command.read_bytes()
    assert b"PATH=" in environ.read_bytes()
    _search(command.read_text())
    _search(environ.read_text())
    nb.run("server.stop()")
