"""Bytes -> chunks: framing, limits, and that no split of the bytes matters.

Whole streams with their quirks are in `tests/wire`.
"""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG
from wire_cases import decode

from nbstream.wire.sse import DONE, Body, Decoder, ErrorFrame, Foreign, Malformed

seeded = settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 400)


@pytest.mark.parametrize(
    ("body", "chunks"),
    [
        (b"", []),
        (b" \r\n\n", []),
        (b": only comments\n\n: no answer\n\n", []),
        (b'data: {"a": 1}\n\n', [{"a": 1}]),
        (b'data:{"a": 1}\n\n', [{"a": 1}]),
        (b'data:   {"a": 1}  \n\n', [{"a": 1}]),
        (b'data: {"a": 1}', [{"a": 1}]),
        (b'data: {"a": 1}\r\rdata: [DONE]\r\r', [{"a": 1}, DONE]),
        (b"data: [DONE]", [DONE]),
        (b"data: [DO", []),
        (b'data: {"a":\ndata: 1}\n\n', [{"a": 1}]),
        (b'data: {"a":\ndata: 1}', [{"a": 1}]),
        (b'data: {"a":\n\ndata: {"b": 2}\n\n', [Malformed("{}"), {"b": 2}]),
        (b'data: [{"a": 1}, {"b": 2}]\n\n', [{"a": 1}, {"b": 2}]),
        (b"data: [1]\n\n", [Malformed("[1]")]),
        (b"data: 12\n\n", [Malformed("12")]),
        (b"data: null\n\n", []),
        (b"data: oops\n\n", []),  # what stands there to keep the connection open
        (b"data: oops", []),
        (b'data: OPENROUTER PROCESSING\ndata: {"a": 1}\ndata: ping\n\n', [{"a": 1}]),
        (b'data: 12:30 alive\ndata: {"a":\ndata: 1}\n\ndata: [HEARTBEAT]\n\n', [{"a": 1}]),
        (b'data: : keepalive\n\ndata: data: {"a": 1}\ndata:data:[DONE]\n', [{"a": 1}, DONE]),
        (b'event: keepalive\ndata: alive\n\nevent: heartbeat\ndata: {"a": 1}\n\n', []),
        (b'data: "[DONE]"\n\n', [DONE]),
        (b"data: [DONE] and good bye\n\n", [DONE]),
        (b'data: {"a": 1}{"b": 2} data: {"c": 3}[DONE]\n\n', [{"a": 1}, {"b": 2}, {"c": 3}, DONE]),
        (b'data: {"a": 1}{"b":\n\ndata: {"c": 3}\n', [{"a": 1}, Malformed("{}"), {"c": 3}]),
        (b'data: {"a": 1}}\n\n', [{"a": 1}, Malformed("}")]),
        (b"data: {'error': 'boom'}\n\n", [Malformed("boom")]),
        (b'data: "half\n\n', [Malformed("half")]),
        (b"data: true\n\n", [Malformed("true")]),
        (b"event: error\ndata: Internal\ndata: Error\n\n", [ErrorFrame("Internal\nError")]),
        (b'data: {"a": NaN, "b": -Infinity, "c": 1e999}\n\n', [{"a": None, "b": None, "c": None}]),
        (b'data: {"a": ' + b"9" * 5000 + b"}\n\n", [Malformed("9")]),
        (b'data: {"\\ud800": ["\\uDFFF", "\\ud83d\\ude00"]}\n\n', [{"�": ["�", "😀"]}]),
        (
            rb"""data: {"a": ["x\ud83d", "\ud83d"], "b": "\ud83d"}
data: {"a": ["\ude00y", "z"], "c": "\ud83d"}
data: [DONE]""",
            [{"a": ["x😀", "�"], "b": "�"}, {"a": ["y", "z"], "c": "�"}, DONE],
        ),
        (b'data: {"a": "\\ud83d"}', [{"a": "�"}]),
        (b'data: {"a": "\\\\ud800"}\n\n', [{"a": "\\ud800"}]),
        ('data: {"a": "\u2028\x85"}\n\n'.encode(), [{"a": "\u2028\x85"}]),
        (b'data: {"a": "\xff\xc3"}\n\n', [{"a": "��"}]),
        (b"event: error\ndata: boom\n\n", [ErrorFrame("boom")]),
        (b"event: error\ndata: boom", [ErrorFrame("boom")]),
        (b'event: error\ndata: {"a": 1}\n\ndata: {"b": 2}\n\n', [ErrorFrame({"a": 1}), {"b": 2}]),
        (b'event: x\n\ndata: {"a": 1}\n\n', [{"a": 1}]),
        (b'event: ping\ndata: {"a": 1}\n\n', []),
        (b"error: boom\n\n", [ErrorFrame("boom")]),
        (b'error: {"a": 1}', [ErrorFrame({"a": 1})]),
        (b'data: {"a": 1}\n\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
        (b'data: {"a": 1}\n\n<html>\n{oops\n', [{"a": 1}]),
        (b'{"a": 1}', [Body({"a": 1})]),
        (b' \n{"a":\n1}\n', [Body({"a": 1})]),
        (b"\xef\xbb\xbf[1]", [Body([1])]),
        (b'{"a": 1', [Foreign('{"a": 1')]),
        (b"<html>\r\n</html>", [Foreign("<html>\n</html>")]),
        (b"Bad Gateway\nand more", [Foreign("Bad Gateway")]),
        (b"dat", []),
        (b"\xef\xbb", [Foreign("�")]),
        (b'\xef\xbb\xbf\n\ndata: {"a": 1}\n\n', [{"a": 1}]),
    ],
)
def test_body(body: bytes, chunks: list):
    """`Malformed` is compared by the part of the body that its reason quotes."""
    for pieces in ([body], [bytes([byte]) for byte in body]):
        found = decode(pieces)
        assert [type(chunk) for chunk in found] == [type(chunk) for chunk in chunks]
        for chunk, expected in zip(found, chunks, strict=True):
            if not isinstance(expected, Malformed):
                assert chunk == expected
            else:
                assert isinstance(chunk, Malformed)
                assert chunk.reason.startswith("an event is no JSON object: ")
                assert len(chunk.reason) < 120


def test_an_event_comes_with_its_line_and_not_with_its_blank_line():
    assert Decoder().feed(b'data: {"a": 1}\n') == [{"a": 1}]
    assert Decoder().feed(b"data: [DONE]\r") == [DONE]


lines = st.sampled_from(
    [
        b'data: {"a": "x"}',
        b'data: {"b": "\xc3\xa4\xf0\x9f\x98\x80"}',
        b'data: {"c": "\xc3',
        b'data: {"g": "\\ud83d"}',
        b'data: {"g": "\\ude00\\ud83d"}',
        b'data: {"d":',
        b"data: 1}",
        b"data: [DONE]",
        b"data: null",
        b"data",
        b"data:",
        b"data: ping",
        b'data: data: {"h": 1}{"h": 2}',
        b'data: {"h": 1}[DO',
        b": comment",
        b"event: error",
        b"event: ping",
        b"error: boom",
        b'{"e": 1}',
        b"<html>",
        b"words",
        b"id: 7",
        b"",
        b"\xef\xbb\xbf",
        b"  ",
        b'data: {"f": "' + b"y" * 60 + b'"}',
    ]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r", b"\r\n\r\n", b""])
bodies = st.lists(st.tuples(lines, ends), max_size=12).map(lambda ls: b"".join(map(b"".join, ls)))


@seeded
@given(bodies, st.randoms(use_true_random=False), st.sampled_from([50, 10_000]))
def test_any_split_gives_the_same(body: bytes, rng: random.Random, limit: int):
    """Also where a line or the whole stream is over its limit."""

    def chunks(cuts: list[int]) -> list:
        decoder = Decoder(max_line=limit, max_total=limit * 3)
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        return [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.close()

    whole = chunks([])
    assert chunks(list(range(1, len(body)))) == whole
    for _ in range(4):
        assert (
            chunks(sorted(rng.randrange(len(body) + 1) for _ in range(rng.randrange(5)))) == whole
        )


@seeded
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(body: bytes):
    for chunk in decode([body]):
        json.dumps(chunk if isinstance(chunk, dict) else str(chunk)).encode()


@pytest.mark.parametrize("prefix", [b'data: {"a": "', b"data: ", b": ", b"{", b"words"])
@pytest.mark.parametrize("size", [64, 4096, 1 << 20])
def test_a_line_that_never_ends_is_bounded(prefix: bytes, size: int):
    decoder = Decoder(max_line=100_000)
    first = decoder.feed(b'data: {"a": 1}\n\n' if not prefix.startswith(b"{") else b"")
    assert len(first) == (0 if prefix.startswith(b"{") else 1)
    tracemalloc.start()
    chunks = decoder.feed(prefix)
    for _ in range(1 + 300_000 // size):
        chunks += decoder.feed(b"x" * size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    chunks += decoder.feed(b'\n\ndata: {"b": 2}\n\n') + decoder.close()
    assert [type(chunk) for chunk in chunks] == [Malformed]
    assert peak < 500_000 + 6 * size


def test_a_line_of_fifty_megabytes_is_one_error():
    decoder = Decoder()
    chunks = decoder.feed(b'data: {"a": "')
    for _ in range(50):
        chunks += decoder.feed(b"x" * 2**20)
    chunks += decoder.feed(b'"}\n\n') + decoder.close()
    assert chunks == [Malformed("one event is longer than 16,777,216 bytes")]


def test_an_image_of_ten_megabytes_is_read():
    (chunk,) = decode([b'data: {"a": "', b"A" * 10 * 2**20, b'"}\n\n'])
    assert len(chunk["a"]) == 10 * 2**20


@pytest.mark.parametrize("line", [b"data: xxxx\n", b"data: {xxx\n"])
def test_an_event_of_many_lines_is_bounded(line: bytes):
    decoder = Decoder(max_line=1000)
    chunks = [chunk for _ in range(500) for chunk in decoder.feed(line)]
    assert chunks == [Malformed("one event is longer than 1,000 bytes")]


def test_words_in_the_place_of_events_are_kept_in_part():
    decoder = Decoder()
    assert decoder.feed(b"data: ping\n\ndata: " + b"Bad Gateway " * 1000 + b"\n\n: alive\n\n") == []
    assert decoder.stray.startswith("Bad Gateway ")
    assert len(decoder.stray) == 8192
    assert decoder.feed(b"event: ping\ndata: alive\n\ndata: : alive\n\n") == []
    assert decoder.stray.startswith("Bad Gateway ")


def test_an_endless_stream_is_bounded():
    decoder = Decoder(max_total=1000)
    event = b'data: {"a": 1}\n\n'
    chunks = [chunk for _ in range(100) for chunk in decoder.feed(event)]
    assert chunks == [{"a": 1}] * 62 + [Malformed("the stream is longer than any answer")]
    assert decoder.close() == []


def test_an_endless_page_keeps_only_its_beginning():
    decoder = Decoder()
    for _ in range(1000):
        decoder.feed(b"<p>" * 1000)
    assert len(decoder._tail) == 8192
    (page,) = decoder.close()
    assert isinstance(page, Foreign)


def test_deeply_nested_json_is_malformed():
    """What can be read in a shallow stack could not be written in a deep one."""
    for depth, kind in ((240, dict), (252, Malformed), (100_000, Malformed)):
        nested = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
        assert [type(chunk) for chunk in decode([b"data: " + nested + b"\n\n"])] == [kind]
    wide = {"a": [{"b": []} for _ in range(1000)]}
    assert decode([b"data: " + json.dumps(wide).encode() + b"\n\n"]) == [wide]


def test_many_pieces_of_a_long_line_stay_linear():
    """A line that comes byte by byte is not searched again from its start."""
    decoder = Decoder()
    decoder.feed(b'data: {"a": "')
    for _ in range(300_000):
        decoder.feed(b"x")
    assert decoder.feed(b'"}\n') == [{"a": "x" * 300_000}]
