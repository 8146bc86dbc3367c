"""Named conversations: what is remembered, and what a cell that runs again replaces."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from .conversation import Conversation, Turn, came_to_nothing, history, past_tools
from .driver import Question, Run, start
from .errors import NbstreamError, UsageError
from .events import Event
from .messages import Content, Message, read_part
from .request import Options
from .response import HOW_TO_GO_ON, Response
from .transport.faults import HOW_TO_RESET
from .views.protocol import View

__all__ = ["CONTINUE", "END", "Place", "Session", "Sessions", "System", "Watcher"]

#: Asks for the rest of an answer.
CONTINUE: Final = (
    "Continue exactly where your last answer stopped. Do not repeat anything, "
    "and do not comment on it."
)
#: Stands for the last turn of the branch, whichever that is.
END: Final = object()


@dataclass(frozen=True, slots=True)
class System:
    """The system message of a session.

    Attributes:
        text: None is no message.
        is_own: whether it was set for this session, and is not what the settings say.
    """

    text: str | None = None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a turn stands in its conversation.

    Attributes:
        key: who asks, such as a cell's id. A turn with the key of an earlier one sees only
            what came before that one, and takes its place.
        after: the turn that it follows; None is the beginning.
        typed, typed_here, attached: as a `Turn` has them.
        keep: whether the turn stays where nothing came of it. It is never sent again then.
        fresh: the system message with which the conversation starts over: all turns that are
            there go, once something has come of this one.
    """

    key: str | None = None
    after: Turn | object | None = END
    typed: str | None = None
    typed_here: bool = False
    attached: tuple[Mapping[str, Any], ...] = ()
    keep: bool = False
    fresh: System | None = None


class Watcher(Protocol):
    """Shows a session. Both methods can be called from any thread."""

    def changed(self) -> None:
        """Turns have begun or ended, came or went, or another branch is chosen."""

    def view(self, turn: Turn) -> View:
        """What shows a turn that is about to begin."""


