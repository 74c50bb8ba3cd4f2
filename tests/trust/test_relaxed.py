"""What a relaxed signature does not see (blanks, RFC 6376 3.4) must not change what is done."""

from __future__ import annotations

import pytest

from housecarl.errors import FormError
from housecarl.message import read

from .conftest import H, T, World, forwarded, judged, mail, signed, text

QUOTED = "Content-Transfer-Encoding: quoted-printable\r\n"
FLOWED = "text/plain; format=flowed"
BELOW = (
    b"--a b\r\nContent-Type: text/plain\r\n\r\nPS: mind this\r\n\r\n!plug heater on\r\n--a b--\r\n"
)

CASES = {
    "a blank behind a soft line break": (
        signed(
            mail(body=b"!plug lamp o=\r\nn\r\n", extra=QUOTED),
            h=H + ":content-transfer-encoding",
        ),
        b"o=\r\n",
        b"o= \r\n",
    ),
    "a blank in the line that ends a part's header": (
        signed(mail(body=BELOW, kind='multipart/mixed; boundary="a b"')),
        b"plain\r\n\r\n",
        b"plain\r\n \r\n",
    ),
    "one more blank inside a boundary": (
        signed(
            mail(body=b"--a b\r\n\r\nhello\r\n" + BELOW, kind='multipart/mixed; boundary="a b"')
        ),
        b"--a b\r\n\r\nhello",
        b"--a  b \r\n\r\nhello",
    ),
    "a blank at the end of a line of flowed text": (
        signed(mail(body=b"!plug lamp\r\noff to bed\r\n", kind=FLOWED)),
        b"lamp\r\n",
        b"lamp \r\n",
    ),
    "blanks in an empty line of flowed text": (
        signed(mail(body=b"!plug lamp \r\n\r\non\r\n", kind=FLOWED)),
        b"lamp \r\n\r\n",
        b"lamp \r\n   \r\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_white_space_that_is_not_signed_changes_nothing(world: World, name: str) -> None:
    raw, old, new = CASES[name]
    assert raw.count(old) == 1 and (await judged(world, raw)).reason is None
    changed = raw.replace(old, new)
    try:
        said = read(changed).text
    except FormError:
        return
    assert (await judged(world, changed)).reason is None, "the signature does not see it"
    assert said.split() == read(raw).text.split()
    assert said.split("\n")[0].strip() == read(raw).text.split("\n")[0].strip()


LITTLE = "from:to:subject:date:message-id"
PADDING = b" " * 80
TWO = signed(mail(body=b"!plug lamp \r\noff to bed\r\n", kind=FLOWED), h=LITTLE)
BROKEN = signed(mail(body=b"!note 1+1=\r\noff to bed\r\n", extra=QUOTED), h=LITTLE)
TEXTED = forwarded(text(said="!plug lamp\r\noff to bed"))


@pytest.mark.parametrize(
    ("raw", "wrapped"),
    [
        (TWO, signed(mail(body=b"!say " + b"word " * 12 + b"\r\nx\r\n", kind=FLOWED), h=LITTLE)),
        (BROKEN, signed(mail(body=b"!say " + b"word " * 12 + b"=\r\nx", extra=QUOTED), h=LITTLE)),
        (TEXTED, forwarded(text(said="!say" + " word" * 14 + "\r\nx"))),
    ],
    ids=["flowed", "quoted-printable", "text"],
)
async def test_a_line_is_no_longer_for_the_blanks_in_it(
    world: World, raw: bytes, wrapped: bytes
) -> None:
    """A line that is long enough was wrapped, and goes on in the next one: typed lines do not."""
    assert (await judged(world, wrapped)).reason is None
    assert read(wrapped).text.split("\n")[0].endswith("word x")
    padded = raw.replace(b"!plug ", b"!plug" + PADDING).replace(b"!note ", b"!note" + PADDING)
    assert padded != raw
    verdict, lines = await judged(world, padded), read(padded).text.split("\n")
    assert verdict.reason == "no-proof" or lines[0].split() == ["!plug", "lamp"]


@pytest.mark.parametrize("h", ["from:to:subject:date", "from:to:subject:date:message-id"])
async def test_a_message_signed_twice_is_no_other_one_without_its_first_signature(
    world: World, h: str
) -> None:
    """Its Message-ID may be unsigned and changed: each signature over it marks the repeat."""
    once = signed(mail(), h=h + ":content-type")
    twice = signed(once, h=h + ":content-type", t=str(T - 5))
    again = once.replace(b"<1@example.org>", b"<2@example.org>")
    first = await judged(world, twice)
    assert first.reason is None and len(first.keys) == (3 if "message-id" in h else 4)
    second = await judged(world, again)
    assert second.reason == ("no-proof" if "message-id" in h else None)
    if second.reason is None:
        assert set(first.keys) & set(second.keys)
