"""An independent reading of recorded streams.

It shares no code with the package and knows none of its rules: it joins what the chunks
say. The recordings are not part of the project (see `conftest.shared`).
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = [
    "calls_of",
    "choices_of",
    "finish_of",
    "payloads",
    "reasoning_of",
    "text_of",
    "usage_of",
]


def payloads(body: bytes) -> list[Any]:
    """The JSON of every `data:` and `error:` line; the recordings have no longer events."""
    found = []
    for line in re.split(rb"\r\n|\n|\r", body):
        match = re.match(rb"(?:data|error): ?(\{.*)", line)
        if match:
            found.append(json.loads(match[1]))
    return found


def deltas(body: bytes, choice: int) -> list[dict]:
    return [
        entry.get("delta") or {"content": entry.get("text")}
        for data in payloads(body)
        for entry in data.get("choices") or []
        if entry.get("index", 0) == choice
    ]


def text_of(body: bytes, choice: int = 0) -> str:
    text = ""
    for delta in deltas(body, choice):
        content = delta.get("content") or ""
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        text += content
    return text


def reasoning_of(body: bytes, choice: int = 0) -> str:
    details = content = plain = thinking = ""
    for delta in deltas(body, choice):
        for detail in delta.get("reasoning_details") or []:
            details += detail.get("text") or detail.get("summary") or ""
        content += delta.get("reasoning_content") or ""
        plain += delta.get("reasoning") or ""
        if isinstance(delta.get("content"), list):
            for part in delta["content"]:
                for inner in part.get("thinking") or []:
                    thinking += inner["text"]
    return details or content or plain or thinking


def calls_of(body: bytes, choice: int) -> list[dict[str, str]]:
    """The recordings number their calls, or send each whole; a new id is a new call."""
    calls: list[dict[str, str]] = []
    at: dict[int | None, dict[str, str]] = {}
    for delta in deltas(body, choice):
        for entry in delta.get("tool_calls") or []:
            index, function = entry.get("index"), entry["function"]
            if index not in at or (entry.get("id") or at[index]["id"]) != at[index]["id"]:
                at[index] = {"id": entry["id"], "name": function["name"], "arguments": ""}
                calls.append(at[index])
            at[index]["arguments"] += function.get("arguments") or ""
    return [{**call, "arguments": call["arguments"] or "{}"} for call in calls]


def usage_of(body: bytes) -> tuple | None:
    usage = None
    for data in payloads(body):
        usage = data.get("usage") or (data.get("x_groq") or {}).get("usage") or usage
    if usage is None:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return (
        usage["prompt_tokens"],
        usage["completion_tokens"],
        usage["total_tokens"],
        prompt.get("cached_tokens", usage.get("cache_read_input_tokens")),
        completion.get("reasoning_tokens", usage.get("reasoning_tokens")),
    )


def finish_of(body: bytes, choice: int = 0) -> str | None:
    reasons = [
        entry["finish_reason"]
        for data in payloads(body)
        for entry in data.get("choices") or []
        if entry.get("index", 0) == choice and entry.get("finish_reason")
    ]
    return reasons[-1] if reasons else None


def choices_of(body: bytes) -> set[int]:
    return {entry.get("index", 0) for data in payloads(body) for entry in data.get("choices") or []}
