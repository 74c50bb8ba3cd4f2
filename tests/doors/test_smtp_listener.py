"""How connections are taken off a listening socket."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from housecarl.doors import smtp_listener
from housecarl.doors.smtp_listener import AT_ONCE, Listener


class Met:
    """What a listener met; `event` is set by each."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self.hosts: list[str] = []
        self.event = asyncio.Event()

    def __call__(self, connection: socket.socket, host: str) -> None:
        self.connections.append(connection)
        self.hosts.append(host)
        self.event.set()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@contextmanager
def no_file_left() -> Iterator[None]:
    """This process may open nothing more while the block runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as spare:
        free = spare.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def said(logs: list[EventDict], times: int) -> None:
    """Return once so many lines are in the log."""
    async with asyncio.timeout(5):
        while len(logs) < times:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)


async def test_a_burst_leaves_time_for_who_is_in(listening: socket.socket) -> None:
    """The loop goes round before the second lot is taken; none is lost."""
    met = Met()
    listener = Listener(asyncio.get_running_loop(), listening, met)
    peers = [socket.create_connection(listening.getsockname()) for _ in range(2 * AT_ONCE + 1)]
    seen = []
    async with asyncio.timeout(5):
        while len(met.connections) < len(peers):
            met.event.clear()
            await met.event.wait()
            seen.append(len(met.connections))
    assert seen == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1]
    assert not met.connections[0].getblocking()
    listener.close()
    for each in (*peers, *met.connections):
        each.close()


async def test_without_a_file_to_spare_it_waits_and_goes_on(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop does not spin meanwhile, and the log says why nobody gets in."""
    monkeypatch.setattr(smtp_listener, "RETRY_SECONDS", 0.05)
    met = Met()
    listener = Listener(asyncio.get_running_loop(), listening, met)
    peer = socket.create_connection(listening.getsockname())
    with capture_logs() as logs:
        with no_file_left():
            began = time.monotonic()
            await said(logs, 2)
            assert time.monotonic() - began >= 0.05
            assert not met.connections
        async with asyncio.timeout(5):
            await met.event.wait()
    assert logs[0] == {
        "event": "smtp-accept-failed",
        "log_level": "error",
        "why": "Too many open files",
    }
    listener.close()
    for each in (peer, *met.connections):
        each.close()


async def test_a_closed_listener_does_not_begin_again(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is closed while it waits for a file to spare."""
    monkeypatch.setattr(smtp_listener, "RETRY_SECONDS", 0.0)
    met = Met()
    loop = asyncio.get_running_loop()
    faults: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    listener = Listener(loop, listening, met)
    with socket.create_connection(listening.getsockname()) as peer:
        with no_file_left(), capture_logs() as logs:
            await said(logs, 1)
            listener.close()
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not met.connections and not faults


async def test_a_unix_socket_has_no_host(tmp_path: Path) -> None:
    met = Met()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as peer:
        listening.bind(str(tmp_path / "door"))
        listener = Listener(asyncio.get_running_loop(), listening, met)
        peer.connect(str(tmp_path / "door"))
        async with asyncio.timeout(5):
            await met.event.wait()
        listener.close()
    assert met.hosts == [""]
    met.connections[0].close()
