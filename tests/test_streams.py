"""Every recorded provider stream gives what an independent reading of its JSON gives.

The recordings are not part of the project (see `conftest.shared`).
"""

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path

import pytest
from long import LONG
from recordings import (
    calls_of,
    choices_of,
    finish_of,
    payloads,
    reasoning_of,
    text_of,
    usage_of,
)
from wire_cases import decode, errors, read

SEED = 20250101


@cache
def bodies(folder: Path) -> dict[str, bytes]:
    streams = {path.name: path.read_bytes() for path in sorted(folder.glob("*.sse"))}
    listed = (folder / "MANIFEST.tsv").read_text().splitlines()[1:]
    assert {line.split("\t")[0] for line in listed} == set(streams)
    return streams


@pytest.fixture(scope="session")
def streams(shared: Path) -> dict[str, bytes]:
    return bodies(shared / "streams")


# -- the tests -------------------------------------------------------------------


def test_every_stream_reads_as_its_json_says(streams: dict[str, bytes]):
    seen = dict.fromkeys(("text", "reasoning", "calls", "usage", "finish", "choices"), 0)
    for name, body in streams.items():
        turn, _ = read(decode([body]))
        rounds = {0: turn, **turn.alternatives}
        assert set(rounds) == choices_of(body) | {0}, name
        for choice, one in rounds.items():
            calls = [
                {"id": call.id, "name": call.name, "arguments": call.arguments}
                for call in one.tool_calls
            ]
            assert str(one.text) == text_of(body, choice), name
            assert str(one.reasoning) == reasoning_of(body, choice), name
            assert calls == calls_of(body, choice), name
            assert one.finish_reason == finish_of(body, choice), name
            seen["text"] += bool(one.text)
            seen["reasoning"] += bool(one.reasoning)
            seen["calls"] += len(calls)
            seen["finish"] += one.finish_reason is not None
        usage = None if turn.usage is None else tuple(turn.usage.to_dict().values())
        assert usage == usage_of(body), name
        assert turn.done == (re.search(rb"(?m)^data: ?\[DONE\]", body) is not None), name
        json.dumps(turn.to_dict(), allow_nan=False)
        seen["usage"] += usage is not None
        seen["choices"] += len(rounds)
    print(f"{len(streams)} streams: {seen}")
    assert len(streams) >= 137
    assert min(seen.values()) >= 20


def test_streams_with_an_error_report_it_and_keep_what_came(streams: dict[str, bytes]):
    reported = {}
    for name, body in streams.items():
        expected = [data["error"]["message"] for data in payloads(body) if data.get("error")]
        turn, events = read(decode([body]))
        found = errors(events)
        assert len(found) == len(expected), name
        for (message, _), words in zip(found, expected, strict=True):
            assert message is not None
            assert message[:300] == " ".join(words.split())[:300]
        if found:
            assert not turn.is_empty, name
            reported[name] = found[0]
    print(f"{len(reported)} of {len(streams)} streams carry an error")
    assert [code for _, code in reported.values()] == ["400", "tool_use_failed", None]


def test_all_but_the_broken_streams_end(streams: dict[str, bytes]):
    open_ended = [name for name, body in streams.items() if not read(decode([body]))[0].ended]
    assert len(open_ended) == 2
    assert all("error" in name or "gpustack" in name for name in open_ended)


def test_any_split_of_a_stream_gives_the_same_chunks(streams: dict[str, bytes]):
    rng = random.Random(SEED)
    splits = 0
    for name, body in streams.items():
        whole = decode([body])
        for _ in range(40 if LONG else 4):
            ends = sorted(rng.randrange(len(body) + 1) for _ in range(rng.randrange(1, 30)))
            pieces = [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]
            assert decode(pieces) == whole, (name, ends)
            splits += 1
        if LONG or len(body) < 20_000:
            assert decode(bytes([byte]) for byte in body) == whole, name
            splits += 1
        if len(body) < (6_000 if LONG else 1_500):
            for at in range(len(body)):
                assert decode([body[:at], body[at:]]) == whole, (name, at)
            splits += len(body)
    print(f"{splits} splits of {len(streams)} streams")
    assert splits > len(streams) * 5


def test_a_stream_cut_anywhere_keeps_what_came(streams: dict[str, bytes]):
    """At every byte of three streams: nothing raises, no call looks whole, no end is claimed."""
    names = [
        "vercel_groq-tool-call.sse",
        "chatlas_test_openai_simple_streaming_request__0.sse",
        "vercel_deepseek-tool-call.sse" if LONG else "llm_test_tools_streaming_variant_d__0.sse",
    ]
    for name in names:
        body = streams[name]
        full, _ = read(decode([body]))
        ends = [m.end() for m in re.finditer(rb'"finish_reason": ?"[^\n]*|data: ?\[DONE\]', body)]
        for at in range(len(body)):
            turn, events = read(decode([body[:at]]))
            assert not errors(events), (name, at)
            assert turn.ended == (at >= ends[0]), (name, at)
            assert str(full.text).startswith(str(turn.text)), (name, at)
            assert str(full.reasoning).startswith(str(turn.reasoning)), (name, at)
            for call, whole in zip(turn.tool_calls, full.tool_calls, strict=False):
                assert (call.id, call.name) == (whole.id, whole.name), (name, at)
                assert whole.arguments.startswith(call.arguments) or call.arguments == "{}"
    print(f"{len(names)} streams cut at every byte")
