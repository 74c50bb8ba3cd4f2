"""One look at one thing: a machine, a disk, a certificate."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icmplib
import pytest
from icmplib import Host as ICMPHost
from icmplib import ICMPLibError, SocketAddressError, SocketPermissionError
from tests.doors.certificate import certificate
from tests.doors.smtp_peer import has_ipv6

from housecarl.config_watches import CertificateWatch, DiskWatch, HostWatch, PlugWatch
from housecarl.journal.strangers import Strangers
from housecarl.plugs.device import Identity, Look
from housecarl.plugs.measure import Measurement
from housecarl.plugs.meter import Judgement, Reading
from housecarl.plugs.sense import Memory, Sensed
from housecarl.watches import reach, stock
from housecarl.watches.power import judge
from housecarl.watches.reach import Host, connect, ping
from housecarl.watches.source import Notice
from housecarl.watches.state import Finding
from housecarl.watches.stock import Certificate, Disks, ending, full
from housecarl.watches.strangers import said

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def plain(found: object) -> list[tuple[str, bool | None, str]]:
    """Findings as name, ok and text."""
    assert isinstance(found, list)
    assert all(isinstance(each, Finding | Notice) for each in found)
    return [(each.name, each.ok, each.text) for each in found]


async def test_a_port_that_takes_connections_is_well_and_a_closed_one_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert await connect(["127.0.0.1"], port) is None
        assert await connect(["::1", "127.0.0.1"], port) is None, "by the second address"
    assert await connect(["127.0.0.1"], port) == f"port {port} is closed"


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.long
async def test_an_address_that_swallows_everything_leaves_time_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a machine that is reached by IPv4 only and has an IPv6 address in DNS."""
    monkeypatch.setattr(reach, "CONNECT_SECONDS", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(
            ("::1", port := server.getsockname()[1]), family=socket.AF_INET6, backlog=0
        ),
        socket.create_connection(("::1", port), 5.0),  # nobody takes it, and there is room for none
    ):
        assert await connect(["::1"], port) == f"no answer on port {port}"
        assert await connect(["::1", "127.0.0.1"], port) is None


async def test_of_a_machine_that_is_off_it_is_said_as_the_kernel_says_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """asyncio's words for it, which a stand-in says, repeat the address."""

    async def unreachable(host: str, port: int) -> None:
        raise OSError(errno.EHOSTUNREACH, f"Connect call failed ('{host}', {port})")

    monkeypatch.setattr(asyncio, "open_connection", unreachable)
    assert await connect(["192.0.2.1"], 631) == "port 631: no route to host"


async def test_this_machine_answers_ping_or_it_is_said_that_it_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "INTERVAL_SECONDS", 0.01)
    assert await ping("127.0.0.1") in (
        None,
        "ping is not allowed on this machine",
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (SocketPermissionError(False), "ping is not allowed on this machine"),
        (SocketAddressError("192.0.2.1"), "no way there from this house"),
        (ICMPHost("192.0.2.1", 3, []), "no answer"),
        (ICMPHost("192.0.2.1", 3, [0.4]), None),
    ],
)
async def test_what_ping_brings_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, answer: ICMPHost | ICMPLibError, told: str | None
) -> None:
    """What a machine far away, or this one's kernel, would say is said by a stand-in."""
    asked = list[bool]()

    async def once(address: str, *_: object, privileged: bool, **__: object) -> ICMPHost:
        asked.append(privileged)
        if isinstance(answer, ICMPLibError):
            raise answer
        return answer

    monkeypatch.setattr(icmplib, "async_ping", once)
    assert await ping("192.0.2.1") == told
    assert asked == ([False, True] if told and "allowed" in told else [False])


async def test_a_name_that_is_none_is_said() -> None:
    for watch in (HostWatch(), HostWatch(port=631)):
        printer = Host("printer", "a" * 300, watch)
        assert plain(await printer.look(NOON)) == [("host.printer", False, "no such name in DNS")]


