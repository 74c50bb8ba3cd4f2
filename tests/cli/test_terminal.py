"""The verbs as a person meets them: on a terminal, followed, and ended with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import textwrap
import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from pyotp.totp import TOTP
from tests.cli.conftest import HOUSECARL, Verb, verb_of
from tests.cli.forked import Forked, forker, shared
from tests.cli.terminal import at_terminal

from housecarl.testing.house import TestHouse


@pytest.mark.long
def test_the_demo_goes_on_as_a_prompt_where_you_are_the_phone() -> None:
    with at_terminal(HOUSECARL, "demo", env={"TERM": "dumb"}) as (you, demo):
        you.wait("Now you are the phone")
        you.answer("    you", "!plug lamp off")
        you.wait("lamp off.")
        you.answer("    you", "hello house")
        you.wait("silence: no command in it")
        you.answer("    you")
        you.rest()
    assert demo.returncode == 0


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_the_demo_leaves_nothing_behind_however_it_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with shared().at_terminal("demo", env={"TMPDIR": str(tmp_path)}) as (you, demo):
        you.wait("Now you are the phone")
        assert [path.is_dir() for path in tmp_path.iterdir()] == [True]
        demo.send_signal(number)
        while not has_ended(demo, 1.0):  # readline hears none that comes just before it waits
            demo.send_signal(number)
        assert (demo.wait(), list(tmp_path.iterdir())) == (128 + number, [])


def has_ended(verb: Forked, seconds: float) -> bool:
    """Whether a verb ends within some seconds; nobody has waited for it yet."""
    late = time.monotonic() + seconds
    while Path(f"/proc/{verb.pid}/stat").read_text().rpartition(") ")[2][0] != "Z":
        if time.monotonic() > late:
            return False
        time.sleep(0.01)
    return True


def test_an_app_is_enrolled_with_the_code_it_shows(house: TestHouse) -> None:
    command = ("-c", house.folder / "housecarl.yaml", "person", "totp", "ann")
    with shared().at_terminal(*command) as (ann, verb):
        ann.wait("The code that")
        secret = re.findall(r"secret=([A-Z2-7]{32})", ann.seen)[0]
        ann.answer("app shows now", TOTP(secret).now())
        ann.wait("Written to ")
        ann.rest()
    assert verb.wait() == 0
    path = house.folder / "ann.totp"
    assert path.read_text().strip() == secret
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_app_is_enrolled_only_with_a_code_it_shows(house: TestHouse) -> None:
    command = ("-c", house.folder / "housecarl.yaml", "person", "totp", "ann")
    before = (house.folder / "ann.totp").read_text()
    with shared().at_terminal(*command) as (ann, verb):
        ann.wait("otpauth://totp/")
        ann.answer("app shows now", "000000x")
        ann.wait("nothing was changed")
        ann.rest()
    assert verb.wait() == 2
    assert (house.folder / "ann.totp").read_text() == before


def test_an_app_that_the_configuration_does_not_know_yet_is_shown_what_to_write(
    house: TestHouse,
) -> None:
    """The lines to add, and no file: where it stands is the owner's to say."""
    before = sorted(path.name for path in house.folder.iterdir())
    command = ("-c", house.folder / "housecarl.yaml", "person", "totp", "bo")
    with shared().at_terminal(*command) as (bo, verb):
        bo.wait("The code that")
        secret = re.findall(r"secret=([A-Z2-7]{32})", bo.seen)[0]
        bo.answer("app shows now", TOTP(secret).now())
        said = bo.rest().partition("Put this line")[2]
    assert verb.wait() == 0
    assert said.splitlines() == [
        " into secrets/bo.totp (mode 600), beside the configuration:",
        f"  {secret}",
        "and this under `people.bo`:",
        "  totp: {file: secrets/bo.totp}",
    ]
    assert sorted(path.name for path in house.folder.iterdir()) == before


def test_a_password_is_typed_twice_and_never_shown(house: TestHouse) -> None:
    command = ("-c", house.folder / "housecarl.yaml", "person", "password", "ann")
    with shared().at_terminal(*command) as (ann, verb):
        ann.answer("Password:", "correct horse")
        ann.answer("Repeat for confirmation:", "correct house")
        ann.wait("do not match")
        ann.answer("Password:", "correct horse")
        ann.answer("Repeat for confirmation:", "correct horse")
        seen = ann.rest()
    assert (verb.wait(), "Written to " in seen) == (0, True)
    assert "correct" not in seen
    assert PasswordHasher().verify((house.folder / "ann.hash").read_text().strip(), "correct horse")


