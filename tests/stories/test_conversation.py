"""One person texts, mails and drops files; the whole line answers, on real parts."""

from __future__ import annotations

import os
import pwd
import smtplib
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from tests.stories.talk import inside, pass_, queue

from housecarl import reply
from housecarl.envelope import Envelopes, Sealed
from housecarl.journal import conditions, receipts, runs
from housecarl.module import Reply
from housecarl.record import Record
from housecarl.testing.carrier import Carrier
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone
from housecarl.testing.plug import SimulatedPlug

ANN = {"phones": ["+13035550123"], "addresses": ["ann@example.org"], "may": ["*"]}
BO = {"phones": ["+13035550199"], "may": ["uptime"]}
CY = {"phones": ["+13035550188"], "may": ["status"]}
LOGIN = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def house_config() -> dict[str, Any]:
    return {"people": {"ann": {**ANN, "unix": [LOGIN]}, "bo": BO, "cy": CY}}


#: Gmail's question whether mail may be forwarded here, as anybody may write it.
FORGED = (
    b"From: Gmail Team <forwarding-noreply@google.com>\r\nTo: cmd@home.example\r\n"
    b"Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from a@gmail.com\r\n"
    b"\r\nConfirmation code: 123456789\r\n"
)


def states(house: TestHouse) -> list[str]:
    """The folder of every message, oldest first."""
    house.settle()
    paths = sorted(house.spool.rglob("*.eml"), key=lambda path: path.name)
    return [path.relative_to(house.spool).parts[0] for path in paths]


def test_a_text_switches_the_plug_and_says_what_was_read_back(
    phone: Phone, plug: SimulatedPlug, house: TestHouse
) -> None:
    phone.text("!plug lamp on")

    assert phone.reply == "lamp on. 43 W now, 0.31 kWh today."
    assert plug.relay
    assert states(house) == ["executed"]


def test_a_text_for_two_addresses_of_the_house_is_answered(tmp_path: Path) -> None:
    addresses = ["cmd@home.example", "house@home.example"]
    smtp = {"smtp": {"recipients": addresses}}
    with TestHouse(tmp_path, {"ann": ANN}, doors=smtp) as house:
        ann, carrier = house.phone(), house.carrier
        raw = carrier.text(ann.number, "!uptime", house.clock.now())
        with smtplib.SMTP(*house.smtp, timeout=30) as client:
            client.sendmail(carrier.envelope(house.address), addresses, raw)
        assert states(house) == ["executed"]
        assert ann.reply


def test_an_answer_stays_in_the_conversation_and_is_marked_as_automatic(
    phone: Phone, house: TestHouse
) -> None:
    phone.text("!uptime")
    phone.wait()

    mail = house.inbox.received[0].mail
    assert mail["From"] == house.carrier.account
    assert mail["To"] == phone.address
    assert mail["Subject"] == "Re: New text message from (303) 555-0123"
    assert mail["In-Reply-To"] == mail["References"]
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["Message-ID"].startswith("<housecarl.")


