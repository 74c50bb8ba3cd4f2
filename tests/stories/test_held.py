"""Texts beyond the budget wait: nothing of them is lost, mixed up or sent as something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stories.talk import counted, inside, module_folder, pass_, queue, switch, words

from housecarl.envelope import Answer, Way
from housecarl.journal import people, replies
from housecarl.module import Reply
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

pytestmark = pytest.mark.long(after=3)

#: Seconds after which the budget of these houses is free again.
HOUR = 3601.0

#: How ann is reached, as the configuration has it.
ANN = {"phones": ["+13035550123"], "addresses": ["ann@example.org"], "may": ["*"]}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Iterator[TestHouse]:
    limits = {"texts_per_hour": 1}
    modules = module_folder(tmp_path)
    people = {"ann": ANN}
    with TestHouse(tmp_path, people, modules, clock, limits=limits) as house:
        yield house


def ask(house: TestHouse, phone: Phone, *texts: str) -> None:
    """Text what waits for the budget, one after another."""
    for text in texts:
        phone.text(text)
        house.settle()


def rest(house: TestHouse, phone: Phone, clock: FakeClock, pages: int) -> list[str]:
    """So many pages, one an hour, each asked for when the one before has come."""
    found: list[str] = []
    for _ in range(pages):
        pass_(house, clock, HOUR)
        found.append(phone.reply)
        ask(house, phone, "!more")
    return found


@pytest.mark.long
def test_of_many_long_answers_that_wait_every_word_is_kept(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """More than one reply may be long: 40 answers of 30 words each."""
    phone.text("!count first 3")
    assert phone.reply == "first0 first1 first2"
    ask(house, phone, *(f"!count {chr(97 + n % 26)}{n} 30" for n in range(40)))
    pass_(house, clock, HOUR)
    pages = [phone.reply]
    pages += house.do(inside(house).db.read(lambda conn: people.pages(conn, "ann")))
    assert words(pages) == [
        word for n in range(40) for word in counted(f"{chr(97 + n % 26)}{n}", 30)
    ]


def test_the_rest_of_an_answer_that_was_sent_stays_apart_from_what_waits(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!count sheep")
    pages = [phone.reply]
    ask(house, phone, "!count goat 2", "!count cow 2")
    pass_(house, clock, HOUR)
    assert phone.reply == "goat0 goat1 cow0 cow1"
    ask(house, phone, "!more")
    pages += rest(house, phone, clock, 3)
    assert words(pages) == counted("sheep")


def test_more_while_the_first_page_waits_takes_none_that_come_after_it(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!count cow 1")
    assert phone.reply == "cow0"
    ask(house, phone, "!count sheep", "!more", "!more")
    pages = rest(house, phone, clock, 4)
    assert words(pages) == counted("sheep")
    pass_(house, clock, HOUR)
    assert phone.reply == "That was all."


def test_more_while_the_first_page_waits_repeats_none_that_begins_with_a_command(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """Such a page has a hyphen before the command, which the text that waits has not."""
    phone.text("!count cow 1")
    assert phone.reply == "cow0"
    ask(house, phone, "!count !help", "!more", "!more")
    pages = rest(house, phone, clock, 4)
    assert all(page.startswith("- !help") for page in pages)
    assert [word for word in words(pages) if word != "-"] == counted("!help")
    pass_(house, clock, HOUR)
    assert phone.reply == "That was all."


def test_more_beside_what_waits_brings_all_that_is_left_behind_it(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!count sheep")
    first = words([phone.reply])
    ask(house, phone, "!count cow 2", "!more", "!count goat 2")
    pages = rest(house, phone, clock, 3)
    left = counted("sheep")[len(first) :]
    assert words(pages) == ["cow0", "cow1", *left, "goat0", "goat1"]


def test_what_is_merged_keeps_the_message_id_of_the_text_that_waited(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """Else another mail of the same answer, or of the same message, would seem to be this one."""
    phone.text("!count cow 1")
    phone.wait()
    first = house.inbox.received[0].mail["Message-ID"]
    receipt = first.split(".")[1]
    answer = Answer("ann", [Reply("lamp flashed.")], "follow-up", receipt, part="abcd")
    house.do(inside(house).workshop.send(answer, Way(phone.address)))
    ask(house, phone, "!count goat 1")
    pass_(house, clock, HOUR)
    assert phone.reply == "lamp flashed. goat0"
    last = house.inbox.received[-1].mail["Message-ID"]
    assert last.startswith(f"<housecarl.{receipt}.follow-up.abcd@")
    assert last != first


def test_what_is_about_to_leave_is_left_as_it_is(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """The post may have it in hand already; what was written into it then would never be sent."""
    phone.text("!count first 3")
    assert phone.reply == "first0 first1 first2"
    ask(house, phone, "!count second 3")
    pass_(house, clock, 3595)
    ask(house, phone, "!count third 3")
    pass_(house, clock, 6)
    assert phone.reply == "second0 second1 second2"
    pass_(house, clock, HOUR)
    assert phone.reply == "third0 third1 third2"


def test_who_was_switched_off_gets_nothing_of_what_waited_until_it_is_tried_again(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    """A lost phone: the rest of the house's words are not for who has found it."""
    phone.text("!count cow 1")
    assert phone.reply == "cow0"
    ask(house, phone, "!count goat 1")
    switch(house, "ann", on=False)
    pass_(house, clock, HOUR)
    house.until(lambda: [line[1:] for line in queue(house)] == [("refused", "ann is switched off")])
    assert phone.silent
    switch(house, "ann", on=True)
    (number, _, _) = queue(house)[0]
    now = clock.now().timestamp()

    async def retry() -> bool:
        done = await inside(house).db.write(lambda conn: replies.retry(conn, number, now))
        inside(house).wake_post()
        return done

    assert house.do(retry())
    assert phone.reply == "goat0"


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ({"bo": ["+13035550199"]}, "ann is no longer in the configuration"),
        ({"ann": ["+13035550199"]}, "its number is no longer one of ann's"),
    ],
)
def test_what_waits_is_not_sent_to_who_has_the_number_now(
    house: TestHouse, phone: Phone, clock: FakeClock, people: dict[str, list[str]], why: str
) -> None:
    """The owner takes a number out of the configuration, and it goes to somebody else."""
    phone.text("!count cow 1")
    assert phone.reply == "cow0"
    ask(house, phone, "!count goat 1")
    house.stop()
    house.people = {name: {"phones": phones, "may": ["*"]} for name, phones in people.items()}
    house.start()
    pass_(house, clock, HOUR)
    house.until(lambda: [line[1:] for line in queue(house)] == [("refused", why)])
    assert phone.silent


