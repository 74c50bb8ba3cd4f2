"""The way out in bad weather, as a story each: nothing lost, no storm, nothing twice, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from sqlite3 import Connection
from types import SimpleNamespace
from typing import Any

import pytest
from tests.post.house import DOTTED, House

from housecarl.journal import replies, texts, values
from housecarl.post import Bounds, Post


def saying(**answers: str) -> Callable[[str, str], str | None]:
    return lambda step, to: answers.get(step)


async def next_tries(house: House) -> list[float]:
    rows = await house.database.read(
        lambda conn: conn.execute("SELECT next_try FROM replies ORDER BY id").fetchall()
    )
    return [row[0] for row in rows]


def in_order(house: House, count: int) -> bool:
    """Whether each person got all of theirs once, in the order in which they were made."""
    sent = [to.partition("@")[0].split(".") for to in house.recipients()]
    numbers = {person: [int(n) for one, n in sent if one == person] for person, _ in sent}
    return len(sent) == count and all(mine == sorted(set(mine)) for mine in numbers.values())


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "fault",
    [{"greet": "421 4.3.2 not now"}, {"mail": "550 5.7.1 not yours"}, {"data": "421 4.3.2 no"}],
    ids=["greeting", "sender", "data"],
)
async def test_hours_of_outage_are_a_few_attempts_each_at_its_time(
    house: House, fault: dict[str, str]
) -> None:
    """One connection a round, none before its time, and 30 minutes apart at most."""
    house.smarthost.script = saying(**fault)
    for n in range(12):
        await house.add(f"p{n % 4}")
    start = house.clock.now()
    async with house.running() as post:
        await house.failed(post, 1)
        rounds = 1
        while house.clock.now() - start < timedelta(hours=3):
            reach = await house.reach(post)
            assert reach.next_try is not None
            house.clock.set(reach.next_try - timedelta(seconds=1))
            await house.add("late")
            await house.looked(post)
            assert not post._senders
            assert house.smarthost.connections == rounds
            house.clock.set(reach.next_try)
            rounds += 1
            await house.failed(post, rounds)
        assert rounds == 11
        assert house.smarthost.connections == rounds
        assert house.smarthost.most_open == 1
        house.smarthost.script = saying()
        house.clock.move(1800)
        await house.until(*["sent"] * (12 + rounds - 1))
    assert in_order(house, 12 + rounds - 1)


async def test_connections_that_fail_together_are_one_failure(house: House) -> None:
    """The first pause is a minute, however many were open as the smarthost went away."""
    hung: list[str] = []
    for n in range(40):
        await house.add(f"p{n}")
    async with house.running() as post:
        await house.until(*["sent"] * 40)

        def hang(step: str, to: str) -> str:
            hung.append(to)
            return "hang"

        house.smarthost.script = hang
        for n in range(40):
            await house.add(f"p{n}")
        post.wake()
        await house.reaches(lambda: len(hung) == 4)
        await house.smarthost.stop()
        await house.reaches(lambda: not post._senders)
        reach = await house.reach(post)
        assert reach.next_try == house.clock.now() + timedelta(minutes=1)
        assert reach.waiting == 40


async def test_replies_that_are_put_off_come_again_at_times_of_their_own(house: House) -> None:
    """Chance spreads them over the last quarter of the pause, so they do not come back as one."""
    house.draw = Random(7).random
    house.smarthost.script = saying(rcpt="450 4.2.1 grey")
    for n in range(10):
        await house.add(f"p{n}")
    now = house.clock.now().timestamp()
    async with house.running():
        for n in range(10):
            await house.tried(1, n)
        waits = [at - now for at in await next_tries(house)]
        assert len(set(waits)) == 10
        assert all(45 <= wait <= 60 for wait in waits)
        assert max(waits) - min(waits) > 5


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_slow_smarthost_is_waited_for(house: House, pipelining: bool) -> None:
    house.smarthost.pipelining = pipelining
    house.smarthost.slow = 0.03
    await house.add()
    await house.add()
    async with house.running():
        states = await house.until("sent", "sent")
    assert states == [("sent", 0, None)] * 2
    assert house.smarthost.connections == 1
    assert in_order(house, 2)


async def test_a_smarthost_that_is_slow_with_its_verdict_gets_no_copy(house: House) -> None:
    """It holds the whole mail: hanging up now would bring it another."""
    house.bounds = Bounds(deadline=0.1, verdict=5.0)
    house.smarthost.script = lambda step, to: slow_down(house, step)
    await house.add()
    async with house.running():
        assert await house.until("sent") == [("sent", 0, None)]
    assert house.smarthost.taken == [("ann.1@example.org", DOTTED)]


async def test_a_smarthost_that_never_says_its_verdict_is_given_up(house: House) -> None:
    house.bounds = Bounds(deadline=5.0, verdict=0.2)
    house.smarthost.script = lambda step, to: "hang" if step == "end" else None
    await house.add()
    async with house.running():
        assert "no answer within 0.2 s" in await house.tried(1)
    assert len(house.smarthost.taken) == 1


async def test_each_mail_has_its_own_time_on_a_kept_connection(house: House) -> None:
    """Also the one after a mail whose verdict took longer than all before a mail may."""
    house.bounds = Bounds(deadline=0.1, verdict=30.0)
    house.smarthost.script = lambda step, to: slow_down(house, step)
    async with house.running() as post:
        post.push(await house.add())
        await house.until("sent")
        house.smarthost.script = lambda step, to: "hang" if step == "mail" else None
        post.push(await house.add())
        assert "no answer within 0.1 s" in await house.tried(1, 1)
    assert house.smarthost.connections == 1


def slow_down(house: House, step: str) -> None:
    house.smarthost.slow = 0.2 if step == "end" else 0.0


async def test_a_smarthost_too_slow_before_the_mail_gets_it_once_when_it_is_quick_again(
    house: House,
) -> None:
    """Each of its answers comes in time, all of them together do not."""
    house.bounds = Bounds(deadline=0.15)
    house.smarthost.pipelining = False
    house.smarthost.script = lambda step, to: drag(house, step)
    await house.add()
    await house.add()
    async with house.running() as post:
        assert "no answer within 0.15 s" in await house.tried(1)
        assert (await house.reach(post)).waiting == 2
        assert house.smarthost.taken == []
        house.smarthost.script = saying()
        house.smarthost.slow = 0.0
        house.clock.move(61)
        await house.until("sent", "sent")
    assert in_order(house, 2)


def drag(house: House, step: str) -> None:
    house.smarthost.slow = 0.1 if step in ("mail", "rcpt", "data") else 0.0


@pytest.mark.parametrize(
    ("step", "copies"), [("body", 1), ("end", 2)], ids=["half of it", "all of it"]
)
async def test_a_mail_cut_off_comes_twice_only_if_the_smarthost_had_all_of_it(
    house: House, step: str, copies: int
) -> None:
    cuts = [step]

    def script(at: str, to: str) -> str | None:
        if at in cuts:
            cuts.remove(at)
            return "drop"
        return None

    house.smarthost.script = script
    await house.add()
    await house.add()
    async with house.running():
        assert "closed" in await house.tried(1) or "lost" in await house.tried(1)
        assert house.smarthost.taken == [("ann.1@example.org", DOTTED)] * (copies - 1)
        house.clock.move(61)
        await house.until("sent", "sent")
    assert house.recipients() == ["ann.1@example.org"] * copies + ["ann.2@example.org"]


@pytest.mark.parametrize(
    "answer", ["last 250 2.0.0 queued", "last 250 2.0.0 queued\r\n421 4.3.2 that was all"]
)
async def test_a_smarthost_that_takes_a_mail_and_closes_gets_the_next_on_a_new_connection(
    house: House, answer: str
) -> None:
    house.smarthost.script = saying(end=answer)
    for n in range(12):
        await house.add(f"p{n % 3}")
    async with house.running() as post:
        states = await house.until(*["sent"] * 12)
        assert (await house.reach(post)).down_since is None
    assert states == [("sent", 0, None)] * 12
    assert in_order(house, 12)
    assert house.smarthost.connections == 12


async def test_each_person_hears_in_order_after_an_outage_of_every_kind(house: House) -> None:
    weathers = [
        saying(greet="drop"),
        saying(mail="451 4.3.0 later"),
        saying(body="drop"),
        saying(rcpt="421 4.3.2 closing"),
        saying(data="530 5.7.0 log in first"),
    ]
    people = ("ann", "bo", "cy")
    for person in people * 3:
        await house.add(person)
    async with house.running() as post:
        for weather in weathers:
            house.smarthost.script = weather
            tries = post._outage.tries
            post.push(await house.add(people[tries % 3]))
            house.clock.move(1801)
            await house.failed(post, tries + 1)
            assert house.smarthost.taken == []
        house.smarthost.script = saying()
        house.clock.move(1801)
        await house.until(*["sent"] * 14)
    assert in_order(house, 14)


async def test_a_reply_that_comes_while_the_journal_is_asked_does_not_overtake(
    house: House,
) -> None:
    """The journal has not said yet that an earlier one of this person waits for another try."""
    answer, slow = threading.Event(), set[asyncio.Task[bool]]()

    def greet(step: str, to: str) -> str:
        """Drop it, and keep the journal from answering."""
        slow.add(asyncio.create_task(house.database.read(lambda _: answer.wait(10))))
        return "drop"

    house.smarthost.script = greet
    await house.add("ann")
    async with house.running() as post:
        await house.failed(post, 1)
        house.smarthost.script = saying()
        house.clock.move(61)
        await house.reaches(lambda: post._lanes._looking)
        post.push(await house.add("ann"))
        answer.set()
        await asyncio.gather(*slow)
        await house.until("sent", "sent")
    assert in_order(house, 2)


async def test_a_reply_that_is_pushed_does_not_overtake_one_that_the_journal_alone_holds(
    house: House,
) -> None:
    """Background work says its word into the journal and wakes the post; an answer is pushed."""
    async with house.running() as post:
        post.push(await house.add("ann"))
        await house.until("sent")
        await house.reaches(lambda: post._clear and not post._senders)
        await house.add("ann")
        last = await house.add("ann")
        post.wake()
        post.push(last)
        await house.until("sent", "sent", "sent")
    assert in_order(house, 3)


async def test_a_reply_that_is_pushed_does_not_overtake_one_that_a_look_just_missed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.running() as post:
        await house.reaches(lambda: post._clear)
        read = house.database.read

        async def miss(do: Callable[[Connection], Any]) -> Any:
            found = await read(do)
            monkeypatch.undo()
            await house.add("ann")
            post.wake()
            asyncio.get_running_loop().call_soon(post.push, await house.add("ann"))
            return found

        monkeypatch.setattr(post, "_database", SimpleNamespace(read=miss))
        post.wake()
        await house.until("sent", "sent")
    assert in_order(house, 2)


@pytest.mark.long
async def test_who_is_back_gets_two_hundred_replies_over_one_connection(house: House) -> None:
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    for n in range(230):
        await house.add(f"p{n % 50}")
    async with house.running() as post:
        await house.failed(post, 1)
        house.smarthost.script = saying()
        house.smarthost.connections = 0
        house.clock.move(61)
        await house.until(*["sent"] * 230)
        assert house.smarthost.connections == 1
        assert in_order(house, 230)
        for n in range(40):
            await house.add(f"p{n}")
        post.wake()
        await house.until(*["sent"] * 270)
        assert house.smarthost.connections > 1, "strong again"
    assert house.told == [False, True]


async def test_a_restart_in_the_middle_of_an_outage_tries_nothing_early(house: House) -> None:
    """Neither what was tried nor what never was; the pauses go on growing, one connection tries."""
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    for n in range(40):
        await house.add(f"p{n % 20}")
    async with house.running() as post:
        for rounds in range(1, 5):
            await house.failed(post, rounds)
            house.clock.set((await house.reach(post)).next_try or house.clock.now())
        await house.failed(post, 5)
        before = await house.reach(post)
    kept = await next_tries(house)
    assert house.smarthost.connections == 5
    house.clock.move(60)
    async with house.running() as post:
        post.push(await house.add("new"))
        await house.looked(post)
        assert not post._senders
        assert await house.reach(post) == replace(before, waiting=41)
        assert (await next_tries(house))[:40] == kept
        assert house.smarthost.connections == 5
        assert before.next_try is not None
        house.clock.set(before.next_try)
        await house.failed(post, 6)
        reach = await house.reach(post)
        assert reach.next_try == house.clock.now() + timedelta(minutes=30)
    async with house.running() as post:
        house.smarthost.script = saying()
        house.clock.move(1801)
        await house.until(*["sent"] * 41)
    assert house.smarthost.connections == 7
    assert in_order(house, 41)
    assert await house.database.read(lambda conn: values.everything(conn, "_post")) == {}


@pytest.mark.long
async def test_what_comes_in_a_long_outage_waits_in_the_journal(house: House) -> None:
    """Not in memory, and it is not read again for each reply that is added."""
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    await house.add("ann")
    async with house.running() as post:
        await house.failed(post, 1)
        for _ in range(3):
            for _ in range(5):
                await house.add("ann")
                await house.add("bo")
            await house.looked(post)
        assert len(post._lanes.ids) == 1
        house.smarthost.script = saying()
        house.clock.move(61)
        await house.until(*["sent"] * 31)
    assert in_order(house, 31)


async def test_a_text_whose_hour_comes_in_an_outage_waits_for_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody looks for it again and again meanwhile."""
    looks = []
    look = Post._look

    async def counted(self: Post) -> None:
        looks.append(self)
        assert len(looks) < 20
        await look(self)

    monkeypatch.setattr(Post, "_look", counted)
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    soon = house.clock.now().timestamp() + 30
    await house.add("ann")
    late = (await house.add("bo")).id
    await house.database.write(partial(texts.keep_back, reply=late, until=soon, now=soon))
    async with house.running() as post:
        await house.failed(post, 1)
        await house.looked(post)
        house.clock.move(31)
        await house.looked(post)
        assert house.clock.next == post._outage.until
        house.smarthost.script = saying()
        house.clock.move(30)
        await house.until("sent", "sent")