def test_an_answer_is_rendered_in_the_loop_but_for_what_would_hold_it_up(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while the journal is locked; and the templates are compiled elsewhere, once."""
    rendered, compiled, seal, compile_ = [], set(), Envelopes.seal, Environment.compile

    def seen(self: Envelopes, *args: Any) -> Sealed:
        rendered.append(threading.current_thread().name)
        return seal(self, *args)

    def seen_too(self: Environment, *args: Any) -> Any:
        compiled.add(threading.current_thread().name.partition("_")[0])
        return compile_(self, *args)

    monkeypatch.setattr(Envelopes, "seal", seen)
    monkeypatch.setattr(Environment, "compile", seen_too)
    kept = reply._environment().cache
    assert kept is not None
    kept.clear()  # what other tests compiled
    for _ in range(2):
        phone.text("!uptime")
        phone.wait()
    assert rendered == ["house", "house"]
    assert compiled == {"asyncio"}


def test_several_commands_of_one_message_are_answered_together(phone: Phone) -> None:
    phone.text("!help uptime\n!help status")

    assert phone.reply == (
        "uptime - Say how long the house has been up: uptime. status - How the house is."
    )


def test_if_one_line_of_several_is_wrong_none_runs(
    phone: Phone, plug: SimulatedPlug, house: TestHouse
) -> None:
    phone.text("!plug lamp on\n!plgu lamp off")

    assert phone.reply == "No command plgu. Did you mean plug? !help lists them."
    assert not plug.relay
    assert states(house) == ["refused"]


def test_a_stranger_gets_silence_and_so_does_who_says_no_command(
    house: TestHouse, phone: Phone
) -> None:
    """Neither is noted as who texts on a conversation: it would be pinned, and be a way back.

    Nor does an answer to them wait for anything.
    """
    Phone(house, "+13035550666").text("!uptime")
    house.phone("bo").text("Good night!")
    house.send(FORGED, mail_from="forwarding-noreply@google.com")
    phone.text("!uptime")
    phone.wait()

    house.settle()
    assert len(house.inbox.received) == 1
    assert states(house) == ["refused", "refused", "refused", "executed"]
    told = house.do(inside(house).db.read(conditions.listing))
    assert "Gmail" not in str(told), "it brings a link, which anybody may have written"
    kept = "SELECT person FROM ways UNION ALL SELECT person FROM replies"
    known = house.do(inside(house).db.read(lambda conn: conn.execute(kept).fetchall()))
    assert [person for (person,) in known] == ["ann", "ann"]


def test_who_may_not_use_a_command_does_not_learn_that_it_exists(house: TestHouse) -> None:
    phone = house.phone("bo")
    phone.text("!plug lamp on")
    assert phone.reply == "No command plug. !help lists them."
    phone.text("!help")
    assert phone.reply == "Commands: uptime. !help NAME tells more."


def test_who_may_use_nothing_yet_learns_what_works_all_the_same(house: TestHouse) -> None:
    phone = house.phone("cy")
    phone.text("!help")
    assert phone.reply == "No commands for you yet. !status works."
    phone.text("!status")
    assert phone.reply.startswith("Elm Street ")


@dataclass(frozen=True)
class Elsewhere(Carrier):
    """The carrier, where everybody has a second conversation with the house."""

    def address(self, number: str) -> str:
        local, _, domain = super().address(number).partition("@")
        return f"{local.rpartition('.')[0]}.0123456789@{domain}"


def text_elsewhere(house: TestHouse, phone: Phone, text: str) -> None:
    other = Elsewhere(_key=house.carrier._key)
    raw = other.text(phone.number, text, house.clock.now())
    house.send(raw, mail_from=other.envelope(house.address))
    house.settle()


def test_a_text_on_another_conversation_gets_silence(house: TestHouse, phone: Phone) -> None:
    """Whoever sends in the name of a number has no way to read what is answered to it."""
    for answers in (1, 2):
        phone.text("!uptime")  # their own conversation stays theirs
        phone.wait()
        for text in ("!nonsense", "!disk"):
            text_elsewhere(house, phone, text)
            assert len(house.inbox.received) == answers
    found = house.do(inside(house).db.read(lambda conn: receipts.listing(conn, limit=9)))
    refused = [(one.person, one.reason) for one in found if one.state == "refused"]
    assert refused == [("ann", "token")] * 4


@pytest.mark.long
def test_so_it_does_where_we_break_on_it(
    house: TestHouse, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    phone.text("!uptime")
    phone.wait()
    with monkeypatch.context() as patch:
        patch.setattr(Record, "conclude", fail)
        text_elsewhere(house, phone, "!uptime")
    assert states(house) == ["executed", "failed"]
    phone.text("!disk")
    phone.wait()
    assert [each.text.partition(" ")[0] for each in house.inbox.received] == ["Elm", "/"]


@pytest.mark.long
def test_who_has_rights_again_is_answered_on_their_own_conversation_as_before(
    tmp_path: Path,
) -> None:
    """Whoever sent in the name of their number meanwhile has no way to take it over."""
    ann = {**ANN, "addresses": []}
    with TestHouse(tmp_path, {"ann": ann}, clock=(clock := FakeClock())) as house:
        phone, other = house.phone(), Elsewhere(_key=house.carrier._key)
        phone.text("!uptime")
        phone.wait()
        house.stop()
        house.people = {"ann": {**ann, "until": "2020-01-01"}}
        house.start()
        raw = other.text(phone.number, "!uptime", clock.now())
        house.send(raw, mail_from=other.envelope(house.address))
        house.settle()
        house.stop()
        house.people = {"ann": ann}
        house.start()
        for _ in range(3):
            phone.text("!uptime")
            assert phone.reply


@pytest.mark.long
def test_a_house_with_another_number_begins_every_conversation_anew(tmp_path: Path) -> None:
    """Where the former number was texted nobody reads; what waits for it says so."""
    owner = {**ANN, "owner": True}
    with TestHouse(tmp_path, {"ann": owner}, clock=(clock := FakeClock())) as house:
        house.phone().text("!uptime")
        house.phone().wait()
        house.inbox.busy = True
        house.phone().text("!uptime")
        house.until(lambda: any(error for _, _, error in queue(house)))
        house.stop()
        house.inbox.busy = False
        house.carrier = Carrier(number="+13035550177", _key=house.carrier._key)
        house.start()
        pass_(house, clock, 100)
        house.until(lambda: queue(house)[0][1] == "refused")
        assert queue(house)[0][2] == "its conversation is with a former number of the house"
        house.do(inside(house).alerts.send(Reply("The freezer is warm.")))
        assert house.inbox.wait(1, to="ann@example.org")[0].text.startswith("The freezer is warm.")
        house.phone().text("!uptime")
        assert house.phone().reply


def test_a_dropped_file_speaks_for_its_owner_and_is_answered_by_mail(house: TestHouse) -> None:
    house.drop("!uptime\n")

    got = house.inbox.wait(1, to="ann@example.org")[0]
    assert got.text.startswith("Elm Street up ")
    assert got.mail.get_body(("html",)) is not None
    house.until(lambda: not [path for path in house.spool.iterdir() if path.is_file()])


def test_root_may_drop_a_file_for_anybody(house: TestHouse) -> None:
    house.drop("As: bo\n!plug\n")

    house.settle()
    house.do(inside(house).worker.idle())
    assert house.inbox.received == []  # bo has no way back yet: told in the journal only


def test_a_mail_that_root_drops_for_somebody_is_answered_where_they_are(house: TestHouse) -> None:
    """Its From grants nothing: no answer of cy's goes to whoever stands there."""
    house.drop("As: cy\nFrom: cron@box.example\nSubject: !status\n\n")
    house.settle()
    assert queue(house) == []
    house.phone("cy").text("!status")
    house.phone("cy").wait()
    house.drop("As: cy\nFrom: cron@box.example\nSubject: !status\n\n")
    assert len(house.inbox.wait(2, to=house.phone("cy").address)) == 2


FEED = '''
"""Something that may be late."""
from housecarl import Call, Reply, Risk, command


@command(risk=Risk.CHANGE, late=3600)
async def feed(call: Call) -> Reply:
    """Feed the cat: feed"""
    return Reply("Fed.")
'''


@pytest.mark.long
def test_how_late_a_change_may_be_is_told_for_each_command(tmp_path: Path) -> None:
    """The others keep to `trust.late`, and what a rule does not name is as the command says."""
    commands = {"in": {"late": "5m"}, "every": {"late": "1h", "timeout": "30s"}}
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "feed.py").write_text(FEED)
    modules = {"folders": [str(tmp_path / "modules")]}
    with TestHouse(tmp_path, {"ann": ANN}, modules, FakeClock(), commands=commands) as house:
        phone = house.phone()
        for minutes, text, told in (
            (10, "!in 20m uptime", "in: Not done: sent 11:50, reached me 10 min late."),
            (10, "!at 22:00 uptime", "Job 1: 22:00 uptime."),
            (20, "!at 23:00 uptime", "at: Not done: sent 11:40, reached me 20 min late."),
            (20, "!every day 7:00 uptime", "Job 2: every day 07:00 uptime."),
            (20, "!feed", "Fed."),
        ):
            sent = house.clock.now() - timedelta(minutes=minutes)
            raw = house.carrier.text(phone.number, text, sent)
            house.send(raw, mail_from=house.carrier.envelope(house.address))
            assert phone.reply.startswith(told)


