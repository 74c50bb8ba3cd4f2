"""What hostile SMTP clients do, one attack a run: `python -m benchmarks.attacks NAME PORT SECONDS`.

Prints as JSON how often each answer came; `obeyed` is what must not happen.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

TO = b"cmd@home.example"
ENVELOPE = b"MAIL FROM:<x@example.net>\r\nRCPT TO:<" + TO + b">\r\nDATA\r\n"
MAIL = b"From: ann@example.org\r\nSubject: %s\r\nMessage-ID: <%d@example.net>\r\n\r\n!uptime\r\n"

#: Seconds between two connections of one bot, so that an attack stays within this machine's means.
PAUSE = 0.2

#: Seconds that a bot waits for an answer.
PATIENCE = 2.0

#: Seconds that an attack may take to end; then it is ended.
OVER = 5.0

#: Niceness of an attacker: in the world it has a machine of its own.
NICE = 10

#: What other servers have taken for the end of a message.
ENDS = (
    *(b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\r", b"\r\n.\n", b"\n.\r", b"\r.\n"),
    *(b"\r\n.\0\r\n", b"\0\r\n.\r\n\0", b"\r\n\0.\r\n", b"\r\r\n.\r\r\n", b"\r\n.\r\r\n"),
)


@dataclass
class Bot:
    """One hostile client at one address; `told` counts the answers of all of them."""

    port: int
    source: str
    number: int
    told: Counter[str]
    until: float

    async def live(self, attack: Callable[[Bot], Awaitable[None]]) -> None:
        """Connect, attack, and begin again, until it is over."""
        while time.monotonic() < self.until:
            try:
                self.reader, self.writer = await asyncio.open_connection(
                    "127.0.0.1", self.port, local_addr=(self.source, 0)
                )
            except OSError:
                self.told["no connection"] += 1
                await asyncio.sleep(PAUSE)
                continue
            self.told["connections"] += 1
            try:
                if (await self.reply())[:3] == b"220":
                    await attack(self)
            except OSError:
                self.told["cut"] += 1
            finally:
                self.writer.transport.abort()
            await asyncio.sleep(PAUSE)

    async def reply(self) -> bytes:
        """The last line of the next answer; OSError when there is none."""
        async with asyncio.timeout(PATIENCE):
            while (line := await self.reader.readline())[3:4] == b"-":
                pass
        if not line:
            raise ConnectionResetError
        self.told[line[:3].decode("ascii", "replace")] += 1
        return line

    async def say(self, data: bytes) -> bytes:
        """Send, and the answer."""
        self.writer.write(data + b"\r\n")
        return await self.reply()

    async def begin(self) -> None:
        """A message up to DATA."""
        for line in (b"EHLO x", *ENVELOPE.splitlines()):
            await self.say(line)

    async def secure(self) -> None:
        """STARTTLS."""
        await self.say(b"EHLO x")
        await self.say(b"STARTTLS")
        await self.writer.start_tls(CONTEXT)
        await self.say(b"EHLO x")

    async def rest(self) -> None:
        """Read on until the server ends it, or it is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.until - time.monotonic()):
                while await self.reader.read(65536):
                    pass

    async def flood(self, data: bytes) -> None:
        """Send the same again and again, reading meanwhile, as fast as the server takes it."""
        reading = asyncio.create_task(self.rest())
        try:
            while time.monotonic() < self.until and not reading.done():
                self.writer.write(data)
                async with asyncio.timeout(self.until - time.monotonic()):
                    await self.writer.drain()
                await asyncio.sleep(0)
        finally:
            reading.cancel()


CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


async def hold(bot: Bot) -> None:
    """Be connected and say nothing."""
    await bot.rest()


async def drip(bot: Bot) -> None:
    """One byte a second, for ever the same command."""
    reading = asyncio.create_task(bot.rest())
    for byte in b"EHLO " + b"x" * 2000:
        if reading.done() or time.monotonic() > bot.until:
            break
        bot.writer.write(bytes([byte]))
        await asyncio.wait((reading,), timeout=1.0)
    reading.cancel()


async def headers(bot: Bot) -> None:
    """A message whose header never ends."""
    await bot.begin()
    await bot.flood(b"X-Filler: " + b"x" * 60 + b"\r\n" + b"Y: y\r\n" * 500)


async def endless(bot: Bot) -> None:
    """A message that is one line without an end."""
    await bot.begin()
    await bot.flood(b"x" * 16384)


