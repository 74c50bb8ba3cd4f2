"""Whose password is checked next: one at a time, and the addresses take turns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Busy(Exception):
    """No verdict: too many passwords wait, or this address has to."""


class Turns:
    """One has the turn, at most `places` wait; who asks alone may have all places.

    Whoever comes when they are taken gets one of the address that has most of them, so that each
    has its share; and an address that waits is never behind two of another one. A `suspect` address
    goes after all others, and its places are theirs.
    """

    def __init__(self, places: int, suspect: Callable[[str], bool]) -> None:
        self._places = places
        self._suspect = suspect
        self._taken = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # whose turn is next is first

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Hold the turn. Raises Busy when the places are taken, also to one who has waited."""
        if self._taken:
            await self._wait(address)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, address: str) -> None:
        if sum(len(each) for each in self._waiting.values()) >= self._places:
            self._make_room(address)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(address, turn)
            elif turn.exception() is None:
                self._pass_on()  # it was given the turn while it was cancelled
            raise

    def _leave(self, address: str, turn: asyncio.Future[None]) -> None:
        """Give up a place; it may have been taken away or passed over already."""
        waiting = self._waiting.get(address, deque())
        if turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[address]

    def _make_room(self, address: str) -> None:
        """End the newest of the address with most places, suspects first; Busy if unfair."""

        def claims(each: str) -> tuple[bool, int]:
            return self._suspect(each), len(self._waiting.get(each, ()))

        most = max(self._waiting, key=claims)
        suspect, places = claims(address)
        if claims(most) < (suspect, places + 2):
            raise Busy
        newest = self._waiting[most][-1]
        self._leave(most, newest)
        if not newest.done():
            newest.set_exception(Busy())

    def _pass_on(self) -> None:
        """Give the turn to the address that has waited for it longest, suspects last."""
        self._taken = False
        while self._waiting:
            address = min(self._waiting, key=self._suspect)
            waiting = self._waiting.pop(address)
            turn = waiting.popleft()
            if waiting:
                self._waiting[address] = waiting  # behind all others
            if not turn.done():
                self._taken = True
                turn.set_result(None)
                return
