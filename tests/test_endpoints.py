"""Where a request goes, and with which key."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from nbstream.endpoints import OPENAI_URL, Endpoint, LocalEndpoint, resolve
from nbstream.errors import ConfigurationError, UsageError
from nbstream.request import Options
from nbstream.secret import Secret, SecretURL, secret_headers

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
        (Options(model="gpt-5"), {}, ConfigurationError, "type it into %chat key"),
        (Options(api_key_env="MINE"), {}, ConfigurationError, "%chat key.*variable MINE"),
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


@pytest.mark.parametrize(
    "pasted",
    [
        KEY,
        "sk_live_abc",
        "gsk_abcdef",
        "AIzaSyA-123",
        "AIzaSyA_123",
        "hf_abcdefghijklmnopqrst",
        "r8_abcdefghijklmnopqrst",
        "ghp_abcdefghijklmnopqrst",
        "AKIAIOSFODNN7EXAMPLE",
        "d41d8cd98f00b204e9800998ecf8427e",
        "esecret_abcdefghij1klmnopqrst",
        "two words",
        "a" * 80,
    ],
)
def test_a_key_in_place_of_a_name_is_refused_and_not_echoed(pasted):
    with pytest.raises(UsageError, match="not the key itself") as caught:
        Options(api_key_env=pasted)
    assert pasted not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "hf_token",
        "HF_TOKEN_OF_THE_WHOLE_TEAM",
        "Key2",
        "_x",
        "OPENAI_KEY_2026_V2",
    ],
)
def test_a_name_is_taken(name):
    endpoint = resolve(Options(api_key_env=name), {name: KEY})
    assert isinstance(endpoint, Endpoint)
    assert endpoint.key_name == name


def test_what_may_be_a_key_is_not_echoed_where_no_variable_has_that_name():
    with pytest.raises(ConfigurationError, match="no API key") as caught:
        resolve(Options(api_key_env="abcdefkey"), {})
    assert "abcdefkey" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "base_url", "authorization"),
    [
        ("https://me:pa%2Fss@there/v1", "https://there/v1", "Basic bWU6cGEvc3M="),
        ("https://canary@there:8443/v1/a=@b", "https://there:8443/v1/a=@b", "Basic Y2FuYXJ5Og=="),
        ("https://there/@me/v1", "https://there/@me/v1", None),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_login_in_the_base_url_becomes_a_header(typed, base_url, authorization, by_variable):
    options = Options() if by_variable else Options(base_url=typed)
    endpoint = resolve(options, {"OPENAI_BASE_URL": typed} if by_variable else {})
    assert isinstance(endpoint, Endpoint)
    assert endpoint.base_url == base_url
    assert [value.reveal() for _, value in endpoint.headers] == [authorization] * bool(
        authorization
    )
    if authorization:
        login = typed.partition("//")[2].partition("@")[0]
        assert login not in repr(options) + repr(endpoint)


@pytest.mark.parametrize("typed", ["https://me:pa/ss@there", "https://me:p[a@there]/", "me:pass@x"])
def test_a_login_that_cannot_be_read_is_not_echoed(typed):
    with pytest.raises(UsageError, match="not a base URL") as caught:
        resolve(Options(base_url=typed), {})
    assert not any(part in str(caught.value) for part in ("pa/ss", "p[a", "pass"))


def test_headers_are_hidden_and_checked():
    (header,) = secret_headers([("Authorization", f"Bearer {KEY}\n")])
    assert header[1].reveal() == f"Bearer {KEY}"
    assert KEY not in repr(Options(headers=(header,)))
    for name, value in [("X", "käse"), ("X", "a\nb"), (f"X {KEY}", "b")]:
        with pytest.raises(UsageError, match="header") as caught:
            secret_headers([(name, value)])
        assert "käse" not in str(caught.value)
        assert KEY not in str(caught.value)


def test_a_secret_shows_nowhere():
    secret = Secret(KEY)
    endpoint = Endpoint("https://there/v1", secret)
    assert KEY not in repr(secret) + str(secret) + repr(endpoint) + format(endpoint)
    assert secret.redact(f"Bearer {KEY}!") == "Bearer [key]!"
    for dump in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            dump(secret)


def test_what_a_server_echoes_is_taken_out():
    headers = secret_headers([("Authorization", f"Bearer {KEY}")])
    endpoint = Endpoint("https://there/v1", Secret("sk-of-the-variable"), headers=headers)
    assert endpoint.redact(f"no {KEY}, no sk-of-the-variable") == "no [key], no [key]"
    options = Options(base_url="https://me:pass%20word@there/v1")
    assert options.headers[0][1].redact("no pass word") == "no [key]"


@pytest.mark.parametrize(
    "echo",
    [
        "sk-a%2Fb%2Bc%3D0123",
        "sk-a%2fb%2bc%3d0123",
        "sk%2Da/b+c%3D0123",
        "sk-a&#47;b+c=0123",
        "sk-a&#x2F;b&#x2B;c&equals;0123",
        "sk-a&sol;b&plus;c&#061;0123",
        r"sk-a\/b\u002bc\u003D0123",
        "".join(f"&#{ord(c)};" for c in "sk-a/b+c=0123"),
    ],
)
def test_an_escaped_echo_is_taken_out(echo):
    secret = Secret("Bearer sk-a/b+c=0123")
    assert secret.redact(f"{echo} 5 %25 &lt;") == "[key] 5 %25 &lt;"
    for cut in range(len(echo) // 2, len(echo)):
        assert secret.redact(f"100 %2B {echo[:cut]}…") == "100 + [key]…"
    assert secret.redact(r"100 %2B &amp; \u002b") == r"100 %2B &amp; \u002b"


@pytest.mark.parametrize("rest", ["?a=b#canary-0123456789", "/#canary-0123456789"])
def test_a_base_url_ends_before_its_fragment(rest):
    options = Options(base_url=f"https://there/v1{rest}")
    with pytest.raises(UsageError, match="a base URL ends before") as caught:
        resolve(options, {})
    assert "canary" not in str(caught.value) + repr(options)


@pytest.mark.parametrize(
    "typed", [" https://there/v1\t", "https://there/v1/ \n", "https://there/v1?"]
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_spaces_around_a_base_url_are_dropped(typed, by_variable):
    options = Options() if by_variable else Options(base_url=typed)
    endpoint = resolve(options, {"OPENAI_BASE_URL": typed})
    assert isinstance(endpoint, Endpoint)
    assert (endpoint.base_url, endpoint.address) == ("https://there/v1",) * 2


@pytest.mark.parametrize(
    "typed", ["https://the re/v1", "https://there\n.example/v1", "https://a/\0"]
)
def test_spaces_inside_are_refused(typed):
    with pytest.raises(UsageError, match="not a base URL"):
        resolve(Options(base_url=typed), {})


CANARY = "canary-0123456789"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("api-version=2024-10-21", "api-version=2024-10-21"),
        ("api-version=2025-04-01-preview&region=us-east-1", None),
        (f"key={CANARY}", "key=…"),
        (f"api-version=preview&API_KEY={CANARY}&x=1", "api-version=preview&API_KEY=…&x=1"),
        (f"access%5Ftoken={CANARY}", "access%5Ftoken=…"),
        (f"sig={CANARY}%3D%3D&se=2026-01-01", "sig=…&se=2026-01-01"),
        (f"code=a;subscription-key={CANARY}", "code=…&subscription-key=…"),
        (f"k=sk-{CANARY}", "k=…"),
        (CANARY, "…"),
        ("x" * 30 + CANARY + "==", "…"),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_query_is_kept_and_its_keys_are_not_shown(query, shown, by_variable):
    typed = f"https://there/v1/?{query}"
    options = Options() if by_variable else Options(base_url=typed)
    endpoint = resolve(options, {"OPENAI_BASE_URL": typed} if by_variable else {})
    assert isinstance(endpoint, Endpoint)
    assert (endpoint.base_url, endpoint.origin) == ("https://there/v1", "https://there")
    assert endpoint.query.reveal() == query
    assert endpoint.address == f"https://there/v1?{shown or query}"
    setting = SecretURL(f" {typed} ")
    assert repr(setting) == repr(f"https://there/v1/?{shown or query}")
    assert CANARY not in repr(options) + repr(endpoint) + repr(setting)
    assert CANARY not in endpoint.redact(f"nothing at {typed} or {unquote(typed)}")
    assert endpoint.redact("api-version 2024-10-21") == "api-version 2024-10-21"


def test_a_query_after_a_login():
    typed = f"https://me:{CANARY}@there/v1?a=me@x&key=other-{CANARY}"
    options = Options(base_url=typed)
    assert options.base_url == "https://there/v1"
    assert repr(SecretURL(typed)) == repr("https://…@there/v1?a=…&key=…")
    assert CANARY not in repr(options)


@pytest.mark.parametrize(
    "typed", ["https://me:pa?ss@there", "https://me:12#ss@there", "x?key=canary"]
)
def test_what_may_be_half_a_login_or_a_key_is_not_echoed(typed):
    with pytest.raises(UsageError, match="a base URL") as caught:
        resolve(Options(base_url=typed), {})
    assert not any(part in str(caught.value) for part in ("pa", "12", "ss@", "canary"))


@pytest.mark.parametrize(
    ("base_url", "theirs"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OpenAI.com:443/v1", True),
        ("https://api.openai.com./v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("http://api.openai.com/v1", True),
        ("https://api.openai.com:8443/v1", False),
        ("https://api.openai.com.example/v1", False),
        ("https://api.openai.com@there/v1", False),
        ("https://there/api.openai.com/v1", False),
        ("https://there?api.openai.com", False),
        ("https://xapi.openai.com/v1", False),
        ("https://there\\.api.openai.com/v1", False),
        ("https://x.openai.azure.com/openai/v1", False),
    ],
)
def test_whose_host_it_is(base_url, theirs):
    endpoint = resolve(Options(base_url=base_url), {})
    assert isinstance(endpoint, Endpoint)
    assert endpoint.is_openai == theirs
    assert not replace(endpoint, base_url="https://there/v1", name="api.openai.com").is_openai


@pytest.mark.parametrize(
    ("base_url", "in_api_key"),
    [
        ("https://x.openai.azure.com/openai/deployments/my-gpt?api-version=2024-10-21", True),
        ("https://gateway.example/ai/openai/deployments/my-gpt/?api-version=2024-10-21", True),
        ("https://x.services.ai.azure.com/models?api-version=2024-05-01-preview", True),
        ("https://x.openai.azure.com/openai/v1/", False),
        ("https://x.openai.azure.com/openai/v1?api-version=preview", False),
        ("https://there/v1?api-version=2", False),
    ],
)
def test_which_apis_of_azure_take_the_key_in_a_header_of_its_own(base_url, in_api_key):
    endpoint = resolve(Options(base_url=base_url), {})
    assert isinstance(endpoint, Endpoint)
    assert endpoint.wants_api_key_header == in_api_key
