"""What a stream says, one frozen class an event.

`wire/dialects.py` makes events of a provider's chunks; `wire/reducer.py` folds them into a
`Response`; `Chat.stream()` hands them to the user. `kind` tells them apart, and
`Event` is the closed union: `match event:` with `assert_never` checks that all are
handled.

`choice` is the API's choice index: 0 unless `n` was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .approval import Approval
from .messages import ToolResult, Usage

__all__ = [
    "AnswerEvent",
    "ApprovalEvent",
    "DoneEvent",
    "ErrorEvent",
    "Event",
    "ExtraEvent",
    "FinishEvent",
    "ModelEvent",
    "ReasoningEvent",
    "RefusalEvent",
    "RetryEvent",
    "TextEvent",
    "ThoughtEvent",
    "ToolCallEvent",
    "ToolResultEvent",
    "UsageEvent",
]


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """The provider named the model (and the completion) that answers."""

    model: str | None = None
    id: str | None = None
    kind: Literal["model"] = "model"


@dataclass(frozen=True, slots=True)
class TextEvent:
    """More text of the answer; an empty one says that a further choice begins."""

    text: str
    choice: int = 0
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class ReasoningEvent:
    """More reasoning text. It is never part of the answer's text.

    `echo_as` is the form in which it came, and in which it goes back to its provider in a turn
    that calls tools (DeepSeek and Moonshot demand that; see `messages.Reasoning`), or None.
    """

    text: str
    choice: int = 0
    echo_as: str | None = None
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class ThoughtEvent:
    """All text of the choice that came so far was reasoning.

    Servers that leave reasoning in the text may send the end of it only, `</think>`. `echo_as`
    is as in `ReasoningEvent`.
    """

    choice: int = 0
    echo_as: str | None = None
    kind: Literal["thought"] = "thought"


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """All reasoning of the choice was its answer: a block was opened, and never closed.

    It comes after an end in good order, where the choice has neither text nor calls.
    """

    choice: int = 0
    kind: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class RefusalEvent:
    """More of the model's refusal to answer."""

    text: str
    choice: int = 0
    kind: Literal["refusal"] = "refusal"


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """A call opens, or goes on.

    `slot` counts the calls of the choice from 0 in the order in which they opened; the
    first event of a slot carries an `id`, and `name` where the provider has sent it. A
    later event may bring the name, or the provider's id, which replaces one that was
    made up. `arguments` is the *next piece* of the JSON text.
    """

    slot: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    choice: int = 0
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True)
class ToolResultEvent:
    """The call in `slot`, of the round that has just ended, has been run."""

    slot: int
    result: ToolResult
    kind: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True, slots=True)
class ApprovalEvent:
    """A call waits for the user's word: `approval.run()` or `approval.reject()`.

    `slot` is the call's place in its round.
    """

    slot: int
    approval: Approval
    kind: Literal["approval"] = "approval"


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """Token counts; the last one of a stream holds."""

    usage: Usage
    kind: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class FinishEvent:
    """The provider's `finish_reason`."""

    reason: str
    choice: int = 0
    kind: Literal["finish"] = "finish"


@dataclass(frozen=True, slots=True)
class ExtraEvent:
    """A field that nbstream does not interpret, kept as it came.

    `echo` is true for what the provider wants back in the next request, such as
    `reasoning_details`.
    """

    name: str
    value: Any
    echo: bool = False
    choice: int = 0
    kind: Literal["extra"] = "extra"


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """The stream carried an error instead of, or after, a part of the answer.

    `status` is the HTTP status that a busy server means by it (429 or 5xx), `retry_after`
    the seconds that it asks to wait, and `detail` what else it says at length: what the
    model wrote, or what the provider behind a gateway answered; `reason` is that in short.
    Each may be None.
    """

    message: str
    code: str | None = None
    status: int | None = None
    retry_after: float | None = None
    reason: str | None = None
    detail: str | None = None
    kind: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The stream said `[DONE]`."""

    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """The request failed before any output and will be sent again after `delay` seconds."""

    attempt: int
    delay: float
    reason: str
    kind: Literal["retry"] = "retry"


Event = (
    ModelEvent
    | TextEvent
    | ReasoningEvent
    | ThoughtEvent
    | AnswerEvent
    | RefusalEvent
    | ToolCallEvent
    | ToolResultEvent
    | ApprovalEvent
    | UsageEvent
    | FinishEvent
    | ExtraEvent
    | ErrorEvent
    | DoneEvent
    | RetryEvent
)
