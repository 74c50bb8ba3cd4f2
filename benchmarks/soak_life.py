"""The life of a busy house for `benchmarks.soak`: who writes what, and what a month looks like."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import random
import re
import statistics
import sys
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import yaml
from benchmarks.line import TO, Client, Sink, bare_aiosmtpd, free_port
from benchmarks.soak_month import Month, look, woken
from benchmarks.soak_people import DROPPED, LATER, MIX, PATIENCE, PER_CONNECTION, STRANGER, Talker

from housecarl.journal import JOURNAL, connect
from housecarl.testing.carrier import Carrier

#: Seconds of a simulated month.
MONTH = 30 * 86400.0

#: People who text at the same time; the first one also drops files.
PEOPLE = 8


class Life:
    """The house, its people, its smarthost, its plug; `problems`: what was not answered well."""

    def __init__(self, folder: Path, *, trace: bool = False) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self._trace = trace
        self._carrier = Carrier()
        self._random = random.Random(1)
        self._now = 0.0
        self._drops = 0
        self._sweeps: list[float] = []
        self._around = AsyncExitStack()
        self._port = free_port()
        numbers = [f"+1303555{100 + n:04}" for n in range(1, PEOPLE + 1)]
        self.people = [
            Talker(f"p{n}", number, self._carrier, self._port) for n, number in enumerate(numbers)
        ]
        self._by_address = {self._carrier.address(each.number): each for each in self.people}

    async def __aenter__(self) -> Life:
        Sink.arrived = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self._sink = await loop.create_server(Sink, "127.0.0.1", 0)
        self._sorting = asyncio.create_task(self._sort())
        self._plug = await self._start(
            "housecarl.testing.plug", *"--port 0 --relay 0 --alias lamp".split()
        )
        assert self._plug.stdout is not None
        plug = int((await self._plug.stdout.readline()).split()[1])
        config = self._write(self._sink.sockets[0].getsockname()[1], plug)
        self._house = await self._start("benchmarks.soak_house", config, self.folder / "dns.json")
        self._process = psutil.Process(self._house.pid)
        port, _, _ = await self._around.enter_async_context(bare_aiosmtpd())
        self._bare = Client(port)
        await self._bare.connect()
        self._now = (await self._hear())["now"]
        await asyncio.gather(*(self._say(each, "!uptime", "") for each in self.people))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._around.aclose()
        for process in (self._house, self._plug):
            if process.returncode is None:
                process.terminate()
                await asyncio.wait_for(process.wait(), PATIENCE)
        self._sorting.cancel()
        self._sink.close()

    async def month(self, n: int, messages: int) -> Month:
        """Live through one month with so many messages in it."""
        taken: list[float] = []
        bare: list[float] = []
        before = woken(self._process)
        self._sweeps.clear()
        left = messages
        while left > 0:
            now = [self.people[i] for i in range(min(left, PEOPLE))]
            taken += [x for x in await asyncio.gather(*map(self._turn, now)) if x is not None]
            bare.append(await self._control())
            left -= len(now)
            await self._pass(MONTH * len(now) / messages)
        return look(
            self._process,
            self.folder / "spool",
            n=n,
            messages=messages,
            p50=statistics.median(taken),
            p99=sorted(taken)[int(len(taken) * 0.99)],
            bare=statistics.median(bare),
            wakeups=woken(self._process) - before,
            sweep=max(self._sweeps, default=0.0),
        )

    async def rest(self) -> list[str]:
        """Let the last commands for later come, stop the house; what is left over then."""
        await self._pass(2 * LATER)
        for each in self.people:
            await each.leave()
        assert self._house.stdin is not None
        self._house.stdin.close()
        if code := await asyncio.wait_for(self._house.wait(), PATIENCE):
            self.problems.append(f"the daemon ended with {code}")
        self.problems[:0] = (self.folder / "log").read_text().splitlines()
        self.problems += [
            f"unasked: {e.replies.get_nowait()}" for e in self.people if e.replies.qsize()
        ]
        spool = self.folder / "spool"
        return [
            str(p) for state in ("tmp", "new", "work", "failed") for p in (spool / state).iterdir()
        ]

    async def held(self) -> list[str]:
        """What Python holds more than when it was asked last."""
        found: list[str] = await self._ask("held")
        return found

    async def _turn(self, person: Talker) -> float | None:
        """One message of somebody; ms until its reply, None for one that gets none."""
        if person is self.people[0] and self._random.random() < DROPPED:
            return await self._drop(person)
        ((_, text, expected),) = self._random.choices(MIX, [each[0] for each in MIX])
        if text == "stranger":
            await person.hand_in(STRANGER, "!uptime", self._now)
            return None
        if text.startswith("!in"):
            person.jobs.append(self._now + LATER)
        return await self._say(person, text, expected)

    async def _control(self) -> float:
        """ms that a bare server takes for a mail."""
        if self._bare.n >= PER_CONNECTION:
            self._bare.close()
            self._bare = Client(self._bare.port)
            await self._bare.connect()
        self._bare.n += 1
        began = time.perf_counter()
        await self._bare.hand_in("x@example.org", b"Subject: x\r\n\r\nx\r\n")
        return (time.perf_counter() - began) * 1000

    async def _say(self, person: Talker, text: str, expected: str) -> float:
        began = await person.hand_in(person.number, text, self._now)
        return await self._answered(person, text, expected, began)

    async def _drop(self, person: Talker) -> float:
        self._drops += 1
        part = self.folder / f"{self._drops}.part"
        part.write_text("!uptime\n")
        began = time.perf_counter()
        part.rename(self.folder / "spool" / f"{self._drops}.txt")
        return await self._answered(person, "a dropped file", r"^Elm Street up ", began)

    async def _answered(self, person: Talker, text: str, expected: str, began: float) -> float:
        try:
            at, reply = await person.reply()
        except TimeoutError:
            self.problems.append(f"no reply to {text}: {self._known(person)}")
            return PATIENCE * 1000
        if not re.search(expected, reply):
            self.problems.append(f"{text} was answered with {reply!r}")
        return (at - began) * 1000

    def _known(self, person: Talker) -> list[tuple[object, ...]]:
        """The newest messages and replies of a person, as the journal has them."""
        with closing(connect(self.folder / "spool" / JOURNAL, readonly=True)) as conn:
            rows = conn.execute(
                "SELECT file, arrived, state, reason FROM receipts WHERE person = :who UNION ALL "
                "SELECT message_id, created, state, error FROM replies WHERE person = :who "
                "ORDER BY 2 DESC LIMIT 4",
                {"who": person.name},
            )
            return [tuple(row) for row in rows]

    async def _pass(self, seconds: float) -> None:
        """Let time pass, and wait for what it brings."""
        answer = await self._ask(f"move {seconds}")
        self._now = answer["now"]
        self._sweeps += answer["swept"]
        for person in self.people:
            due = [at for at in person.jobs if at <= self._now]
            person.jobs = [at for at in person.jobs if at > self._now]
            for _ in due:
                await self._answered(person, "a command for later", r"Elm Street up ", 0.0)

    async def _sort(self) -> None:
        """Hand each reply to whom it is for."""
        while True:
            at, mail = await Sink.arrived.get()
            head, _, body = mail.decode().partition("\r\n\r\n")
            to = re.search(r"^To:.*?([^\s<>]+@[^\s<>]+)", head, re.M)
            if to and (person := self._by_address.get(to[1])):
                person.replies.put_nowait((at, body))
            else:
                self.problems.append(f"a mail to {to and to[1]}")

    async def _ask(self, request: str) -> Any:
        assert self._house.stdin is not None
        self._house.stdin.write(f"{request}\n".encode())
        return await self._hear()

    async def _hear(self) -> Any:
        assert self._house.stdout is not None
        line = await self._house.stdout.readline()
        if not line:
            raise RuntimeError((self.folder / "log").read_text())
        return json.loads(line)

    async def _start(self, module: str, *words: object) -> asyncio.subprocess.Process:
        env = {**os.environ, **({"PYTHONTRACEMALLOC": "1"} if self._trace else {})}
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *map(str, words)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=env,
            )

    def _write(self, smarthost: int, plug: int) -> Path:
        """The configuration, and the answers that stand for the DNS."""
        (self.folder / "dns.json").write_text(json.dumps(self._carrier.dns))
        people: dict[str, dict[str, Any]] = {
            each.name: {"phones": [each.number], "may": ["*"]} for each in self.people
        }
        people[self.people[0].name]["unix"] = [pwd.getpwuid(os.getuid()).pw_name]
        account, number = self._carrier.account, self._carrier.number
        voice = {"account": account, "number": number, "without_arc": True}
        config = {
            "house": "Elm Street",
            "spool": "spool",
            "people": people,
            "doors": {
                "smtp": {"listen": f"127.0.0.1:{self._port}", "recipients": [TO]},
                "drop": {},
            },
            "trust": {"google_voice": voice},
            "post": {"host": "127.0.0.1", "port": smarthost, "tls": "none", "from": account},
            "limits": {"calls_per_hour": 0, "texts_per_hour": 0, "texts_per_day": 0},
            "modules": {"plug": {"plugs": {"lamp": {"host": "127.0.0.1", "port": plug}}}},
        }
        path = self.folder / "housecarl.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path
