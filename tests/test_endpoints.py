"""Where a request goes, and with which key."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from nbstream.endpoints import OPENAI_URL, Endpoint, LocalEndpoint, Secret, resolve
from nbstream.errors import ConfigurationError, UsageError
from nbstream.request import Options

KEY = "sk-canary-0123456789"


@pytest.mark.parametrize(
    ("options", "environ", "base_url", "key"),
    [
        (Options(), {"OPENAI_API_KEY": KEY}, OPENAI_URL, KEY),
        (Options(model="gpt-5"), {"OPENAI_API_KEY": f" {KEY}\n"}, OPENAI_URL, KEY),
        (Options(), {"OPENAI_BASE_URL": "http://here:8000/v1/"}, "http://here:8000/v1", "none"),
        (
            Options(base_url="https://there/v1"),
            {"OPENAI_BASE_URL": "http://here/v1", "OPENAI_API_KEY": KEY},
            "https://there/v1",
            KEY,
        ),
        (
            Options(base_url="https://there/v1", api_key_env="MINE"),
            {"OPENAI_API_KEY": "other-key", "MINE": KEY},
            "https://there/v1",
            KEY,
        ),
    ],
)
def test_remote(options, environ, base_url, key):
    endpoint = resolve(options, environ)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.base_url == base_url
    assert endpoint.key.reveal() == key


@pytest.mark.parametrize(
    ("options", "environ", "path"),
    [
        (Options(), {}, None),
        (Options(model="local"), {"OPENAI_API_KEY": KEY}, None),
        (Options(model="local:/models/a b.gguf"), {}, Path("/models/a b.gguf")),
    ],
)
def test_the_embedded_model(options, environ, path):
    assert resolve(options, environ) == LocalEndpoint(path)


@pytest.mark.parametrize(
    ("options", "environ", "error", "says"),
    [
        (Options(model="gpt-5"), {}, ConfigurationError, "set OPENAI_API_KEY, pass --api-key-env"),
        (Options(api_key_env="MINE"), {}, ConfigurationError, "environment variable MINE"),
        (Options(), {"OPENAI_API_KEY": "sk-käse"}, ConfigurationError, "HTTP header"),
        (Options(), {"OPENAI_API_KEY": "sk a"}, ConfigurationError, "HTTP header"),
        (Options(base_url="localhost:8000"), {}, UsageError, "not a base URL"),
        (Options(base_url="ftp://x/v1"), {}, UsageError, "not a base URL"),
    ],
)
def test_what_is_missing_is_said(options, environ, error, says):
    with pytest.raises(error, match=says) as caught:
        resolve(options, environ)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("pasted", [KEY, "sk_live_abc", "gsk_abcdef", "AIzaSyA-123", "a" * 80])
def test_a_key_in_place_of_a_name_is_refused_and_not_echoed(pasted):
    with pytest.raises(UsageError, match="not the key itself") as caught:
        resolve(Options(api_key_env=pasted), {})
    assert pasted not in str(caught.value)


def test_a_secret_shows_nowhere():
    secret = Secret(KEY)
    endpoint = Endpoint("https://there/v1", secret)
    assert KEY not in repr(secret) + str(secret) + repr(endpoint) + format(endpoint)
    assert secret.redact(f"Bearer {KEY}!") == "Bearer [key]!"
    for dump in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            dump(secret)
