"""Whatever arrives is decided: soon, without an exception, and for nobody but who signed it."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st

from housecarl.errors import CommandError
from housecarl.message.form import MAX_SIZE
from housecarl.message.stamp import Stamp, split
from housecarl.syntax import MAX_ARGUMENTS, parse

from .budget import search, seconds
from .mutation import TOKENS, changed
from .seeds import Seed, Words, seeds, unsigned

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(seconds() * 3 + 120)]

HEAD = b"From: ann@example.org\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n"


@st.composite
def signed_and_changed(draw: st.DrawFn) -> tuple[Seed, bytes]:
    seed = draw(st.sampled_from(seeds()))
    return seed, draw(changed(seed.raw))


@st.composite
def any_bytes(draw: st.DrawFn) -> bytes:
    """Noise up to the size limit: pieces in any order, repeated, or none we know."""
    pieces = st.sampled_from(TOKENS) | st.binary(max_size=40)
    raw = b"".join(draw(st.lists(pieces, min_size=1, max_size=12)))
    size = draw(st.sampled_from((0, 0, 2000, 60_000, MAX_SIZE)))
    if draw(st.booleans()):
        raw = random.Random(raw).randbytes(size or 100)
    elif size:
        raw = (raw * (size // max(1, len(raw)) + 1))[:size]
    return draw(st.sampled_from((b"", HEAD, HEAD + b"Content-Type: text/html\r\n\r\n"))) + raw


def test_a_changed_message_says_what_was_signed_or_nothing() -> None:
    """And it is known as a repeat of the one that was signed."""

    def holds(case: tuple[Seed, bytes]) -> None:
        seed, raw = case
        found, meant = seed.obeyed(raw), seed.obeyed(seed.raw)
        assert found is None or found == meant
        assert found is None or meant is None or found.keys & meant.keys

    search(holds, signed_and_changed())


def test_any_message_is_decided_soon() -> None:
    def holds(case: tuple[Seed, bytes]) -> None:
        seed, raw = case
        seed.decide(raw)

    strangers = st.sampled_from(unsigned()).flatmap(changed) | any_bytes()
    search(holds, signed_and_changed() | st.tuples(st.sampled_from(seeds()), strangers))


def test_a_stamp_is_whole_or_none() -> None:
    stamp = Stamp("smtp", datetime(2026, 11, 25, tzinfo=UTC), mail_from="a@b", peer="::1")

    def holds(raw: bytes) -> None:
        found, rest = split(raw)
        assert raw.endswith(rest)
        assert (found is None) == (rest == raw)

    search(holds, changed(stamp.line() + HEAD))


def test_any_text_is_calls_or_a_sentence() -> None:
    characters = st.text(max_size=60)
    marks = st.sampled_from(
        ["!", "\uff01", "|", '"', "\\", "\n", "\r", "\u2028", "\u202e", "!plug "]
    )
    lines = st.lists(characters | marks, max_size=30).map("".join)
    texts = st.tuples(lines, st.sampled_from((1, 1, 40, 4000))).map(
        lambda t: (t[0] * t[1])[:MAX_SIZE]
    )
    words = st.sampled_from((Words(), Words("/", "|"), Words("!", ",")))

    def holds(case: tuple[str, str, Words]) -> None:
        text, subject, language = case
        try:
            calls = parse(text, subject, language, most=5)
        except CommandError as error:
            assert str(error)
            return
        assert len(calls) <= 5
        assert all(call.name and len(call.args) <= MAX_ARGUMENTS for call in calls)

    search(holds, st.tuples(texts, lines, words))
