"""An honest client among hostile ones: `python -m benchmarks.hostile [--seconds N] [ATTACK ...]`.

Runs `housecarl run` on loopback and one attack after another against it (`benchmarks.attacks`),
each from another process. Meanwhile somebody at another address logs in every second, with a
connection of their own, and sends a text. Prints how long the reply took from the first try to
connect, and what the attack cost; 1 when a reply is missing, an attack was obeyed, memory has grown
by more than 64 MiB, or the daemon ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiosmtplib
import psutil
from benchmarks.attacks import ATTACKS, CONTEXT, OVER
from benchmarks.line import PASSWORD, TO, Sink, housecarl, rss

#: Seconds of one attack, and between two texts of the honest client.
SECONDS, EVERY = 10.0, 1.0

#: Seconds within which the honest client must have its reply; it tries again after AGAIN.
PATIENCE, AGAIN = 20.0, 0.1

#: Seconds between two looks at the daemon.
LOOK = 0.05

#: MiB that an attack may add to the daemon's memory.
GROWTH = 64.0


@dataclass
class Told:
    """What came of one attack; `seconds` of each honest text, `refused` are its tries in vain."""

    name: str
    before: float
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    missing: int = 0
    peak: float = 0.0
    files: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> list[str]:
        """What is not as promised."""
        found = (
            [f"{self.missing} texts without a reply"] if self.missing or not self.seconds else []
        )
        if self.answers["obeyed"]:
            found.append(f"obeyed {self.answers['obeyed']} times")
        if self.answers["faults of the attacker"]:
            found.append("the attacker is broken")
        if self.peak - self.before > GROWTH:
            found.append(f"{self.peak - self.before:.0f} MiB more")
        return [f"{self.name}: {each}" for each in found]

    def row(self) -> str:
        """One line of the table."""
        p50 = statistics.median(self.seconds) if self.seconds else 0.0
        most = max(self.seconds, default=0.0)
        codes = ", ".join(f"{k} {n}" for k, n in self.answers.most_common() if n)
        return (
            f"{self.name:24} {len(self.seconds):3} {p50:6.3f} {most:6.3f} {self.refused:4} "
            f"{self.before:6.1f} {self.peak:6.1f} {self.files:4}  {codes}"
        )


HEAD = (
    f"{'attack':24} {'n':>3} {'p50 s':>6} {'max s':>6} {'421':>4} {'MiB':>6} {'peak':>6} {'fds':>4}"
)


class Honest:
    """Somebody who logs in from an address that is their own each time, as a phone's is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._count = 0

    async def text(self, told: Told) -> None:
        """Send one text and wait for its reply, trying again while the door is full."""
        self._count += 1
        began = time.monotonic()
        mark = f"<{self._count}.{time.time_ns()}@honest.example>"
        mail = (
            f"From: ann@example.org\r\nTo: {TO}\r\nMessage-ID: {mark}\r\n\r\n!uptime\r\n".encode()
        )
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._send(mail):
                    told.refused += 1
                    await asyncio.sleep(AGAIN)
                while mark.encode() not in (await Sink.arrived.get())[1]:
                    pass
        except TimeoutError:
            told.missing += 1
        else:
            told.seconds.append(time.monotonic() - began)

    async def _send(self, mail: bytes) -> bool:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=self.port,
            source_address=(f"127.0.3.{1 + self._count % 250}", 0),
            start_tls=True,
            tls_context=CONTEXT,
            timeout=5.0,
        )
        try:
            async with client:
                await client.login("ann", PASSWORD)
                await client.sendmail("ann@example.org", [TO], mail)
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True


async def watch(process: psutil.Process, told: Told) -> None:
    """Note the most memory and files the daemon has, until cancelled."""
    while True:
        told.peak = max(told.peak, rss(process))
        told.files = max(told.files, process.num_fds())
        await asyncio.sleep(LOOK)


async def attack(
    name: str, honest: Honest, process: psutil.Process, seconds: float, every: float = EVERY
) -> Told:
    """One attack, and the honest client meanwhile."""
    told = Told(name, rss(process))
    watching = asyncio.create_task(watch(process, told))
    command = (sys.executable, "-m", "benchmarks.attacks", name, str(honest.port), str(seconds))
    attacker = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    output = asyncio.create_task(attacker.communicate())
    try:
        until = time.monotonic() + seconds + 2 * OVER
        while not output.done() and time.monotonic() < until:
            rest = asyncio.create_task(asyncio.sleep(every))
            await honest.text(told)
            await asyncio.wait((rest, output), return_when=asyncio.FIRST_COMPLETED)
            rest.cancel()
        async with asyncio.timeout(OVER):
            told.answers.update(json.loads((await output)[0]))
    finally:
        if attacker.returncode is None:
            attacker.kill()
        watching.cancel()
    return told


async def main(names: list[str], seconds: float, every: float = EVERY) -> list[str]:
    """Each attack in turn, a line for each; what was not as promised."""
    Sink.arrived = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    folder = Path(tempfile.mkdtemp())
    wrong: list[str] = []
    try:
        async with housecarl(folder, server.sockets[0].getsockname()[1]) as (port, process, _):
            honest = Honest(port)
            print(HEAD)
            for name in names:
                told = await attack(name, honest, process, seconds, every)
                print(told.row(), flush=True)
                wrong += told.wrong
            after = Told("after it all", rss(process))
            await honest.text(after)
            after.peak, after.files = rss(process), process.num_fds()
            print(after.row())
            wrong += after.wrong
        print(f"log {(folder / 'log').stat().st_size / 1024:.0f} KiB")
    finally:
        server.close()
        shutil.rmtree(folder)
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each attack")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two texts")
    options = parser.parse_args()
    if unknown := [each for each in options.attacks if each not in ATTACKS]:
        parser.error(f"no attack {unknown[0]}: {', '.join(ATTACKS)}")
    found = asyncio.run(main(options.attacks or [*ATTACKS], options.seconds, options.every))
    print("\n".join(found) or "as it should be")
    sys.exit(1 if found else 0)
