"""Find plugs: by broadcast, and one address at a time where a broadcast does not reach."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from typing import NamedTuple

from housecarl.errors import CommandError
from housecarl.plugs import wire
from housecarl.plugs.device import Device, Identity, identified
from housecarl.plugs.settings import PORT, PlugAddress
from housecarl.plugs.wire import PlugError

#: addresses asked in one search: a /20, half an hour of nobody's time
MOST_ADDRESSES = 4096
#: connections open at once; a home router's table holds thousands
AT_ONCE = 64
#: seconds for one address to take a connection; on a LAN it takes milliseconds
CONNECT_SECONDS = 1.0
#: seconds for a plug that took one to answer
ANSWER_SECONDS = 4.0
#: seconds to listen for answers to a broadcast, and how often it is sent
LISTEN_SECONDS, BROADCASTS = 3.0, 3
#: the ranges that are nobody else's: RFC 1918, link-local, loopback
PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
)

#: (addresses done, addresses in all)
Progress = Callable[[int, int], None]


class Found(NamedTuple):
    """A plug and where it is."""

    host: str
    identity: Identity


def network(text: str) -> ipaddress.IPv4Network:
    """A private network to be searched: 172.16.0.0/22. Raises CommandError with what is wrong."""
    try:
        found = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise CommandError(f"{text[:40]} is no network; write it like 192.168.1.0/24.") from None
    if not any(found.subnet_of(private) for private in PRIVATE):
        raise CommandError(f"{found} is not private; only private networks are searched.")
    if found.num_addresses > MOST_ADDRESSES:
        raise CommandError(
            f"{found} has {found.num_addresses} addresses, {MOST_ADDRESSES} at most."
        )
    return found


async def sweep(
    where: ipaddress.IPv4Network,
    *,
    port: int = PORT,
    apart: Collection[str] = (),
    progress: Progress = lambda _d, _a: None,
) -> AsyncIterator[Found]:
    """Ask every address of a network for a plug on TCP `port`; each plug as it is found.

    The addresses in `apart` are not asked.
    """
    await wire.load()
    hosts = [host for host in map(str, where.hosts()) if host not in apart]
    places = asyncio.Semaphore(AT_ONCE)

    async def look(host: str) -> Found | None:
        async with places:
            return await _asked(host, port)

    tasks = [asyncio.create_task(look(host)) for host in hosts]
    try:
        for done, task in enumerate(asyncio.as_completed(tasks), 1):
            found = await task
            progress(done, len(hosts))
            if found is not None:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _asked(host: str, port: int) -> Found | None:
    """The plug at one address; None when nothing there answers like one."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError):
        return None
    try:
        device = Device(host, PlugAddress(host=host, port=port), ANSWER_SECONDS)
        return Found(host, await device.identity())
    except PlugError:
        return None


class _Listener(asyncio.DatagramProtocol):
    """Collects what answers a broadcast."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One answer; the first of each address counts, and no more than there are addresses."""
        if len(data) <= wire.ANSWER_LIMIT and len(self.answers) < MOST_ADDRESSES:
            self.answers.setdefault(addr[0], data)


async def broadcast(
    targets: Iterable[str],
    *,
    port: int,
    seconds: float = LISTEN_SECONDS,
) -> list[Found]:
    """Whoever answers a broadcast on UDP `port` within so many seconds, in order of address."""
    await wire.load()
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    transport, listener = await loop.create_datagram_endpoint(_Listener, sock=sock)
    try:
        for _ in range(BROADCASTS):
            for target in targets:
                transport.sendto(wire.datagram({"system": {"get_sysinfo": {}}}), (target, port))
            await asyncio.sleep(seconds / BROADCASTS)
    finally:
        transport.close()
    found = [_heard(host, data) for host, data in listener.answers.items()]
    plugs = [one for one in found if one is not None]
    return sorted(plugs, key=lambda one: ipaddress.IPv4Address(one.host))


def _heard(host: str, data: bytes) -> Found | None:
    try:
        answer = json.loads(wire.undatagram(data))
        return Found(host, identified(host, answer)) if isinstance(answer, dict) else None
    except (ValueError, RecursionError, PlugError):
        return None
