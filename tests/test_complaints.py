"""What servers find too long or too much, in their own words, and what an error then advises.

Their words stand in `complaints.txt`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbstream.endpoints import Endpoint
from nbstream.errors import APIStatusError
from nbstream.request import Options, Request
from nbstream.secret import Secret
from nbstream.transport.complaints import complaint_of, refuses_streaming
from nbstream.transport.faults import names_unknown_model, response_error, status_error
from nbstream.wire.apierrors import reported_error

_PARTS = re.split(
    r"^# (.*)$", (Path(__file__).parent / "complaints.txt").read_text("utf-8"), flags=re.MULTILINE
)
SAID = {
    name: [line for line in rows.splitlines() if line]
    for name, rows in zip(_PARTS[1::2], _PARTS[2::2], strict=True)
}
NOT_THE_CONTEXT = [*SAID["other"], *SAID["picture"], *SAID["rate"]]


def endpoint() -> Endpoint:
    return Endpoint("http://127.0.0.1:9/v1", Secret("none"), "OPENAI_API_KEY")


def request() -> Request:
    return Request((), Options(), "m", ())


@pytest.mark.parametrize("words", SAID["context"])
def test_a_conversation_that_is_too_long(words):
    assert complaint_of(None, words) == "context"
    error = status_error(400, {}, words, endpoint(), request())
    assert str(error).endswith("%chat reset, or --no-history")
    said = response_error(
        reported_error({"error": words}), endpoint(), request(), hint="", is_first=True
    )
    assert str(said).endswith("%chat reset, or --no-history")


@pytest.mark.parametrize("words", NOT_THE_CONTEXT)
def test_what_else_is_too_long(words):
    assert complaint_of(None, words) != "context"
    for status in (400, 422):
        assert "%chat reset" not in str(status_error(status, {}, words, endpoint(), request()))
    said = response_error(
        reported_error({"error": words}), endpoint(), request(), hint="x", is_first=True
    )
    assert "%chat reset" not in str(said)


@pytest.mark.parametrize("words", SAID["picture"])
def test_a_picture_that_is_too_large(words):
    assert complaint_of(None, words) == "picture"


@pytest.mark.parametrize("words", SAID["rate"])
def test_too_much_for_a_minute(words):
    assert complaint_of(None, words) == "rate"
    assert "wait a minute" in str(status_error(413, {}, words, endpoint(), request()))


@pytest.mark.parametrize("words", SAID["no streaming"])
def test_a_server_that_does_not_stream(words):
    for status in (400, 422, 500):
        error = status_error(status, {}, words, endpoint(), request())
        assert "--no-stream asks for the answer in one piece" in str(error)
    assert error.should_retry is False
    asked_whole = Request((), Options(stream=False), "m", ())
    assert "--no-stream" not in str(status_error(400, {}, words, endpoint(), asked_whole))


@pytest.mark.parametrize("words", [*SAID["streams, and something else"], *NOT_THE_CONTEXT])
def test_words_about_something_else_than_streaming(words):
    assert not refuses_streaming(words)


def test_a_code_says_it_without_words():
    assert complaint_of("context_length_exceeded", "no") == "context"


@pytest.mark.parametrize("words", SAID["no such model"])
def test_words_that_say_that_there_is_no_such_model(words):
    assert names_unknown_model(status_error(404, {}, words, endpoint(), request()))
    assert names_unknown_model(status_error(400, {}, words, endpoint(), request()))


@pytest.mark.parametrize("words", SAID["not about the model's name"])
def test_words_that_say_something_else(words):
    for status in (400, 404):
        error = status_error(status, {}, words, endpoint(), request())
        assert not names_unknown_model(error)
        assert words[:60] in str(error)


@pytest.mark.parametrize("words", ["", "Not Found", "404 page not found", "404: Not Found"])
def test_a_404_without_words_of_its_own_may_mean_the_model(words):
    assert names_unknown_model(status_error(404, {}, words, endpoint(), request()))


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "Please try again in 1.2s. Visit https://x."}}, 1.2),
        ({"error": {"message": "Please try again in 20ms."}}, 0.02),
        ({"error": {"message": "Please try again in 1m30s."}}, 90),
        ({"error": {"message": "Please try again in 7m12.5s."}}, 432.5),
        ({"error": {"message": "Please retry in 34.5s."}}, 34.5),
        ({"error": {"message": "retry in 3s"}}, 3),
        ({"error": {"message": "Please retry after 6 seconds."}}, 6),
        ({"error": {"message": "Wait 2 minutes and 5 seconds"}}, 125),
        ({"error": {"message": "Try again in about 12 seconds"}}, 12),
        ({"error": {"message": "no", "retry_after": 4}}, 4),
        ({"error": {"message": "no", "retry_after_ms": 250}}, 0.25),
        ({"error": {"message": "no"}, "retry_after": "5"}, 5),
        ({"error": {"message": "no", "metadata": {"retry_after_seconds": 7.5}}}, 7.5),
        ([{"error": {"code": 429, "details": [{"@type": "x"}, {"retryDelay": "3s"}]}}], 3),
        ({"error": {"code": 429, "details": [{"retryDelay": {"seconds": 9}}]}}, 9),
        ({"error": {"message": "x", "metadata": {"raw": '{"message": "retry in 2s"}'}}}, 2),
        ("try again in 3s", 3),
        ({"error": {"message": "Try again later, in 2030 we may have room"}}, None),
        ({"error": {"message": "no", "retry_after": float("inf")}}, None),
        ({"error": {"message": "no", "retry_after": True}}, None),
        ({"error": {"message": "no", "retry_after": -1}}, None),
        ({"error": {"message": "no", "retry_after": [3]}}, None),
        ({"error": {"message": "try again in " + "9" * 400 + "s"}}, None),
    ],
)
def test_seconds_to_wait(body, seconds):
    assert reported_error(body).retry_after == (None if seconds is None else pytest.approx(seconds))


def test_the_header_is_asked_first():
    error = status_error(429, {"retry-after": "2"}, '{"message": "retry in 9s"}', endpoint())
    assert error.retry_after == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "no"}}, 429),
        ({"error": {"code": "rate_limit_exceeded"}}, 429),
        ({"error": {"type": "rate_limit_error", "code": None}}, 429),
        ([{"error": {"code": 503, "status": "UNAVAILABLE"}}], 503),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"type": "error", "error": {"type": "overloaded_error"}}, 503),
        ({"error": {"type": "server_error", "code": "server_is_overloaded"}}, 503),
        ({"error": {"message": "no", "code": 529}}, 529),
        ({"object": "error", "type": "ServiceUnavailableError", "code": 503}, 503),
        ({"error": {"type": "engine_overloaded_error"}}, 429),
        ({"error": {"code": "429", "type": "insufficient_quota"}}, None),
        ({"error": {"code": 400, "message": "overloaded"}}, None),
        ({"error": {"message": "overloaded"}}, None),
        ({"error": {"code": "context_length_exceeded"}}, None),
        ({"error": {"code": 50001}}, None),
    ],
)
def test_codes_of_busy_servers(body, status):
    assert reported_error(body).status == status


def test_what_a_provider_behind_a_gateway_said():
    raw = {"error": {"message": "bad key sk-proj-0123456789", "code": 3}}
    about = {"raw": raw, "provider_name": "A\n\x1bI" + "x" * 500}
    event = reported_error({"error": {"message": "Provider returned error", "metadata": about}})
    assert event.message == "Provider returned error"
    assert event.reason.startswith("A Ixxx")
    assert event.reason.isprintable()
    assert "sk-proj" not in event.reason + event.detail
    page = {"message": "no", "metadata": {"raw": "<html><title>Sign in</title></html>"}}
    assert reported_error({"error": page}).reason == "Sign in"
    text = {"message": "no", "metadata": {"raw": "upstream is down", "provider_name": None}}
    assert reported_error({"error": text}).reason == "upstream is down"
    nothing = {"message": "no", "metadata": {"raw": None, "provider_name": "A"}}
    assert reported_error({"error": nothing}).reason is None
    deep: dict = {"message": "bottom"}
    for _ in range(50):
        deep = {"message": "no", "metadata": {"raw": deep}}
    assert len(reported_error({"error": deep}).reason) <= 400


def test_what_a_model_wrote_is_kept_whole_and_shown_in_part():
    written = "<function=f>" * 1000
    body = {
        "error": {"message": "Failed.", "code": "tool_use_failed", "failed_generation": written}
    }
    event = reported_error(body)
    error = response_error(event, endpoint(), request(), hint="ask again", is_first=True)
    assert error.detail == written
    assert len(str(error)) < 300
    assert "'<function=f><function=f>" in str(error)


def test_an_error_of_any_shape_is_read():
    odd = [None, 0, True, "", "x", [], [None], {}, {"a": 1}, float("nan"), 10**30]
    names = ("message", "code", "type", "metadata", "details", "failed_generation", "retry_after")
    for value in odd:
        for name in names:
            event = reported_error({"error": {name: value}})
            assert isinstance(
                response_error(event, endpoint(), request(), hint="h", is_first=True), Exception
            )
        for name in ("raw", "provider_name", "retry_after"):
            assert reported_error({"error": {"metadata": {"raw": "x", name: value}}}).message
    assert isinstance(status_error(404, {}, "[" * 60_000, endpoint()), APIStatusError)