async def test_another_smarthost_in_the_configuration_is_tried_at_once(house: House) -> None:
    """The pause is not that of the reply which the former one did not take."""
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    await house.add("ann")
    await house.add("bo")
    async with house.running() as post:
        await house.failed(post, 1)
    house.settings = {"host": "127.0.0.1"}
    house.smarthost.script = saying()
    async with house.running():
        await house.until("sent", "sent")


async def test_the_first_pause_is_a_minute_whatever_was_tried_before(house: House) -> None:
    """One mailbox is full for hours: that is no trouble of the smarthost, nor of the others."""
    house.smarthost.script = saying(rcpt="452 4.2.2 full")
    await house.add("ann")
    async with house.running() as post:
        for tries in range(1, 7):
            await house.tried(tries)
            house.clock.move(1800)
        await house.resting()
        house.smarthost.script = saying(mail="421 4.3.2 not now")
        await house.add("bo")
        house.clock.move(1800)
        post.wake()
        await house.failed(post, 1)
        assert (await house.reach(post)).next_try == house.clock.now() + timedelta(minutes=1)


async def test_what_is_dropped_during_an_outage_is_not_sent_after_it(house: House) -> None:
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    for person in ("ann", "bo", "bo", "cy"):
        await house.add(person)
    async with house.running() as post:
        await house.failed(post, 1)
        now = house.clock.now().timestamp()
        for reply in (2, 4):
            assert await house.database.write(partial(replies.drop, reply=reply, now=now))
        await post.recheck()
        house.smarthost.script = saying()
        house.clock.move(120)
        await house.until("sent", "dropped", "sent", "dropped")
    assert len(house.smarthost.taken) == 2


