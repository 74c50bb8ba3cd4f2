"""How long the mailbox door waits: for news, and for what a server owes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.doors.imap_peer import settings

from housecarl.doors.imap_lookout import LOOKS, Lookout
from housecarl.doors.imap_owed import Owed
from housecarl.doors.imap_patience import Patience


@dataclass
class Line:
    """One on which `news` come at once or nothing ever does; `did` notes what was done on it."""

    can_idle: bool = True
    news: bool = False
    did: list[Any] = field(default_factory=list)

    def has_capability(self, name: str) -> bool:
        return name == "IDLE" and self.can_idle

    def wait_for_news(self, seconds: float) -> bool:
        self.did.append(("idle", seconds))
        return self.news

    def noop(self) -> None:
        self.did.append("noop")

    def lookout(self) -> Lookout:
        bridge = SimpleNamespace(stopping=SimpleNamespace(wait=self.paused))
        given = settings(143, "ann", idle="9m")
        return Lookout(cast(Any, self), given, cast(Any, bridge), Patience(again=5.0, look=30.0))

    def paused(self, seconds: float) -> None:
        self.did.append(("pause", seconds))


@pytest.mark.parametrize(
    ("line", "seconds", "did"),
    [
        (Line(), 1.0, [("idle", 1.0), "noop"]),
        (Line(), 900.0, [("idle", 540.0), "noop"]),
        (Line(news=True), 900.0, [("idle", 540.0)]),
        (Line(can_idle=False), 1.0, [("pause", 1.0), "noop"]),
        (Line(can_idle=False), 900.0, [("pause", 30.0), "noop"]),
    ],
)
def test_it_is_waited_as_the_server_can(line: Line, seconds: float, did: list[Any]) -> None:
    assert line.lookout().wait(seconds, found=False) is line.news
    assert line.did == did


def test_a_server_that_always_has_news_is_asked_less_often_while_nothing_is_found() -> None:
    line = Line(news=True)
    lookout = line.lookout()
    for _ in range(LOOKS):
        assert lookout.wait(60.0, found=False)
    assert line.did == [("idle", 60.0)] * LOOKS
    line.did.clear()
    lookout.wait(60.0, found=False)
    lookout.wait(60.0, found=True)
    assert line.did == [("pause", 5.0), ("idle", 60.0), ("idle", 60.0)]


def test_what_a_server_owes_is_asked_for_ever_more_rarely_each_by_itself() -> None:
    owed = Owed({}, 5.0, 300.0)
    assert owed.wait() > 1e9, "there is nothing"
    waits = []
    for _ in range(8):
        assert owed.refuse(7)
        waits.append(owed.wait())
    assert waits == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300], abs=2)
    assert owed.refuse(8)
    assert owed.wait() == pytest.approx(5, abs=2), "the sooner one"
    assert owed.due() == []
    owed.settle([8])
    assert owed.wait() > 100
    assert Owed({3: 1, 2: 1}, 5.0, 300.0).due() == [2, 3], "those of another life, at once"
    assert Owed({3: 1}, 5.0, 300.0).wait() == 0.0
