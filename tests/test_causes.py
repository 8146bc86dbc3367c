"""Errors that come in groups are shown as what they are: one by its cause, several by name."""

from __future__ import annotations

import asyncio

import pytest
from replay import completion

from nbstream import Chat
from nbstream.errors import ConfigurationError, NbstreamError, causes


def group(*errors: Exception) -> ExceptionGroup:
    return ExceptionGroup("unhandled errors in a TaskGroup", list(errors))


def test_the_causes_of_an_error():
    one, two = ValueError("one"), KeyError("two")
    assert causes(one) == [one]
    assert causes(group(group(one), group(two, group(one)))) == [one, two, one]


async def in_a_group(*errors: Exception) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as tasks:
        for error in errors:
            tasks.create_task(fail(error))


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([ValueError("no such city")], "ValueError: no such city"),
        ([group(ValueError("deep"))], "ValueError: deep"),
        ([ValueError("a"), KeyError("b")], "ValueError: a; KeyError: 'b'"),
        ([ValueError(str(n)) for n in range(9)], "ValueError: 0; ValueError: 1; ValueError: 2"),
    ],
)
def test_a_tool_that_fails_with_a_group_says_why(replay, errors, said):
    async def look_up() -> None:
        await in_a_group(*errors)

    replay.reply(completion(tool_calls=[{"name": "look_up"}]), completion("Sorry."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[look_up])
    (call,) = chat.send("Go.").tool_calls
    assert call.result.content == said


class Failing:
    """A source of tools that fails as the SDK of a protocol does."""

    name = "failing"

    def __init__(self, *errors: Exception) -> None:
        self._errors = errors

    async def tools(self) -> list:
        await in_a_group(*self._errors)
        return []


@pytest.mark.parametrize(
    ("errors", "kind", "said"),
    [
        ([ConfigurationError("not set · set it")], ConfigurationError, "not set · set it"),
        ([OSError("gone"), ConfigurationError("x")], ConfigurationError, "x"),
        ([OSError("gone")], NbstreamError, "OSError: gone"),
        ([OSError("gone"), ValueError("bad")], NbstreamError, "OSError: gone; ValueError: bad"),
    ],
)
def test_an_answer_that_fails_with_a_group_says_why(replay, errors, kind, said):
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[Failing(*errors)])
    with pytest.raises(NbstreamError) as caught:
        chat.send("Go.")
    assert type(caught.value) is kind
    assert str(caught.value) == said