@pytest.mark.long
async def test_what_is_given_up_while_it_is_refused_is_not_listed_again(house: House) -> None:
    asked = asyncio.Event()

    def script(step: str, to: str) -> str | None:
        if step != "rcpt":
            return None
        house.smarthost.slow = 0.2
        asked.set()
        return "550 5.1.1 nobody"

    house.smarthost.script = script
    await house.add("ann")
    async with house.running() as post:
        await asked.wait()
        now = house.clock.now().timestamp()
        assert await house.database.write(partial(replies.drop, reply=1, now=now))
        await post.recheck()
        await house.reaches(lambda: post._lanes.empty and not post._lanes.known)
    assert await house.database.read(replies.queue) == []


async def test_a_reply_that_is_tried_again_by_hand_ends_the_pause(house: House) -> None:
    """One connection looks, now; if in vain the pause is as long as it would have been."""
    house.smarthost.script = saying(greet="421 4.3.2 not now")
    await house.add("ann")
    await house.add("bo")
    async with house.running() as post:
        await house.failed(post, 1)
        for rounds in (2, 3):
            await again(house, post)
            await house.failed(post, rounds)
            reach = await house.reach(post)
            assert reach.next_try == house.clock.now() + timedelta(minutes=2 ** (rounds - 1))
        house.smarthost.script = saying()
        await again(house, post)
        await house.until("sent", "sent")