def test_a_log_that_is_followed_shows_what_comes_and_ends_with_ctrl_c(
    house: TestHouse, verb: Verb
) -> None:
    command = ("-c", house.folder / "housecarl.yaml", "log", "-n", "1", "--follow")
    verb("send", "!help", "--as", "ann", "--wait")
    with shared().at_terminal(*command) as (reader, log):
        reader.wait("ann: help [done]")
        for text in ("!help uptime", "!help more"):
            verb("send", text, "--as", "ann", "--wait")
        reader.wait("ann: help more [done]")
        log.send_signal(signal.SIGINT)
        shown = reader.rest()
    assert log.wait() == 0
    for word in ("uptime", "more"):
        assert shown.count(f"ann: help {word} [done]") == 1


@pytest.mark.long
def test_a_verb_under_test_hears_what_the_tests_do_not(
    house: TestHouse, verb: Verb, tmp_path: Path
) -> None:
    """`make test &` starts them deaf to Ctrl-C, nohup to a terminal that is closed."""
    verb("send", "!help", "--as", "ann", "--wait")
    deaf = ("sh", "-c", "trap '' INT HUP; exec \"$@\"", "sh")
    command = ("-c", house.folder / "housecarl.yaml", "log", "-n", "1", "--follow")
    with forker(tmp_path, deaf) as verbs:
        for number, code in ((signal.SIGINT, 0), (signal.SIGHUP, -signal.SIGHUP)):
            with verbs.at_terminal(*command) as (reader, log):
                reader.wait("[done]")
                log.send_signal(number)
                reader.rest()
                assert log.wait() == code


def test_a_log_of_what_failed_leaves_out_what_went_well(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bell.py").write_text(
        "from housecarl import Call, command\n\n\n@command()\ndef bell(call: Call) -> str:\n"
        '    """Ring."""\n    raise OSError("no bell")\n'
    )
    with TestHouse(tmp_path, modules={"folders": ["mine"]}) as house:
        for text in ("!uptime", "!bell"):
            house.phone().text(text)
        house.settle()
        log = verb_of(tmp_path / "housecarl.yaml")("log", "--failed", "--json").stdout
    entries = [json.loads(line) for line in log.splitlines()]
    assert [entry["calls"] for entry in entries] == [[["bell"]]]


def test_ctrl_c_ends_the_daemon_as_sigterm_does(tmp_path: Path) -> None:
    config = tmp_path / "housecarl.yaml"
    config.write_text(
        textwrap.dedent("""
            spool: spool
            people: {ann: {unix: [ann], may: [uptime]}}
            doors: {drop: {}}
        """)
    )
    with shared().at_terminal("-c", config, "run") as (reader, daemon):
        reader.wait("ready")
        daemon.send_signal(signal.SIGINT)
        reader.rest()
    assert daemon.wait() == 0


@pytest.mark.server("setsid")
@pytest.mark.long
def test_a_password_that_is_no_text_on_this_terminal_is_one_sentence(house: TestHouse) -> None:
    """A terminal of another encoding: a password is read from it, past the standard input."""
    words = (HOUSECARL, "-c", house.folder / "housecarl.yaml", "person", "password", "ann")
    with at_terminal("setsid", "-cw", *words, env={}) as (ann, verb):
        ann.wait("Password:")
        os.write(ann.terminal, b"longenough\xff1\n")
        screen = ann.rest()
    assert screen.endswith("what was typed is no utf-8 text; nothing was done\r\n")
    assert verb.returncode == 1


def test_a_code_that_is_no_text_is_not_the_code(house: TestHouse) -> None:
    command = ("-c", house.folder / "housecarl.yaml", "person", "totp", "ann")
    with shared().at_terminal(*command) as (ann, verb):
        ann.wait("The code that the app shows now")
        os.write(ann.terminal, b"12345\xff\n")
        assert "that is not the code; nothing was changed" in ann.rest()
    assert verb.wait() == 2


@pytest.mark.long
def test_a_qr_code_that_the_locale_cannot_show_is_left_out(house: TestHouse) -> None:
    """The secret can be typed."""
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = (HOUSECARL, "-c", house.folder / "housecarl.yaml", "person", "totp", "ann")
    with at_terminal(*command, env=plain) as (ann, verb):
        ann.wait("No QR code in this locale")
        ann.wait("otpauth://totp/")
        ann.answer("The code that the app shows now", "1")
        ann.rest()
    assert verb.returncode == 2


@pytest.mark.long
def test_the_demo_takes_whatever_is_typed() -> None:
    with at_terminal(HOUSECARL, "demo", env={"TERM": "dumb"}) as (you, demo):
        you.wait("Now you are the phone")
        you.wait("    you")
        os.write(you.terminal, b"!plug \xff\n")
        you.wait("house")
        you.answer("    you")
        you.rest()
    assert demo.returncode == 0
