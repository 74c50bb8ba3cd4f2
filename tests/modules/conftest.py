"""What tests of shipped commands use: files loaded as the registry does, means, the SMS rules."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import gsm0338.codec
import pytest

from housecarl import Call, Reply, module_file
from housecarl.commands import Command, commands_of
from housecarl.module import House, Store
from housecarl.shipped import shipped

if TYPE_CHECKING:
    from .sky_server import Sky

#: the budget of one SMS, in septets of GSM 03.38
BUDGET = 160
GSM = gsm0338.codec.Codec()


def septets(text: str) -> int:
    """The septets of a text; a character that GSM 03.38 does not have fails the test."""
    encoded, _ = GSM.encode(text)
    return len(encoded)


def sms(reply: Reply) -> str:
    """The text of a reply that keeps the SMS rules: one line, GSM characters, one part."""
    assert "\n" not in reply.text and reply.text == reply.text.strip()
    assert septets(reply.text) <= BUDGET, reply.text
    return reply.text


class Memory:
    """A store in memory; values go through JSON as they do in the journal."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.readings: dict[str, list[tuple[datetime, float]]] = {}
        self.others: dict[str, Memory] = {}

    def beside(self, module: str) -> Memory:
        return self.others.setdefault(module, Memory())

    async def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    async def set(self, key: str, value: Any) -> None:
        text = json.dumps(value, allow_nan=False)
        assert len(text) <= 65536, f"{key} holds more than 64 KiB"
        self.values[key] = text

    async def take(self, key: str, value: Any, instead_of: Any = None) -> bool:
        if await self.get(key) != instead_of:
            return False
        await self.set(key, value)
        return True

    async def append(self, series: str, value: float, at: datetime | None = None) -> None:
        self.readings.setdefault(series, []).append((at or datetime.now(UTC), value))

    async def series(
        self, series: str, since: datetime, until: datetime | None = None
    ) -> list[tuple[datetime, float]]:
        end = until or datetime.max.replace(tzinfo=UTC)
        return [(at, value) for at, value in self.readings.get(series, []) if since <= at < end]


@dataclass
class Hand:
    """The means of one house: what was stored, said later, scheduled and left running."""

    store: Store = field(default_factory=Memory)
    said: asyncio.Queue[Reply] = field(default_factory=asyncio.Queue)
    jobs: list[tuple[datetime | timedelta, str]] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)
    work: list[asyncio.Future[None]] = field(default_factory=list)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def follow_up(self, reply: Reply) -> None:
        await self.said.put(reply)

    async def schedule(self, when: datetime | timedelta, text: str) -> int:
        self.jobs.append((when, text))
        return len(self.jobs)

    async def cancel(self, job: int, instead: str | None = None) -> bool:
        when, _ = self.jobs[job - 1]
        self.jobs[job - 1] = (when, instead or "")
        return True

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)

    def lock(self, device: str) -> AbstractAsyncContextManager[None]:
        return self.locks.setdefault(device, asyncio.Lock())

    def spawn(self, work: Awaitable[None]) -> None:
        self.work.append(asyncio.ensure_future(work))

    async def later(self) -> Reply:
        """The next second message; fails when none comes."""
        return await asyncio.wait_for(self.said.get(), 10)


@dataclass
class Commands:
    """One module file in one house: run its commands as the daemon would."""

    module: ModuleType
    commands: dict[str, Command]
    hand: Hand
    settings: Any
    house: House = House("Elm Street", "America/Denver", "us")
    person: str = "ann"

    def set(self, **values: Any) -> None:
        """Give the module its section of the config."""
        self.settings = self.module.Settings.model_validate(values)

    async def run(self, name: str, *words: object) -> Reply:
        """Carry out a command with the words of a message; what does not fit is refused."""
        command = self.commands[name]
        call = Call(
            name,
            tuple(map(str, words)),
            person=self.person,
            house=self.house,
            means=self.hand if command.awaits else None,
        )
        args = replace(command, settings=self.settings).bind(call)
        positional, named = command.arguments.spread(args)
        result = command.function(args.call, *positional, **named)
        reply = await result if inspect.isawaitable(result) else result
        assert isinstance(reply, Reply)
        return reply

    async def text(self, name: str, *words: object) -> str:
        """The SMS that answers a command."""
        return sms(await self.run(name, *words))


@pytest.fixture
def load() -> Iterator[Callable[[str], Commands]]:
    """Load a shipped module file as the registry does, with the settings of an empty section."""
    loaded: list[str] = []

    def take(name: str) -> Commands:
        path = shipped("modules") / f"{name}.py"
        loaded.append(f"{module_file.private_name(path)}_{len(loaded)}")
        module = module_file.load(path, loaded[-1])
        commands = {one.name: one for one in commands_of(module, name, str(path))}
        settings = module.Settings() if hasattr(module, "Settings") else None
        return Commands(module, commands, Hand(), settings)

    yield take
    for name in loaded:
        module_file.forget(name)


@pytest.fixture
async def sky() -> AsyncIterator[Sky]:
    """The weather services on loopback, with Denver and three towns of one name."""
    from .sky_server import Sky, place, running

    server = Sky()
    server.places = {
        "Denver": [
            place("Denver", "Colorado", 715_522),
            place("Denver", "Pennsylvania", 3_861, 40.2),
        ],
        "springfield": [
            place("Springfield", "Missouri", 166_810, 37.2),
            place("Springfield", "Massachusetts", 155_929, 42.1),
            place("Springfield", "Illinois", 114_394, 39.8),
            place("Springfield Park", "Ohio", None, 39.9),
        ],
    }
    async with running(server):
        yield server


@pytest.fixture
def weather(load: Callable[[str], Commands], sky: Sky) -> Commands:
    """The weather command, which asks only `sky`, at home in Denver."""
    from .weather_house import configure

    commands = load("weather")
    configure(commands, sky, place="Denver")
    return commands
