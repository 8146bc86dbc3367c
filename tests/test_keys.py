"""Keys that were typed or saved: which one is found, and what a keyring may do to it."""

from __future__ import annotations

import os
import sys
import threading
import time
import types

import pytest

from nbstream.endpoints import Endpoint, LocalEndpoint, resolve
from nbstream.errors import ConfigurationError, UsageError
from nbstream.key_prompt import run_key_command
from nbstream.keys import KeyName, Keyring, Keys
from nbstream.request import Options
from nbstream.secret import Secret, without_secrets

HERE, THERE = "https://here.test/v1", "https://there.test/v1"
NAME = "OPENAI_API_KEY"


class Library(types.ModuleType):
    """Stands in for the library `keyring`: entries in a dict, behind a lock."""

    def __init__(self):
        super().__init__("keyring")
        self.entries = {}
        self.unlocked = threading.Event()
        self.unlocked.set()
        self.asked = 0

    def get_password(self, service, user):
        self.asked += 1
        self.unlocked.wait(10)
        return self.entries.get((service, user))

    def set_password(self, service, user, password):
        self.entries[service, user] = password

    def delete_password(self, service, user):
        if (service, user) not in self.entries:
            raise KeyError("not found")
        del self.entries[service, user]


@pytest.fixture
def library(monkeypatch) -> Library:
    library = Library()
    monkeypatch.setitem(sys.modules, "keyring", library)
    return library


@pytest.fixture
def listing(tmp_path):
    return tmp_path / "folder" / "saved.json"


@pytest.fixture
def keys(listing) -> Keys:
    return Keys(Keyring(listing, patience=0.2))


def found(keys: Keys, base_url: str | None = HERE, environ=None, **options) -> str:
    endpoint = resolve(Options(base_url=base_url, **options), environ or {}, keys)
    assert isinstance(endpoint, Endpoint)
    return endpoint.key.reveal()


def test_the_typed_key_goes_before_the_variable_and_that_before_the_saved(keys, library):
    name = KeyName(NAME, "https://here.test")
    keys.keep(name, Secret("saved"), save=True)
    keys._typed.clear()
    assert found(keys) == "saved"
    assert found(keys, environ={NAME: "variable"}) == "variable"
    keys.keep(name, Secret("typed"))
    assert found(keys, environ={NAME: "variable"}) == "typed"
    assert keys.forget(name)
    assert found(keys, environ={NAME: "variable"}) == "variable"
    assert found(keys) == "none"
    assert not keys.forget(name)
    assert library.entries == {}


@pytest.mark.parametrize(
    "elsewhere",
    [THERE, "http://here.test/v1", "https://here.test:8443/v1", "https://here.test.evil.test/v1"],
)
@pytest.mark.parametrize("save", [False, True])
def test_a_key_for_a_host_goes_nowhere_else(keys, library, elsewhere, save):
    keys.keep(KeyName(NAME, "https://here.test"), Secret("typed-key"), save=save)
    if save:
        keys._typed.clear()
    assert found(keys, "https://HERE.test/other/v1") == "typed-key"
    assert found(keys, elsewhere) == "none"
    assert found(keys, HERE, {"MINE": "mine"}, api_key_env="MINE") == "mine"


def test_a_key_makes_its_endpoint_the_default(keys):
    assert resolve(Options(), {}, keys) == LocalEndpoint()
    keys.keep(KeyName(NAME, "https://api.openai.com"), Secret("typed-key"))
    assert found(keys, None) == "typed-key"
    keys.forget(KeyName(NAME, "https://api.openai.com"))
    keys.keep(KeyName(NAME, "https://here.test"), Secret("typed-key"))
    assert resolve(Options(), {}, keys) == LocalEndpoint()


def test_the_library_is_not_asked_where_nothing_was_saved(keys, library):
    assert found(keys) == "none"
    keys.keep(KeyName(NAME, "https://there.test"), Secret("typed-key"), save=True)
    keys._typed.clear()
    assert found(keys) == "none"
    assert library.asked == 0


def test_a_locked_keyring_is_not_waited_for_long_and_may_be_unlocked_later(keys, library):
    keys.keep(KeyName(NAME), Secret("saved-key"), save=True)
    keys._typed.clear()
    library.unlocked.clear()
    start = time.monotonic()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"within 0\.2 s: unlock it"):
            found(keys)
    assert time.monotonic() - start < 3
    library.unlocked.set()
    assert found(keys) == "saved-key"
    assert library.asked == 1


def test_a_keyring_that_fails_is_one_line_without_a_past(keys, library, monkeypatch):
    def fail(service, user, password):
        raise RuntimeError("no backend")

    monkeypatch.setattr(library, "set_password", fail)
    with pytest.raises(ConfigurationError, match=r"failed \(RuntimeError: no backend\)") as caught:
        keys.keep(KeyName(NAME, "https://here.test"), Secret("typed-key"), save=True)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert found(keys) == "typed-key"  # this kernel has it all the same


