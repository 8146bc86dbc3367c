"""What is closed is let go: panels with their widgets, and clients with old keys."""

from __future__ import annotations

import asyncio
import gc
import textwrap
import weakref
from unittest import mock

import pytest
from kernels import kernel
from replay import Hang, Reply, chunk, completion

from nbstream import Chat, ChatPanel
from nbstream.catalog import Catalog
from nbstream.io_thread import io_thread
from nbstream.secret import Secret
from nbstream.transport import client, connections
from nbstream.transport.client import Client


@pytest.fixture(scope="module")
def nb(server):
    with kernel(
        JPY_SESSION_NAME="x.ipynb", OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test"
    ) as running:
        yield running


SHOWN = """
import asyncio, gc, time, weakref
import ipywidgets, nbstream
chat = nbstream.Chat("replay-1", view="none")
panel = nbstream.ChatPanel(chat)
panel.observe(lambda change: None)
def stopped(response):
    while not response.text: time.sleep(0.01)
    response.cancel()
    return response
panel.open()
response = {ask}
response.wait(20)
while panel.busy: await asyncio.sleep(0.01)
screen, window = panel.screen, panel.screen._window
parts = [
    panel, panel.settings, screen, window, window.widget, window.widget.layout, window._channel,
    screen._transcript,
]
names = [type(part).__name__ for part in parts]
parts = [weakref.ref(part) for part in parts]
del screen, window
"""
CLOSED = """
panel.close()
del panel
def kept():
    gc.collect()
    alive = [name for name, part in zip(names, parts) if part() is not None]
    return alive, len(chat.session._watchers), len(ipywidgets.Widget.get_manager_state()["state"])
until = time.monotonic() + 20
while any(kept()) and time.monotonic() < until:  # what ends on other threads may hold it a moment
    await asyncio.sleep(0.01)
print(*kept())
"""


@pytest.mark.parametrize(
    "ask",
    ["panel.send('Hi')", "chat.send('Hi')", "stopped(panel.send('Hi'))"],
    ids=["panel", "chat", "stopped"],
)
def test_a_closed_panel_is_let_go_with_all_that_showed_it(nb, server, ask):
    """Its session, its chat and its answers are still there."""
    words = chunk({"content": "Some words."})
    server.reply(Reply([words, Hang()]) if "stopped" in ask else completion("Some words."))
    shown = nb.run(SHOWN.format(ask=ask))
    assert not shown.error, shown.error
    closed = nb.run(CLOSED)
    assert not closed.error, closed.error
    assert closed.stdout == "[] 0 0\n"
    server.reply(completion("Still there."))
    assert nb.value("chat.send('And now?').text") == "Still there."


def test_a_panel_that_is_shown_stays_without_a_variable(nb, server):
    server.reply(completion("Shown."))
    result = nb.run(
        SHOWN.format(ask="panel.send('Hi')")
        + textwrap.dedent("""
        del panel
        gc.collect()
        print(all(part() for part in parts))
        parts[0]().close()
        """)
    )
    assert not result.error, result.error
    assert result.stdout == "True\n"


def test_a_panel_outside_of_a_notebook_is_let_go(replay):
    chat = Chat("replay-1", base_url=replay.base_url)
    panel = ChatPanel(chat)
    replay.reply(completion("Yes."))
    panel.send("Hi").wait(10)
    kept = weakref.ref(panel)
    del panel
    assert replay.wait_until(lambda: gc.collect() >= 0 and kept() is None)
    assert not chat.session._watchers


SECRET = Secret("a-key-0000000")

# --- clients ------------------------------------------------------------------------


@pytest.fixture
def clients(monkeypatch):
    """The clients that are kept, and those that were closed, on which loop."""
    io_thread.submit(connections.close_all()).wait()
    closed = []
    close = Client.close

    async def closing(client):
        await close(client)
        assert client._sdk.is_closed()
        closed.append((client, asyncio.get_running_loop()))

    monkeypatch.setattr(Client, "close", closing)
    yield connections._clients, closed
    io_thread.submit(connections.close_all()).wait()


def kept(clients):
    return [key.endpoint.key.reveal() for key in clients]


