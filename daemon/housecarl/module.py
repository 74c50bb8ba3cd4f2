"""What a module author sees: `Call`, `Reply`, `command`, `Risk` and the argument types."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Never, Protocol, TypeVar

from housecarl.errors import CommandError

__all__ = [
    "Call",
    "CommandError",
    "Finding",
    "House",
    "Means",
    "Regular",
    "Reply",
    "Rest",
    "Risk",
    "Spec",
    "Store",
    "command",
]

#: What a command may be called: a phone can type it, and it is never a path.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Risk(StrEnum):
    """What a command can do to the house; time limit, late rule and confirmation follow from it."""

    #: reads only: may be repeated, may be old
    LOOK = "look"
    #: changes something: runs at most once per message, refused when 15 minutes old or more
    CHANGE = "change"
    #: needs a one-time code, stands alone in its message, never resumes by itself
    DANGER = "danger"


class RestMark:
    """Marks the argument that takes all remaining words."""


#: All remaining words as one argument, blanks kept as typed.
Rest = Annotated[str, RestMark()]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the sender.

    `text` is one line, the whole SMS. `rows` are (name, value) pairs that an e-mail shows as a
    table, `bars` are (label, value) pairs it shows as a bar chart in `unit`.
    """

    text: str
    rows: Sequence[tuple[str, str]] = ()
    bars: Sequence[tuple[str, float]] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class House:
    """What a command may know of the house it runs in; `units` is "us" or "metric"."""

    name: str = "house"
    timezone: str = "UTC"
    units: Literal["us", "metric"] = "us"
    symbol: str = "!"
    delimiter: str = " "

    def typed(self, *words: str) -> str:
        """A command as people text it in this house: `!plug lamp on`."""
        if self.delimiter == " ":
            words = tuple(f'"{word}"' if not word or " " in word else word for word in words)
        return self.symbol + self.delimiter.join(words)


class Store(Protocol):
    """Small values and series of one module, kept in the journal."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value stored under `key` (anything JSON holds), else `default`."""
        ...

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value of at most 64 KiB; None removes the key."""
        ...

    async def take(self, key: str, value: Any, instead_of: Any = None) -> bool:
        """Store a JSON value if the key holds `instead_of` (None: nothing); False when it does not.

        One step over all processes: of two who take the same key, one gets it. None frees it.
        """
        ...

    def beside(self, module: str) -> Store:
        """The store of another module of this house, for modules that share a device."""
        ...

    async def append(self, series: str, value: float, at: datetime | None = None) -> None:
        """Add one reading to a series; `at` defaults to now. ValueError for what is no number."""
        ...

    async def series(
        self, series: str, since: datetime, until: datetime | None = None
    ) -> list[tuple[datetime, float]]:
        """The readings of a series in order of time, at most 100,000."""
        ...


class Means(Protocol):
    """The further means of an `async def` command; in a worker process there are none."""

    @property
    def store(self) -> Store:
        """Small values and series of the module."""
        ...

    async def follow_up(self, reply: Reply) -> None:
        """Send a second message on the same conversation when slow work ends."""
        ...

    async def schedule(self, when: datetime | timedelta, text: str) -> int:
        """Run `text` later as the same person; the number of the job."""
        ...

    async def cancel(self, job: int, instead: str | None = None) -> bool:
        """Cancel a job that was scheduled, or let it do `instead`; False when it is over."""
        ...

    def progress(self, fraction: float) -> None:
        """Tell how far slow work is, 0.0 to 1.0."""

    def lock(self, device: str) -> AbstractAsyncContextManager[None]:
        """One call at a time per device: `async with call.lock("plug 192.168.1.41"):`."""
        ...

    def spawn(self, work: Awaitable[None]) -> None:
        """Go on in the background after the reply; a stop waits for it, bounded."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command of one message: its words, who asked, and what the command may use.

    `id` is the journal's id of the message, `name` the command's own name even when an alias was
    typed. `proof` is the word of the proof table. `settings` is the module's section of the config.
    """

    name: str
    args: tuple[str, ...] = ()
    person: str = ""
    id: str = ""
    proof: str = ""
    door: str = ""
    settings: Any = None
    house: House = field(default_factory=House)
    means: Means | None = field(default=None, compare=False, repr=False)

    @property
    def words(self) -> list[str]:
        """The call as `why` shows it: the name, then each argument."""
        return [self.name, *self.args]

    @property
    def store(self) -> Store:
        """Small values and series of this module, kept in the journal; `async def` only."""
        return self._means().store

    async def follow_up(self, reply: Reply) -> None:
        """Send a second message on the same conversation; `async def` only."""
        await self._means().follow_up(reply)

    async def schedule(self, when: datetime | timedelta, text: str) -> int:
        """Run `text` later as the same person, with their rights of then; `async def` only.

        Raises CommandError for who may have no more, or no rights then, ValueError beyond a year.
        """
        return await self._means().schedule(when, text)

    async def cancel(self, job: int, instead: str | None = None) -> bool:
        """Cancel a scheduled job, whoever's it is, or change it to `instead`; `async def` only.

        False when it is over.
        """
        return await self._means().cancel(job, instead)

    def progress(self, fraction: float) -> None:
        """Tell how far slow work is, 0.0 to 1.0; `async def` only."""
        self._means().progress(fraction)

    def lock(self, device: str) -> AbstractAsyncContextManager[None]:
        """One call at a time per device; `async def` only."""
        return self._means().lock(device)

    def spawn(self, work: Awaitable[None]) -> None:
        """Go on in the background after the reply; `async def` only."""
        self._means().spawn(work)

    def _means(self) -> Means:
        if self.means is None:
            raise RuntimeError(f"{self.name}: a plain def has no such means; write async def")
        return self.means


RiskRule = Risk | Callable[[Any], Risk]
ConfirmRule = Callable[[Any], str | Awaitable[str]]
InterruptedRule = Callable[[Call], Awaitable[Reply | None]]
CancelledRule = Callable[[Call, int], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is, found by regular work; `text` is the sentence that is told of it.

    `well` None: not known now, as before. An empty text is noted and not told.
    """

    name: str
    well: bool | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Regular:
    """What a module does without being asked: `work` every so many seconds, a minute at the least.

    `every` gets the settings; None: never; a year at the most. `work` gets a call that has a store
    and locks, and nobody to answer. It returns how everything is that it looks at, each time all of
    it: the owners are told what goes wrong and what is well again, each once.
    """

    every: Callable[[Any], float | None]
    work: Callable[[Call], Awaitable[Sequence[Finding]]]


