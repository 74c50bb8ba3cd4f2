"""Tag lists: one reading only, and nothing in them that costs time."""

from __future__ import annotations

import pytest

from housecarl.trust import tags
from housecarl.trust.tags import Unsound


def test_blanks_and_a_last_semicolon_do_not_matter() -> None:
    found = tags.read(b" a = b\r\n\tc ; d=;\r\n x=1=2 ; ")
    assert found == {b"a": b"bc", b"d": b"", b"x": b"1=2"}


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
        b"a=" + b"x" * tags.MAX_FIELD,
        b"a=" + b" " * 65,
    ],
)
def test_what_two_readers_could_read_differently_is_refused(value: bytes) -> None:
    with pytest.raises(Unsound, match="syntax"):
        tags.read(value)


@pytest.mark.parametrize(
    "name",
    ["", "org", "-a.org", "a..org", "a.org.", "a\0.org", "a.123", "a@b.org", "x" * 64 + ".org"],
)
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(Unsound, match="domain"):
        tags.domain({b"d": name.encode()})


def test_numbers_and_base64_are_read_strictly() -> None:
    assert tags.number({b"t": b"12"}, b"t") == 12 and tags.number({}, b"t") is None
    assert tags.octets({b"b": b"AAE="}, b"b") == b"\0\1"
    for value in (b"-1", b"1.5", b"", b"9" * 13, b"\xd9\xa1"):
        with pytest.raises(Unsound):
            tags.number({b"t": value}, b"t")
    for value in (b"", b"A", b"AA*=", b"===="):
        with pytest.raises(Unsound):
            tags.octets({b"b": value}, b"b")