def test_without_the_library_it_says_what_to_install(keys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'nbstream\[keyring\]'"):
        keys.keep(KeyName(NAME), Secret("typed-key"), save=True)


def test_the_list_of_saved_keys_has_none(keys, library, listing):
    keys.keep(KeyName(NAME, "https://here.test"), Secret("typed-key"), save=True)
    assert listing.read_text() == '["OPENAI_API_KEY@https://here.test"]'
    listing.write_text("{not ours")
    assert found(keys) == "typed-key"


@pytest.mark.parametrize(
    ("words", "options", "says"),
    [
        (["A", "B"], Options(), "type %chat key"),
        (["--sav"], Options(), "type %chat key"),
        (["--save", "--forget"], Options(), "type %chat key"),
        (["sk_live_abcdef"], Options(), "not the key itself"),
        ([], Options(model="local"), "needs no key"),
    ],
)
def test_other_words_are_refused(keys, words, options, says):
    with pytest.raises(UsageError, match=says) as caught:
        run_key_command(words, options, keys)
    assert "live" not in str(caught.value)


def test_a_process_without_keys():
    environ = {
        "PATH": "/bin",
        "OPENAI_API_KEY": "a",
        "HF_TOKEN": "b",
        "OPENAI_BASE_URL": "c",
        "HTTP_PROXY": "http://me:word@proxy.test",
    }
    assert without_secrets(environ) == {"PATH": "/bin"}


# --- keys from a file ---------------------------------------------------------------------

ENV_FILE = """\
# ours
export OPENAI_API_KEY='sk-canary-file-1'  # quoted
MINE="sk-canary-file-2"
LINKED=${MINE}
EMPTY=
OPENAI_BASE_URL=https://evil.test/v1
HTTPS_PROXY=http://me:sk-canary-proxy@evil.test
OPENAI_CUSTOM_HEADERS=X-Key: sk-canary-header
sk_live_abcdefghijklmnop_url=1
DEBUG=1
"""


@pytest.fixture
def env_file(tmp_path):
    path = tmp_path / ".env"
    path.write_text(ENV_FILE)
    return path


@pytest.mark.parametrize("form", ["--env-file {}", "--env-file={}", "NAME --env-file {}"])
def test_a_key_is_read_from_a_file_and_nothing_else(keys, env_file, form, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTPS_PROXY", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    words = form.format(env_file).replace("NAME", "MINE").split()
    named = "MINE" in words
    said = run_key_command(words, Options(base_url=HERE), keys)
    whom = "MINE" if named else "https://here.test"
    assert said == (
        f"The key for {whom} is kept in this kernel. Ignored in that file: HTTPS_PROXY, "
        "OPENAI_BASE_URL, OPENAI_CUSTOM_HEADERS · set them yourself if you trust them."
    )
    assert dict(os.environ) == before
    if named:
        assert found(keys, api_key_env="MINE") == "sk-canary-file-2"
        assert found(keys) == "none"
    else:
        assert found(keys) == "sk-canary-file-1"
        assert found(keys, THERE) == "none"


def test_no_other_variable_is_put_into_a_key(keys, env_file):
    run_key_command(["LINKED", "--env-file", str(env_file)], Options(), keys)
    assert found(keys, api_key_env="LINKED") == "${MINE}"


def test_a_key_from_a_file_may_be_saved(keys, library, env_file):
    run_key_command(["--save", "MINE", "--env-file", str(env_file)], Options(), keys)
    assert library.entries == {("nbstream", "MINE"): "sk-canary-file-2"}


def test_a_file_with_nothing_else_is_not_commented(keys, tmp_path):
    (tmp_path / "plain").write_text("OPENAI_API_KEY=sk-1\nDEBUG=1\n")
    said = run_key_command(["--env-file", str(tmp_path / "plain")], Options(base_url=HERE), keys)
    assert said == "The key for https://here.test is kept in this kernel."


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--env-file", "--env-file takes the path of a file"),
        ("--env-file --save", "--env-file takes the path of a file"),
        ("--forget --env-file {file}", "type %chat key"),
        ("OTHER --env-file {file}", "has no OTHER"),
        ("EMPTY --env-file {file}", "has no EMPTY"),
        ("--env-file {folder}/none", "cannot be read: No such file"),
        ("--env-file {folder}", "cannot be read: it is not a file"),
        ("--env-file {folder}/binary", "cannot be read: it is not text in UTF-8"),
        ("--env-file {folder}/large", "larger than 1 MB"),
    ],
)
def test_a_file_without_the_key_says_what_to_type(keys, env_file, tmp_path, words, says):
    (tmp_path / "binary").write_bytes(b"OPENAI_API_KEY=\xff\xfe")
    (tmp_path / "large").write_text("#" * 1_000_001)
    typed = words.format(file=env_file, folder=tmp_path).split()
    with pytest.raises(UsageError, match=says) as caught:
        run_key_command(typed, Options(base_url=HERE), keys)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_library_for_files_it_says_what_to_install(keys, env_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "dotenv", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'nbstream\[dotenv\]'"):
        run_key_command(["--env-file", str(env_file)], Options(base_url=HERE), keys)
