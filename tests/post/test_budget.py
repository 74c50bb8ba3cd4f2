"""The budget of texts where they leave: what piled up before does not leave in one burst."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.post.house import House
from tests.post.test_weather import in_order, saying

from housecarl.journal import replies, texts
from housecarl.post import Post
from housecarl.quantity import HOUR


def number(person: str, n: int) -> str:
    return f"{person}.{n}@txt.voice.google.com"


async def text(house: House, person: str = "ann") -> None:
    await house.add(person, number(person, house.count + 1))


async def settled(house: House, post: Post) -> None:
    """Wait until the post has looked and done what it can do now."""
    post.wake()

    def rests() -> bool:
        busy = post._woken.is_set() or post._lanes._looking or post._senders or post._noting
        return not busy and post._lanes.empty and not post._lanes.known

    await house.reaches(rests)


async def test_after_an_outage_so_many_texts_an_hour_leave_as_ever(house: House) -> None:
    """In order, mails at once, and over a restart too."""
    house.budget = ((4, HOUR),)
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    for n in range(10):
        await text(house, "bo" if n % 3 == 2 else "ann")
    await house.add("ann", "ann.11@example.org")
    async with house.running() as post:
        await house.failed(post, 1)
        house.smarthost.script = saying()
        house.clock.move(timedelta(hours=9))
        post.wake()
        await house.smarthost.until(lambda: len(house.smarthost.taken) == 5)
        await settled(house, post)
        assert len(house.smarthost.taken) == 5
    house.clock.move(600)
    async with house.running() as post:
        await settled(house, post)
        assert len(house.smarthost.taken) == 5
        for count in (9, 11):
            house.clock.move(HOUR)
            await house.smarthost.until(lambda count=count: len(house.smarthost.taken) == count)  # type: ignore[misc]
            await settled(house, post)
            assert len(house.smarthost.taken) == count
    assert "ann.11@example.org" in house.recipients()[:5]
    house.smarthost.taken = [each for each in house.smarthost.taken if "txt" in each[0]]
    assert in_order(house, 10)
    assert [tries for _, tries, _ in await house.states()] == [1] + [0] * 10


@pytest.mark.long
async def test_what_left_before_a_restart_is_counted_after_it(house: House) -> None:
    house.budget = ((2, HOUR),)
    await text(house)
    await text(house, "bo")
    async with house.running():
        await house.until("sent", "sent")
    house.clock.move(600)
    async with house.running() as post:
        await text(house, "cy")
        await settled(house, post)
        assert len(house.smarthost.taken) == 2
        house.clock.move(HOUR)
        await house.until("sent", "sent", "sent")


async def test_a_challenge_and_what_is_tried_again_by_hand_wait_for_no_budget(
    house: House,
) -> None:
    house.budget = ((1, HOUR),)
    async with house.running() as post:
        for _ in range(3):
            await text(house)
        await house.add("ann", number("ann", 4), kind="challenge")
        post.wake()
        await house.until("sent", "waiting", "waiting", "sent")
        await settled(house, post)
        now = house.clock.now().timestamp()
        assert await house.database.write(lambda conn: replies.retry(conn, 2, now))
        await post.recheck()
        await house.until("sent", "sent", "waiting", "sent")
    assert house.recipients() == [number("ann", n) for n in (1, 4, 2)]


async def test_a_text_that_the_smarthost_does_not_take_uses_nothing(house: House) -> None:
    house.budget = ((1, HOUR),)
    house.smarthost.script = lambda step, to: "550 5.1.1 nobody" if "ann" in to else None
    await text(house, "ann")
    await text(house, "bo")
    async with house.running():
        await house.until("refused", "sent")


async def test_nor_does_it_give_away_the_place_of_one_that_left(house: House) -> None:
    """A challenge is counted beyond the bound, and taken out again when it is not taken."""
    house.budget = ((2, HOUR),)
    house.smarthost.script = lambda step, to: "550 5.1.1 nobody" if "bo" in to else None
    async with house.running() as post:
        for _ in range(2):
            await text(house)
        post.wake()
        await house.until("sent", "sent")
        await house.add("bo", number("bo", 3), kind="challenge")
        post.wake()
        await house.until("sent", "sent", "refused")
        await text(house)
        await settled(house, post)
        await house.until("sent", "sent", "refused", "waiting")


async def test_texts_that_left_under_a_clock_that_was_ahead_use_nothing(house: House) -> None:
    """Nor does one wait for ever that was made then."""
    house.budget = ((2, HOUR),)
    house.clock.move(timedelta(days=365))
    for _ in range(2):
        await text(house)
    async with house.running() as post:
        await house.until("sent", "sent")
        for _ in range(3):
            await text(house)
        house.clock.move(timedelta(days=-365))
        await text(house)
        post.wake()
        await house.until("sent", "sent", "sent", "sent", "waiting", "waiting")
        await settled(house, post)
    async with house.running() as post:
        await settled(house, post)
        assert len(house.smarthost.taken) == 4
        house.clock.move(HOUR)
        await house.until(*["sent"] * 6)


async def test_what_is_kept_back_takes_what_is_said_later_only_at_its_end(house: House) -> None:
    """Others wait behind it that are older."""
    house.budget = ((1, HOUR),)
    to = number("ann", 1)
    async with house.running() as post:
        for _ in range(3):
            await house.add("ann", to)
        post.wake()
        await house.until("sent", "waiting", "waiting")
        await settled(house, post)
        now = house.clock.now().timestamp()
        held = await house.database.read(lambda conn: texts.held(conn, "ann", to, now))
        assert held is None
        assert await house.database.write(lambda conn: replies.drop(conn, 3, now))
        held = await house.database.read(lambda conn: texts.held(conn, "ann", to, now))
        assert held is not None and held.id == 2
