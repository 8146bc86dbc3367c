"""A tool call that stands in the text, because the server did not read it as one.

Templates have models write calls in marks of their own, which a server's parser takes out.
Where no parser is set, or it is another model's, the call is all that the user gets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from .quoting import Place

__all__ = ["leaked_call"]

_MAX_TEXT = 200_000  # characters to look at
_MAX_JSON = 100_000  # characters of one JSON value
_MAX_TRIES = 100  # marks, or JSON values, to look at
_BARS = "[|\uff5c‖]{1,2}"  # the second is DeepSeek's

# Marks of a call, each with what must follow it.
_MARKS = re.compile(
    rf"""
      </?(?:[a-z]+[:_])?tool_calls?>          # Hermes, Qwen, GLM, MiniMax, LongCat
    | </?(?:function_calls?|functioncall)>    # Claude's words, and others' after them
    | <function=[\w.-]+>                      # Llama, Qwen3-Coder
    | <invoke\ name=
    | \[TOOL_CALLS?\]                         # Mistral
    | <TOOLCALL>                              # Nemotron
    | <{_BARS}/?tool[_▁]calls?[\w▁]*{_BARS}>  # Granite, Kimi, LFM2, DeepSeek
    | <\|tool_call>                           # Gemma 4
    | <\|(?:python_tag|action_start|START_ACTION|call)\|>  # Llama, InternLM, Cohere, gpt-oss
    | </?{_BARS}DSML{_BARS}\w+                # DeepSeek
    | <\|start\|>assistant\ to=functions\.
    | commentary\ to=functions\.[\w.-]+       # gpt-oss
    """,
    re.VERBOSE,
)
_FENCED = re.compile(r"\s*(`{3,}|~{3,})[ \t]*([\w-]*)[ \t]*\n(.*?)\n?[ \t]*\1\s*", re.DOTALL)
_FENCE_NAMES = frozenset({"", "json", "tool_call", "tool_calls", "tool_code", "tool", "xml"})
_JSON_START = re.compile(r"^[ \t]*(?=[{\[])", re.MULTILINE)
_DECODER = json.JSONDecoder()
_NAMES = ("name", "tool_name", "tool", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")


def leaked_call(text: str, names: Collection[str]) -> str:
    """What shows that `text` holds a tool call, or "".

    What is in code is quoted, unless it is all that there is.

    Args:
        text: an answer without calls.
        names: of the tools that were offered.
    """
    if not names:
        return ""
    text = text[:_MAX_TEXT]
    fenced = _FENCED.fullmatch(text) if text.lstrip()[:3] in ("```", "~~~") else None
    if fenced and fenced[2].lower() in _FENCE_NAMES:
        text = fenced[3]
    return _mark(text) or _json_call(text, names) or _python_call(text, names)


def _mark(text: str) -> str:
    place, read = Place(), 0
    for tries, mark in enumerate(_MARKS.finditer(text)):
        place.read(text[read : mark.start()])
        read = mark.start()
        rest = text[mark.end() : mark.end() + 4_100]
        is_shown = place.is_fenced or place.is_quoted(rest, at_end=True)
        if not (is_shown or place.is_prose(rest, at_end=True)):
            return mark[0]
        if tries == _MAX_TRIES:
            break
    return ""


def _json_call(text: str, names: Collection[str]) -> str:
    """The name of the first tool that a JSON value at the start of a line calls."""
    if not any(f'"{name}"' in text for name in names):
        return ""
    place, read = Place(), 0
    for tries, start in enumerate(_JSON_START.finditer(text)):
        place.read(text[read : start.start()])
        read = start.start()
        if not place.is_fenced:
            name = _called(_parsed(text[start.end() : start.end() + _MAX_JSON]))
            if name in names:
                return f'{{"name": "{name}"}}'
        if tries == _MAX_TRIES:
            break
    return ""


def _parsed(text: str) -> Any:
    """The JSON value that `text` begins with, or None."""
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _called(value: Any) -> str:
    """The name of the function that a JSON value calls, or "" where it is no call."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return ""
    if isinstance(value.get("function"), dict):  # as the API writes it
        value = value["function"]
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "")
    has_arguments = any(isinstance(value.get(key), dict | str) for key in _ARGUMENTS)
    return name if has_arguments else ""


def _python_call(text: str, names: Collection[str]) -> str:
    """The name of the tool where all of the text is a list of calls as Python writes them."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith(")]")):
        return ""
    name = text[1 : text.find("(")].strip()
    return f"[{name}(…)]" if name in names else ""