def test_the_same_message_twice_is_carried_out_once(
    phone: Phone, plug: SimulatedPlug, house: TestHouse
) -> None:
    raw = house.carrier.text(phone.number, "!plug lamp toggle", house.clock.now())
    for _ in range(2):
        house.send(raw, mail_from=house.carrier.envelope(house.address))
    phone.wait()

    assert states(house) == ["executed", "refused"]
    assert plug.relay
    assert phone.silent


def test_the_same_change_within_a_minute_runs_once_and_is_answered_with_what_happened(
    phone: Phone, plug: SimulatedPlug
) -> None:
    phone.text("!plug lamp toggle")
    first = phone.reply
    for _ in range(2):
        phone.text("!plug lamp toggle")
        assert phone.reply == f"Already done: {first}"
    assert plug.relay


def test_the_same_change_that_did_not_go_well_is_not_called_done(
    phone: Phone, plug: SimulatedPlug
) -> None:
    plug.stop()
    phone.text("!plug lamp on")
    first = phone.reply
    assert first.endswith("Nothing was switched.")
    phone.text("!plug lamp on")
    assert phone.reply == f"Just tried: {first}"


def test_a_person_who_was_switched_off_gets_silence_at_once(house: TestHouse, phone: Phone) -> None:
    from housecarl.journal import people

    at_home = inside(house)
    house.do(at_home.db.write(lambda conn: people.switch_off(conn, "ann", 0.0)))
    house.do(at_home.refresh())

    phone.text("!uptime")

    assert states(house) == ["refused"]
    assert phone.silent