def test_a_new_key_takes_the_place_of_the_old_one(replay, clients, monkeypatch):
    alive, closed = clients
    chat = Chat("replay-1", base_url=replay.base_url, view="none", api_key_env="MY_KEY")
    for key in ("first-key-000", "first-key-000", "second-key-00"):
        monkeypatch.setenv("MY_KEY", key)
        replay.reply(completion("Yes."))
        chat.send("Hi")
    assert kept(alive) == ["second-key-00"]
    assert replay.wait_until(lambda: closed)
    ((client, loop),) = closed
    assert client.endpoint.key.reveal() == "first-key-000"
    assert loop is io_thread.loop
    gone = weakref.ref(client)
    closed.clear()
    del client
    assert replay.wait_until(lambda: gc.collect() >= 0 and gone() is None)


def test_a_client_that_is_in_use_is_closed_when_it_is_not(replay, clients, monkeypatch):
    """A turn has several requests; in between it only runs tools."""
    alive, closed = clients

    def change_key():
        """Change it, and ask by the new one."""
        monkeypatch.setenv("OPENAI_API_KEY", "second-key-00")
        Chat("replay-1", base_url=replay.base_url, view="none").send("Beside it")
        assert kept(alive) == ["second-key-00"]
        assert not closed
        return "changed"

    monkeypatch.setenv("OPENAI_API_KEY", "first-key-000")
    call = [{"name": "change_key", "arguments": "{}"}]
    replay.reply(completion(tool_calls=call), completion("beside"), completion("Done."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[change_key])
    assert chat.send("Hi").text == "Done."
    used = [request.headers["authorization"] for request in replay.requests]
    assert used == ["Bearer first-key-000", "Bearer second-key-00", "Bearer first-key-000"]
    assert replay.wait_until(lambda: closed)
    assert [client.endpoint.key.reveal() for client, _ in closed] == ["first-key-000"]


def test_two_keys_of_two_names_stay_side_by_side(replay, clients, monkeypatch):
    alive, closed = clients
    monkeypatch.setenv("KEY_A", "key-of-a-0000")
    monkeypatch.setenv("KEY_B", "key-of-b-0000")
    for name in ("KEY_A", "KEY_B", "KEY_A"):
        replay.reply(completion("Yes."))
        Chat("replay-1", base_url=replay.base_url, view="none", api_key_env=name).send("Hi")
    assert kept(alive) == ["key-of-b-0000", "key-of-a-0000"]
    assert not closed


def test_a_client_of_other_surroundings_is_closed(replay, clients, monkeypatch):
    alive, closed = clients
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    for proxy in ("http://proxy-1.example", "http://proxy-2.example"):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        replay.reply(completion("Yes."))
        chat.send("Hi")
    assert len(alive) == 1
    assert replay.wait_until(lambda: len(closed) == 1)


def test_a_client_of_a_loop_that_has_ended_is_let_go(replay, clients):
    alive, _ = clients
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    for _ in range(2):
        replay.reply(completion("Yes."))
        chat.send("Hi")
        (key,) = alive
        assert key.loop is io_thread.loop
        io_thread.stop()


def test_the_clients_of_many_endpoints_are_bounded(clients):
    alive, closed = clients

    async def make():
        for number in range(20):
            options = Chat("m", base_url=f"http://127.0.0.1:{9_000 + number}/v1").options
            connections._client(endpoint(number), options).release()
        await asyncio.gather(*client._closing)

    def endpoint(number):
        return connections.Endpoint(f"http://127.0.0.1:{9_000 + number}/v1", SECRET)

    io_thread.submit(make()).wait()
    assert len(alive) == connections._MOST
    assert len(closed) == 20 - len(alive)


def test_a_listing_that_fails_holds_no_client(replay, clients, monkeypatch):
    alive, _ = clients
    options = Chat("m", base_url=replay.base_url).options
    monkeypatch.setenv("OPENAI_API_KEY", "first-key-000")
    with mock.patch.object(Client, "models", side_effect=OSError), pytest.raises(OSError):
        Catalog(lambda: options).names()
    assert [client._users for client in alive.values()] == [0]
