"""An answer without what differs from run to run although the answer is the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from ..messages import Message, short_id
from ..response import Response, Timing
from ..rounds import CallDraft, Round

__all__ = ["untimed"]


def untimed(response: Response) -> Response:
    """A copy without times, rates, and the ids that servers make up.

    Calls get ids that follow from what was asked and called: equal answers are equal
    records, and a conversation that is restored from them still has one id a call.
    """
    copy = Response(response.prompt, model=response.requested_model, is_json=response.is_json)
    vars(copy).update(vars(response))
    asked = _written(response.prompt)
    copy.rounds = [_round(turn, f"{asked}.{number}") for number, turn in enumerate(response.rounds)]
    copy.timing = Timing()
    return copy


def _round(turn: Round, place: str) -> Round:
    return replace(
        turn,
        id=None,
        reasoning_seconds=None,
        calls=[_call(draft, f"{place}.{number}") for number, draft in enumerate(turn.calls)],
        alternatives={index: _round(other, f"{place}/{index}") for index, other in turn.others},
    )


def _call(draft: CallDraft, place: str) -> CallDraft:
    result = None if draft.result is None else replace(draft.result, seconds=None)
    identity = short_id(f"{place}.{draft.name}.{draft.arguments}") if draft.id else draft.id
    return replace(draft, id=identity, result=result)


def _written(prompt: Sequence[Message]) -> str:
    return json.dumps([message.to_api() for message in prompt], default=str)