@dataclass(frozen=True, slots=True)
class Spec:
    """What `@command` noted about a function; the registry makes a command of it.

    `risk` and `confirm` may be functions of the bound arguments: an object with one attribute per
    argument and `call`. `timeout` is seconds; `late` is the age in seconds at which a change is
    refused (None: the house's rule).

    `interrupted` is called at a start, in the background, when the last life was cut off in such a
    call or in what it had spawned: with the call, but without its words. It finds out what became
    of it and returns what is then told; None when it does not know. It changes nothing.

    `cancelled` is called when a person cancels a job that may be of this command, with its number:
    it ends what goes with the job, and returns what is to be said besides, or "".
    """

    name: str
    risk: RiskRule = Risk.LOOK
    aliases: tuple[str, ...] = ()
    timeout: float = 20.0
    late: float | None = None
    confirm: ConfirmRule | None = None
    interrupted: InterruptedRule | None = None
    cancelled: CancelledRule | None = None
    regular: Regular | None = None


Function = TypeVar("Function", bound=Callable[..., Any])

#: The attribute under which a function carries its `Spec`.
SPEC = "__housecarl_command__"


def command(
    *wrong: Never,
    risk: RiskRule = Risk.LOOK,
    name: str | None = None,
    aliases: Sequence[str] = (),
    timeout: float = 20.0,
    late: float | None = None,
    confirm: ConfirmRule | None = None,
    interrupted: InterruptedRule | None = None,
    cancelled: CancelledRule | None = None,
    regular: Regular | None = None,
) -> Callable[[Function], Function]:
    """Make a function a command that people can text; see `Spec` for what the words mean."""
    if wrong:
        raise TypeError("write @command() with its brackets, and its words by name: risk=...")
    if isinstance(aliases, str):  # a sequence too: of its letters
        raise TypeError(f"aliases are several words: ({aliases!r},)")

    def mark(function: Function) -> Function:
        own, rules = name or function.__name__, (confirm, interrupted, cancelled, regular)
        spec = Spec(own, risk, tuple(aliases), timeout, late, *rules)
        setattr(function, SPEC, spec)
        return function

    return mark
