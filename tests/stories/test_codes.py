"""What is dangerous waits for a code that is bound to the person and to the very words."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyotp.totp import TOTP
from structlog.testing import capture_logs
from tests.stories.talk import inside, pass_, queue, switch

from housecarl import secret
from housecarl.confirm import matching_step
from housecarl.errors import StorageError
from housecarl.message.stamp import Stamp
from housecarl.module import Reply
from housecarl.record import Record
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=9)

MODULE = '''
"""Something dangerous."""
import asyncio
from pathlib import Path

from housecarl import Call, Reply, Risk, command


def _sentence(args):
    return f"Blow up {args.what}?"


def _broken(args):
    return {"egg": None, "jar": " "}[args.what]


async def _slow(args):
    await asyncio.sleep(0.05)
    return "Look long?"


@command(risk=Risk.DANGER, timeout=0.01, confirm=_slow)
async def slow(call: Call) -> Reply:
    """Take longer than its author thought: slow"""
    return Reply("Seen.")


@command(risk=Risk.DANGER, confirm=_broken)
async def crack(call: Call, what: str) -> Reply:
    """Crack something: crack nut"""
    return await blow(call, what)


@command(risk=Risk.DANGER, confirm=_sentence)
async def blow(call: Call, what: str) -> Reply:
    """Blow something up: blow shed"""
    with Path(call.settings.ledger).open("a") as ledger:
        ledger.write(what + "\\n")
    return Reply(f"{what} is gone.")


from pydantic import BaseModel


class Settings(BaseModel):
    ledger: str
'''


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock, ledger: Path) -> Any:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "blow.py").write_text(MODULE)
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"], "owner": True},
        "bo": {"phones": ["+13035550199"], "may": ["*"]},
    }
    modules = {"folders": [str(folder)], "blow": {"ledger": str(ledger)}}
    rules = {"slow": {"timeout": "20s"}}
    with TestHouse(tmp_path, people, modules, clock, commands=rules) as house:
        yield house


def code_in(text: str) -> str:
    match = re.search(r"!yes (\d{4}) before \d\d:\d\d\.", text)
    assert match is not None, text
    return match[1]


def done(ledger: Path) -> list[str]:
    return ledger.read_text().split() if ledger.exists() else []


def test_an_app_may_be_a_step_ahead_or_behind_and_no_more() -> None:
    app, now = TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"), 1_800_000_015
    steps = [matching_step(app.secret, app.at(now + 30 * n), now) for n in range(-3, 4)]
    here = now // 30
    assert steps == [None, None, here - 1, here, here + 1, None, None]


def test_a_danger_is_done_after_its_code_and_once(
    house: TestHouse, phone: Phone, ledger: Path
) -> None:
    phone.text("!blow shed")
    challenge = phone.reply
    assert challenge.startswith("Blow up shed? Text !yes ")
    assert done(ledger) == []

    phone.text(f"!yes {code_in(challenge)}")
    assert phone.reply == "shed is gone."
    phone.text(f"!yes {code_in(challenge)}")
    assert phone.reply == ("Nothing waits for a code, or it came too late. Text the command again.")
    assert done(ledger) == ["shed"]
    house.settle()
    files = sorted(house.spool.rglob("*.eml"), key=lambda path: path.name)
    folders = [path.relative_to(house.spool).parts[0] for path in files]
    assert folders == ["executed", "executed", "refused"]  # what asks for a code is carried out too


def test_a_wrong_code_does_nothing_and_the_third_ends_it(phone: Phone, ledger: Path) -> None:
    phone.text("!blow shed")
    code = code_in(phone.reply)
    wrong = f"{(int(code) + 1) % 10_000:04d}"
    for told in (
        "Wrong code for blow shed. 2 tries left. Nothing was done.",
        "Wrong code for blow shed. 1 try left. Nothing was done.",
        "Wrong code, the third. Nothing was done.",
    ):
        phone.text(f"!yes {wrong}")
        assert phone.reply == told
    phone.text(f"!yes {code}")
    assert phone.reply.startswith("Nothing waits for a code")
    assert done(ledger) == []


def test_a_code_is_good_for_the_person_it_was_sent_to_only(
    house: TestHouse, phone: Phone, ledger: Path
) -> None:
    phone.text("!blow shed")
    code = code_in(phone.reply)
    bo = house.phone("bo")
    bo.text(f"!yes {code}")
    assert bo.reply.startswith("Nothing waits for a code")
    assert done(ledger) == []


def test_who_answers_an_earlier_question_hears_which_one_waits(phone: Phone, ledger: Path) -> None:
    """The house had texted that code a moment ago, and said no more than that it is wrong."""
    codes = []
    for what in ("shed", "barn"):
        phone.text(f"!blow {what}")
        codes.append(code_in(phone.reply))
    if codes[0] != codes[1]:  # of ten thousand
        phone.text(f"!yes {codes[0]}")
        assert phone.reply == "Wrong code for blow barn. 2 tries left. Nothing was done."
    phone.text(f"!yes {codes[1]}")
    assert phone.reply == "barn is gone."


def test_a_code_ends_after_ten_minutes(phone: Phone, clock: FakeClock, ledger: Path) -> None:
    phone.text("!blow shed")
    code = code_in(phone.reply)
    clock.move(601)
    phone.text(f"!yes {code}")
    assert phone.reply.startswith("Nothing waits for a code")
    assert done(ledger) == []


def test_no_cancels_what_waits(phone: Phone, ledger: Path) -> None:
    phone.text("!blow shed")
    code = code_in(phone.reply)
    phone.text("!no")
    assert phone.reply == "Cancelled. Nothing was done."
    phone.text(f"!yes {code}")
    assert phone.reply.startswith("Nothing waits for a code")
    assert done(ledger) == []


def test_a_danger_must_stand_alone_in_its_message(phone: Phone, ledger: Path) -> None:
    phone.text("!blow shed\n!blow barn")
    assert phone.reply == "blow must stand alone in its message. Nothing was done."


def test_five_wrong_codes_lock_codes_for_an_hour(
    house: TestHouse, clock: FakeClock, ledger: Path
) -> None:
    phone = house.phone("bo")
    for _ in range(5):
        phone.text("!yes 0000")
        phone.wait()
    phone.text("!blow shed")
    code = code_in(phone.reply)
    phone.text(f"!yes {code}")
    assert phone.reply == "Too many wrong codes. Codes are off for you for 1 h."
    clock.move(3601)
    phone.text("!blow shed")
    phone.text(f"!yes {code_in(phone.reply)}")
    assert phone.reply == "shed is gone."
    assert done(ledger) == ["shed"]


@pytest.mark.parametrize("waits", [True, False])
def test_the_wrong_code_that_locks_promises_no_further_try(house: TestHouse, waits: bool) -> None:
    phone = house.phone("bo")
    for _ in range(4):
        phone.text("!yes 12345")
        phone.wait()
    if waits:
        phone.text("!blow shed")
        phone.wait()
    phone.text("!yes 12345")
    assert phone.reply == "Too many wrong codes. Codes are off for you for 1 h."


def test_what_is_gone_when_its_code_comes_is_not_done(
    house: TestHouse, phone: Phone, ledger: Path, tmp_path: Path
) -> None:
    phone.text("!blow shed")
    code = code_in(phone.reply)
    (tmp_path / "modules" / "blow.py").unlink()
    house.do(inside(house).reload_modules())
    phone.text(f"!yes {code}")
    assert phone.reply == "No command blow. !help lists them."
    assert done(ledger) == []


@pytest.mark.parametrize("risk", ["change", "look"])
def test_a_code_is_good_once_also_when_its_command_needs_none_any_more(
    house: TestHouse, phone: Phone, clock: FakeClock, ledger: Path, risk: str
) -> None:
    """The configuration was changed between the question and its answer."""
    phone.text("!blow shed")
    code = code_in(phone.reply)
    house.stop()
    house._more["commands"] = {"blow": {"risk": risk}}
    house.start()
    phone.text(f"!yes {code}")
    assert phone.reply == "shed is gone."
    pass_(house, clock, 90)
    phone.text(f"!yes {code}")
    assert phone.reply.startswith("Nothing waits for a code")
    assert ledger.read_text() == "shed\n"


def test_a_danger_is_not_done_later(phone: Phone) -> None:
    """Nobody would be there to text the code."""
    phone.text("!in 20m blow shed")
    assert phone.reply == "blow needs a code, so it cannot be done later."


def test_what_cannot_say_what_it_would_do_gets_no_code(phone: Phone, ledger: Path) -> None:
    for what in ("nut", "egg", "jar"):
        phone.text(f"!crack {what}")
        assert phone.reply.startswith("crack cannot be prepared. Nothing was done. Log ")
    phone.text("!yes 0000")
    assert phone.reply.startswith("Nothing waits for a code")
    assert done(ledger) == []


def test_the_time_limit_of_the_house_is_that_of_the_sentence_too(phone: Phone) -> None:
    phone.text("!slow")
    assert phone.reply.startswith("Look long? Text !yes ")


def test_the_same_danger_within_a_minute_is_not_done_twice(phone: Phone, ledger: Path) -> None:
    for expected in ("shed is gone.", "Already done: shed is gone."):
        phone.text("!blow shed")
        phone.text(f"!yes {code_in(phone.reply)}")
        assert phone.reply == expected
    assert done(ledger) == ["shed"]


def test_a_lock_out_is_told_to_the_owner(house: TestHouse, phone: Phone) -> None:
    bo = house.phone("bo")
    bo.text("!blow shed")
    code = code_in(bo.reply)
    wrong = f"{(int(code) + 1) % 10_000:04d}"
    phone.text("!uptime")  # so that ann has a way back
    phone.wait()
    for _ in range(5):
        bo.text(f"!yes {wrong}")
        bo.wait()
    bo.text("!blow shed")
    bo.wait()
    told = phone.reply
    assert told.startswith("bo sent wrong codes 5 times: codes are off for an hour.")


def test_while_the_owner_is_switched_off_the_next_who_may_everything_is_one(
    house: TestHouse, phone: Phone
) -> None:
    bo = house.phone("bo")
    for each in (phone, bo):
        each.text("!help yes")
        each.wait()
    house.until(lambda: not queue(house))
    switch(house, "ann", on=False)
    house.do(inside(house).alerts.send(Reply("The freezer is warm.")))
    assert bo.reply == "The freezer is warm."
    bo.text("!status")
    assert "ann 1, bo " in bo.reply, "what all texts cost is for who owns the house"


def test_an_authenticator_app_makes_the_codes_and_each_is_good_once(
    tmp_path: Path, clock: FakeClock, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code is sent, so that a stolen mailbox is not enough."""
    app = TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    monkeypatch.setenv("ANNS_APP", app.secret)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "blow.py").write_text(MODULE)
    ann = {"phones": ["+13035550123"], "may": ["*"], "totp": {"env": "ANNS_APP"}}
    modules = {"folders": [str(tmp_path / "modules")], "blow": {"ledger": str(ledger)}}
    with TestHouse(tmp_path, {"ann": ann}, modules, clock) as house:
        phone = house.phone()
        code = app.at(clock.now())
        wrong = app.at(clock.now() + timedelta(seconds=90))
        for typed, answer in (
            (wrong, "Wrong code for blow shed. 2 tries left."),
            (code, "shed is gone."),
        ):
            phone.text("!blow shed")
            assert code not in phone.reply
            phone.text(f"!yes {typed}")
            assert phone.reply.startswith(answer)
        used = "Wrong code. That one was used before: wait for the next one of your app."
        # the same step of the app, which costs no try, and when it is over
        for later, answer in (
            (0, used),
            (0, used),
            (120, "Wrong code for blow barn. 2 tries left."),
        ):
            clock.move(later)
            phone.text("!blow barn")
            phone.wait()
            for _ in range(3 if answer == used else 1):
                phone.text(f"!yes {code}")
                assert phone.reply.startswith(answer)
            assert done(ledger) == ["shed"]


