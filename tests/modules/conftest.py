"""What the tests of shipped commands use: modules loaded by path, working means, the SMS rules."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import gsm0338.codec
import pytest

from housecarl import Call, Reply
from housecarl.module import SPEC, House, Store
from housecarl.shipped import shipped

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

    async def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    async def set(self, key: str, value: Any) -> None:
        text = json.dumps(value, allow_nan=False)
        assert len(text) <= 65536, f"{key} holds more than 64 KiB"
        self.values[key] = text

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
    hand: Hand
    settings: Any
    house: House = House("Elm Street", "America/Denver", "us")
    person: str = "ann"

    def set(self, **values: Any) -> None:
        """Give the module its section of the config."""
        self.settings = self.module.Settings.model_validate(values)

    async def run(self, name: str, *args: Any) -> Reply:
        """Carry out a command with bound arguments."""
        function = getattr(self.module, name)
        assert hasattr(function, SPEC)
        call = Call(
            name,
            tuple(str(arg) for arg in args),
            person=self.person,
            settings=self.settings,
            house=self.house,
            means=self.hand if inspect.iscoroutinefunction(function) else None,
        )
        result = function(call, *args)
        reply = await result if inspect.isawaitable(result) else result
        assert isinstance(reply, Reply)
        return reply

    async def text(self, name: str, *args: Any) -> str:
        """The SMS that answers a command."""
        return sms(await self.run(name, *args))


def _load(name: str) -> ModuleType:
    path = shipped("modules") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"housecarl_test_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def load() -> Iterator[Callable[[str], Commands]]:
    """Load a shipped module file by its path, as the registry does."""
    loaded: list[str] = []

    def take(name: str) -> Commands:
        module = _load(name)
        loaded.append(module.__name__)
        settings = module.Settings() if hasattr(module, "Settings") else None
        return Commands(module, Hand(), settings)

    yield take
    for name in loaded:
        sys.modules.pop(name, None)
