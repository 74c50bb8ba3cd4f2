"""Somebody with a phone for `benchmarks.soak`: what they write, and what they expect back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks.line import TO, Client

from housecarl.testing.carrier import Carrier

#: Seconds a reply may take before it counts as lost.
PATIENCE = 30.0

#: Messages on one connection before a new one is made, as servers do.
PER_CONNECTION = 50

#: Seconds until a command "in 5m" has run.
LATER = 300.0

#: What is texted: how often of a hundred, the text, what the reply must look like ("": none).
MIX = (
    (40, "!uptime", r"^Elm Street up "),
    (10, "!help", r"\S"),
    (8, "!plug lamp", r"lamp"),
    (6, "!plug lamp on", r"lamp"),
    (6, "!plug lamp off", r"lamp"),
    (10, "!uptmie", r"Did you mean uptime\?"),
    (5, "!in 5m uptime", r"\S"),
    (15, "stranger", ""),
)

#: How many of the first one's messages are files put into the spool.
DROPPED = 0.5

STRANGER = "+13035550999"


@dataclass
class Talker:
    """One person with a phone: one message, its reply, the next message."""

    name: str
    number: str
    carrier: Carrier
    port: int
    replies: asyncio.Queue[tuple[float, str]] = field(default_factory=asyncio.Queue)
    jobs: list[float] = field(default_factory=list)
    client: Client | None = None

    async def hand_in(self, number: str, text: str, now: float) -> float:
        """Text the house from a number; the time of the final dot."""
        if self.client is None or self.client.n >= PER_CONNECTION:
            await self.leave()
            self.client = Client(self.port)
            await self.client.connect()
        self.client.n += 1
        raw = self.carrier.text(number, text, datetime.fromtimestamp(now, UTC))
        return await self.client.hand_in(self.carrier.envelope(TO), raw)

    async def leave(self) -> None:
        """Close the connection."""
        if self.client is not None:
            await self.client.ask(b"QUIT")
            self.client.close()
            self.client = None

    async def reply(self) -> tuple[float, str]:
        """The next reply and when it came."""
        return await asyncio.wait_for(self.replies.get(), PATIENCE)
