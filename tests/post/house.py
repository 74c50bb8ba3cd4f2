"""A post with a real journal and a real smarthost on loopback, for every weather."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from tests.post.smarthost import Smarthost

from housecarl.config_post import Post as Settings
from housecarl.envelope import Kind
from housecarl.journal import Database, replies
from housecarl.journal.replies import Due, Outgoing
from housecarl.post import Bounds, Post, Rules
from housecarl.testing.clock import FakeClock

MAIL = b"From: house@example.org\r\nTo: x@example.org\r\nSubject: Re: x\r\n\r\n.lamp on.\r\n"
DOTTED = MAIL.replace(b"\r\n.", b"\r\n..")


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the post gets: how many replies wait, since when it is down, why, its next try."""

    waiting: int
    down_since: datetime | None
    error: str
    next_try: datetime | None


@dataclass
class House:
    """A post with its journal and smarthost, and what it told."""

    database: Database
    smarthost: Smarthost
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[bool] = field(default_factory=list)
    bounds: Bounds = field(default_factory=lambda: Bounds(deadline=5.0, idle=60.0, grace=0.2))
    settings: dict[str, object] = field(default_factory=dict)
    draw: Callable[[], float] = field(default=lambda: 1.0)
    #: at most so many texts in so many seconds
    budget: tuple[tuple[int, float], ...] = ()
    count: int = 0

    def post(self) -> Post:
        values = {
            "host": "localhost",
            "port": self.smarthost.port,
            "tls": "none",
            "from": "house@example.org",
        }
        settings = Settings.model_validate(values | self.settings)

        async def tell(well: bool, text: str) -> None:
            assert "\n" not in text
            self.told.append(well)

        return Post(
            settings,
            self.database,
            self.clock,
            tell,
            Rules(lambda _: False, lambda _, __: None, self.budget),
            self.bounds,
            draw=self.draw,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Post]:
        post = self.post()
        async with asyncio.timeout(20):
            run = asyncio.create_task(post.run())
            try:
                yield post
            finally:
                post.stop()
                await run

    async def add(
        self, person: str = "ann", to: str = "", mail: bytes = MAIL, kind: Kind = "reply"
    ) -> Due:
        self.count += 1
        created = self.clock.now().timestamp()
        to = to or f"{person}.{self.count}@example.org"
        out = Outgoing(person, kind, to, f"<{self.count}@x>", "lamp on.", mail, created)
        reply = await self.database.write(lambda conn: replies.add(conn, out))
        return Due(reply, person, to, mail, 0, created, created, kind)

    async def states(self) -> list[tuple[str, int, str | None]]:
        rows = await self.database.read(
            lambda conn: conn.execute(
                "SELECT state, tries, error FROM replies ORDER BY id"
            ).fetchall()
        )
        return [tuple(row) for row in rows]

    async def seen(self, true: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the journal or the post shows it; neither tells, so look every 2 ms."""
        async with asyncio.timeout(5):
            while not await true():  # noqa: ASYNC110 - what is waited for is on a disk
                await asyncio.sleep(0.002)

    async def until(self, *wanted: str) -> list[tuple[str, int, str | None]]:
        """Wait until the replies have these states in order."""

        async def reached() -> bool:
            return [state for state, _, _ in await self.states()] == list(wanted)

        await self.seen(reached)
        return await self.states()

    async def tried(self, tries: int, reply: int = 0) -> str:
        """Wait until a reply was tried so often; its last error."""

        async def reached() -> bool:
            return (await self.states())[reply][1] == tries

        await self.seen(reached)
        return (await self.states())[reply][2] or ""

    async def reach(self, post: Post) -> Reach:
        waiting, _ = await self.database.read(replies.count_waiting)
        outage = post._outage
        return Reach(waiting, outage.since, outage.error, outage.until)

    async def failed(self, post: Post, rounds: int) -> None:
        """Wait until the smarthost failed so often in a row."""

        async def reached() -> bool:
            return post._outage.tries >= rounds

        await self.seen(reached)

    async def resting(self) -> None:
        """Wait until the post waits for a time."""

        async def reached() -> bool:
            return self.clock.next is not None

        await self.seen(reached)

    async def reaches(self, true: Callable[[], bool]) -> None:
        """Wait until something becomes true that nobody tells."""

        async def reached() -> bool:
            return true()

        await self.seen(reached)

    async def looked(self, post: Post) -> None:
        """Wake the post and wait until it looked, started whom it wants, and waits for a time."""
        post.wake()

        async def reached() -> bool:
            return not post._woken.is_set() and self.clock.next is not None

        await self.seen(reached)

    def recipients(self) -> list[str]:
        return [to for to, _ in self.smarthost.taken]
