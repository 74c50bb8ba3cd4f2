"""DNS that never answers keeps nobody waiting whose message needs no DNS."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import aiosmtplib
import argon2
import dns.message
import dns.rcode
import dns.rrset
import pytest
import yaml
from tests.doors.certificate import certificate

from housecarl import config_file
from housecarl.daemon import Daemon
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import free_port
from housecarl.testing.inbox import Inbox

SAMPLES = Path(__file__).parents[1] / "samples"
TEXT = (SAMPLES / "02_gv_2026_forwarded.eml").read_bytes()
NOW = datetime.fromisoformat("2026-11-23T10:00:08Z")
CMD = "cmd@home.example"
BY = "housecarl.sample+caf_=cmd=home.example@gmail.com"
PASSWORD = "correct horse"

#: More than the worker carries at once.
TEXTS = 40


class Silent(asyncio.DatagramProtocol):
    """A name server on loopback that says nothing until it is told to `speak`."""

    def __init__(self) -> None:
        self.held: list[tuple[bytes, tuple[str, int]]] = []
        self.asked = asyncio.Event()
        self.fails = False
        self._speaks = False
        self._names = json.loads((SAMPLES / "dns.json").read_bytes())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.held.append((data, addr))
        self.asked.set()
        if self._speaks:
            self.speak()

    def speak(self) -> None:
        """Answer what was asked, and from now on at once."""
        self._speaks = True
        for data, addr in self.held:
            query = dns.message.from_wire(data)
            name = query.question[0].name
            answer = dns.message.make_response(query)
            if self.fails:
                answer.set_rcode(dns.rcode.SERVFAIL)
            records = self._names.get(name.to_text().rstrip("."), {}).get("TXT", [])
            strings = (
                " ".join(f'"{r[i : i + 255]}"' for i in range(0, len(r), 255)) for r in records
            )
            if records and not self.fails:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *strings))
            self.transport.sendto(answer.to_wire(), addr)
        self.held.clear()


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Silent, int, Inbox]]:
    """The name server, its port, and the smarthost."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Silent, local_addr=("127.0.0.1", 0))
    inbox = Inbox()
    await inbox.start()
    try:
        yield server, transport.get_extra_info("sockname")[1], inbox
    finally:
        await inbox.stop()
        transport.close()


def write_house(folder: Path, name_server: int, inbox: int) -> Path:
    """The house of the samples, where robin also has a login."""
    config = yaml.safe_load((SAMPLES / "housecarl.yaml").read_text())
    cert, key = certificate(folder)
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    (folder / "hash").write_text(hasher.hash(PASSWORD))
    for path in (key, folder / "hash"):
        path.chmod(0o600)
    config["people"]["robin"]["login"] = {"user": "robin", "hash": {"file": "hash"}}
    config["doors"] = {
        "smtp": {
            "listen": f"127.0.0.1:{free_port()}",
            "recipients": [CMD],
            "certificate": {"cert": str(cert), "key": str(key)},
        }
    }
    config["trust"]["resolver"] = [f"127.0.0.1:{name_server}"]
    account = config["trust"]["google_voice"]["account"]
    config["post"] = {"host": "127.0.0.1", "port": inbox, "tls": "none", "from": account}
    path = folder / "housecarl.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@asynccontextmanager
async def living(path: Path, at: datetime = NOW) -> AsyncIterator[Daemon]:
    daemon = Daemon(config_file.load(path), FakeClock(at))
    running = asyncio.create_task(daemon.run())
    await asyncio.wait_for(daemon.ready.wait(), 15)
    try:
        yield daemon
    finally:
        daemon.stop()
        await running


async def text_all(port: int, different: bool) -> None:
    """Hand in texts that need DKIM, all with one key or each with its own."""
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        for n in range(TEXTS):
            key = b"s=k%d;" % n if different else b"s=20251104;"
            raw = re.sub(rb"s=20251104;", key, TEXT)
            await client.sendmail(BY, [CMD], raw)


async def by_login(port: int, inbox: Inbox) -> None:
    """Hand in one text by SMTP AUTH and wait for its answer."""
    trusting = ssl._create_unverified_context()  # loopback
    async with aiosmtplib.SMTP(
        hostname="127.0.0.1", port=port, start_tls=True, tls_context=trusting
    ) as client:
        await client.login("robin", PASSWORD)
        mail = "From: robin@example.org\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\n!help\r\n"
        await client.sendmail("robin@example.org", [CMD], mail.encode())
    await asyncio.to_thread(inbox.wait, 1, 5.0, "robin@example.org")


@pytest.mark.parametrize(
    "different",
    [
        pytest.param(False, id="one key"),
        pytest.param(True, id="many keys", marks=pytest.mark.long),
    ],
)
@pytest.mark.long
async def test_who_needs_no_dns_is_answered_while_40_wait_for_it(
    tmp_path: Path, different: bool
) -> None:
    """And they are answered, once, as soon as DNS is: here in the next life."""
    async with world() as (server, port, inbox):
        path = write_house(tmp_path, port, inbox.port)
        async with living(path) as daemon:
            assert daemon.smtp is not None
            at = daemon.smtp.address[1]
            await text_all(at, different)
            await asyncio.wait_for(server.asked.wait(), 5)
            await by_login(at, inbox)
            assert daemon.house is not None
            assert len(inbox.received) == 1, "answered before any of them"
            async with asyncio.timeout(5):
                while len(daemon.house.worker._parked) < TEXTS:  # noqa: ASYNC110 - as below
                    await asyncio.sleep(0.005)
        work = tmp_path / "spool" / "work"
        assert len(list(work.iterdir())) == TEXTS
        assert len(inbox.received) == 1
        server.speak()
        async with living(path) as daemon:
            assert daemon.house is not None
            await daemon.house.settle()
        assert list(work.iterdir()) == []
        await asyncio.to_thread(inbox.wait, 1 if different else 2)
    assert len(inbox.received) == (1 if different else 2)


@pytest.mark.long
async def test_what_waits_for_dns_is_carried_on_when_it_answers(tmp_path: Path) -> None:
    """Without the minute that it would wait if there were no answer at all."""
    async with (
        world() as (server, port, inbox),
        living(write_house(tmp_path, port, inbox.port)) as daemon,
    ):
        assert daemon.smtp is not None and daemon.house is not None
        await text_all(daemon.smtp.address[1], different=False)
        worker = daemon.house.worker
        async with asyncio.timeout(5):
            while len(worker._parked) < TEXTS:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.005)
        server.speak()
        await daemon.house.settle()
        await asyncio.to_thread(inbox.wait, 1)
    assert len(inbox.received) == 1


async def test_dns_that_never_answers_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with world() as (server, port, inbox):
        path, spool = write_house(tmp_path, port, inbox.port), tmp_path / "spool"
        server.fails = True
        server.speak()
        for days, folder in ((0, "work"), (1, "work"), (3, "refused")):
            async with living(path, NOW + timedelta(days=days)) as daemon:
                assert daemon.smtp is not None and daemon.house is not None
                if days == 0:
                    at = daemon.smtp.address[1]
                    async with aiosmtplib.SMTP(
                        hostname="127.0.0.1", port=at, start_tls=False
                    ) as client:
                        await client.sendmail(BY, [CMD], TEXT)
                await asyncio.wait_for(server.asked.wait(), 5)
                server.asked.clear()
                await daemon.house.settle()
            assert [each.parent.name for each in spool.rglob("*.eml")] == [folder]
        assert inbox.received == [], "it is not known whose it was"
