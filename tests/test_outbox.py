"""The outbox: an answer that was made ready before the transaction, and one that could not be."""

from __future__ import annotations

import asyncio
import email
import sqlite3
from zoneinfo import ZoneInfo

import pytest

from housecarl.config import Config
from housecarl.envelope import Answer, Envelopes, Way
from housecarl.health import WAITING_SECONDS, examine
from housecarl.journal import people, replies, texts
from housecarl.letter import Letter
from housecarl.module import Reply
from housecarl.outbox import Outbox
from housecarl.quantity import HOUR
from housecarl.reply import More, Renderer
from housecarl.septets import joined

ANN = Answer("ann", [Reply("lamp on.")], receipt="7f3a")
OWN = Way("ann@example.org")
#: Ann's conversations, one for each of her phones, and bo's.
TEXTED, ELSEWHERE, BOS = (
    Way(f"13035550100.{number}.abcd1234@txt.voice.google.com")
    for number in ("13035550123", "13035550124", "13035550199")
)
PEOPLE = {
    "ann": {
        "phones": ["+1 303 555 0123", "+1 303 555 0124"],
        "addresses": ["ann@example.net", "ann@example.org"],
        "may": ["*"],
    },
    "bo": {"phones": ["+1 303 555 0199"], "may": ["*"]},
}
TRUST = {"google_voice": {"account": "house@gmail.com", "number": "+1 303 555 0100"}}
POST = {"host": "127.0.0.1", "tls": "none", "from": "house@home.example"}


def evil(letter: Letter) -> str:
    """A subject that would be two header lines, as none of ours can be."""
    return "hi\r\nBcc: eve@example.net"


@pytest.fixture
def outbox() -> Outbox:
    config = Config.model_validate({"people": PEOPLE, "post": POST, "trust": TRUST})
    return Outbox(Envelopes(config, Renderer()), config.limits)


@pytest.mark.parametrize("own", [OWN, None])
async def test_without_a_post_an_answer_is_kept_and_waits_for_nothing(
    conn: sqlite3.Connection, own: Way | None
) -> None:
    """Nothing would ever send it: `status` would be in trouble for good, and none ever go."""
    config = Config.model_validate({"people": PEOPLE})
    outbox = Outbox(Envelopes(config, Renderer()), config.limits)
    assert outbox.queue(conn, ANN, own, 5.0, await outbox.seal(ANN, own, 5.0)) is None
    assert replies.queue(conn) == []
    (kept,) = replies.of(conn, "7f3a")
    assert (kept["state"], kept["text"].startswith("lamp on.")) == ("no-way", True)
    assert examine(conn, 5.0 + 2 * WAITING_SECONDS, ["ann"], ZoneInfo("UTC")).well