async def garbage(bot: Bot) -> None:
    """Commands, nonsense and raw bytes without waiting for an answer."""
    chance = random.Random(bot.number)
    await bot.flood(b"NOOP\r\nEHLO x\r\n" * chance.randrange(50) + chance.randbytes(4096))


async def deaf(bot: Bot) -> None:
    """Ask and ask, and never read an answer."""
    while time.monotonic() < bot.until and not bot.writer.is_closing():
        bot.writer.write(b"EHLO x\r\nRSET\r\n" * 200)
        async with asyncio.timeout(bot.until - time.monotonic()):
            await bot.writer.drain()
        await asyncio.sleep(0.05)


async def smuggle(bot: Bot) -> None:
    """A second message inside of the first, behind what is no end of it."""
    end = ENDS[bot.number % len(ENDS)]
    bot.number += 1
    await bot.begin()
    inner = ENVELOPE + MAIL % (b"smuggled", bot.number) + b"\r\n.\r\n"
    bot.writer.write(MAIL % (b"carrier", time.time_ns()) + end + inner)
    await bot.reply()
    with suppress(TimeoutError):
        while True:
            if (await bot.reply()).startswith((b"354", b"250 2.0.0")):
                bot.told["obeyed"] += 1


async def inject(bot: Bot) -> None:
    """Commands in the clear behind STARTTLS, meant to be obeyed under TLS."""
    await bot.say(b"EHLO x")
    bot.writer.write(b"STARTTLS\r\nEHLO injected\r\n" + ENVELOPE)
    await bot.reply()
    await bot.writer.start_tls(CONTEXT)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            if await bot.reader.read(100):
                bot.told["obeyed"] += 1
    if not (await bot.say(b"RCPT TO:<" + TO + b">")).startswith(b"503"):
        bot.told["obeyed"] += 1


async def botch(bot: Bot) -> None:
    """A handshake that is none, by turns silent and nonsense."""
    await bot.say(b"EHLO x")
    await bot.say(b"STARTTLS")
    bot.number += 1
    if bot.number % 2:
        bot.writer.write(random.Random(bot.number).randbytes(600))
    await bot.rest()


async def guess(bot: Bot) -> None:
    """One password after another."""
    await bot.secure()
    while time.monotonic() < bot.until:
        word = b64encode(f"\0ann\0guess {bot.told['535']}".encode())
        reply = await bot.say(b"AUTH PLAIN " + word)
        if reply.startswith(b"235"):
            bot.told["obeyed"] += 1
        if reply.startswith(b"421"):
            return


async def mails(bot: Bot) -> None:
    """Whole mails of a stranger, one after another."""
    await bot.say(b"EHLO x")
    while time.monotonic() < bot.until:
        for line in ENVELOPE.splitlines():
            if (await bot.say(line)).startswith(b"421"):
                return
        await bot.say(MAIL % (b"stranger", time.time_ns()) + b".")


@dataclass(frozen=True, slots=True)
class Attack:
    """What each bot does, how many there are, and at how many addresses."""

    act: Callable[[Bot], Awaitable[None]]
    bots: int
    addresses: int


#: By name; many addresses are worse than one, which may have five connections.
ATTACKS = {
    "connections": Attack(hold, 1000, 200),
    "one byte a second": Attack(drip, 200, 200),
    "endless headers": Attack(headers, 20, 20),
    "endless line": Attack(endless, 20, 20),
    "pipelined garbage": Attack(garbage, 50, 50),
    "never reads": Attack(deaf, 50, 50),
    "smuggling": Attack(smuggle, 26, 26),
    "STARTTLS injection": Attack(inject, 20, 20),
    "broken handshakes": Attack(botch, 50, 50),
    "passwords, one address": Attack(guess, 50, 1),
    "passwords, 200 addresses": Attack(guess, 200, 200),
    "mail of strangers": Attack(mails, 20, 20),
}


async def run(name: str, port: int, seconds: float) -> Counter[str]:
    """Do one attack for so long; how often each answer came."""
    attack, told = ATTACKS[name], Counter[str]()
    until = time.monotonic() + seconds
    bots = [
        Bot(port, f"127.0.2.{1 + n % attack.addresses}", n, told, until) for n in range(attack.bots)
    ]
    tasks = [asyncio.create_task(bot.live(attack.act)) for bot in bots]
    _, late = await asyncio.wait(tasks, timeout=seconds + OVER)
    for task in late:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    told["faults of the attacker"] = sum(isinstance(each, Exception) for each in results)
    return told


if __name__ == "__main__":
    os.nice(NICE)
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