async def test_a_name_that_dns_has_no_answer_for_is_looked_up_once_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor do many such names take the threads in which the house works else."""
    answer, asked, real = threading.Event(), list[str](), socket.getaddrinfo

    def hang(name: str, *args: Any, **keys: Any) -> Any:
        asked.append(name)
        answer.wait(20.0)
        return real("127.0.0.1", *args, **keys)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(reach, "LOOKUP_SECONDS", 0.05)
    monkeypatch.setattr(reach, "CONNECT_SECONDS", 0.05)
    asyncio.get_running_loop().set_default_executor(pool := ThreadPoolExecutor(2))
    with socket.create_server(("127.0.0.1", 0)) as server, pool:
        watches = [HostWatch(), HostWatch(port=server.getsockname()[1])]
        hosts = [Host(f"n{n}", f"n{n}.lan", watches[n % 2]) for n in range(6)]
        for _ in range(2):
            found = await asyncio.gather(*(host.look(NOON) for host in hosts))
            assert {each.text for (each,) in found} == {"DNS gives no answer"}
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5.0) == 7
        assert sorted(asked) == [host.address for host in hosts]
        answer.set()
        monkeypatch.setattr(reach, "LOOKUP_SECONDS", 10.0)
        monkeypatch.setattr(reach, "CONNECT_SECONDS", 10.0)
        assert plain(await hosts[1].look(NOON)) == [("host.n1", True, "")]


@pytest.mark.parametrize(
    ("percent", "ok", "text"),
    [
        (89.0, None, ""),
        (87.9, True, ""),
        (90.0, False, "90% full"),
        (None, False, "cannot be read"),
    ],
)
def test_a_disk_at_its_bound_does_not_flap(percent: float | None, ok: bool, text: str) -> None:
    assert full(percent, 90) == (ok, text)


async def test_folders_of_one_disk_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    paths = [tmp_path, tmp_path / "a", tmp_path / "gone", tmp_path / "away"]
    watch = DiskWatch(percent=1, paths=paths)
    first, gone, away = plain(await Disks(watch, tmp_path).look(NOON))
    assert first[0] == f"disk.{tmp_path}" and first[1] is False
    assert gone == (f"disk.{tmp_path}/gone", False, "cannot be read")
    assert away == (f"disk.{tmp_path}/away", False, "cannot be read")


async def test_a_disk_that_hangs_is_asked_once_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dead network mount does; a thread that waits for it stands in for one."""
    answer, asked = threading.Event(), list[Path]()

    def hang(place: Path) -> tuple[int, float]:
        asked.append(place)
        answer.wait(20.0)
        return 7, 5.0

    monkeypatch.setattr(stock, "measure", hang)
    monkeypatch.setattr(stock, "PATIENCE_SECONDS", 0.05)
    disks = Disks(DiskWatch(paths=[tmp_path]), tmp_path)
    for _ in range(2):
        assert [each[1:] for each in plain(await disks.look(NOON))] == [(False, "cannot be read")]
    assert asked == [tmp_path]
    answer.set()
    monkeypatch.setattr(stock, "PATIENCE_SECONDS", 10.0)
    assert [each[1:] for each in plain(await disks.look(NOON))] == [(True, "")]


async def test_disks_are_asked_beside_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few mounts of one dead machine would else take longer than a look may."""
    all_asked = threading.Barrier(3, timeout=5.0)

    def together(place: Path) -> tuple[int, float]:
        return all_asked.wait(), 5.0

    monkeypatch.setattr(stock, "measure", together)
    monkeypatch.setattr(stock, "PATIENCE_SECONDS", 3.0)
    paths = [tmp_path / name for name in "abc"]
    found = plain(await Disks(DiskWatch(paths=paths), tmp_path).look(NOON))
    assert [ok for _, ok, _ in found] == [True] * 3


async def test_the_spools_disk_is_watched_where_none_is_named(tmp_path: Path) -> None:
    assert Disks(DiskWatch(), tmp_path).names == {"disk./", "disk.spool"}


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=14, seconds=1), None),
        (timedelta(days=13, hours=5), "ends on 6 Dec, in 13 days"),
        (timedelta(days=1, hours=5), "ends on 24 Nov, in 1 day"),
        (timedelta(hours=-20), "ended on 22 Nov"),
    ],
)
def test_the_end_of_a_certificate_is_told_in_days(left: timedelta, told: str | None) -> None:
    assert ending(NOON + left, NOON, 14 * 86400) == told


async def test_a_certificate_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    watched = Certificate(tmp_path / "cert.pem", CertificateWatch())
    assert plain(await watched.look(NOON)) == [("certificate", False, "cannot be read")]
    certificate(tmp_path)  # for an hour
    ((_, ok, text),) = plain(await watched.look(datetime.now(UTC)))
    assert ok is False and text.endswith("in 0 days")
    ((_, ok, _),) = plain(await watched.look(datetime.now(UTC) - timedelta(days=20)))
    assert ok is True


@pytest.mark.parametrize(
    ("watts", "fault", "judged"),
    [
        (43.0, None, (True, "")),
        (120.5, None, (False, "120 W, over 100 W")),
        (4.0, None, (False, "4 W, under 5 W")),
        (28417.0, "reports 28417 W", (None, "")),
        (None, None, (False, "no reading")),
    ],
)
def test_watts_that_cannot_be_right_are_neither_too_many_nor_few_and_none_are_said(
    watts: float | None, fault: str | None, judged: tuple[bool | None, str]
) -> None:
    identity = Identity("HS110(US)", "1.0", "1.1.1", "", "", "lamp", 0, True, False, True)
    judgement = Judgement(Reading(watts), fault)
    measured = Measurement(Look(identity), judgement, Sensed(Memory()))
    assert judge(measured, PlugWatch(over=100, under=5)) == judged


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Strangers(), ""),
        (Strangers(1), "1 message of strangers in a day."),
        (
            Strangers(2, (("+13035550177", 1), ("évil.example/" + "x" * 40, 1)), (("ann", 4),)),
            "2 messages of strangers in a day: +1..0177 1, ?vil.example/xxxxxxxxxxxxxxx.. 1. "
            "Without proof, in the name of: ann 4.",
        ),
    ],
)
def test_strangers_choose_little_of_what_is_told(found: Strangers, text: str) -> None:
    assert said(found) == text