def test_what_waits_is_left_alone_while_there_is_no_post(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    """The post was taken out of the configuration for a while; what waits goes once it is back."""
    due = outbox.queue(conn, ANN, TEXTED, 5.0)
    assert due is not None
    texts.keep_back(conn, due.id, 5.0 + HOUR, 5.0)
    before = conn.execute("SELECT text, mail FROM replies").fetchone()
    config = outbox.envelopes.config
    limits = config.limits.model_copy(update={"texts_per_hour": 1})
    without = Envelopes(config.model_copy(update={"post": None}), Renderer())
    Outbox(without, limits).queue(conn, ANN._replace(replies=[Reply("off.")]), TEXTED, 6.0)
    first, second = conn.execute("SELECT text, mail, state FROM replies ORDER BY id")
    assert (*first,) == (*before, "waiting"), "it would go without a word in it"
    assert (second["text"].startswith("off."), second["state"]) == (True, "no-way")


async def test_what_was_sealed_before_is_queued_as_it_is(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    sealed = await outbox.seal(ANN, OWN, 5.0)
    assert sealed is not None
    due = outbox.queue(conn, ANN._replace(replies=[Reply("lamp off.")]), OWN, 5.0, sealed)
    assert due is not None
    assert due.mail == sealed.out.mail
    assert conn.execute("SELECT text FROM replies").fetchone()[0].startswith("lamp on.")


async def test_answers_that_wait_for_the_templates_stay_in_their_order(outbox: Outbox) -> None:
    order: list[str] = []

    async def seal(part: str) -> None:
        await outbox.seal(ANN._replace(part=part), OWN, 5.0)
        order.append(part)

    await asyncio.gather(*(seal(str(n)) for n in range(9)))
    assert order == [str(n) for n in range(9)]
    assert outbox.envelopes.renderer.loaded


@pytest.mark.parametrize("own", [None, Way(None)])
async def test_where_only_the_journal_knows_a_way_the_answer_is_sealed_with_that(
    conn: sqlite3.Connection, outbox: Outbox, own: Way | None
) -> None:
    assert await outbox.seal(ANN, own, 5.0) is None
    way = people.Way(TEXTED.address or "", "+13035550123", "abcd1234", 1.0)
    people.use_way(conn, "ann", way)
    due = outbox.queue(conn, ANN, own, 5.0)
    assert due is not None
    assert due.to == TEXTED.address
    assert f"To: {TEXTED.address}\r\n".encode() in due.mail


@pytest.mark.parametrize("own", [OWN, None])
async def test_what_cannot_be_written_as_a_mail_is_kept_as_refused_with_the_reason(
    conn: sqlite3.Connection, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, own: Way | None
) -> None:
    """The command has run by then, and the journal says so: no more than an answer is lost."""
    monkeypatch.setattr("housecarl.letter._subject", evil)
    assert outbox.queue(conn, ANN, own, 5.0, await outbox.seal(ANN, own, 5.0)) is None
    (left,) = replies.queue(conn)
    assert left["text"].startswith("lamp on.")
    assert left["address"].startswith("ann@")
    assert (left["state"], left["error"]) == (
        "refused",
        "the mail would not read back as it was written",
    )
    assert not replies.retry(conn, left["id"], 6.0), "there is no mail to send"
    assert replies.drop(conn, left["id"], 6.0)


def test_a_text_beyond_the_budget_that_cannot_be_written_leaves_the_waiting_one_alone(
    conn: sqlite3.Connection, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    texted = TEXTED
    for n in range(outbox.limits.texts_per_hour + 1):
        outbox.queue(conn, ANN._replace(part=str(n)), texted, 5.0)
    before = [tuple(row) for row in replies.queue(conn)]
    monkeypatch.setattr("housecarl.letter._subject", evil)
    assert outbox.queue(conn, ANN._replace(part="x"), texted, 5.0) is None
    after = replies.queue(conn)
    assert [tuple(row) for row in after[:-1]] == before
    assert after[-1]["state"] == "refused"


def test_a_text_beyond_the_budget_waits_an_hour_from_the_one_that_left(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    """The post counts too, but what it keeps back is merged with nothing."""
    limits = outbox.limits.model_copy(update={"texts_per_hour": 1})
    scant = Outbox(outbox.envelopes, limits)
    due = scant.queue(conn, ANN, TEXTED, 5.0)
    assert due is not None
    replies.sent(conn, [due.id], 6.0)
    assert scant.queue(conn, ANN._replace(part="1"), TEXTED, 7.0) is None
    assert replies.next_due(conn, 7.0) == 6.0 + HOUR


def test_texts_that_one_person_does_not_get_for_hours_hold_up_nobody_else(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    """The smarthost puts off one recipient and takes the others: their own are merged."""
    texted = TEXTED
    for n in range(outbox.limits.texts_per_hour):
        assert outbox.queue(conn, ANN._replace(part=str(n)), texted, 5.0) is not None
    later = 5.0 + 2 * 3600
    other = BOS
    assert outbox.queue(conn, ANN._replace(person="bo"), other, later) is not None
    for part in "abc":
        assert outbox.queue(conn, ANN._replace(part=part), texted, later) is None
    assert len(replies.queue(conn)) == outbox.limits.texts_per_hour + 2


def test_what_waits_is_merged_into_texts_of_a_bounded_length(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    """All of a text is cut into pages anew with each answer, while the journal is locked."""
    texted = TEXTED
    answers = outbox.limits.texts_per_hour + 40
    for n in range(answers):
        said = [Reply(f"a{n} {'word ' * 700}end.")]
        outbox.queue(conn, ANN._replace(replies=said, part=str(n)), texted, 5.0)
    waiting = [row["text"] for row in replies.queue(conn)][outbox.limits.texts_per_hour :]
    assert 1 < len(waiting) < 10
    assert max(map(len, waiting)) < 40_000
    said_first = [word for text in waiting for word in text.split() if word.startswith("a")]
    assert said_first == [f"a{n}" for n in range(outbox.limits.texts_per_hour, answers)]


def test_a_page_that_was_kept_back_is_merged_with_all_that_is_left_behind_it(
    conn: sqlite3.Connection,
) -> None:
    """It was to leave at once, alone; the post knows the budget better, as after an outage."""
    texted = TEXTED
    limits = {"texts_per_hour": 1}
    config = Config.model_validate(
        {"people": PEOPLE, "post": POST, "trust": TRUST, "limits": limits}
    )
    outbox = Outbox(Envelopes(config, Renderer()), config.limits)
    words = [f"word{n}" for n in range(60)]
    due = outbox.queue(conn, ANN._replace(replies=[Reply(" ".join(words))]), texted, 5.0)
    assert due is not None
    texts.keep_back(conn, due.id, 5.0 + HOUR, 5.0)
    assert outbox.queue(conn, ANN._replace(replies=[More("")], part="1"), texted, 6.0) is None
    assert outbox.queue(conn, ANN._replace(part="2"), texted, 7.0) is None
    (waiting,) = replies.queue(conn)
    assert waiting["text"] == " ".join([*words, "lamp on."])
    (mail,) = conn.execute("SELECT mail FROM replies").fetchone()
    first = email.message_from_bytes(mail).get_payload()
    assert joined([str(first).strip(), *people.pages(conn, "ann")]) == waiting["text"]


def test_a_page_that_was_kept_back_takes_none_of_an_answer_to_another_phone(
    conn: sqlite3.Connection,
) -> None:
    """Both answers have two pages, and the journal keeps the rest of the later one."""
    one, other = TEXTED, ELSEWHERE
    limits = {"texts_per_hour": 2}
    config = Config.model_validate(
        {"people": PEOPLE, "post": POST, "trust": TRUST, "limits": limits}
    )
    outbox = Outbox(Envelopes(config, Renderer()), config.limits)
    said = {
        way: " ".join(f"{word}{n}" for n in range(30))
        for way, word in ((one, "goat"), (other, "cow"))
    }
    for way, text in said.items():
        due = outbox.queue(conn, ANN._replace(replies=[Reply(text)], part=text[:4]), way, 5.0)
        assert due is not None
        texts.keep_back(conn, due.id, 5.0 + HOUR, 5.0)
    assert outbox.queue(conn, ANN._replace(part="2"), one, 6.0) is None
    assert [row["text"] for row in replies.queue(conn)] == [f"{said[one]} lamp on.", said[other]]


def test_by_mail_more_brings_all_that_is_left_of_a_text(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    people.keep_pages(conn, "ann", ["two (2/3)", "three (3/3)"], 1.0)
    due = outbox.queue(conn, ANN._replace(replies=[More("two (2/3)")]), OWN, 5.0)
    assert due is not None
    assert b"two three" in due.mail
    assert people.pages(conn, "ann") == []


def test_where_another_message_took_the_last_page_more_says_so(
    conn: sqlite3.Connection, outbox: Outbox
) -> None:
    due = outbox.queue(conn, ANN._replace(replies=[More("two (2/3)")]), OWN, 5.0)
    assert due is not None
    assert b"That was all." in due.mail
