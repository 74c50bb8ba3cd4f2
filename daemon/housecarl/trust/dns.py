"""TXT records by name: from the name servers, remembered for five minutes, or from a file."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from housecarl.errors import AnswerPending, TrustLater
from housecarl.location import split

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as _Stub

#: Seconds one question may take, all servers and repeats together.
LIFETIME = 5.0

#: Seconds an answer is kept, also that there is none; keys change over days, mends take minutes.
KEEP = 300.0

#: Seconds for which it is kept that nobody answered: all who have waited for it hear that.
SILENT = 5.0

#: Seconds that a carrier of messages waits: name servers that are well answer in 10 to 100 ms.
PATIENCE = 0.25

#: Questions under way at once; each is a socket, and a household asks for two or three names.
MAX_ASKED = 64

#: Answers kept; one person's mail needs two or three.
MAX_KEPT = 256

#: Bytes of one record and records of one name; what is longer is no key and is left out.
MAX_RECORD = 2048
MAX_RECORDS = 16


#: The TXT records of a name, or the sentence that says why there are none yet.
Answer = tuple[bytes, ...] | str


class Resolver(Protocol):
    """Whoever answers for DNS."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, none when it has none; TrustLater when nobody answered."""
        ...


class NameServers:
    """The real DNS; `servers` as `IP:PORT`, none for the system's own.

    With `patience` nobody waits longer than that many seconds: who would have to gets AnswerPending
    and asks again once it is answered. All who ask for one name share one question.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        lifetime: float = LIFETIME,
        patience: float | None = None,
    ) -> None:
        self._servers = tuple(servers)
        self._lifetime = lifetime
        self._patience = patience
        self._stub: _Stub | None = None
        self._kept: OrderedDict[str, tuple[float, Answer]] = OrderedDict()
        self._questions: dict[str, tuple[float, asyncio.Task[Answer]]] = {}

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, none when it has none; TrustLater when nobody answered."""
        name = name.lower().rstrip(".")
        kept = self._kept.get(name)
        if kept is not None and kept[0] > time.monotonic():
            answer = kept[1]
        else:
            answer = await self._wait(name)
        if isinstance(answer, str):
            raise TrustLater(answer)
        return answer

    async def _wait(self, name: str) -> Answer:
        """The answer to a question that is under way, or is begun now. Raises AnswerPending."""
        if name not in self._questions:
            if len(self._questions) >= MAX_ASKED:
                return f"{MAX_ASKED} questions before the one for {name} have no answer"
            task = asyncio.create_task(self._ask(name), name=f"dns {name}")
            self._questions[name] = (time.monotonic(), task)
            task.add_done_callback(lambda _: self._questions.pop(name))
        _, question = self._questions[name]
        done, _ = await asyncio.wait((question,), timeout=self._seconds())
        if not done:
            raise AnswerPending(name, question)
        return question.result()

    def _seconds(self) -> float | None:
        """How long to wait just now: not at all while DNS is slow, so that it slows nobody."""
        if self._patience is None:
            return None
        before = time.monotonic() - self._patience
        return 0.0 if any(s < before for s, _ in self._questions.values()) else self._patience

    async def _ask(self, name: str) -> Answer:
        """Ask, and keep what comes of it; that there was no answer only for who cannot wait."""
        seconds = KEEP
        try:
            if self._stub is None:
                self._stub = await asyncio.to_thread(self._configured)
            answer: Answer = await self._asked(self._stub, name)
        except TrustLater as later:
            answer, seconds = str(later), SILENT if self._patience is not None else 0.0
            self._stub = None  # the machine may have other name servers by now
        self._kept[name] = (time.monotonic() + seconds, answer)
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
            answer = await stub.resolve(absolute, "TXT", lifetime=self._lifetime)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError) as fault:
            raise TrustLater(f"no answer for {name}: {type(fault).__name__}") from fault
        records = (b"".join(each.strings) for each in answer)
        return tuple(each for each in records if len(each) <= MAX_RECORD)[:MAX_RECORDS]

    def _configured(self) -> _Stub:
        """The stub resolver; reads /etc/resolv.conf, hence runs in a thread."""
        import dns.asyncresolver
        import dns.exception
        import dns.nameserver
        import dns.resolver

        if not self._servers:
            try:
                return dns.asyncresolver.Resolver()
            except dns.resolver.NoResolverConfiguration as fault:
                raise TrustLater("this machine has no name server") from fault
            except (dns.exception.DNSException, ValueError) as fault:  # a line in it is broken
                raise TrustLater(f"/etc/resolv.conf cannot be used: {fault}") from fault
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
        answers = names.values() if isinstance(names, dict) else [None]
        if not all(
            isinstance(v, dict) and isinstance(v.get("TXT", ""), str | list) for v in answers
        ):
            raise ValueError(f"{path} holds no object of names to answers")
        return cls(names)

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, none when the file has none."""
        found = self._names.get(name.lower().rstrip("."), {}).get("TXT", ())
        records = [found] if isinstance(found, str) else found
        return tuple(str(each).encode() for each in records)
