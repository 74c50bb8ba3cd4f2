"""systemd's watchdog is fed only while everything that the house rests on gets on."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from housecarl import daemon as daemons
from housecarl import pulse
from housecarl.errors import StorageError
from housecarl.house import House
from housecarl.testing.house import TestHouse

#: What the unit would allow between two words, seconds.
WATCHDOG = 0.1


class Systemd:
    """The other end of NOTIFY_SOCKET; it takes everything at once, as systemd does."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self._words = queue.SimpleQueue[str]()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while said := self.socket.recv(4096):
            for word in said.decode().split("\n"):
                self._words.put(word)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RD)
        self._reader.join()
        self.socket.close()

    def hears(self, word: str, seconds: float = 10.0) -> bool:
        """Whether a message with this line comes, from now on."""
        while not self._words.empty():
            self._words.get()
        deadline = time.monotonic() + seconds
        with suppress(queue.Empty):
            while (left := deadline - time.monotonic()) > 0:
                if self._words.get(timeout=left) == word:
                    return True
        return False

    def falls_silent(self) -> bool:
        """Whether no word of life comes for much longer than allowed."""
        deadline = time.monotonic() + 10
        while self.hears("WATCHDOG=1", 5 * WATCHDOG):
            if time.monotonic() > deadline:
                return False
        return True


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG * 1e6)))
    monkeypatch.setattr(pulse, "LOOK_SECONDS", WATCHDOG / 4)
    with closing(systemd):
        yield systemd


@pytest.fixture
def house(tmp_path: Path, systemd: Systemd) -> Iterator[TestHouse]:
    with TestHouse(tmp_path) as house:
        assert systemd.hears("WATCHDOG=1")
        yield house


def inner(house: TestHouse) -> House:
    assert house.daemon is not None and house.daemon.house is not None
    return house.daemon.house


Work = Callable[[House, Callable[[], Any]], Awaitable[Any]]


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "occupy",
    [
        pytest.param(lambda house, wait: house.db.write(lambda _: wait()), id="journal"),
        pytest.param(lambda house, wait: house.db.read(lambda _: wait()), id="journal-read"),
        pytest.param(lambda house, wait: house.spool.ask(wait), id="spool"),
        pytest.param(
            lambda _, wait: asyncio.gather(*(asyncio.to_thread(wait) for _ in range(40))),
            id="threads",
        ),
    ],
)
def test_a_thread_that_hangs_stops_the_pulse(
    house: TestHouse, systemd: Systemd, occupy: Work
) -> None:
    """And it beats again when the thread goes on, so that a slow disk is not a dead one."""
    hang, hanging = threading.Event(), threading.Event()

    def wait() -> None:
        hanging.set()
        hang.wait(30)

    async def begin() -> Awaitable[Any]:
        return asyncio.ensure_future(occupy(inner(house), wait))

    work = house.do(begin())
    try:
        assert hanging.wait(10)
        assert systemd.falls_silent()
        assert house.daemon is not None
        kept, house.daemon.house = house.daemon.house, None
        assert systemd.hears("WATCHDOG=1"), "a house that was closed is not waited for"
        house.daemon.house = kept
    finally:
        hang.set()
    assert systemd.hears("WATCHDOG=1")

    async def end() -> None:
        await work

    house.do(end())


@pytest.mark.long
def test_a_worker_that_carries_nothing_stops_the_pulse(
    house: TestHouse, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages wait, and none is over within the longest that a command may take."""
    monkeypatch.setattr(pulse, "patience_of", lambda house: 2 * WATCHDOG)
    worker = inner(house).worker

    async def hang(name: str) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(type(worker), "carry", lambda self, name: hang(name))

    async def offer() -> None:
        for n in range(40):
            worker.offer(f"20260101T000000.000000-{n:016x}.eml")

    house.do(offer())
    assert systemd.falls_silent()

    async def let_go() -> None:
        for carrier in worker._crew.carriers:
            carrier.cancel()

    house.do(let_go())


def test_a_busy_worker_has_a_pulse(house: TestHouse) -> None:
    """The patience is more than the longest command takes."""
    longest = max(c.spec.timeout for c in inner(house).registry.commands.values())
    assert pulse.patience_of(inner(house)) > longest


@pytest.mark.long
def test_the_pulse_goes_on_while_a_spool_that_is_gone_is_waited_for(
    house: TestHouse, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else systemd would start us again, and that makes a new spool, which is empty."""
    monkeypatch.setattr(pulse, "BETWEEN_SECONDS", 5 * WATCHDOG)
    monkeypatch.setattr(daemons, "BACK_OFF", (WATCHDOG,))
    house.spool.rename(house.folder / "away")

    async def meet() -> None:
        inner(house).worker.trouble.set_result(StorageError("disk I/O error"))

    with capture_logs() as logs:
        house.do(meet())
        while sum("is gone: mount" in str(each) for each in logs) <= 10:
            assert systemd.hears("WATCHDOG=1", 20 * WATCHDOG)
    (house.folder / "away").rename(house.spool)


@pytest.mark.long
def test_the_pulse_goes_on_between_two_houses(
    house: TestHouse, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload may wait for long work, yet not for ever."""
    assert house.daemon is not None
    kept, house.daemon.house = house.daemon.house, None
    assert systemd.hears("WATCHDOG=1")
    monkeypatch.setattr(pulse, "BETWEEN_SECONDS", 0.0)
    assert systemd.falls_silent()
    house.daemon.house = kept
    assert systemd.hears("WATCHDOG=1")
