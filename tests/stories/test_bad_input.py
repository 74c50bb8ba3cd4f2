"""Whatever comes in, it is answered, filed and logged as it should, and the next one is served."""

from __future__ import annotations

import smtplib
from pathlib import Path
from typing import Any

import pytest
from tests.stories.talk import inside

from housecarl.journal import conditions
from housecarl.testing.house import TestHouse
from housecarl.testing.phone import Phone

BREAKERS = '''
"""Commands that go wrong in every way."""
import os
import sys
import time

from housecarl import Call, Reply, command


@command()
def raises(call: Call) -> Reply:
    """Raise."""
    raise KeyError("secret-in-a-trace")


@command(timeout=0.5)
def hangs(call: Call) -> Reply:
    """Hang."""
    time.sleep(60)


@command()
def exits(call: Call) -> Reply:
    """Leave."""
    sys.exit(3)


@command()
def dies(call: Call) -> Reply:
    """Die."""
    os._exit(9)


@command()
def prints(call: Call) -> Reply:
    print("x" * 1_000_000)
    return Reply("printed.")


@command()
def nonsense(call: Call) -> Reply:
    """Return nonsense."""
    return {"not": "a reply"}


@command()
async def araises(call: Call) -> Reply:
    """Raise in the loop."""
    raise ZeroDivisionError


@command(timeout=0.3)
async def ahangs(call: Call) -> Reply:
    """Hang in the loop."""
    import asyncio

    await asyncio.sleep(60)


@command()
async def aexits(call: Call) -> Reply:
    """Leave the loop."""
    sys.exit(4)


@command()
async def tells(call: Call) -> Reply:
    return Reply("told.")


tells.__doc__ = "Tell of caf\\udce9s.\\n\\n" + "And so on, and so forth. " * 100
'''


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Any:
    tmp_path = tmp_path_factory.mktemp("house")
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "breakers.py").write_text(BREAKERS)
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    with TestHouse(tmp_path, modules={"folders": [str(folder)]}) as house:
        yield house


@pytest.fixture(scope="module")
def phone(house: TestHouse) -> Phone:
    return house.phone()


def test_the_next_one_is_served(phone: Phone) -> None:
    phone.text("!status")
    assert phone.reply.startswith("Elm Street ")


@pytest.mark.long
def test_the_help_of_one_command_is_never_too_long_for_the_list(phone: Phone) -> None:
    phone.text("!help")
    assert phone.reply.startswith("Commands: aexits, ")


@pytest.mark.long(after=4)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("!raises", "raises failed. Log "),
        ("!hangs", "hangs took longer than 0.5 s and was stopped."),
        ("!exits", "exits failed. Log "),
        ("!dies", "dies failed. Log "),
        ("!prints", "printed."),
        ("!nonsense", "nonsense ran, but its answer cannot be sent. Log "),
        ("!araises", "araises failed. Log "),
        ("!ahangs", "ahangs took longer than 0.3 s and was stopped."),
        ("!aexits", "aexits failed. Log "),
        ("!help a b", "help: b is too much. Use: help [NAME]"),
        ("!help tells", "tells - Tell of caf?s."),
        ("!help prints", "prints."),
        ("!nothing", "No command nothing."),
        ("!" + "x" * 400, "No command xxxxxxxxxxxxxxxxxxxx..."),
    ],
)
def test_a_command_that_goes_wrong_harms_only_itself(
    phone: Phone, house: TestHouse, text: str, told: str
) -> None:
    phone.text(text)
    reply = phone.reply
    assert reply.startswith(told), reply
    assert "secret" not in reply and "Traceback" not in reply and "/" not in reply
    test_the_next_one_is_served(phone)


def test_a_broken_module_is_off_and_named(house: TestHouse) -> None:
    known = house.do(inside(house).db.read(conditions.listing))
    assert [each.ok for each in known if "broken.py:1" in each.text] == [False]


def mail(house: TestHouse, head: str, body: str = "!uptime\r\n") -> bytes:
    return f"{head}\r\n\r\n{body}".encode("latin-1")


GOOD = (
    "From: ann@example.org\r\nTo: cmd@home.example\r\nSubject: x\r\n"
    "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>"
)
NESTED = "Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + "".join(
    f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(1000)
)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("bare LF", GOOD.encode() + b"\r\n\r\n!up\ntime\r\n"),
        ("NUL", GOOD.encode() + b"\r\n\r\n!up\0time\r\n"),
        ("8-bit header", GOOD.replace("x", "\xe9").encode("latin-1") + b"\r\n\r\n!uptime\r\n"),
        ("two From", GOOD.encode() + b"\r\nFrom: evil@example.com\r\n\r\n!uptime\r\n"),
        ("1,000 nested parts", f"{GOOD}\r\n{NESTED}".encode()),
        ("300 KB", GOOD.encode() + b"\r\n\r\n" + b"x" * 70 + b"\r\n" * 150_000),
    ],
)
def test_a_malformed_mail_is_refused_in_the_session_and_stored_nowhere(
    house: TestHouse, phone: Phone, name: str, raw: bytes
) -> None:
    house.settle()
    before = sorted(house.spool.rglob("*.eml"))
    host, port = house.smtp
    client = smtplib.SMTP(host, port, timeout=10)
    client.ehlo()
    client.mail("ann@example.org")
    client.rcpt("cmd@home.example")
    client.putcmd("data")
    client.getreply()
    client.send(raw + b"\r\n.\r\n")
    code, text = client.getreply()
    client.close()

    assert 500 <= code < 600, (name, code, text)
    assert b"/" not in text and b"Error" not in text
    house.settle()
    assert sorted(house.spool.rglob("*.eml")) == before
    test_the_next_one_is_served(phone)


def test_an_unsigned_mail_in_the_name_of_a_person_gets_silence(
    house: TestHouse, phone: Phone
) -> None:
    house.send(mail(house, GOOD), mail_from="ann@example.org")
    test_the_next_one_is_served(phone)
    house.settle()
    assert phone.silent
    assert house.inbox.to("ann@example.org") == []


def test_a_dropped_file_that_is_no_text_is_filed_and_the_next_is_served(
    house: TestHouse, phone: Phone
) -> None:
    (house.spool / "picture.part").write_bytes(bytes(range(256)) * 8)
    (house.spool / "picture.part").rename(house.spool / "picture.jpg")
    test_the_next_one_is_served(phone)
    house.until(lambda: not (house.spool / "picture.jpg").exists())
    house.settle()
    assert Path(house.spool / "refused").is_dir()