@pytest.mark.parametrize(
    ("by", "why"),
    [("mail", "its address is no longer one of ann's"), ("login", None), ("unix", None)],
)
def test_what_waits_is_not_mailed_to_who_has_the_address_now(
    house: TestHouse, clock: FakeClock, tmp_path: Path, by: str, why: str | None
) -> None:
    """Who logs in or drops files may have written from one that is not in the configuration."""
    house.inbox.busy = True
    answer = Answer("ann", [Reply("lamp flashed.")], "follow-up", "f" * 16)
    house.do(inside(house).workshop.send(answer, Way("Ann@example.org")))
    house.until(lambda: queue(house)[0][2] is not None)
    house.stop()
    (tmp_path / "ann.hash").write_text("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g")
    (tmp_path / "ann.hash").chmod(0o600)
    known = {"login": {"user": "ann", "hash": {"file": "ann.hash"}}, "unix": ["ann"]}
    ann = {**ANN, "addresses": [], **({by: known[by]} if by in known else {})}
    house.people = {"ann": ann, "bo": {"addresses": ["ann@example.org"], "may": ["*"]}}
    house.inbox.busy = False
    house.start()
    pass_(house, clock, HOUR)
    if why is None:
        assert house.inbox.wait(1, to="Ann@example.org")
    else:
        house.until(lambda: [line[1:] for line in queue(house)] == [("refused", why)])
        assert not house.inbox.received


