"""Messages leave the judge in the order in which they came, whatever threads do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from housecarl.message import Message, Stamp, gate, read_form
from housecarl.message.form import Form

from .conftest import NOW, World, arrived, mail, signed, trust

#: The message as it passed the gate, what was read from it, its stamp.
Given = tuple[Form, Message, Stamp]


class LastFirst(ThreadPoolExecutor):
    """Does first what it was asked for last: as a pool of threads may, and rarely will."""

    def __init__(self) -> None:
        super().__init__(1)
        self._asked: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._asked.append(lambda: future.set_result(fn(*args, **more)))
        # in the next turn of the loop, once all who come in this one have asked
        asyncio.get_running_loop().call_soon(lambda: self._asked.pop()())
        return future


def sent(n: int) -> Given:
    form = gate(signed(mail(message_id=f"<{n}@example.org>")))
    return form, read_form(form), arrived()


def dropped(n: int) -> Given:
    form = gate(b"Content-Type: text/plain\r\n\r\n!plug lamp on\r\n", needs_from=False)
    stamp = arrived("drop", key=f"k{n}", uid=str(os.geteuid()), as_person="ann")
    return form, read_form(form), stamp


@pytest.mark.parametrize("given", [sent, dropped])
async def test_messages_that_come_together_are_judged_in_their_order(
    given: Callable[[int], Given], world: World
) -> None:
    """The first ones wait for a library to be loaded, dropped files for the name of their owner."""
    asyncio.get_running_loop().set_default_executor(LastFirst())
    judge = trust(world)
    judged: list[int] = []

    async def judge_one(n: int) -> None:
        form, message, stamp = given(n)
        verdict = await judge.verify(form, message, stamp, NOW)
        assert (verdict.person, verdict.reason) == ("ann", None)
        judged.append(n)

    await asyncio.gather(*map(judge_one, range(10)))
    assert judged == list(range(10))
