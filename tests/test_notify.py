"""What is said to systemd, as sd_notify(3) and sd_listen_fds(3) have it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from housecarl import notify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_a_state_is_one_datagram(systemd: socket.socket) -> None:
    notify.notify("READY=1")
    assert systemd.recv(100) == b"READY=1"


def test_an_address_with_an_at_is_abstract(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0housecarl-test-{os.getpid()}")
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@housecarl-test-{os.getpid()}")
        notify.notify("STOPPING=1")
        assert sock.recv(100) == b"STOPPING=1"


def test_without_systemd_and_when_it_is_gone_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify.notify("READY=1")


def test_progress_is_said_now_and_then(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = notify.Progress()
    for doing in ("first", "too soon"):
        progress(doing)
    monkeypatch.setattr(notify, "SAY_SECONDS", 0.0)
    progress("later")
    told = [systemd.recv(200).decode() for _ in range(2)]
    assert told == [f"EXTEND_TIMEOUT_USEC=60000000\nSTATUS={doing}" for doing in ("first", "later")]


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("60000000", "", 30.0),
        ("60000000", "ours", 30.0),
        ("60000000", "1", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert notify.watchdog_seconds() == seconds


#: A process whose descriptors 3 to 5 are sockets, as systemd hands them over.
HANDED = """
import os, socket
made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
ports = [each.getsockname()[1] for each in made]
high = [os.dup2(each.fileno(), 60 + n) for n, each in enumerate(made)]
for n, each in enumerate(high):
    os.dup2(each, 3 + n)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "smtp:smtp"}
from housecarl import notify
found = notify.listening()
assert sorted(found) == ["smtp", "unknown"], found
assert [each.getsockname()[1] for each in found["smtp"] + found["unknown"]] == ports
os.environ["LISTEN_PID"] = "1"
assert notify.listening() == {}
"""


def test_sockets_come_by_name_and_to_the_process_they_are_meant_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANDED], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
