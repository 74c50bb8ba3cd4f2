"""Tag lists: one reading only, and nothing in them that costs time."""

from __future__ import annotations

import pytest

from housecarl.message.form import MAX_SIGNATURE
from housecarl.trust import tags
from housecarl.trust.tags import Unsound


def test_blanks_and_a_last_semicolon_do_not_matter() -> None:
    found = tags.read(b" a = b\r\n\tc ; d=;\r\n x=1=2 ; ")
    assert found == {b"a": b"bc", b"d": b"", b"x": b"1=2"}
    assert tags.read(b"") == {}


@pytest.mark.parametrize(
    "value",
    [
        b"a=1; a=1",
        b"a=1;; b=2",
        b"a",
        b"1a=1",
        b"a=\xe9",
        b"a=\0",
        b"=1",
        b"a=" + b"x" * MAX_SIGNATURE,
        b"a=" + b" " * 65,
        b";",
        b"a_=1;a b=2",
        b"a=1; a =2",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(value: bytes) -> None:
    with pytest.raises(Unsound, match="^syntax$"):
        tags.read(value)


def test_a_list_ends_at_four_kilobytes_and_a_run_of_blanks_at_64() -> None:
    assert tags.read(b"a=" + b"x" * 4094) == {b"a": b"x" * 4094}
    assert tags.read(b"a=" + b"x" * 98, 100) == {b"a": b"x" * 98}
    with pytest.raises(Unsound, match="^syntax$"):
        tags.read(b"a=" + b"x" * 99, 100)
    for blank in (b" ", b"\t", b"\r\n "):
        run = (blank * 64)[:64]
        assert tags.read(b"a=b" + run + b"c") == {b"a": b"bc"}
        with pytest.raises(Unsound, match="^syntax$"):
            tags.read(b"a=b" + run + b" c")


@pytest.mark.parametrize("name", ["a_b", "A9", "z", "aM5"])
def test_a_tag_has_letters_digits_and_underscores(name: str) -> None:
    assert tags.read(f"{name}=x".encode()) == {name.encode(): b"x"}


@pytest.mark.parametrize("value", ["!", ":<", "~", "a b", "a=b"])
def test_a_value_is_anything_to_be_seen_but_a_semicolon(value: str) -> None:
    assert tags.read(f"a={value}".encode()) == {b"a": value.replace(" ", "").encode()}
    with pytest.raises(Unsound, match="^syntax$"):
        tags.read(f"a={value}\x7f".encode())


LONG = ".".join(["a" * 63, "b" * 63, "c" * 63])


@pytest.mark.parametrize(
    "name",
    [
        "a.bc",
        "example.org",
        "ab.5.a5-5a.xn--p1ai",
        "x" * 63 + ".org",
        "_x-y_.org",
        "a.b." + "c" * 63,
        f"{LONG}.{'d' * 61}",
    ],
)
def test_a_domain_is_read_in_lower_case(name: str) -> None:
    assert tags.domain({b"d": name.upper().encode()}) == name


@pytest.mark.parametrize("name", ["s1", "A-b_9", "2026.mail5", "x" * 63, LONG[:190]])
def test_a_selector_is_read_in_lower_case(name: str) -> None:
    assert tags.selector({b"s": name.encode()}) == name.lower()


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"a..b",
        b".a",
        b"a.",
        b"a b",
        b"a@b",
        b"x" * 64,
        LONG[:191].encode(),
        b"\xc3\xa9",
        b"a\n",
    ],
)
def test_a_selector_that_dns_could_not_hold_is_refused(name: bytes) -> None:
    with pytest.raises(Unsound, match="^selector$"):
        tags.selector({b"s": name})
    with pytest.raises(Unsound, match="^selector$"):
        tags.selector({})


@pytest.mark.parametrize(
    "name",
    [
        "",
        "org",
        "-a.org",
        "a..org",
        "a.org.",
        "a\0.org",
        "a.123",
        "a@b.org",
        "x" * 64 + ".org",
        "a.b",
        "a.b\n",
        "a.1b",
        "\xe9.org",
        "a.b." + "c" * 64,
        f"{LONG}.{'d' * 62}",
    ],
)
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(Unsound, match="^domain$"):
        tags.domain({b"d": name.encode()})
    with pytest.raises(Unsound, match="^domain$"):
        tags.domain({})


def test_numbers_and_base64_are_read_strictly() -> None:
    assert tags.number({b"t": b"12"}, b"t") == 12 and tags.number({}, b"t") is None
    assert tags.octets({b"b": b"AAE="}, b"b") == b"\0\1"
    assert tags.number({b"t": b"9" * 12}, b"t") == 999999999999
    for value in (b"-1", b"1.5", b"", b"9" * 13, b"\xd9\xa1"):
        with pytest.raises(Unsound, match="^syntax$"):
            tags.number({b"t": value}, b"t")
    for value in (b"", b"A", b"AA*E=", b"===="):
        with pytest.raises(Unsound, match="^syntax$"):
            tags.octets({b"b": value}, b"b")
    with pytest.raises(Unsound, match="^syntax$"):
        tags.octets({}, b"b")
