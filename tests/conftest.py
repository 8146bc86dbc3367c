"""Fixtures for all tests, and an environment that is the same everywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel, kernel
from replay import ReplayServer

ROOT = Path(__file__).parents[1]

# What the person running the tests has set up for herself must not reach them.
for name in list(os.environ):
    if name.startswith(("OPENAI_", "JPY_", "NBSTREAM_")) and name not in (
        "NBSTREAM_SHARED",
        "NBSTREAM_REQUIRE_SHARED",
        "NBSTREAM_LONG",
        "NBSTREAM_PICTURES",
    ):
        del os.environ[name]
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
# The test servers are on this machine; a proxy of the company is not asked for them.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
# What a shell runs in the background ignores interrupts, and so does all that is started there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded streams and attack payloads, which is not part of the project.

    Its place is `NBSTREAM_SHARED`, by default `../shared` beside the checkout.
    """
    folder = Path(os.environ.get("NBSTREAM_SHARED", ROOT.parent / "shared"))
    if folder.is_dir():
        return folder
    message = f"no folder of recorded data at {folder}: set NBSTREAM_SHARED"
    if os.environ.get("NBSTREAM_REQUIRE_SHARED") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def replay() -> Iterator[ReplayServer]:
    """A scripted model server; every request to it must have had a reply waiting."""
    with ReplayServer() as server:
        yield server
    asked = [request.json for request in server.unexpected]
    assert not asked, f"requests without a reply queued: {asked}"


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """A scripted model server for a whole file."""
    with ReplayServer() as running:
        yield running


@pytest.fixture(scope="module")
def shared_kernel(server: ReplayServer) -> Iterator[Kernel]:
    """A kernel whose endpoint is `server`, for a whole file."""
    with kernel(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test-canary-1") as running:
        yield running


@pytest.fixture
def nb(shared_kernel: Kernel, server: ReplayServer) -> Iterator[Kernel]:
    """That kernel with the extension loaded, and nothing left of the test before."""
    shared_kernel.run(
        "get_ipython().config.pop('ChatMagics', None)\n"
        "%unload_ext nbstream\n%reset -f\n%load_ext nbstream\n"
        "%config ChatMagics.model = 'replay-1'"
    )
    server.requests.clear()
    yield shared_kernel
    assert not server.unexpected, [request.json for request in server.unexpected]