async def again(house: House, post: Post) -> None:
    """As `queue retry 1`, and what the daemon does when it sees that."""
    now = house.clock.now().timestamp()
    assert await house.database.write(lambda conn: replies.retry(conn, 1, now))
    await post.recheck()


async def test_a_clock_that_is_set_ahead_during_an_outage_expires_only_what_is_old(
    house: House,
) -> None:
    """A machine without a clock chip was off for five days, and its network comes up last."""
    port = house.smarthost.port
    await house.smarthost.stop()
    await house.add("old")
    house.clock.move(60)
    house.clock.doubt()
    async with house.running() as post:
        await house.add("ann")
        post.wake()
        await house.tried(1)
        await house.looked(post)
        house.clock.move(timedelta(days=5))
        house.clock.doubt(False)
        await house.until("refused", "waiting")
        await house.looked(post)  # what was tried anew has failed: its pause begins before the move
        house.clock.move(1801)
        await house.smarthost.start(port)
        await house.until("refused", "sent")


async def test_a_clock_that_is_set_ahead_before_the_first_try_expires_nothing(house: House) -> None:
    """A machine without a clock chip starts in the past, and knows better a minute later."""
    async with house.running() as post:
        await house.add("ann")
        house.clock.move(5 * 86400)
        post.wake()
        await house.until("sent")
