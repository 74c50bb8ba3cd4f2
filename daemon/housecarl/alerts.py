"""Alerts: what the house says first, to those who own it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from housecarl.config import Config
from housecarl.envelope import Answer
from housecarl.means import Workshop
from housecarl.module import Reply


def owners(config: Config) -> list[str]:
    """Who is told: the people marked as owner, else the first who may use everything."""
    marked = [name for name, person in config.people.items() if person.owner]
    return marked or [name for name, person in config.people.items() if "*" in person.may][:1]


@dataclass(frozen=True, slots=True)
class Alerts:
    """Sends one message to every owner, by the way each is reached."""

    config: Config
    workshop: Workshop

    async def send(self, reply: Reply) -> None:
        """Queue it, durable on return."""
        for name in owners(self.config):
            part = secrets.token_hex(8)
            await self.workshop.send(Answer(name, [reply], "alert", part=part), None)