@pytest.mark.parametrize("app_came", [True, False])
def test_a_question_is_not_answered_by_codes_of_another_kind(
    house: TestHouse, phone: Phone, ledger: Path, monkeypatch: pytest.MonkeyPatch, app_came: bool
) -> None:
    """An app was put in or taken out between the question and its answer.

    Put in because the mailbox was stolen, say: the code that stands there is worth nothing now.
    """
    monkeypatch.setenv("ANNS_APP", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    without = house.people["ann"]
    with_app = without | {"totp": {"env": "ANNS_APP"}}
    before, after = (without, with_app) if app_came else (with_app, without)
    house.stop()
    house.people["ann"] = before
    house.start()
    phone.text("!blow shed")
    asked = phone.reply
    code = code_in(asked) if app_came else "123456"
    house.stop()
    house.people["ann"] = after
    house.start()
    phone.text(f"!yes {code}")
    assert phone.reply == "Nothing waits for a code, or it came too late. Text the command again."
    assert done(ledger) == []


@pytest.mark.parametrize("secret", [None, "not base 32!", "JBSWY3DPEHPK3PXP"])
def test_a_secret_that_makes_no_codes_is_told_and_nothing_is_done(
    tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    """It is gone, or none that an app could have: what a person types is not to blame for it."""
    monkeypatch.delenv("ANNS_APP", raising=False)
    if secret is not None:
        monkeypatch.setenv("ANNS_APP", secret)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "blow.py").write_text(MODULE)
    ann = {"phones": ["+13035550123"], "may": ["*"], "totp": {"env": "ANNS_APP"}}
    modules = {"folders": [str(tmp_path / "modules")], "blow": {"ledger": str(ledger)}}
    with TestHouse(tmp_path, {"ann": ann}, modules) as house, capture_logs() as logs:
        phone = house.phone()
        phone.text("!blow shed")
        phone.wait()
        for _ in range(6):
            phone.text("!yes 123456")
            assert phone.reply == "Codes of your app cannot be checked here. Nothing was done."
        house.settle()
        assert house.log()[-1].endswith("yes 123456: no-secret")
        assert not list((house.spool / "failed").iterdir())
    told = [entry for entry in logs if entry["event"] == "code-unchecked"]
    assert {(entry["person"], entry["mend"]) for entry in told} == {
        ("ann", "housecarl person totp ann")
    }
    assert secret is None or secret not in str(logs)


def test_nobody_else_waits_for_the_disk_of_an_app_s_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network mount that died held up the journal for ten seconds at each `!yes`."""
    file, asked, back = tmp_path / "app", threading.Event(), threading.Event()
    file.touch(mode=0o600)

    def hang(path: str, flags: int) -> int:
        asked.set()
        back.wait(20)
        return os.open(path, flags)

    monkeypatch.setattr(secret, "_at_once", hang)
    monkeypatch.setattr(secret, "READ_SECONDS", 20.0)
    people = {
        "ann": {"phones": ["+13035550123"], "may": ["*"], "totp": {"file": str(file)}},
        "bo": {"phones": ["+13035550124"], "may": ["*"]},
    }
    with TestHouse(tmp_path, people) as house:
        ann, bo = house.phone("ann"), house.phone("bo")
        ann.text("!yes 123456")
        assert asked.wait(20)
        bo.text("!uptime")
        assert " up " in bo.reply and not back.is_set()
        back.set()
        assert ann.reply == "Codes of your app cannot be checked here. Nothing was done."


@pytest.mark.parametrize("zero", ["\uff10", "\u0660"])
def test_the_digits_of_a_code_may_be_those_of_any_script(phone: Phone, zero: str) -> None:
    phone.text("!blow shed")
    code = "".join(chr(ord(zero) + int(digit)) for digit in code_in(phone.reply))
    phone.text(f"!yes {code}")
    assert phone.reply == "shed is gone."


@pytest.mark.parametrize("written", ["!yes {} {}", "!Yes {}{}!", "!yes ({}-{})"])
def test_a_code_is_its_digits_whatever_stands_between_them(phone: Phone, written: str) -> None:
    """An app shows "123 456"; a mark behind the right code made it a wrong one."""
    phone.text("!blow shed")
    code = code_in(phone.reply)
    phone.text(written.format(code[:2], code[2:]))
    assert phone.reply == "shed is gone."


def test_words_are_no_wrong_code(phone: Phone) -> None:
    """Nor is anything that is not done left out in silence behind the right one."""
    phone.text("!blow shed")
    code = code_in(phone.reply)
    for typed in ("CODE", "#", f"{code} !help", "CODE"):
        phone.text(f"!yes {typed}")
        told = f"yes: code must be digits alone, not {typed}. Use: yes CODE"
        assert phone.reply == told
    phone.text(f"!yes {code}")
    assert phone.reply == "shed is gone."


def test_a_code_that_comes_again_in_the_same_mail_is_counted_once(
    house: TestHouse, phone: Phone, ledger: Path
) -> None:
    """A mail that two doors bring, or that somebody kept, must not lock its sender out."""

    def again_and_again(text: str) -> str:
        raw = house.carrier.text(phone.number, text, house.clock.now())
        for _ in range(6):
            house.send(raw, mail_from=house.carrier.envelope(house.address))
            house.settle()
        return phone.reply

    phone.text("!blow shed")
    code = code_in(phone.reply)
    wrong = f"{(int(code) + 1) % 10_000:04d}"
    assert (
        again_and_again(f"!yes {wrong}")
        == "Wrong code for blow shed. 2 tries left. Nothing was done."
    )
    assert again_and_again(f"!yes {code}") == "shed is gone."
    phone.text("!blow barn")
    phone.text(f"!yes {code_in(phone.reply)}")
    assert phone.reply == "barn is gone."
    assert done(ledger) == ["shed", "barn"]
    assert phone.silent


def test_a_wrong_code_that_two_doors_bring_at_once_is_counted_once(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!blow shed")
    wrong = f"{(int(code_in(phone.reply)) + 1) % 10_000:04d}"
    at_home = inside(house)

    async def bring(*doors: str) -> None:
        raw = house.carrier.text(phone.number, f"!yes {wrong}", clock.now())
        stamps = [Stamp(door, clock.now()) for door in doors]
        await asyncio.gather(*(at_home.deliver(raw, stamp) for stamp in stamps))

    for doors, left in ((("smtp", "imap"), "2 tries"), (("imap",), "1 try")):
        house.do(bring(*doors))
        house.settle()
        assert phone.reply == f"Wrong code for blow shed. {left} left. Nothing was done."
    for doors in (("smtp",), ("smtp",), ("smtp", "imap")):
        house.do(bring(*doors))
        house.settle()
    texts = house.inbox.wait(7, to=phone.address)
    assert len([each for each in texts if "5 times" in each.text]) == 1
    assert texts[-1].text.startswith("Too many wrong codes.")


def test_a_clock_that_was_ahead_locks_nobody_out_and_keeps_no_code_alive(
    house: TestHouse, phone: Phone, clock: FakeClock, ledger: Path
) -> None:
    """It locked a person out for as long as it had been ahead, and nothing but waiting helped."""
    bo = house.phone("bo")
    clock.move(30 * 86400)
    phone.text("!blow shed")
    early = code_in(phone.reply)
    for _ in range(5):
        bo.text("!yes 12345")
        bo.wait()
    phone.wait()  # she hears of that
    house.stop()
    clock.move(-30 * 86400)
    house.start()
    phone.text(f"!yes {early}")
    assert phone.reply.startswith("Nothing waits for a code")
    bo.text("!blow barn")
    bo.text(f"!yes {code_in(bo.reply)}")
    assert bo.reply == "barn is gone."
    assert done(ledger) == ["barn"]


class Once:
    """A step of the record that meets a fault of the disk, once: the house opens again."""

    def __init__(self, patch: pytest.MonkeyPatch, step: str) -> None:
        self._patch, self._step, self._real = patch, step, getattr(Record, step)
        patch.setattr("housecarl.daemon.BACK_OFF", (0.05,))

    def strike(self) -> None:
        async def fail(*_: object, **__: object) -> None:
            self._patch.setattr(Record, self._step, self._real)
            raise StorageError("disk I/O error")

        self._patch.setattr(Record, self._step, fail)


def test_a_code_of_an_app_is_good_after_a_crash_before_its_command(
    tmp_path: Path, clock: FakeClock, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was used up when it was looked at, and the right code was called a wrong one."""
    app = TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    monkeypatch.setenv("ANNS_APP", app.secret)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "blow.py").write_text(MODULE)
    ann = {"phones": ["+13035550123"], "may": ["*"], "totp": {"env": "ANNS_APP"}}
    modules = {"folders": [str(tmp_path / "modules")], "blow": {"ledger": str(ledger)}}
    claim = Once(monkeypatch, "claim")
    with TestHouse(tmp_path, {"ann": ann}, modules, clock) as house:
        phone = house.phone()
        phone.text("!blow shed")
        phone.wait()
        claim.strike()
        phone.text(f"!yes {app.at(clock.now())}")
        assert phone.reply == "shed is gone."
    assert done(ledger) == ["shed"]


