"""The SMTP dialogue: what goes over the wire."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from housecarl.post.dialogue import MAX_ERROR, _framed, brief


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a"]), max_size=12))
@settings(max_examples=200, deadline=None)
def test_no_mail_can_end_itself_early(pieces: list[bytes]) -> None:
    mail = b"".join(pieces)
    framed = _framed(mail)
    assert framed.endswith(b"\r\n.\r\n")
    assert (b"\r\n" + framed).index(b"\r\n.\r\n") + len(b".\r\n") == len(framed)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", framed)
    assert b"".join(framed.split()).count(b"a") == mail.count(b"a")


def test_an_error_is_one_bounded_line_without_a_phone_number() -> None:
    text = brief("550 5.1.1 <13035550123.1@x>\r\n\x1b[2J no " + "x" * 999)
    assert text.startswith("550 5.1.1 <...0123.1@x> [2J no x")
    assert len(text) <= MAX_ERROR
