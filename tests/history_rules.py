"""The rules by which strict servers check the history in a request; each is some server's own.

`broken(request)` lists what a request breaks. The rules do not depend on how nbstream writes
histories: they are read off the servers' errors and documents.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NINE = re.compile(r"[a-zA-Z0-9]{9}")  # Mistral
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # OpenAI, Anthropic


def broken(request: Mapping[str, Any]) -> list[str]:
    """The rules that a request (its JSON) breaks, for a server that made none of its ids."""
    messages = request["messages"]
    return [
        *order(messages),
        *calls(messages),
        *tools(request),
        *contents(messages),
    ]


def order(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Who may follow whom: Mistral's rules, which are the strictest."""
    roles = [message["role"] for message in messages]
    if "system" in roles[1:]:
        yield "a system message that is not the first"
    roles = roles[roles[:1] == ["system"] :]
    if roles[:1] != ["user"]:
        yield "the conversation does not begin with a user"
    if roles[-1:] not in (["user"], ["tool"]):
        yield f"the last message is of {roles[-1:]}"
    may_follow = {
        "user": {"assistant"},
        "assistant": {"user", "tool"},
        "tool": {"tool", "assistant"},
    }
    for before, after in itertools.pairwise(roles):
        if after not in may_follow[before]:
            yield f"{after} follows {before}"


def calls(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:  # noqa: C901  # a rule a line
    """Every call is answered right behind it, once, by its id and its name; ids are unique."""
    seen: set[str] = set()
    waiting: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            name = waiting.pop(message["tool_call_id"], None)
            if name is None:
                yield f"a tool message for {message['tool_call_id']!r}, which no call waits for"
            if message.get("name") != name:
                yield f"a tool message of {message.get('name')!r} for a call of {name!r}"
            continue
        if waiting:
            yield f"calls without an answer: {waiting}"
        waiting = {}
        for call in message.get("tool_calls", ()):
            function = call["function"]
            if call["id"] in seen:
                yield f"the id {call['id']!r} stands twice"
            if not NINE.fullmatch(call["id"]):
                yield f"the id {call['id']!r} is not Mistral's form"
            if not NAME.fullmatch(function["name"]):
                yield f"the name {function['name']!r}"
            if not isinstance(json.loads(function["arguments"]), dict):
                yield f"arguments that are not an object: {function['arguments']}"
            seen.add(call["id"])
            waiting[call["id"]] = function["name"]
    if waiting:
        yield f"calls without an answer: {waiting}"


def tools(request: Mapping[str, Any]) -> Iterator[str]:
    """LiteLLM and Bedrock: a history with calls goes with tools, and with those it calls."""
    offered = {tool["function"]["name"] for tool in request.get("tools", ())}
    if any(message.get("tool_calls") for message in request["messages"]) and not offered:
        yield "calls in the history, and no tools"
    if "tool_choice" in request and not offered:
        yield "tool_choice without tools"


def contents(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Anthropic and Bedrock: no blank text; DeepSeek: an assistant has content or calls."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, str) and not content.strip() and message["role"] != "tool":
            yield f"blank content of {message['role']}"
        if not content and not message.get("tool_calls") and message["role"] != "tool":
            yield f"neither content nor calls of {message['role']}"


def reasoning(messages: Sequence[Mapping[str, Any]], field: str) -> Iterator[str]:
    """DeepSeek and Kimi: where it stands in one message with calls, it stands in each."""
    has_it = [field in message for message in messages if message.get("tool_calls")]
    if len(set(has_it)) > 1:
        yield f"{field} in some messages with calls, and not in others: {has_it}"