class Session:
    """A conversation: the turns that were asked and answered, in order.

    Attributes:
        name: what `--session` calls it.
        system: the system message of every request, or None.
        options: how the last turn was asked, or None.
        conversation: all turns of all branches.
        saved: turns that were saved before, such as by a kernel that has ended. They stand
            before the others and no request carries them, until `resume`.
        how_to_reset: what an error says to type where the conversation is too long.
        how_to_go_on: what to type for the rest of an answer.
    """

    def __init__(self, name: str = "default", system: str | None = None) -> None:
        self.name = name
        self._system_message = System(system, is_own=system is not None)
        self.options: Options | None = None
        self.conversation = Conversation()
        self.saved = Conversation()
        self.how_to_reset = HOW_TO_RESET
        self.how_to_go_on = HOW_TO_GO_ON
        self._before: Conversation | None = None  # what `undo` goes back to
        self._watchers: tuple[Watcher, ...] = ()  # replaced as a whole: it may be read meanwhile
        self._runs: dict[int, Run] = {}  # of the turns that run, by their ids
        self._lock = threading.RLock()

    @property
    def system(self) -> str | None:
        return self._system_message.text

    @system.setter
    def system(self, text: str | None) -> None:
        self._system_message = System(text, is_own=True)

    @property
    def turns(self) -> list[Turn]:
        """The turns of the current branch, those that run or failed among them."""
        with self._lock:
            return self.conversation.branch

    @property
    def shown(self) -> list[Turn]:
        """What stands in a panel: the turns that were saved before, and those of the branch."""
        with self._lock:
            return [*self.saved.branch, *self.conversation.branch]

    @property
    def responses(self) -> list[Response]:
        """The remembered answers, in order."""
        return [turn.response for turn in self.turns if history([turn])]

    @property
    def messages(self) -> list[Message]:
        """The conversation as the next request would carry it."""
        return [*self._system(), *history(self.turns)]

    def follow_settings(self, system: str | None) -> None:
        """Take the system message of the settings, until there are turns or one is set here."""
        with self._lock:
            has_turns = any(not turn.response.done or history([turn]) for turn in self.turns)
            if not has_turns and not self._system_message.is_own:
                self._system_message = System(system)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` what happens, until the function returned is called.

        Both from any thread, also while the watchers are told.
        """
        with self._lock:
            self._watchers = (*self._watchers, watcher)
        return partial(self._unwatch, watcher)

    def _unwatch(self, watcher: Watcher) -> None:
        with self._lock:
            self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def ask(
        self,
        prompt: Content,
        options: Options,
        view: View,
        *,
        place: Place | None = Place(),  # frozen
        blocking: bool = False,
        observe: Callable[[Event], None] | None = None,
    ) -> Run:
        """Start a turn.

        Args:
            prompt: the user's message.
            options: how to ask, and whom.
            view: where the answer shows, beside those who watch the session.
            place: where the turn stands; None sends the prompt alone, and keeps nothing.
            blocking: whether the caller waits for the answer (see `driver.start`).
            observe: called with every event, on the I/O thread.

        Raises:
            UsageError: the prompt is neither text nor content parts.
        """
        message = Message("user", _checked(prompt))
        response = Response([message], model=options.model, is_json=options.schema is not None)
        response.how_to_go_on = self.how_to_go_on if place else ""
        self.options = options
        if place is None:
            question = Question((*self._system(), message), options)
            end = _end_alone
            return start(question, response, [view], blocking=blocking, observe=observe, on_end=end)
        with self._lock:  # who finds the turn finds its run
            begun = self._begin(response, place)
            turn, before = begun.turn, self.turns[:-1]
            messages = (*self._system(), *history(before), message)
            question = Question(messages, options, past_tools(before))
            views = [view, *(watcher.view(turn) for watcher in self._watchers)]
            end = partial(self._end, begun)
            run = start(question, response, views, blocking=blocking, observe=observe, on_end=end)
            self._runs[turn.id] = run
        run.job.future.add_done_callback(lambda _: self._ended(turn))
        self._tell()
        return run

    def running(self, turn: Turn) -> Run | None:
        """The run of a turn that has not ended."""
        with self._lock:
            run = self._runs.get(turn.id)
        return None if run is None or turn.response.done else run

    def places(self) -> list[tuple[Turn, int, int]]:
        """Each turn of the branch, its number among those at its place, and how many they are."""
        with self._lock:
            conversation = self.conversation
            found = [(turn, conversation.alternatives(turn)) for turn in conversation.branch]
        return [(turn, turns.index(turn) + 1, len(turns)) for turn, turns in found]

    def copy(self) -> Conversation:
        """All turns of all branches as they stand; what happens later is not in it."""
        with self._lock:
            return self.conversation.copy()

    def copy_of_shown(self) -> Conversation:
        """The same with the turns that were saved before as its beginning."""
        with self._lock:
            return self.conversation.behind(self.saved)

    def later_than(self, key: str | None) -> int:
        """How many turns came after the one with this key."""
        turn, branch = self._with_key(key), self.turns
        return len(branch) - branch.index(turn) - 1 if turn in branch else 0

    def choose(self, turn: Turn) -> None:
        """Go over to the branch that a turn is in."""
        with self._lock:
            self._check(turn)
            self.conversation.choose(turn)
        self._tell()

    def remove(self, turn: Turn) -> None:
        """Take a turn out; what followed it follows what came before. `undo` brings it back."""
        with self._lock:
            self._check(turn)
            self._before = self.conversation.copy()
            self.conversation.remove(turn)
        turn.response.cancel()
        self._tell()

    def drop(self, turn: Turn) -> None:
        """Forget a turn that nothing came of."""
        with self._lock:
            self.conversation.remove(turn)
        self._tell()

    def show_saved(self, conversation: Conversation) -> None:
        """Let turns stand there that were saved before, but for those that are there already.

        What runs is not shown: it goes on elsewhere, or nowhere.
        """
        with self._lock:
            there = {_text_of(turn) for turn in self.turns}
            for turn in list(conversation):
                if not turn.response.done or _text_of(turn) in there:
                    conversation.remove(turn)
            self.saved = conversation
        self._tell()

    def holds(self, conversation: Conversation) -> bool:
        """Whether all turns of another conversation are in this one."""
        with self._lock:
            there = {_text_of(turn) for turn in self.copy_of_shown()}
        return all(_text_of(turn) in there for turn in conversation)

    def resume(self) -> None:
        """Take the turns that were saved before into the conversation, as its beginning."""
        with self._lock:
            self.conversation, self.saved = self.copy_of_shown(), Conversation()
        self._tell()

    def clear(self) -> None:
        """Take all turns out; `undo` brings them back. Where there are none, nothing happens."""
        with self._lock:
            turns = list(self.conversation)
            if self.shown:
                self._before = self.copy_of_shown()
                self.conversation, self.saved = Conversation(), Conversation()
        for turn in turns:
            turn.response.cancel()
        self._tell()

    def restore(self, conversation: Conversation) -> None:
        """Go on with another conversation, in the place of this one."""
        with self._lock:
            self.conversation, self._before = conversation, None
        self._tell()

    @property
    def can_undo(self) -> bool:
        """Whether turns were taken out, and nothing was asked since."""
        return self._before is not None

    def undo(self) -> None:
        """Bring back what was taken out last."""
        with self._lock:
            if self._before is not None:
                self.conversation, self._before = self._before, None
        self._tell()

    def reset(self) -> None:
        """Forget the turns and the system message."""
        self.clear()
        with self._lock:
            self._before, self._system_message = None, System()
        self._tell()

    def _begin(self, response: Response, place: Place) -> _Begun:
        with self._lock:
            replaced = self._with_key(place.key)
            last = next(reversed(self.turns), None)
            gone = tuple(self.conversation) if place.fresh else (replaced,) if replaced else ()
            system, after = self._system_message, place.after
            if place.fresh:
                self._system_message, after = place.fresh, None
            elif replaced is not None:
                after = self.conversation.before(replaced)
            elif after is END:
                after = last
            assert after is None or isinstance(after, Turn)
            if after is not None:
                self._check(after)
            self._before = None
            turn = self.conversation.add(
                response,
                after,
                typed=place.typed,
                typed_here=place.typed_here,
                attached=place.attached,
                key=place.key,
            )
            return _Begun(turn, place, gone, last, system)

    def _end(self, begun: _Begun, response: Response, error: BaseException | None) -> None:
        """What came to nothing leaves the history as it was; else it takes its place."""
        _advise(error, self.how_to_reset)
        is_nothing = came_to_nothing(response, error) and not begun.place.keep
        with self._lock:
            is_last = self.turns[-1:] == [begun.turn]
            # What was taken out meanwhile can come back.
            for conversation in filter(None, (self.conversation, self._before)):
                if begun.turn in conversation:
                    _settle(conversation, begun, is_nothing=is_nothing)
            if is_nothing and is_last and self._system_message is begun.place.fresh:
                self._system_message = begun.system
            if not came_to_nothing(response, error):
                self._replace_saved(begun.turn)

    def _replace_saved(self, turn: Turn) -> None:
        """Let a question that a cell has asked anew take the place of its saved turn."""
        if turn.typed_here and turn.key is None:
            return  # it was typed in a panel
        asked = turn.response.prompt[-1].content
        for saved in self.saved.branch:
            if saved.response.prompt[-1].content == asked:
                for each in self.saved.alternatives(saved):  # it was regenerated
                    if each.response.prompt[-1].content == asked:
                        self.saved.remove(each)
                return

    def _ended(self, turn: Turn) -> None:
        with self._lock:
            self._runs.pop(turn.id, None)
        self._tell()

    def _check(self, turn: Turn) -> None:
        if turn not in self.conversation:
            raise UsageError("this turn is not there any more")

    def _with_key(self, key: str | None) -> Turn | None:
        """The turn on the branch with this key, or one that another turn there was asked beside."""
        if key is None:
            return None
        with self._lock:
            branch = self.conversation.branch
            beside = (each for turn in branch for each in self.conversation.alternatives(turn))
            return next((turn for turn in (*branch, *beside) if turn.key == key), None)

    def _system(self) -> list[Message]:
        return [Message("system", self.system)] if self.system else []

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher.changed()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A turn that has begun.

    Attributes:
        turn: the turn.
        place: where it stands.
        replaced: the turns that go once something has come of it.
        last: the last turn of the branch until then.
        system: the system message until then.
    """

    turn: Turn
    place: Place
    replaced: tuple[Turn, ...]
    last: Turn | None
    system: System


def _end_alone(_response: Response, error: BaseException | None) -> None:
    _advise(error, "shorten the prompt")


def _advise(error: BaseException | None, how: str) -> None:
    """Let an error about a conversation that is too long say how to make this one shorter."""
    if isinstance(error, NbstreamError) and HOW_TO_RESET in str(error):
        error.args = (str(error).replace(HOW_TO_RESET, how),)


def _checked(prompt: Any) -> Content:
    """`prompt`, where it can be sent; a list of content parts as the tuple that is kept."""
    if isinstance(prompt, str):
        return prompt
    parts = tuple(prompt) if isinstance(prompt, list | tuple) else ()
    if parts and all(isinstance(part, Mapping) and "type" in part for part in parts):
        try:
            return tuple(read_part(part) for part in parts)
        except ValueError as error:
            raise UsageError(f"a part of the prompt cannot be sent: {error}") from error
    kind = type(prompt).__name__
    raise UsageError(f'a prompt is text, and this is a {kind}: write f"... {{value}} ..."')


def _text_of(turn: Turn) -> tuple[str, str]:
    """By what a turn is known again in another kernel."""
    return str(turn.response.prompt[-1].content), turn.response.text


def _settle(conversation: Conversation, begun: _Begun, *, is_nothing: bool) -> None:
    """Let a turn that has ended take the place of others, or go where nothing came of it.

    Where it goes, and nothing was asked since, the branch leads to its former `last` turn.
    """
    turn, last = begun.turn, begun.last
    if not is_nothing:
        for each in begun.replaced:
            if each in conversation:
                conversation.cut(each)
            if begun.place.fresh:
                each.response.cancel()  # nobody sees its end
        return
    is_last = conversation.branch[-1:] == [turn]
    conversation.remove(turn)  # what was asked since stays
    if last is not None and last in conversation and is_last:
        conversation.choose(last)


class Sessions:
    """The sessions of a kernel, by name; one that is asked for is there."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __getitem__(self, name: str) -> Session:
        if name not in self._sessions:
            session = self._sessions[name] = Session(name)
            if name != "default":  # which is what the commands take without a name
                session.how_to_reset = HOW_TO_RESET.replace("reset", f"reset {shlex.quote(name)}")
        return self._sessions[name]

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def clear(self) -> None:
        self._sessions.clear()
