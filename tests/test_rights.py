"""Person x command x proof: what is run, what asks for a code, what is refused, in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from housecarl.module import Risk
from housecarl.rights import Decision, Request, decide, may_use, span, too_old
from housecarl.verdict import Proof

NEW_YORK = ZoneInfo("America/New_York")
#: 09:00 on 24 November in New York.
NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
REQUEST = Request("plug", Risk.CHANGE, Proof.CARRIER, sent=NOW, now=NOW)


def asked(**different: Any) -> Decision:
    return decide(REQUEST._replace(**different), NEW_YORK)


@pytest.mark.parametrize("proof", [Proof.CARRIER, Proof.SIGNED, Proof.LOCAL])
def test_who_is_proven_looks_and_changes_and_is_asked_for_a_code_before_a_danger(
    proof: Proof,
) -> None:
    assert asked(proof=proof, risk=Risk.LOOK) == Decision("run", Risk.LOOK)
    assert asked(proof=proof, risk=Risk.CHANGE) == Decision("run", Risk.CHANGE)
    assert asked(proof=proof, risk=Risk.DANGER) == Decision("confirm", Risk.DANGER)


@pytest.mark.parametrize("risk", list(Risk))
def test_a_sender_that_only_claims_a_name_may_not_even_look(risk: Risk) -> None:
    decision = asked(proof=Proof.CLAIMED, risk=risk)
    assert decision == Decision("refuse", risk, "no-proof", "I cannot tell that this is you.")


@pytest.mark.parametrize("risk", [Risk.CHANGE, Risk.DANGER])
def test_what_changes_something_is_refused_from_the_second_it_is_late(risk: Risk) -> None:
    in_time = asked(risk=risk, sent=NOW - timedelta(minutes=14, seconds=59.9))
    assert in_time.word != "refuse"
    text = "plug: Not done: sent 08:45, reached me 15 min late. Text it again if you still want it."
    late = asked(risk=risk, sent=NOW - timedelta(minutes=15))
    assert late == Decision("refuse", risk, "late", text)


def test_a_command_may_have_its_own_time() -> None:
    sent = NOW - timedelta(hours=2)
    assert asked(sent=sent, late=7201.0).word == "run"
    assert asked(sent=sent, late=7200.0).reason == "late"


@pytest.mark.parametrize("risk", [Risk.CHANGE, Risk.DANGER])
def test_what_changes_something_is_refused_when_nobody_knows_its_age(risk: Risk) -> None:
    text = "plug: I cannot tell when this was sent, so it was not done. Text it again."
    assert asked(risk=risk, sent=None) == Decision("refuse", risk, "no-time", text)


def test_a_look_may_be_as_old_as_it_likes() -> None:
    assert asked(risk=Risk.LOOK, sent=None).word == "run"
    assert asked(risk=Risk.LOOK, sent=NOW - timedelta(days=9), alone=False).word == "run"


def test_a_danger_stands_alone_in_its_message() -> None:
    assert asked(alone=False).word == "run"
    text = "plug must stand alone in its message. Nothing was done."
    assert asked(risk=Risk.DANGER, alone=False) == Decision(
        "refuse", Risk.DANGER, "not-alone", text
    )


def test_a_list_covers_what_it_names_a_star_covers_all_and_the_built_in_are_everybodys() -> None:
    assert may_use(["ping", "plug"], "plug", builtin=False)
    assert not may_use(["ping"], "plug", builtin=False)
    assert not may_use([], "plug", builtin=False)
    assert may_use(["*"], "plug", builtin=False)
    assert may_use([], "help", builtin=True)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (NOW - timedelta(minutes=20), "sent 08:40, reached me 20 min late"),
        (NOW - timedelta(hours=9), "sent 00:00, reached me 9 h late"),
        # yesterday in New York, though the same day in Greenwich
        (NOW - timedelta(hours=10), "sent 23 Nov 23:00, reached me 10 h late"),
    ],
)
def test_a_late_message_is_dated_by_the_houses_own_day(sent: datetime, says: str) -> None:
    text = f"Not done: {says}. Text it again if you still want it."
    assert too_old(sent, NOW, NEW_YORK) == text


@pytest.mark.parametrize("sent", [None, NOW + timedelta(seconds=1)])
def test_a_time_that_is_unknown_or_to_come_is_not_quoted(sent: datetime | None) -> None:
    assert too_old(sent, NOW, NEW_YORK) == (
        "Not done: I cannot tell when it was sent. Text it again if you still want it."
    )


def test_an_evening_is_one_day_though_greenwich_has_the_next_one() -> None:
    evening = datetime(2026, 11, 24, 22, 30, tzinfo=NEW_YORK)
    said = too_old(evening - timedelta(hours=4), evening.astimezone(UTC), NEW_YORK)
    assert said.startswith("Not done: sent 18:30, reached me 4 h late.")


def test_what_was_sent_this_very_second_has_a_time() -> None:
    assert "sent 09:00, reached me 0 s late" in too_old(NOW, NOW, NEW_YORK)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3 * 3600 + 5 * 60 + 40, "3 h 5 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (86_400 + 59 * 60, "1 d"),
        (2 * 86_400 + 4 * 3600, "2 d 4 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, says: str) -> None:
    assert span(seconds) == says
