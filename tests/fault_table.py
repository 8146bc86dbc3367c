"""What can go wrong, and what the user then sees: the table that `test_faults.py` runs.

`docs/faults.md` is made of it: `python tests/fault_table.py` writes it anew.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

from markdown_table import table
from replay import (
    CHAT,
    DONE,
    Cut,
    Hang,
    Reply,
    Script,
    Wait,
    chunk,
    completion,
    cut,
    error,
    redirect,
    silence,
    whole,
)

from nbstream import errors
from nbstream.request_messages import NO_ANSWER

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"
KEY = "sk-canary-0123456789"


@dataclass(frozen=True)
class Fault:
    """One way to fail, and what must come of it.

    Attributes:
        name: what goes wrong, in the words of the page.
        replies: what the server answers, one a request, to the path `to`.
        sees: the whole line that the user sees; `HOST` is the endpoint's host and port, `…`
            is any text. "" where the answer is complete.
        error: the class of the error, or None.
        text: the answer's text in the end, whole or not.
        kept: what the history has of it, where that is not the text.
        status: of the response, where it is not the usual: `incomplete` with a text,
            `error` without.
        requests: how many completions were asked for; by default one a reply.
        at: the base URL; `test_faults.py` knows the places in it.
        speaks: what a server that is none says to whatever comes, at `{talker}`.
        options: of the request (`nbstream.request.Options`).
        deadlines: in seconds (`nbstream.request.Deadlines`).
        environ: variables of the environment.
        tool: whether the model is offered one; it must not be run.
        in_cell: whether it is also tried by `%%chat` in a kernel.
        note: for the page.
    """

    name: str
    replies: tuple[Script, ...] = ()
    sees: str = ""
    error: type[errors.NbstreamError] | None = None
    text: str = ""
    kept: str = ""
    status: str = ""
    requests: int | None = None
    to: str = CHAT
    at: str = "http://{server}/v1"
    speaks: bytes = b""
    options: Mapping[str, Any] = field(default_factory=dict)
    deadlines: Mapping[str, float] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: {"OPENAI_API_KEY": KEY})
    tool: bool = False
    in_cell: bool = False
    note: str = ""

    @property
    def ends_as(self) -> str:
        if self.status or self.error is None:
            return self.status or "complete"
        return "incomplete" if self.text or self.kept else "error"

    @property
    def asked(self) -> int:
        return len(self.replies) if self.requests is None else self.requests


@dataclass(frozen=True)
class Proven:
    """A fault that another file's tests prove.

    Attributes:
        name, sees, does: the row of the page.
        tests: `path::name` each, below `tests/`.
    """

    name: str
    sees: str
    does: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    title: str
    faults: tuple[Fault | Proven, ...]
    says: str = ""


# --- what servers send -------------------------------------------------------------------

PART = chunk({"content": "Hello"})
END = chunk({}, finish="stop")
GO_ON = "%chat continue asks for the rest"
AGAIN = {"retry_after": "0"}  # no time is lost


def stream(*steps: Any, **reply: Any) -> Reply:
    """A stream of a first part and what is given."""
    return Reply((PART, *steps), **reply)


def page(title: str, status: int = 200) -> Reply:
    return whole(f"<html><head><title>{title}</title></head></html>", status, kind="text/html")


def error_type(status: int, message: str, code: Any, kind: str) -> Reply:
    return error(status, {"error": {"message": message, "code": code, "type": kind}})


def later(seconds: float) -> Script:
    """A 429 with the date at which it is over."""

    def reply(_request: Any) -> Reply:
        date = email.utils.formatdate(time.time() + seconds, usegmt=True)
        return error(429, "slow down", retry_after=date)

    return reply


def failing(status: int, message: str) -> tuple[Script, ...]:
    """The request and both retries fail."""
    return (error(status, message, **AGAIN),) * 3


def talk(count: int) -> list[Any]:
    """Usage, again and again, and never the same."""
    usages = [chunk(None, usage={"total_tokens": number}) for number in range(1, count)]
    return [step for usage in usages for step in (Wait(0.02), usage)]


CALL = completion(tool_calls=[{"name": "lookup", "arguments": {"city": "Berlin"}}], piece=3)
ENDED = chunk({"content": "Hello"}, finish="stop")  # said too early, with every chunk
LIMITED = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
GEMINI_LIMIT = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}],
    }
}
ROLE = {"role": "assistant", "content": ""}
BEGUN = chunk(None, choices=[{"index": i, "delta": ROLE, "finish_reason": None} for i in (0, 1)])
WHOLE = {
    "object": "chat.completion",
    "model": "replay-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "finish_reason": "stop",
        }
    ],
}
BROKE = "the connection to HOST broke inside the answer (…)"

# --- the table ---------------------------------------------------------------------------

UNREACHED = (
    Fault(
        "Nothing listens there",
        sees="No server at HOST (connection refused) · is the server running?",
        error=errors.APIConnectionError,
        at="http://{closed}/v1",
        in_cell=True,
    ),
    Fault(
        "The host does not exist",
        sees="there is no host 'HOST' (DNS) · check the base URL http://HOST/v1",
        error=errors.APIConnectionError,
        at="http://nobody.invalid/v1",
    ),
    Fault(
        "The host takes no connection",
        sees="HOST did not take the connection in time · is the address right, is it up?",
        error=errors.APIConnectionError,
        at="http://{full}/v1",
        deadlines={"connect": 0.3},
    ),
    Fault(
        "A certificate of a CA that is not known",
        sees="the certificate of HOST is not trusted: … · "
        "if the CA is your own, set SSL_CERT_FILE to its certificates",
        error=errors.APIConnectionError,
        at="https://{tls}/v1",
    ),
    Fault(
        "A certificate of another host",
        sees="the certificate of HOST is another host's: … · check the base URL https://HOST/v1",
        error=errors.APIConnectionError,
        at="https://{tls_of_another}/v1",
        environ={"SSL_CERT_FILE": "{ca}"},
    ),
    Fault(
        "`https` where the server speaks `http`",
        sees="no safe connection to HOST: … · is it http? Or is the CA your own? "
        "Then set SSL_CERT_FILE",
        error=errors.APIConnectionError,
        at="https://{talker}/v1",
        speaks=b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    ),
    Fault(
        "`http` where the server speaks `https`",
        sees="HOST does not answer in HTTP · check the base URL http://HOST/v1: is it https?",
        error=errors.APIConnectionError,
        at="http://{talker}/v1",
        speaks=b"\x15\x03\x01\x00\x02\x02\x46",
    ),
    Fault(
        "The connection ends before any answer",
        replies=(Reply(before=(Cut(reset=True),)),) * 2,
        sees="the connection to HOST failed: … · try again",
        error=errors.APIConnectionError,
        options={"max_retries": 1},
        note="asked again first",
    ),
    Fault(
        "`/v1` forgotten",
        sees="HOST has no such model or path (404): … · should the base URL be http://HOST/v1?",
        error=errors.NotFoundError,
        requests=1,
        at="http://{server}",
        in_cell=True,
    ),
    Fault(
        "`/v1` forgotten, and a web page answers",
        replies=(page("Welcome"),),
        to="/chat/completions",
        sees="HOST: no chat completion but a web page: 'Welcome' · "
        "should the base URL be http://HOST/v1?",
        error=errors.APIResponseError,
        at="http://{server}",
    ),
    Fault(
        "The whole address of the method as the base URL",
        sees="HOST has no such model or path (404): … · should the base URL be http://HOST/v1?",
        error=errors.NotFoundError,
        requests=1,
        at="http://{server}/v1/chat/completions",
    ),
    Fault(
        "A path that is another service's",
        replies=(page("405 Not Allowed", 405),),
        sees="HOST takes no chat completions there (405): 405 Not Allowed · "
        "check the base URL http://HOST/v1",
        error=errors.APIStatusError,
    ),
    Fault(
        "A redirect",
        replies=(redirect("https://new.example.com/v1/chat/completions"),),
        sees="HOST redirects elsewhere (307) · no key follows there: set the base URL to the "
        "final address, if you trust it: https://new.example.com/v1",
        error=errors.APIStatusError,
    ),
    Fault(
        "An IPv6 address",
        replies=(completion("Hello"),),
        text="Hello",
        at="http://{ipv6}/v1",
    ),
    Fault(
        "An IPv6 address where nothing listens",
        sees="No server at HOST (connection refused) · is the server running?",
        error=errors.APIConnectionError,
        at="http://{ipv6_closed}/v1",
    ),
)

REFUSED = (
    Fault(
        "A wrong key",
        replies=(error(401, f"Incorrect API key: {KEY}"),),
        sees="HOST refused the key (401): Incorrect API key: … · check OPENAI_API_KEY",
        error=errors.AuthenticationError,
        in_cell=True,
        note="the key is shown nowhere, also where the server echoes it",
    ),
    Fault(
        "A wrong key in another variable",
        replies=(error(401, "who are you?"),),
        sees="HOST refused the key (401): who are you? · check MY_KEY",
        error=errors.AuthenticationError,
        options={"api_key_env": "MY_KEY"},
        environ={"MY_KEY": KEY},
    ),
    Fault(
        "No key where one is wanted",
        replies=(error(401, "no key"),),
        sees="HOST wants a key (401): no key · type a key into %chat key, or set OPENAI_API_KEY",
        error=errors.AuthenticationError,
        environ={},
    ),
    Fault(
        "A key without the right",
        replies=(error(403, "not in your plan"),),
        sees="HOST refused the key (403): not in your plan · check OPENAI_API_KEY",
        error=errors.AuthenticationError,
    ),
    Fault(
        "A model that is not there",
        replies=(error(404, "no such model"),),
        sees="there is no model 'replay-one' here; the nearest: replay-1 · see %chat models",
        error=errors.NotFoundError,
        options={"model": "replay-one"},
        in_cell=True,
    ),
    Fault(
        "A model that is not there, where the service says 400",
        replies=(error(400, "replay-one is not a valid model ID"),),
        sees="there is no model 'replay-one' here; the nearest: replay-1 · see %chat models",
        error=errors.BadRequestError,
        options={"model": "replay-one"},
    ),
    Fault(
        "A conversation that is too long for the model",
        replies=(
            error_type(
                400,
                "This model's maximum context length is 8192 tokens, you asked for 9001.",
                "context_length_exceeded",
                "invalid_request_error",
            ),
        ),
        sees="HOST does not accept the request (400): This model's maximum context length is "
        "8192 tokens, you asked for 9001. · the conversation is too long for the model "
        "(3 messages, … characters): %chat reset, or --no-history",
        error=errors.BadRequestError,
        in_cell=True,
    ),
    Fault(
        "The same, said by the server in front of it",
        replies=(page("Request Entity Too Large", 413),),
        sees="HOST does not accept the request (413): Request Entity Too Large · the "
        "conversation is too long for the model (3 messages, … characters): %chat reset, "
        "or --no-history",
        error=errors.BadRequestError,
    ),
    Fault(
        "The same, said inside the stream",
        replies=(
            Reply([{"error": {"message": "prompt is too long: 9001 tokens > 8192 maximum"}}]),
        ),
        sees="HOST: prompt is too long: 9001 tokens > 8192 maximum · the conversation is too "
        "long for the model (3 messages, … characters): %chat reset, or --no-history",
        error=errors.APIResponseError,
    ),
    *(
        Fault(
            f"Something else is too long: {what}",
            replies=(error_type(status, said, code, "invalid_request_error"),),
            sees=f"HOST does not accept the request ({status}): {said} · {hint}",
            error=errors.BadRequestError,
        )
        for what, status, code, said, hint in (
            (
                "an array",
                400,
                "array_above_max_length",
                (
                    "Invalid 'tools': array too long. Expected an array with maximum length 128, "
                    "but got an array with length 142 instead."
                ),
                "change that, and ask again",
            ),
            (
                "a picture",
                400,
                None,
                (
                    "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: "
                    "5327908 bytes > 5242880 bytes"
                ),
                "send a smaller picture, or fewer",
            ),
            (
                "a minute's tokens",
                413,
                "rate_limit_exceeded",
                (
                    "Request too large for model `m` on tokens per minute (TPM): Limit 6000, "
                    "Requested 13939, please reduce your message size and try again."
                ),
                "wait a minute, or ask for less at once: a shorter prompt, --max-tokens N",
            ),
        )
    ),
    Fault(
        "The server does not stream",
        replies=(error(400, "Streaming is not supported for this model."),),
        sees="HOST does not accept the request (400): Streaming is not supported for this model. · "
        "--no-stream asks for the answer in one piece (of a Chat: stream=False)",
        error=errors.BadRequestError,
        in_cell=True,
    ),
    Fault(
        "A 404 that is not about the model's name",
        replies=(error(404, "No endpoints found that support tool use."),),
        sees="HOST has no such model or path (404): No endpoints found that support tool use. · "
        "check the model 'replay-one' (%chat models) and the base URL http://HOST/v1",
        error=errors.NotFoundError,
        options={"model": "replay-one"},
    ),
    Fault(
        "A gateway refuses, with its provider's reason",
        replies=(
            error(
                400,
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 400,
                        "metadata": {
                            "raw": '{"error": {"message": "top_k must be at most 40"}}',
                            "provider_name": "Lab",
                        },
                    }
                },
            ),
        ),
        sees="HOST does not accept the request (400): Provider returned error: Lab: "
        "top_k must be at most 40 · change that, and ask again",
        error=errors.BadRequestError,
    ),
    Fault(
        "A model writes a call that its server cannot read",
        replies=(
            error(
                400,
                {
                    "error": {
                        "message": "Failed to call a function.",
                        "code": "tool_use_failed",
                        "failed_generation": "<function=lookup>Berlin",
                    }
                },
            ),
        ),
        sees="HOST does not accept the request (400): Failed to call a function.: "
        "'<function=lookup>Berlin' · ask again; `error.detail` of the answer is all that the "
        "model wrote",
        error=errors.BadRequestError,
    ),
    Fault(
        "A parameter that the server does not take",
        replies=(whole({"detail": [{"loc": ["body", "top_k"], "msg": "must be > 0"}]}, 422),),
        sees="HOST does not accept the request (422): body.top_k: must be > 0 · "
        "change that, and ask again",
        error=errors.BadRequestError,
        options={"params": {"top_k": -1}},
    ),
    Fault(
        "An error page without an end",
        replies=(Reply(repeat(b"<p>" * 1000), 403),),
        sees="HOST refused the key (403) · check OPENAI_API_KEY",
        error=errors.AuthenticationError,
    ),
    Fault(
        "An error that stalls",
        replies=(Reply([b'{"error": ', Hang()], 401),),
        sees='HOST refused the key (401): {"error": · check OPENAI_API_KEY',
        error=errors.AuthenticationError,
    ),
)

BUSY = (
    *(
        Fault(
            name,
            replies=failing(status, "busy"),
            sees=f"{what} ({status}){after}: busy · try again",
            error=kind,
            note="asked again twice, with a countdown",
        )
        for status, name, what, after, kind in (
            (
                408,
                "The server waited too long",
                "HOST answered Request Timeout",
                "",
                errors.APIStatusError,
            ),
            (409, "The server is in conflict", "HOST answered Conflict", "", errors.APIStatusError),
            (500, "The server fails", "Server error", ": HOST", errors.ServerError),
            (503, "The server is not available", "Server error", ": HOST", errors.ServerError),
            (529, "The server is overloaded", "Server error", ": HOST", errors.ServerError),
        )
    ),
    Fault(
        "The server fails, and says not to come again",
        replies=(error(500, "broken", x_should_retry="false"),),
        sees="Server error (500): HOST: broken · try again",
        error=errors.ServerError,
        note="not asked again",
    ),
    Fault(
        "The server refuses, and says to come again",
        replies=(error(400, "moved", x_should_retry="true", **AGAIN), completion("Hello")),
        text="Hello",
    ),
    Fault(
        "A gateway's page",
        replies=(page("502 Bad Gateway", 502),),
        sees="Server error (502): HOST: 502 Bad Gateway · try again",
        error=errors.ServerError,
        options={"max_retries": 0},
    ),
    Fault(
        "The server fails once",
        replies=(error(503, "busy", **AGAIN), completion("Hello")),
        text="Hello",
        in_cell=True,
    ),
    Fault(
        "Too many requests; the server says in how many seconds to come again",
        replies=(error(429, "slow down", retry_after="0.05"), completion("Hello")),
        text="Hello",
    ),
    Fault(
        "Too many requests; the server says at what time to come again",
        replies=(later(1), completion("Hello")),
        text="Hello",
    ),
    Fault(
        "Too many requests, and a time that cannot be read",
        replies=(error(429, "slow down", retry_after="nan"), completion("Hello")),
        text="Hello",
    ),
    Fault(
        "Too many requests; the server wants more than a minute",
        replies=(error(429, "slow down", retry_after="300"),),
        sees="Rate limit (429): HOST: slow down · try again in 300 s",
        error=errors.RateLimitError,
        note="not asked again",
    ),
    Fault(
        "Too many requests; the server wants until tomorrow",
        replies=(later(86_400),),
        sees="Rate limit (429): HOST: slow down · try again in 86… s",
        error=errors.RateLimitError,
        note="not asked again",
    ),
    Fault(
        "Too many requests; Gemini says in the body in how many seconds to come again",
        replies=(error(429, GEMINI_LIMIT), completion("Hello")),
        text="Hello",
    ),
    Fault(
        "Too many requests; the words say in how many seconds to come again",
        replies=(error(429, "Rate limit reached. Please try again in 2m30s."),),
        sees="Rate limit (429): HOST: Rate limit reached. Please try again in "
        "2m30s. · try again in 150 s",
        error=errors.RateLimitError,
        note="not asked again",
    ),
    Fault(
        "Too many requests, said inside the stream",
        replies=(Reply([BEGUN, LIMITED]), completion("Hello")),
        text="Hello",
    ),
    Fault(
        "The server is overloaded, and says so with the status of a success",
        replies=(Reply([OVERLOADED]), whole(OVERLOADED), Reply([b"event: error\n", OVERLOADED])),
        sees="Server error (503): HOST: Overloaded · try again",
        error=errors.ServerError,
        note="asked again twice, with a countdown",
    ),
    Fault(
        "The same, after a part of the answer",
        replies=(stream(OVERLOADED),),
        sees=f"HOST: Overloaded · {GO_ON}",
        error=errors.APIResponseError,
        text="Hello",
        status="error",
        note="not asked again",
    ),
    Fault(
        "A spent quota",
        replies=(error_type(429, "You exceeded your quota.", *["insufficient_quota"] * 2),),
        sees="HOST says that the quota is spent (429): You exceeded your quota. · "
        "check the plan and billing",
        error=errors.RateLimitError,
        note="not asked again",
    ),
    Fault(
        "A spent quota behind a gateway",
        replies=(error_type(429, "You exceeded your quota.", "429", "insufficient_quota"),),
        sees="HOST says that the quota is spent (429): You exceeded your quota. · "
        "check the plan and billing",
        error=errors.RateLimitError,
        note="not asked again",
    ),
    Fault(
        "No credit",
        replies=(error(402, "Insufficient credits"),),
        sees="HOST says that the quota is spent (402): Insufficient credits · "
        "check the plan and billing",
        error=errors.APIStatusError,
    ),
    Proven(
        "■ or Stop while it waits",
        "`Stopped. The text so far is kept.`",
        "ask again",
        (
            "test_driver.py::test_cancel_at_any_stage_is_quick_and_the_server_sees_it",
            "test_interrupt.py::test_an_interrupt_stops_the_answer",
            "test_driver.py::test_retries_are_visible_and_bounded",
            "browser/test_live.py::test_a_retry_counts_down",
        ),
    ),
)

NO_STREAM = (
    Fault(
        "A web page",
        replies=(page("Sign in"),),
        sees="HOST: no chat completion but a web page: 'Sign in' · check the base URL "
        "http://HOST/v1",
        error=errors.APIResponseError,
        in_cell=True,
    ),
    Fault(
        "Text",
        replies=(whole("OK", kind="text/plain"),),
        sees="HOST: no chat completion but text: 'OK' · check the base URL http://HOST/v1",
        error=errors.APIResponseError,
    ),
    Fault(
        "Other JSON",
        replies=(whole({"status": "up"}),),
        sees="HOST: no chat completion but JSON: … · check the base URL http://HOST/v1",
        error=errors.APIResponseError,
    ),
    Fault(
        "Nothing at all",
        replies=(whole("", kind="text/plain"),),
        sees="HOST sent an empty answer · ask again",
        error=errors.IncompleteError,
    ),
    Fault(
        "No content (204)",
        replies=(Reply([b"HTTP/1.1 204 No Content\r\n\r\n"], framing="raw"),),
        sees="HOST sent an empty answer · ask again",
        error=errors.IncompleteError,
    ),
    Fault(
        "An end, and nothing before it",
        replies=(Reply([{"type": "message_start"}, DONE]),),
        sees="HOST sent an empty answer · ask again",
        error=errors.IncompleteError,
    ),
    Fault(
        "An error with the status of a success",
        replies=(whole({"error": {"message": "overloaded"}}),),
        sees="HOST: overloaded · ask again",
        error=errors.APIResponseError,
    ),
    Fault(
        "The whole answer at once, as JSON",
        replies=(whole(WHOLE),),
        text="Hello",
        in_cell=True,
    ),
)

SLOW = (
    Fault(
        "No answer",
        replies=(silence(),),
        sees="no answer from HOST within 0.3 s · try again",
        error=errors.APITimeoutError,
        deadlines={"first_token": 0.3},
        note="10 minutes, unless `ChatMagics.first_token_timeout` is set",
    ),
    Fault(
        "An answer begins, and nothing comes",
        replies=(Reply([chunk({"role": "assistant", "content": ""}), Hang()]),),
        sees="no answer from HOST within 0.3 s · try again",
        error=errors.APITimeoutError,
        deadlines={"first_token": 0.3},
    ),
    Fault(
        "The first word takes longer than the later ones may",
        replies=(Reply([chunk({"role": "assistant", "content": ""}), Wait(0.5), PART, END, DONE]),),
        text="Hello",
        deadlines={"first_token": 10, "idle": 0.2},
    ),
    Fault(
        "Signs of life and no answer",
        replies=(Reply([b": ping\n\n", Wait(0.02)] * 100),),
        sees="no answer from HOST within 0.3 s · try again",
        error=errors.APITimeoutError,
        deadlines={"first_token": 0.3},
    ),
    Fault(
        "A stall in the middle",
        replies=(stream(Hang()),),
        sees=f"nothing more from HOST for 0.3 s · {GO_ON}",
        error=errors.APITimeoutError,
        text="Hello",
        deadlines={"idle": 0.3},
        in_cell=True,
        note="2 minutes, unless `ChatMagics.idle_timeout` is set",
    ),
    Fault(
        "Signs of life in the middle",
        replies=(stream(*[b": ping\n\n", Wait(0.02)] * 100),),
        sees=f"nothing more from HOST for 0.3 s · {GO_ON}",
        error=errors.APITimeoutError,
        text="Hello",
        deadlines={"idle": 0.3},
    ),
    Fault(
        "One byte at a time",
        replies=(stream(*[step for _ in range(100) for step in (Wait(0.02), b"d")]),),
        sees=f"nothing more from HOST for 0.3 s · {GO_ON}",
        error=errors.APITimeoutError,
        text="Hello",
        deadlines={"idle": 0.3},
    ),
    Fault(
        "An answer without an end",
        replies=(stream(*[Wait(0.02), chunk({"content": ""}), chunk({"refusal": None})] * 200),),
        sees=f"the answer took longer than 0.5 s · raise --timeout, or: {GO_ON}",
        error=errors.APITimeoutError,
        text="Hello",
        deadlines={"total": 0.5},
        note="only where `--timeout` or `ChatMagics.timeout` is set",
    ),
    Fault(
        "No answer within the time for all of it",
        replies=(silence(),),
        sees="the answer took longer than 0.3 s · raise --timeout",
        error=errors.APITimeoutError,
        deadlines={"total": 0.3},
        note="only where `--timeout` or `ChatMagics.timeout` is set",
    ),
    Fault(
        "The answer ends, the connection does not",
        replies=(stream(END, Hang()),),
        text="Hello",
    ),
    Fault(
        "The answer ends, and the server goes on talking",
        replies=(stream(END, *talk(500)),),
        text="Hello",
        deadlines={"total": 5},
    ),
)

CUTS = (
    *(
        Fault(
            f"Cut in the middle ({framing})",
            replies=(stream(Cut(), END, DONE, framing=how),),
            sees=f"{sees} · {GO_ON}",
            error=errors.IncompleteError,
            text="Hello",
            in_cell=how == "chunked",
        )
        for how, framing, sees in (
            ("chunked", "chunked", BROKE),
            ("length", "Content-Length", BROKE),
            ("close", "until the connection closes", "HOST ended the stream before the answer"),
        )
    ),
    Fault(
        "The connection is reset in the middle",
        replies=(stream(Wait(0.1), Cut(reset=True)),),
        sees=f"{BROKE} · {GO_ON}",
        error=errors.IncompleteError,
        text="Hello",
        in_cell=True,
    ),
    Fault(
        "Cut before the first word",
        replies=(Reply([b": hello\n\n", Cut(), b"."]),),
        sees=f"{BROKE} · ask again",
        error=errors.IncompleteError,
    ),
    Fault(
        "Cut in a tool call",
        replies=(cut(CALL, 900),),
        sees=f"{BROKE} · ask again",
        error=errors.IncompleteError,
        status="incomplete",
        tool=True,
        note="half a call is never run",
    ),
    Fault(
        "Cut in the reasoning",
        replies=(cut(completion("Hello", reasoning="Let me think."), 600),),
        sees=f"{BROKE} · {GO_ON}",
        error=errors.IncompleteError,
        kept=NO_ANSWER,
    ),
    Fault(
        "Cut in a tool call that words stand before",
        replies=(stream(*cut(CALL, 900).body),),
        sees=f"{BROKE} · ask again",
        error=errors.IncompleteError,
        text="Hello",
        tool=True,
    ),
    *(
        Fault(
            f"Cut where the server says `stop` with every chunk ({framing})",
            replies=(Reply([ENDED, ENDED, Cut(), DONE], framing=framing),),
            sees=f"{BROKE} · {GO_ON}",
            error=errors.IncompleteError,
            text="HelloHello",
        )
        for framing in ("chunked", "length")
    ),
    Fault(
        "The server says `stop` with every chunk, and falls silent",
        replies=(Reply([ENDED, ENDED, Hang()]),),
        sees=f"nothing more from HOST for 0.5 s · {GO_ON}",
        error=errors.APITimeoutError,
        text="HelloHello",
        deadlines={"idle": 0.5},
    ),
    Fault(
        "The server says `stop` with every chunk, and ends",
        replies=(Reply([ENDED, ENDED, Wait(0.5), ENDED]),),
        text="HelloHelloHello",
    ),
    Fault(
        "A call comes after the reason, and is cut",
        replies=(stream(END, *cut(CALL, 900).body),),
        sees=f"{BROKE} · ask again",
        error=errors.IncompleteError,
        text="Hello",
        tool=True,
    ),
    *(
        Fault(
            f"Cut after a reason that is none: `{json.dumps(word)}`",
            replies=(Reply([chunk({"content": "Hello"}, finish=word), Cut(), DONE]),),
            sees=f"{BROKE} · {GO_ON}",
            error=errors.IncompleteError,
            text="Hello",
        )
        for word in ("null", "None", "")
    ),
    Fault(
        "One of two answers has ended, and the stream is cut",
        replies=(Reply([BEGUN, PART, END, Cut(), DONE]),),
        sees=f"{BROKE} · {GO_ON}",
        error=errors.IncompleteError,
        text="Hello",
    ),
    Fault(
        "One of two answers has come, and the stream is cut",
        replies=(stream(END, Cut(), DONE),),
        sees=f"{BROKE} · {GO_ON}",
        error=errors.IncompleteError,
        text="Hello",
        options={"params": {"n": 2}},
    ),
    Fault(
        "The stream ends as if all was well, but too early",
        replies=(stream(),),
        sees=f"HOST ended the stream before the answer · {GO_ON}",
        error=errors.IncompleteError,
        text="Hello",
    ),
    Fault(
        "Cut after the last word, before the usage",
        replies=(stream(END, Cut(), DONE),),
        text="Hello",
        note="the server had said that the answer was over",
    ),
    Fault(
        "The answer ends for a reason that nobody knows",
        replies=(stream(chunk({}, finish="OTHER"), DONE),),
        text="Hello",
        note="marked `⚠ Ended: OTHER`",
    ),
)

SAID = {"message": "overloaded", "code": "busy"}
REPORTED = (
    *(
        Fault(
            f"An error in the stream: {shape}",
            replies=(stream(step, END, DONE),),
            sees=f"HOST: overloaded · {GO_ON}",
            error=errors.APIResponseError,
            text="Hello",
            status="error",
            in_cell=position == 0,
        )
        for position, (shape, step) in enumerate(
            {
                '`{"error": {"message": …}}`': {"error": SAID},
                '`{"error": "…"}`': {"error": "overloaded"},
                '`{"object": "error", …}`': {"object": "error", **SAID},
                '`{"type": "error", "error": {…}}`': {"type": "error", "error": SAID},
                "`[{…}]`": b'data: [{"error": {"message": "overloaded"}}]\n\n',
                "`error: {…}`": b'error: {"message": "overloaded"}\n\n',
                "`event: error`": b'event: error\ndata: {"message": "overloaded"}\n\n',
                '`{"detail": "…"}`': {"detail": "overloaded"},
                '`{"errors": [{…}]}`': {"success": False, "errors": [SAID]},
                '`{"base_resp": {…}}`': {
                    "base_resp": {"status_code": 9, "status_msg": "overloaded"}
                },
                "JSON without `data:`": b'{"error": {"message": "overloaded"}}\n',
                "beside the choices": {
                    "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
                    "error": SAID,
                },
            }.items()
        )
    ),
)

BROKEN = (
    Fault(
        "JSON that is none",
        replies=(stream(b'data: {"choices":[}\n\n', END, DONE),),
        sees=f"""HOST: an event is no JSON object: '{{"choices":[}}' · {GO_ON}""",
        error=errors.APIResponseError,
        text="Hello",
        status="error",
    ),
    Fault(
        "An event that is no object",
        replies=(stream(b"data: 42\n\n", END, DONE),),
        sees=f"HOST: an event is no JSON object: '42' · {GO_ON}",
        error=errors.APIResponseError,
        text="Hello",
        status="error",
    ),
    Fault(
        "JSON nested a thousand deep",
        replies=(stream(b"data: " + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"\n\n", END, DONE),),
        sees=f"HOST: an event is no JSON object: … · {GO_ON}",
        error=errors.APIResponseError,
        text="Hello",
        status="error",
    ),
    Fault(
        "Words in the place of an event",
        replies=(Reply([b"data: OPENROUTER PROCESSING\n", PART, b"data: : ping\n\n", END, DONE]),),
        text="Hello",
    ),
    Fault(
        "Words in the place of an event, and no end",
        replies=(stream(b"data: Bad Gateway\n\n"),),
        sees=f"HOST ended the stream before the answer: 'Bad Gateway' · {GO_ON}",
        error=errors.IncompleteError,
        text="Hello",
    ),
    Fault(
        "Two events on one line, and the end in quotes",
        replies=(
            Reply([b"data: " + json.dumps(PART).encode() * 2 + b"\n\n", b'data: "[DONE]"\n\n']),
        ),
        text="HelloHello",
    ),
    Fault(
        "A line of 50 MB",
        replies=(Reply((PART, b"data: ", *repeat(b"x" * 2**20, 50))),),
        sees=f"HOST: one event is longer than 16,777,216 bytes · {GO_ON}",
        error=errors.APIResponseError,
        text="Hello",
        status="error",
    ),
    Fault(
        "NaN and Infinity",
        replies=(
            stream(
                b'data: {"choices": [], "usage": {"total_tokens": NaN}, "x": -Infinity}\n\n',
                END,
                DONE,
            ),
        ),
        text="Hello",
        note="they are left out",
    ),
    Fault(
        "Half a character (a lone surrogate)",
        replies=(stream(b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n\n', END, DONE),),
        text="Hello�",
        note="it becomes �",
    ),
    Fault(
        "Bytes that are no UTF-8",
        replies=(stream(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n', END, DONE),),
        text="Hello�",
        note="they become �",
    ),
    Fault(
        "`data: null`",
        replies=(stream(b"data: null\n\n", END, DONE),),
        text="Hello",
    ),
    Fault(
        "Compressed data that is none",
        replies=(
            Reply(
                [b"not compressed"],
                headers={"content-type": "text/event-stream", "content-encoding": "gzip"},
            ),
        ),
        sees=f"{BROKE} · ask again",
        error=errors.IncompleteError,
    ),
)

HERE = (
    Proven(
        "The embedded model's server is killed while it answers",
        "`IncompleteError: the connection to the embedded model broke inside the answer (…)`",
        f"{GO_ON}; a new one starts",
        (
            "test_faults.py::test_the_embedded_server_is_killed_in_the_middle_of_an_answer",
            "test_local.py::test_a_server_that_died_is_replaced",
        ),
    ),
    Proven(
        "Its port is taken",
        "nothing: the system chooses a free one for each",
        "",
        ("test_local.py::test_another_file_has_a_server_and_a_name_of_its_own",),
    ),
    Proven(
        "The disk is full while the model is fetched",
        "`LocalModelError: cannot write to …`",
        "make room there, and ask again",
        ("test_download.py::test_a_full_disk",),
    ),
    Proven(
        "Two kernels fetch the model at once",
        "one fetches, the other says that it waits",
        "",
        (
            "test_download.py::test_two_processes_at_once_fetch_it_once",
            "test_download.py::test_who_waits_for_another_process_is_told",
        ),
    ),
    Proven(
        "The page is reloaded in the middle",
        "the answer goes on, and is in the variable and the history",
        "`%chat last` shows it",
        ("browser/test_live.py::test_a_reload_in_the_middle_loses_nothing",),
    ),
    Proven(
        "The notebook is saved in the middle, and opened again",
        "the text so far, and a line that says so",
        "`%chat last` shows how it went on",
        ("browser/test_live.py::test_what_is_saved_in_the_middle_says_how_to_follow_it",),
    ),
    Proven(
        "The page is closed in the middle",
        "the answer goes on, and is in the variable and the history",
        "`%chat last` shows it",
        ("browser/test_pages.py::test_an_answer_goes_on_without_its_page",),
    ),
    Proven(
        "Two tabs show one notebook",
        "the answer streams in the tab that asked, and is in the variable and the history",
        "`%chat last` shows it in the other",
        ("browser/test_pages.py::test_an_answer_is_in_every_tab",),
    ),
)

SECTIONS = (
    Section(
        "The server is not reached",
        UNREACHED,
    ),
    Section(
        "The server refuses",
        REFUSED,
        "The conversation is as it was before.",
    ),
    Section(
        "The server is busy",
        BUSY,
        "The request is sent again at most twice (`ChatMagics.max_retries`), with a countdown in "
        "the cell, and never when a part of the answer was there.",
    ),
    Section("What comes is no stream", NO_STREAM),
    Section(
        "It takes too long",
        SLOW,
        "The times here are those of the tests; yours are in `%config ChatMagics`.",
    ),
    Section(
        "The answer is cut",
        CUTS,
        "Wherever a stream is cut, what came is in the output, in `_chat` and in the saved "
        "notebook, marked as incomplete. An answer counts as whole only if the server said so.",
    ),
    Section(
        "The stream reports an error",
        REPORTED,
        "What came before it is kept.",
    ),
    Section("The stream is broken", BROKEN),
    Section("On this machine", HERE),
)


def faults() -> list[Fault]:
    """Every fault that is run from here."""
    return [f for section in SECTIONS for f in section.faults if isinstance(f, Fault)]


def proven() -> list[Proven]:
    """Every fault that other tests prove."""
    return [f for section in SECTIONS for f in section.faults if isinstance(f, Proven)]


# --- the page ----------------------------------------------------------------------------

_INTRO = """\
# When something goes wrong

Every failure is one line: what happened, and what to do. The cell fails, so that Run All stops;
what came is kept; the next cell works. `answer.error` is the exception, with the names below.

This page is made of the table that the tests run against real servers
(`python tests/fault_table.py` writes it). `HOST` stands for the server's host and port, `…` for
words that vary.
"""


def made_page() -> str:
    """The text of `docs/faults.md`."""
    parts = [_INTRO]
    for section in SECTIONS:
        said = f"{section.says}\n\n" if section.says else ""
        head = ("what goes wrong", "what you see", "what to do")
        parts.append(f"## {section.title}\n\n{said}{table(head, map(_row, section.faults))}")
    return "\n".join(parts)


def _row(fault: Fault | Proven) -> tuple[str, str, str]:
    if isinstance(fault, Proven):
        return fault.name, fault.sees, fault.does
    note = f" ({fault.note})" if fault.note else ""
    if fault.error is None:
        return fault.name, f"the answer, whole{note}", ""
    what, _, hint = fault.sees.partition(" · ")
    return fault.name, f"`{fault.error.__name__}: {what}`{note}", hint


if __name__ == "__main__":
    PAGE.write_text(made_page(), encoding="utf-8")
