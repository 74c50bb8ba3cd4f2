"""`!log` tells a person what was done for them, and whoever may everything what was done at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import inside

from housecarl.journal import receipts
from housecarl.journal.receipts import Receipt
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=2)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Any:
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"]},
        "bo": {"phones": ["+13035550199"], "may": ["uptime"]},
    }
    with TestHouse(tmp_path, people, clock=clock) as house:
        yield house


def said(phone: Phone, text: str) -> str:
    phone.text(text)
    return phone.reply


def test_the_log_is_empty_before_anything_was_asked(phone: Phone) -> None:
    assert said(phone, "!log") == "Log is empty."


def test_who_may_everything_sees_what_others_asked_others_their_own(
    house: TestHouse, clock: FakeClock
) -> None:
    ann, bo = house.phone("ann"), house.phone("bo")
    said(ann, "!ping")
    clock.move(60)
    said(bo, "!uptime")
    clock.move(60)
    told = r"\d\d Nov \d\d:\d\d "
    assert re.fullmatch(f"Log: {told}bo uptime\\.", said(bo, "!log"))
    seen = said(ann, "!log")
    assert re.fullmatch(f"Log: {told}bo log; {told}bo uptime; {told}ann ping bad-argument\\.", seen)


def test_strangers_push_nothing_out_of_it(phone: Phone, house: TestHouse, clock: FakeClock) -> None:
    said(phone, "!uptime")
    for number in range(6):
        clock.move(1)
        raw = house.carrier.text(f"+1303555020{number}", "hello", clock.now())
        house.send(raw, mail_from=house.carrier.envelope(house.address))
    house.settle()
    assert len(house.log()) == 7
    assert re.fullmatch(r"Log: \d\d Nov \d\d:\d\d ann uptime\.", said(phone, "!log"))


def test_four_entries_fit_a_text(phone: Phone) -> None:
    for _ in range(5):
        said(phone, "!uptime")
    assert said(phone, "!log").count("ann uptime") == 4


def test_one_entry_is_told_with_its_answer_to_whom_it_concerns(house: TestHouse) -> None:
    ann, bo = house.phone("ann"), house.phone("bo")
    answer = said(ann, "!uptime")
    house.until(lambda: any((house.spool / "executed").rglob("*.eml")))
    (file,) = (house.spool / "executed").rglob("*.eml")
    identity = file.stem.rpartition("-")[2]
    one = said(ann, f"!log {identity[:4].upper()}")
    assert re.fullmatch(
        f"Log {identity[:4]}: \\d\\d Nov \\d\\d:\\d\\d ann uptime\\. {re.escape(answer)}", one
    )
    assert said(bo, f"!log {identity[:4]}") == f"No log entry {identity[:4]}."


def test_an_entry_is_found_beside_a_newer_one_of_somebody_else_with_the_same_first_digits(
    house: TestHouse, clock: FakeClock
) -> None:
    bo = house.phone("bo")
    said(bo, "!uptime")
    house.settle()
    (file,) = (house.spool / "executed").rglob("*.eml")
    digits = file.stem.rpartition("-")[2][:4]
    later = clock.now().timestamp() + 5
    other = Receipt(digits + "0" * 12, "x", later, "smtp", person="ann", calls=(("plug", "on"),))
    house.do(inside(house).db.write(lambda conn: receipts.store(conn, other)))
    assert " bo uptime. " in said(bo, f"!log {digits}")


def test_what_is_no_id_is_told(phone: Phone) -> None:
    for typed in ("7f", "nothing", "7f3g", "0" * 17):
        assert said(phone, f"!log {typed}") == (
            f"{typed[:16]} is no log id. It has four digits or letters a-f."
        )
