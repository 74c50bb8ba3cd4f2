"""TXT records by name: from the name servers, remembered for five minutes, or from a file."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from housecarl.errors import TrustLater
from housecarl.location import split

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as _Stub

#: Seconds one question may take, all servers and repeats together.
LIFETIME = 5.0

#: Seconds an answer is kept, also that there is none; keys change over days, mends take minutes.
KEEP = 300.0

#: Answers kept; one person's mail needs two or three.
MAX_KEPT = 256

#: Bytes of one record and records of one name; what is longer is no key and is left out.
MAX_RECORD = 2048
MAX_RECORDS = 16


class Resolver(Protocol):
    """Whoever answers for DNS."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, none when it has none; TrustLater when nobody answered."""
        ...


class NameServers:
    """The real DNS; `servers` as `IP:PORT`, none for the system's own."""

    def __init__(self, servers: Sequence[str] = (), *, lifetime: float = LIFETIME) -> None:
        self._servers = tuple(servers)
        self._lifetime = lifetime
        self._stub: _Stub | None = None
        self._kept: OrderedDict[str, tuple[float, tuple[bytes, ...]]] = OrderedDict()

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, none when it has none; TrustLater when nobody answered."""
        name = name.lower().rstrip(".")
        kept = self._kept.get(name)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        if self._stub is None:
            self._stub = await asyncio.to_thread(self._configured)
        answer = await self._asked(self._stub, name)
        self._kept[name] = (time.monotonic() + KEEP, answer)
        self._kept.move_to_end(name)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return answer

    async def _asked(self, stub: _Stub, name: str) -> tuple[bytes, ...]:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            absolute = dns.name.from_text(name + ".")
        except dns.exception.DNSException:
            return ()
        try:
            answer = await stub.resolve(absolute, "TXT", lifetime=self._lifetime, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError) as fault:
            raise TrustLater(f"no answer for {name}: {type(fault).__name__}") from fault
        records = (b"".join(each.strings) for each in answer)
        return tuple(each for each in records if len(each) <= MAX_RECORD)[:MAX_RECORDS]

    def _configured(self) -> _Stub:
        """The stub resolver; reads /etc/resolv.conf, hence runs in a thread."""
        import dns.asyncresolver
        import dns.nameserver
        import dns.resolver

        if not self._servers:
            try:
                return dns.asyncresolver.Resolver()
            except dns.resolver.NoResolverConfiguration as fault:
                raise TrustLater("this machine has no name server") from fault
        stub = dns.asyncresolver.Resolver(configure=False)
        stub.nameservers = [dns.nameserver.Do53Nameserver(*split(each)) for each in self._servers]
        return stub


class Answers:
    """A file of answers that stands for the whole DNS: what is not in it does not exist."""

    def __init__(self, names: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._names = {name.lower().rstrip("."): types for name, types in names.items()}

    @classmethod
    def load(cls, path: Path) -> Answers:
        """Read `{"name": {"TXT": ["..."]}}`; OSError or ValueError when it is not that."""
        names = json.loads(path.read_bytes())
        if not isinstance(names, dict) or not all(isinstance(v, dict) for v in names.values()):
            raise ValueError(f"{path} holds no object of names to answers")
        return cls(names)

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, none when the file has none."""
        found = self._names.get(name.lower().rstrip("."), {}).get("TXT", ())
        records = [found] if isinstance(found, str) else found
        return tuple(str(each).encode() for each in records)