def test_a_wrong_code_is_counted_once_whatever_crashes(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it the owner's loss: a lock-out is told to them after a crash too."""
    conclude, bo, ann = Once(monkeypatch, "conclude"), house.phone("bo"), house.phone()
    ann.text("!uptime")  # so that she has a way back
    ann.wait()
    bo.text("!blow shed")
    bo.wait()
    for told in (
        "Wrong code for blow shed. 2 tries left.",
        "Wrong code for blow shed. 1 try left.",
        "Nothing waits for a code",
    ):
        conclude.strike()
        bo.text("!yes 12345")
        assert bo.reply.startswith(told)
    bo.text("!yes 12345")
    assert bo.reply.startswith("Nothing waits for a code")

    async def fail(_: Reply) -> None:
        raise StorageError("disk I/O error")

    inside(house).worker.alert = fail  # of this life only
    bo.text("!yes 12345")
    assert bo.reply == "Too many wrong codes. Codes are off for you for 1 h."
    assert ann.reply.startswith("bo sent wrong codes 5 times")


def test_codes_are_off_for_an_hour_from_the_fifth_wrong_one(
    house: TestHouse, clock: FakeClock
) -> None:
    phone = house.phone("bo")

    def wrong() -> None:
        phone.text("!yes 12345")
        phone.wait()

    wrong()
    clock.move(58 * 60)
    for _ in range(4):
        wrong()
    for minutes, left in ((3, 57), (55, 2)):
        clock.move(minutes * 60)
        phone.text("!blow shed")
        code = code_in(phone.reply)
        phone.text(f"!yes {code}")
        assert phone.reply == (f"Too many wrong codes. Codes are off for you for {left} min.")
    clock.move(3 * 60)
    phone.text(f"!yes {code}")
    assert phone.reply == "shed is gone."
