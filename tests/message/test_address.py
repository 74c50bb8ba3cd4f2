"""The From field: one plain address, or the message is refused."""

from __future__ import annotations

import pytest

from housecarl.errors import FormError
from housecarl.message.address import From, is_plain, parse

#: 64 bytes, an at sign and 189 bytes
LONGEST = "a" * 64 + "@" + "abcdefg." * 23 + "abcde"


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ("ann@example.org", "ann@example.org", ""),
        ("<ann@example.org>", "ann@example.org", ""),
        ("Ann Smith <ann@Example.ORG>", "ann@example.org", "Ann Smith"),
        ("Dr. A. Smith <Ann.Smith+home@example.org>", "Ann.Smith+home@example.org", "Dr. A. Smith"),
        ('"Smith, Ann (home)" <ann@example.org>', "ann@example.org", "Smith, Ann (home)"),
        ('"ann@example.org" <ann@example.org>', "ann@example.org", "ann@example.org"),
        ('"An \\"x\\" n" <ann@example.org>', "ann@example.org", 'An "x" n'),
        ("=?UTF-8?B?0JDQvdC90LA=?= <ann@example.org>", "ann@example.org", "Анна"),
        (
            '"=?utf-8?q?M=C3=BCller=2C?= =?utf-8?q?_J?=" <j@example.org>',
            "j@example.org",
            "Müller, J",
        ),
        ("root@localhost", "root@localhost", ""),
        (LONGEST, LONGEST, ""),
        (f'"{"a" * 978}" <ann@example.org>', "ann@example.org", "a" * 978),
        (
            '"(202) 555-0199" <12025550100.12025550199.Qx7bN2mR-e@txt.voice.google.com>',
            "12025550100.12025550199.Qx7bN2mR-e@txt.voice.google.com",
            "(202) 555-0199",
        ),
    ],
)
def test_a_plain_sender_is_an_address_and_a_name(value: str, address: str, name: str) -> None:
    assert parse(value) == From(address, name)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@example.org, eve@evil.example",
        "ann@example.org,",
        "<ann@example.org> <eve@evil.example>",
        "ann@example.org <eve@evil.example>",
        "<ann@example.org>eve@evil.example",
        "Ann <ann@example.org> x",
        "ann@example.org)eve@evil.example",
        "ann@example.org (eve@evil.example)",
        "(ann@example.org) eve@evil.example",
        "Ann (home) <ann@example.org>",
        "ann(x)@example.org",
        "ann@(x)example.org",
        '"ann"@example.org',
        '"ann@example.org"@evil.example',
        '"ann@example.org <eve@evil.example>',
        "Ann: ann@example.org;",
        "undisclosed-recipients:;",
        "<@evil.example:ann@example.org>",
        "<@evil.example,@b.example:ann@example.org>",
        "ann@[192.0.2.1]",
        "ann@example..org",
        "ann@-example.org",
        "ann@example.org.",
        ".ann@example.org",
        "ann.@example.org",
        "a..n@example.org",
        "ann @example.org",
        "ann@ example.org",
        "<ann@example.org",
        "ann@example.org>",
        "<<ann@example.org>>",
        "ann@example_.org",
        "ann@ex\u0430mple.org",
        "ann@example.org\r\n eve@evil.example",
        "ann@example.org\x00",
        "ann%example.org@evil.example <ann@example.org",
        "=?utf-8?q?ann?=@example.org",
        "=?utf-8?q?ann=40example.org?=",
        "=?utf-8?b?YW5uQGV4YW1wbGUub3Jn?= <eve@evil.example>",
        "=?utf-8?q?ann=40example.org=00?= <eve@evil.example>",
        "=?utf-8?q?=3Cann?= <eve@evil.example>",
        "=?utf-8?q?a=0D=0ABcc=3A_x?= <ann@example.org>",
        '"=?utf-8?q?ann=40example.org?=" <eve@evil.example>',
        "a" * 65 + "@example.org",
        LONGEST + "f",
        "ann@" + "a" * 64 + ".org",
        "ann@" + "abcdefg." * 32 + "org",
        '"' + "a" * 999 + '" <ann@example.org>',
        "ann@example.org" + "(" * 500,
    ],
)
def test_everything_else_is_refused(value: str) -> None:
    with pytest.raises(FormError) as caught:
        parse(value)
    assert caught.value.reason == "from"


def test_a_plain_address_is_nothing_but_one() -> None:
    assert is_plain("ann@example.org") and is_plain(LONGEST)
    for text in ("ann", "<ann@example.org>", "ann@example.org ", LONGEST + "f"):
        assert not is_plain(text)


def test_a_display_name_is_never_the_sender() -> None:
    assert parse('"ann@example.org" <eve@evil.example>').address == "eve@evil.example"