def test_a_mail_does_not_wait_behind_a_text(house: TestHouse, phone: Phone) -> None:
    phone.text("!count cow 1")
    assert phone.reply == "cow0"
    ask(house, phone, "!count goat 1")
    answer = Answer("ann", [Reply("lamp flashed.")], "follow-up", "f" * 16)
    house.do(inside(house).workshop.send(answer, Way("ann@example.org")))
    assert house.inbox.wait(1, to="ann@example.org")[0].text.startswith("lamp flashed.")
    assert phone.silent


def test_a_challenge_does_not_wait_since_its_code_is_good_for_minutes(
    house: TestHouse, phone: Phone, clock: FakeClock
) -> None:
    phone.text("!count cow 1")
    assert phone.reply == "cow0"
    ask(house, phone, "!count goat 1", "!blow shed")
    challenge = phone.reply
    assert challenge.startswith("blow shed? Text !yes ")
    ask(house, phone, f"!yes {challenge.split()[4]}")
    assert phone.silent
    pass_(house, clock, HOUR)
    assert phone.reply == "goat0 shed is gone."


def test_a_code_is_on_the_first_page_whatever_takes_the_place_of_the_others(
    house: TestHouse, phone: Phone
) -> None:
    """They would wait for the budget, and go when a later answer is long."""
    phone.text('!blow "' + "shed " * 30 + '"')
    challenge = phone.reply
    assert challenge.endswith("(1/2)") and "shed" in challenge
    ask(house, phone, "!count sheep", f"!yes {challenge.split()[2]}")
    assert house.log()[-1].endswith(": executed")


class TestTwoAnHour:
    """A budget of two texts."""

    @pytest.fixture
    def house(self, tmp_path: Path, clock: FakeClock) -> Iterator[TestHouse]:
        modules = module_folder(tmp_path)
        with TestHouse(
            tmp_path, modules=modules, clock=clock, limits={"texts_per_hour": 2}
        ) as house:
            yield house

    def test_a_text_that_waited_counts_in_the_hour_in_which_it_left(
        self, house: TestHouse, phone: Phone, clock: FakeClock
    ) -> None:
        ask(house, phone, "!count cow 1", "!count goat 1")
        assert [phone.reply, phone.reply] == ["cow0", "goat0"]
        house.until(lambda: not queue(house))  # the journal knows when they left
        pass_(house, clock, 60)
        ask(house, phone, "!count hen 1")
        pass_(house, clock, 3540)
        assert phone.reply == "hen0"
        house.until(lambda: not queue(house))
        pass_(house, clock, 70)
        ask(house, phone, "!count pig 1", "!count cat 1")
        assert phone.reply == "pig0"
        pass_(house, clock, 3500)
        assert phone.silent
        pass_(house, clock, 40)
        assert phone.reply == "cat0"

    def test_texts_that_wait_for_the_smarthost_use_the_budget_of_the_hour_in_which_it_is_back(
        self, house: TestHouse, phone: Phone, clock: FakeClock
    ) -> None:
        """Google flags who sends the texts of five hours in one second."""
        house.do(house.inbox.stop())
        for hour in "abcde":
            ask(house, phone, f"!count {hour}cow 1", f"!count {hour}goat 1", f"!count {hour}hen 1")
            pass_(house, clock, HOUR)
        house.do(house.inbox.start())
        pass_(house, clock, 1801)
        found = []
        for now, left in ((2, 5), (2, 3), (2, 1), (1, 0)):
            found += [phone.reply for _ in range(now)]
            house.until(lambda left=left: len(queue(house)) == left)  # type: ignore[misc]
            assert phone.silent
            pass_(house, clock, HOUR)
        assert words(found) == [
            f"{hour}{word}0" for hour in "abcde" for word in ("cow", "goat", "hen")
        ]

    def test_texts_that_left_under_a_clock_that_was_ahead_hold_up_nothing(
        self, house: TestHouse, phone: Phone, clock: FakeClock
    ) -> None:
        pass_(house, clock, 365 * 86400.0)
        ask(house, phone, "!count cow 1", "!count goat 1")
        assert [phone.reply, phone.reply] == ["cow0", "goat0"]
        house.until(lambda: not queue(house))
        pass_(house, clock, -365 * 86400.0)
        ask(house, phone, "!count hen 1", "!count pig 1", "!count cat 1")
        assert [phone.reply, phone.reply] == ["hen0", "pig0"]
        assert phone.silent
