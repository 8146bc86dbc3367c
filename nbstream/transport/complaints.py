"""What an endpoint refuses about a request, by its code and its words.

The same words are said of much that is too long: a conversation, an array, an id, a picture,
a minute's tokens. What to do differs, so only words that say *what* is too long are a sign.
"""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["complaint_of", "refuses_streaming"]

# OpenAI, llama.cpp, GitHub and Copilot have codes for it.
_CONTEXT_CODES = frozenset(
    {
        *("context_length_exceeded", "exceed_context_size_error", "tokens_limit_reached"),
        "model_max_prompt_tokens_exceeded",
    }
)
# Throttling: the words of OpenAI, Groq, Bedrock, Azure and Together.
_RATE = re.compile(
    r"\bper (?:minute|min|day|second|hour)\b|\b[TR]P[MDS]\b|rate.?limit|throttl|please wait"
    r"|too many requests",
    re.IGNORECASE,
)
# Anthropic, Bedrock and Groq on the size and the number of pictures.
_PICTURE = re.compile(
    r"\b(?:image|picture|photo|pixel)s?\b.{0,80}\b(?:exceed|too (?:large|big|long|many)|max|larger)"
    r"|\b(?:too (?:large|big|many)|exceed\w*|max\w*|larger)\b.{0,40}\b(?:image|picture|pixel)s?\b",
    re.IGNORECASE,
)
# The words of OpenAI, Azure, vLLM, SGLang, Mistral, llama.cpp, LM Studio, Ollama, Anthropic,
# Bedrock, Gemini, Vertex, Groq, Cerebras, TGI, Together, Fireworks, xAI, Moonshot, Cohere,
# MiniMax, Qwen, GitHub and Copilot.
_CONTEXT = re.compile(
    r"\bcontext[ _-]?(?:length|size|window|limit)|\bwhen context the overflows"
    r"|\bmax(?:imum)? (?:context|prompt|input|model) length|longer than the max|max_model_len"
    r"|\b(?:prompt|input|conversation)s? (?:is|are|was|were) too long"
    r"|\binputs?\b\W{0,2}(?:text )?(?:token|length)s?\b.{0,80}(?:exceed|must be|supports up to)"
    r"|\b(?:prompt|input|request|total)\b[^.;]{0,60}\btokens?\b[^.;]{0,60}"
    r"\b(?:exceed|too large|cannot exceed)|\b(?:prompt|input)s? exceeds?\b"
    r"|exceed\w*\b.{0,30}\btoken limit|token limit (?:was |is )?exceeded"
    r"|maximum number of (?:input )?tokens|range of input length|reduce the length"
    r"|\binputs\W{0,2} must have less|max_new_tokens. must be <=|tokens? > \d+ max"
    r"|\btoo many (?:(?:input|prompt) )?tokens|max size: \d+ tokens"
    r"|'messages'?: array too long|\bmessages\[\d+\]\.content\S{0,20} string too long"
    r"|\bprompt 超长|上下文",
    re.IGNORECASE,
)
# Parts of a request: where one of them is named, it is what is too long.
_PART = re.compile(
    r"\b(?:array|string|tools?|functions?|schema|ids?|names?|headers?|ur[il]s?|metadata|stop|files?"
    r"|documents?|pdf|pages?|audio|video|attachments?|description)\b|_ids?\b|\bcall_"
    r"|\b(?:took|takes|taking)\b|timed? ?out",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"\b(?:prompt|input|conversation|history|message|request|query|text|content)s?\b[^.;]{0,40}"
    r"\btoo (?:long|large|big)\b",
    re.IGNORECASE,
)
# The words of OpenAI (of a model, and of an organization that is not verified), Azure, Bedrock,
# vLLM, LiteLLM and gateways.
_NO_STREAMING = re.compile(
    r"\bstream(?:ing|s)?\b[^.]{0,60}?(?:\bnot|n't|\bun)\s?(?:be |yet |currently )*"
    r"(?:support|allow|enabl|implement|permit|avail|accept|recogni)"
    r"|(?:\bnot|n't|\bun)\s?(?:support|allow|permit|accept|recogni)\w*\b[^.]{0,60}"
    r"\bstream(?:ing|s)?\b|\bverified to stream\b"
    r"|\bstream\b\W{0,3}(?:must|should|has to|needs to) be (?:set to |equal to )?"
    r"(?:false|off|disabled)|\bstreaming (?:is |has been )?disabled|\bdisable streaming\b",
    re.IGNORECASE,
)


def complaint_of(code: str | None, words: str) -> Literal["context", "picture", "rate"] | None:
    """What is too long or too much: the conversation, a picture, or what a minute may take."""
    if code in _CONTEXT_CODES:
        return "context"
    if _RATE.search(words):
        return "rate"
    if _PICTURE.search(words):
        return "picture"
    is_said = _TOO_LONG.search(words) and not _PART.search(words)
    return "context" if is_said or _CONTEXT.search(words) else None


def refuses_streaming(words: str) -> bool:
    """Whether they say that the answer cannot come piece by piece."""
    return _NO_STREAMING.search(words) is not None