def test_more_brings_the_rest_of_a_long_reply_page_by_page(phone: Phone, house: TestHouse) -> None:
    phone.text("!help help\n!help log\n!help plug\n!help weather\n!help yes")
    first = phone.reply
    assert first.endswith("(1/3)")
    phone.text("!more")
    assert phone.reply.endswith("(2/3)")
    phone.text("!more")
    assert phone.reply.endswith("(3/3)")
    phone.text("!more")
    assert phone.reply == "That was all."


def test_the_journal_knows_what_was_asked_done_and_answered(
    phone: Phone, plug: SimulatedPlug, house: TestHouse
) -> None:
    phone.text("!plug lamp on")
    told = phone.reply
    db = inside(house).db
    (receipt,) = house.do(db.read(lambda conn: receipts.listing(conn, limit=9)))
    (run,) = house.do(db.read(lambda conn: runs.of(conn, receipt.id)))

    assert (receipt.person, receipt.proof, receipt.verdict) == ("ann", "carrier", "run")
    assert (run.words, run.outcome, run.text) == (("plug", "lamp", "on"), "done", told)


class TestLate:
    """A change that comes late is not done."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def house(self, tmp_path: Path, clock: FakeClock, plug: SimulatedPlug) -> Any:
        lamp = {"host": plug.host, "port": plug.port}
        with TestHouse(tmp_path, {"ann": ANN}, {"plug": {"plugs": {"lamp": lamp}}}, clock) as house:
            yield house

    def test_a_change_that_is_15_minutes_old_is_not_done_and_says_so(
        self, phone: Phone, clock: FakeClock, plug: SimulatedPlug
    ) -> None:
        sent = clock.now()
        clock.move(3 * 3600)
        phone.text("!plug lamp on", sent)

        assert phone.reply == (
            "plug: Not done: sent 12:00, reached me 3 h late. Text it again if you still want it."
        )
        assert not plug.relay

    def test_a_look_may_be_late(self, phone: Phone, clock: FakeClock) -> None:
        sent = clock.now()
        clock.move(3 * 3600)
        phone.text("!uptime", sent)

        assert phone.reply.startswith("Elm Street up ")

    def test_what_is_days_old_is_not_even_looked_up(self, phone: Phone, clock: FakeClock) -> None:
        sent = clock.now()
        clock.move(3 * 86400)
        phone.text("!uptime", sent)

        assert phone.reply == (
            "Not done: sent 23 Nov 12:00, reached me 3 d late. Text it again if you still want it."
        )
