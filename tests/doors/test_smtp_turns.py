"""Whose turn it is when many want to log in."""

from __future__ import annotations

import asyncio

from housecarl.doors.smtp_turns import Busy, Turns


class Queue:
    """Turns with a holder, and those who asked; `served` and `put_off` tell what became of them.

    The addresses in `suspects` are suspect.
    """

    def __init__(self, places: int, suspects: str = "") -> None:
        self.turns = Turns(places, suspects.__contains__)
        self.served: list[str] = []
        self.put_off: list[str] = []
        self.asked: list[asyncio.Task[None]] = []
        self.over = asyncio.Event()

    async def ask(self, *names: str) -> None:
        """Each asks by its name, whose first letter is its address."""
        for name in names:
            self.asked.append(asyncio.create_task(self._hold(name)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _hold(self, name: str) -> None:
        try:
            async with self.turns.turn(name[0]):
                self.served.append(name)
                await self.over.wait()
        except Busy:
            self.put_off.append(name)

    async def end(self) -> None:
        self.over.set()
        await asyncio.gather(*self.asked, return_exceptions=True)


async def test_addresses_take_turns() -> None:
    queue = Queue(16)
    await queue.ask("a1", "a2", "a3", "a4", "b1", "c1", "b2")
    assert queue.served == ["a1"]
    await queue.end()
    assert queue.served == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_who_comes_as_the_turn_is_given_on_waits_for_it() -> None:
    queue = Queue(16)
    async with queue.turns.turn("a"):
        await queue.ask("b1")
        queue.asked.append(asyncio.create_task(queue._hold("c1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert queue.served == ["b1"]
    await queue.end()
    assert queue.served == ["b1", "c1"]


async def test_who_is_alone_may_have_all_places_and_no_more() -> None:
    queue = Queue(3)
    await queue.ask("a1", "a2", "a3", "a4", "a5")
    assert queue.put_off == ["a5"]
    await queue.end()
    assert queue.served == ["a1", "a2", "a3", "a4"]


async def test_another_gets_a_place_of_whoever_has_most_until_each_has_its_share() -> None:
    queue = Queue(4)
    await queue.ask("a1", "a2", "a3", "a4", "a5")
    await queue.ask("b1", "b2", "b3", "c1", "d1", "e1")
    assert sorted(queue.put_off) == ["a3", "a4", "a5", "b2", "b3", "e1"]
    await queue.end()
    assert queue.served == ["a1", "a2", "b1", "c1", "d1"]


async def test_suspects_go_last_and_give_their_places_to_all_others() -> None:
    queue = Queue(4, suspects="xyz")
    await queue.ask("x1", "x2", "y1", "z1", "z2", "a1", "b1", "a2")
    assert queue.put_off == ["z2", "x2", "y1"]
    await queue.ask("y2", "c1", "b2")
    assert sorted(queue.put_off[3:]) == ["b2", "y2", "z1"], "among all others it is as ever"
    await queue.end()
    assert queue.served == ["x1", "a1", "b1", "c1", "a2"]


async def test_suspects_take_turns_when_nobody_else_waits() -> None:
    queue = Queue(4, suspects="xyz")
    await queue.ask("a1", "x1", "x2", "y1", "b1")
    await queue.end()
    assert queue.served == ["a1", "b1", "x1", "y1", "x2"]


async def test_who_gives_up_blocks_nobody() -> None:
    """Also when it is given the turn, or loses its place, in the moment in which it gives up."""
    queue = Queue(2)
    await queue.ask("a1", "b1", "b2")
    queue.asked[1].cancel()
    await queue.ask("c1")
    assert queue.put_off == [], "the place of b1 is free"
    queue.asked[2].cancel()
    queue.over.set()
    await asyncio.sleep(0)  # a1 passes its turn on
    queue.asked[3].cancel()
    await queue.ask("d1")
    await queue.end()
    assert queue.served == ["a1", "d1"]


async def test_who_loses_its_place_while_it_gives_up_takes_no_turn() -> None:
    queue = Queue(2)
    await queue.ask("a1", "b1", "b2")
    queue.asked.append(asyncio.create_task(queue._hold("c1")))
    await asyncio.sleep(0)  # c1 has taken the place of b2, which has not heard of it
    queue.asked[2].cancel()
    await asyncio.sleep(0)
    assert queue.served == ["a1"]
    await queue.end()
    assert queue.served == ["a1", "b1", "c1"]


async def test_who_gives_up_when_its_place_is_wanted_is_not_put_off() -> None:
    queue = Queue(2)
    await queue.ask("a1", "b1", "b2")
    queue.asked.append(asyncio.create_task(queue._hold("c1")))
    queue.asked[2].cancel()  # b2 has not heard of it when c1 takes its place
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert queue.put_off == []
    await queue.end()
    assert queue.served == ["a1", "b1", "c1"]
    assert queue.put_off == []


async def test_nothing_is_remembered_of_who_has_gone() -> None:
    queue = Queue(16)
    await queue.ask("a1", "a2", "b1", "b2")
    await queue.end()
    assert queue.turns._waiting == {}
    async with asyncio.timeout(5), queue.turns.turn("z"):
        pass
