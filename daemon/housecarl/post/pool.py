"""Connections kept for the next reply: TLS and AUTH cost more than a mail."""

from __future__ import annotations

import asyncio

from housecarl.post.dialogue import Dialogue


class Pool:
    """Keeps connections that nobody uses for `idle` seconds; costs no wake-up while it is empty."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._kept: list[tuple[Dialogue, asyncio.TimerHandle]] = []
        self._partings: set[asyncio.Task[None]] = set()

    def keep(self, dialogue: Dialogue) -> None:
        """Take a connection back; one that is not fit for another mail is closed."""
        if not dialogue.usable:
            dialogue.transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._kept.append((dialogue, loop.call_later(self._idle, self._part, dialogue)))

    def spare(self) -> Dialogue | None:
        """A kept connection, the one used last."""
        while self._kept:
            dialogue, timer = self._kept.pop()
            timer.cancel()
            if dialogue.usable:
                return dialogue
        return None

    async def close(self) -> None:
        """Say goodbye on every kept connection."""
        while (dialogue := self.spare()) is not None:
            await dialogue.quit()
        await asyncio.gather(*self._partings, return_exceptions=True)

    def _part(self, dialogue: Dialogue) -> None:
        self._kept = [(each, timer) for each, timer in self._kept if each is not dialogue]
        task = asyncio.get_running_loop().create_task(dialogue.quit())
        self._partings.add(task)
        task.add_done_callback(self._partings.discard)
