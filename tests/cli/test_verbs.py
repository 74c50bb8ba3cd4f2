"""The verbs of every day, beside a running daemon."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.conftest import HOUSECARL, LOGIN, Verb, verb_of
from tests.cli.forked import COMMON, forker

from housecarl import cli, config_file
from housecarl.cli import journal, send
from housecarl.errors import NotAllowed, Unreachable
from housecarl.journal import JOURNAL, connect, receipts, replies
from housecarl.journal.replies import Outgoing
from housecarl.journal.schema import VERSION
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse


def test_send_waits_for_the_reply(verb: Verb) -> None:
    done = verb("send", "!uptime", "--as", "ann", "--wait")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Elm Street up ")


@pytest.mark.parametrize("word", ["send", "try"])
def test_a_command_as_nobody_is_a_usage_error(verb: Verb, word: str) -> None:
    done = verb(word, "!uptime", "--as", "eve")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"--as: no eve in /\S+\.yaml, which knows ann, bo\n", done.stderr)


def test_send_that_waits_fails_when_the_command_does(verb: Verb) -> None:
    done = verb("send", "!help nothing", "--as", "ann", "--wait")
    assert done.returncode == 1
    assert done.stdout.startswith("No command nothing. !help lists them.\n")
    assert verb("send", " ", "--as", "ann").returncode == 2


def test_try_prints_the_sms_and_its_length_and_sends_nothing(verb: Verb, house: TestHouse) -> None:
    before = len(house.inbox.received)
    done = verb("try", "uptime", "--as", "bo")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Elm Street up ")
    assert "septets, 1 part" in done.stderr
    house.settle()
    assert len(house.inbox.received) == before


@pytest.mark.long(after=1)
@pytest.mark.parametrize("words", [("send", "--wait"), ("try",)])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("!help " + "x" * 1000, "That line is over 1000 characters long. Nothing was done."),
        ("!help " + "ü" * 900, "No command üüü"),
    ],
    ids=["too long", "long for a mail"],
)
def test_a_line_of_somebody_known_is_answered_however_long(
    verb: Verb, words: tuple[str, ...], asked: str, told: str
) -> None:
    done = verb(*words, asked, "--as", "ann")
    assert (done.returncode, done.stdout[: len(told)]) == (1, told), done.stderr


def test_try_says_why_nobody_would_be_answered(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\npeople: {bo: {unix: [bo], may: [help], until: 2020-01-01}}\n")
    done = verb_of(config)("try", "!help", "--as", "bo")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "refused: until\n")


def test_try_fails_when_the_command_does(verb: Verb) -> None:
    done = verb("try", "plug lamp on", "--as", "bo")
    assert done.returncode == 1
    assert done.stdout == "No command plug. !help lists them.\n"
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_try_takes_no_code_and_does_not_say_that_none_is_waited_for(verb: Verb) -> None:
    """A question may well be open; only who was asked can answer it, on the way it came."""
    done = verb("try", "yes 4821", "--as", "bo")
    assert (done.returncode, done.stdout) == (1, "A code counts where it was asked for: text it.\n")


DOOR = """\
from housecarl import Call, command


@command(risk="danger")
async def door(call: Call) -> str:
    \"\"\"Open the door.\"\"\"
    return "Open."
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("door", "--as", "ann"), 77, "door needs a code: text it, or use its own verb"),
        (("help",), 77, "this login is nobody here: name a person with --as, or list it (`unix`)"),
    ],
    ids=["dangerous", "by nobody"],
)
def test_try_carries_out_what_needs_no_code_for_somebody_who_is_known(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """What was refused is nowhere in the journal: it was never asked for."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "door.py").write_text(DOOR)
    config = tmp_path / "house.yaml"
    config.write_text(
        "spool: spool\npeople: {ann: {addresses: [ann@example.org], may: ['*']}}\n"
        "modules: {folders: [mine]}\n"
    )
    done = verb_of(config)("try", *words)
    assert (done.returncode, done.stdout, said in done.stderr) == (code, "", True), done.stderr
    loaded = config_file.load(config)
    assert journal.read(loaded, lambda conn: receipts.listing(conn, limit=1)) == []


def test_send_is_refused_to_a_login_that_the_daemon_would_not_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that neither owns the spool nor is listed; nothing is dropped."""
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\ndoors: {drop: {}}\npeople: {ann: {unix: [ann], may: ['*']}}\n")
    (tmp_path / "spool").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    words = ["-c", str(config), "send", "!help", "--as", "ann"]
    done = CliRunner().invoke(cli.housecarl, words)
    assert isinstance(done.exception, NotAllowed)
    assert str(done.exception) == "this login may not send as ann; see `people.ann.unix`"
    assert list((tmp_path / "spool").iterdir()) == []


def test_send_waits_for_no_reply_for_ever(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "WAIT_SECONDS", 0.0)
    loaded = config_file.load(house.folder / "housecarl.yaml")
    with pytest.raises(Unreachable, match=r"^no reply in 0 s; is the daemon running\?"):
        send.reply_to(loaded, "drop:of nobody")


def test_who_waits_where_no_daemon_has_run_yet_does_not_hear_that_it_may_have_been_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house.yaml").write_text("spool: spool\n")
    (tmp_path / "spool").mkdir()
    monkeypatch.setattr(send, "WAIT_SECONDS", send.LOOK_SECONDS)
    with pytest.raises(Unreachable, match=r"no reply in [\d.]+ s; no journal in \S+ yet: `"):
        send.reply_to(config_file.load(tmp_path / "house.yaml"), "drop:of nobody")


def test_who_waits_beside_a_daemon_of_the_former_version_hears_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between an upgrade and the restart it was done, and the daemon was called in question."""
    (tmp_path / "house.yaml").write_text("spool: spool\n")
    (tmp_path / "spool" / JOURNAL.parent).mkdir(parents=True)
    conn = connect(tmp_path / "spool" / JOURNAL)
    conn.execute("PRAGMA user_version = 1")
    conn.close()
    monkeypatch.setattr(send, "WAIT_SECONDS", send.LOOK_SECONDS)
    loaded = config_file.load(tmp_path / "house.yaml")
    with pytest.raises(Unreachable, match=r"may have been done .* restart the daemon, which"):
        send.reply_to(loaded, "drop:of nobody")


def test_status_is_0_when_all_is_well(verb: Verb) -> None:
    done = verb("status", "--json")
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    assert (told["house"], told["well"]) == ("Elm Street", True)
    assert isinstance(told["text_parts_this_month"], dict)
    assert "text parts this month: " in verb("status").stdout


def test_log_shows_what_was_asked_and_answered(verb: Verb) -> None:
    verb("send", "!help uptime", "--as", "ann", "--wait")
    last = verb("log", "-n", "1", "--json")
    entry = json.loads(last.stdout)
    assert (entry["person"], entry["calls"], entry["outcomes"]) == (
        "ann",
        [["help", "uptime"]],
        ["done"],
    )
    assert "ann: help uptime [done] uptime - " in verb("log", "-n", "1").stdout
    assert verb("log", "--person", "bo", "--since", "1h", "--json").returncode == 0
    assert verb("log", "--person", "eve").returncode == 2
    assert verb("log", "--since", "yesterday").returncode == 2


@pytest.mark.long
def test_log_shows_what_somebody_asked_who_is_in_the_configuration_no_more(
    house: TestHouse, verb: Verb
) -> None:
    verb("send", "!help uptime", "--as", "ann", "--wait")
    newer = house.folder / "newer.yaml"
    newer.write_text((house.folder / "housecarl.yaml").read_text().replace("  ann:", "  anna:"))
    done = verb_of(newer)("log", "--person", "ann", "-n", "1")
    assert " ann: help uptime [done] " in done.stdout, done.stderr


@pytest.mark.long
def test_log_calls_nobody_a_stranger_whose_message_waits(tmp_path: Path) -> None:
    """A change waits on a machine that has just booted; who sent it is looked at again then."""
    clock = FakeClock()
    clock.doubt()
    with TestHouse(tmp_path, clock=clock) as house:
        house.phone().text("!in 1h uptime")
        with closing(connect(house.spool / JOURNAL)) as conn:
            house.until(lambda: receipts.listing(conn, limit=1) != [])
        verb = verb_of(tmp_path / "housecarl.yaml")
        assert verb("log").stdout.endswith(" not known yet: [later]\n")
        identity = json.loads(verb("log", "--json").stdout)["id"]
        assert "check later: the clock is not set yet\n" in verb("why", identity).stdout


def test_why_tells_every_decision_about_a_message(verb: Verb) -> None:
    verb("send", "!uptime", "--as", "ann", "--wait")
    identity = json.loads(verb("log", "-n", "1", "--json").stdout)["id"]
    told = json.loads(verb("why", identity, "--json").stdout)
    assert (told["person"], told["proof"], told["verdict"]) == ("ann", "local", "run")
    assert told["runs"][0]["outcome"] == "done"
    assert "verdict: run" in verb("why", identity).stdout
    assert verb("why", "ffffffffffffffff").returncode == 1
    assert verb("why", "no-such-file").returncode == 2


def test_why_believes_a_stamp_only_inside_the_spool(
    verb: Verb, house: TestHouse, tmp_path: Path
) -> None:
    verb("send", "!uptime", "--as", "ann", "--wait")
    house.settle()
    stored = max(house.spool.rglob("executed/*/*.eml"), key=lambda path: path.name)
    inside = json.loads(verb("why", str(stored), "--json").stdout)
    assert (inside["person"], inside["verdict"]) == ("ann", "run")
    copy = tmp_path / "copy.eml"
    copy.write_bytes(stored.read_bytes())
    outside = json.loads(verb("why", str(copy), "--json").stdout)
    assert (outside["person"], outside["verdict"]) == (None, "refuse")


def test_a_person_is_switched_off_at_once_and_on_again(verb: Verb, house: TestHouse) -> None:
    assert verb("person", "off", "ann").returncode == 0
    assert "OFF since" in verb("person", "list").stdout
    house.do(house.daemon.house.refresh())  # type: ignore[union-attr]
    house.phone("ann").text("!uptime")
    house.settle()
    assert house.inbox.to(house.phone("ann").address) == []
    assert verb("person", "on", "ann").stdout == "ann is on.\n"
    house.do(house.daemon.house.refresh())  # type: ignore[union-attr]
    assert "OFF" not in verb("person", "list").stdout


def test_a_password_is_hashed_into_the_file_the_config_names(verb: Verb, house: TestHouse) -> None:
    typed = "correct horse\ncorrect horse\n"
    done = verb("person", "password", "ann", typed=typed)
    assert done.returncode == 0, done.stderr
    path = house.folder / "ann.hash"
    assert path.read_text().startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert path.stat().st_mode & 0o777 == 0o600
    assert verb("person", "password", "bo", typed=typed).stdout.count("bo.hash") == 2
    assert verb("person", "password", "ann", typed="short\nshort\n").returncode == 2


def test_a_password_that_cannot_be_typed_everywhere_is_refused(
    verb: Verb, house: TestHouse
) -> None:
    """A tab or a stray byte in it: a mail program could not send it."""
    before = (house.folder / "ann.hash").read_text()
    done = verb("person", "password", "ann", typed="correct\thorse\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a password has letters, digits and signs, in UTF-8" in done.stderr
    assert (house.folder / "ann.hash").read_text() == before


def test_a_house_that_obeys_nobody_says_how_that_ends(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\n")
    done = verb_of(config)("person", "list")
    assert (done.returncode, done.stdout) == (0, "Nobody: add yourself under `people`.\n")


def test_the_queue_is_listed_tried_again_and_given_up(verb: Verb, house: TestHouse) -> None:
    house.inbox.busy = True
    try:
        verb("send", "!help", "--as", "ann", "--wait")
        house.settle()
        listed = verb("queue", "list").stdout
        number = listed.split()[0]
        assert "to ann [waiting" in listed
        assert verb("queue", "retry", number).returncode == 0
        assert verb("queue", "drop", number).returncode == 0
        assert verb("queue", "drop", number).returncode == 1
    finally:
        house.inbox.busy = False


def test_a_reply_that_was_refused_is_listed_with_the_servers_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes out when somebody says that it is tried again; then nothing waits any more."""

    refusing = threading.Event()
    refusing.set()

    def states() -> list[str]:
        return [row["state"] for row in journal.read(loaded, replies.queue)]

    people = {"ann": {"addresses": ["ann@example.org"], "unix": [LOGIN], "may": ["*"]}}
    with TestHouse(tmp_path, people) as house:
        take = house.inbox.handle_DATA

        async def hear(*given: Any) -> str:
            return "550 5.7.1 Not you" if refusing.is_set() else await take(*given)

        monkeypatch.setattr(house.inbox, "handle_DATA", hear)
        loaded = config_file.load(tmp_path / "housecarl.yaml")
        verb = verb_of(tmp_path / "housecarl.yaml")
        verb("send", "!help uptime", "--as", "ann", "--wait")
        house.until(lambda: states() == ["refused"])
        listed = verb("queue", "list").stdout
        assert " to ann [refused: the mail: 550 5.7.1 Not you] uptime - " in listed
        refusing.clear()
        number = listed.split()[0]
        assert verb("queue", "retry", number).stdout == f"Reply {number} is tried again now.\n"
        house.inbox.wait(1)
        house.until(lambda: states() == [])
        assert verb("queue", "list").stdout == "Nothing waits.\n"
        done = verb("queue", "retry", number)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"no reply {number} that can be sent waits or was refused; ")

        why = "the mail would not read back as it was written"
        unwritable = Outgoing("ann", "reply", "ann@example.org", "<a@b>", "x", b"", 1.0, error=why)
        number = str(journal.write(loaded, lambda conn: replies.add(conn, unwritable)))
        assert f" to ann [refused: {why}] x\n" in verb("queue", "list").stdout
        assert verb("queue", "retry", number).stderr.startswith(f"no reply {number} that can be ")
        assert verb("queue", "drop", number).stdout == f"Reply {number} is given up.\n"

        journal.write(loaded, lambda conn: [replies.add(conn, unwritable) for _ in range(1001)])
        assert len(verb("queue", "list").stdout.splitlines()) == 1001

        house.stop()
        waiting = unwritable._replace(mail=b"x", error=None)
        number = str(journal.write(loaded, lambda conn: replies.add(conn, waiting)))
        waits = f"Reply {number} is tried again once the daemon runs.\n"
        assert verb("queue", "retry", number).stdout == waits


def test_check_tells_every_fault_at_once_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text(
        "house: Elm\nunits: imperial\npeople:\n  ann: {may: [plgu]}\nmodules:\n  pong: {}\n"
    )
    done = verb_of(config)("check")
    assert done.returncode == 78
    assert f"{config}:2:8: units: " in done.stderr
    config.write_text("people:\n  ann: {unix: [ann], may: [plgu]}\nmodules:\n  pong: {}\n")
    done = verb_of(config)("check")
    assert done.returncode == 78
    assert "no command 'plgu'; did you mean 'plug'?" in done.stderr
    assert "no module 'pong'; did you mean 'ping'?" in done.stderr


def test_check_is_quiet_about_secrets(verb: Verb) -> None:
    assert verb("check").stdout.endswith("housecarl.yaml: well.\n")
    shown = verb("check", "--print").stdout
    assert "house: Elm Street" in shown and "nothing yet" not in shown
    assert json.loads(verb("check", "--schema").stdout)["type"] == "object"


def test_check_tells_a_wrong_setting_of_a_module_once(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("modules:\n  energy: {interval: 1s}\n")
    done = verb_of(config)("check")
    assert (done.returncode, done.stderr.count(f"{config}:2:22: ")) == (78, 1), done.stderr


def test_check_repeats_no_secret_whatever_its_key_is_called(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("modules: {weather: {station: {id: KCODENVE1, key: hunter2}}}\n")
    done = verb_of(config)("check")
    assert done.returncode == 78
    assert f"{config}:1:51: modules.weather.station.key: a secret never stands" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_check_tells_an_alias_of_no_command(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("aliases:\n  night: [uptime, uptmie now]\n  again: night\n  ok: p lamp\n")
    done = verb_of(config)("check")
    assert done.returncode == 78
    assert [line for line in done.stderr.splitlines() if line.startswith(str(config))] == [
        f"{config}:2:19: aliases.night.1: no command 'uptmie'; did you mean 'uptime'?",
        f"{config}:3:10: aliases.again.0: no command 'night'",
    ]


def test_check_tells_an_alias_that_counts_for_nothing(tmp_path: Path) -> None:
    """As a right or in `commands` it has no effect, and a command of its name goes first."""
    config = tmp_path / "house.yaml"
    config.write_text(
        "people: {bo: {unix: [bo], may: [night, p]}}\n"
        "aliases: {night: [uptime], uptime: [disk]}\ncommands: {night: {per_hour: 2}}\n"
        "modules: {plug: {plugs: {lamp: 127.0.0.1}}}\n"
    )
    done = verb_of(config)("check")
    assert done.returncode == 78
    alias = "'night' is an alias; name the commands that it stands for"
    first = "is a command already, which goes first; choose another word"
    assert [line for line in done.stderr.splitlines() if line.startswith(str(config))] == [
        f"{config}:1:33: people.bo.may.0: {alias}",
        f"{config}:1:40: people.bo.may.1: 'p' is plug in short; write that",
        f"{config}:2:28: aliases.uptime: {first}",
        f"{config}:3:19: commands.night: {alias}",
    ]


def test_check_is_not_well_when_a_module_cannot_be_used(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text(
        "modules: {folders: [mine], gong: {}}\n"
        "people: {bo: {unix: [bo], may: [gong]}}\naliases: {noon: gong}\n"
    )
    done = verb_of(config)("check")
    what = f"{tmp_path}/mine is not there; make it, or change modules.folders"
    assert done.returncode == 78
    assert [line for line in done.stderr.splitlines() if line.startswith(str(config))] == [
        f"{config}:1:21: modules.folders.0: {what}"
    ], "gong may be a module in there"
    config.write_text("modules: {folders: [mine]}\n")
    (tmp_path / "mine").mkdir()
    assert verb_of(config)("check").stdout == f"{config}: well.\n"
    file = tmp_path / "mine" / "broken.py"
    file.write_text("import nowhere\n")
    done = verb_of(config)("check")
    assert (done.returncode, done.stdout) == (1, "")
    what = "ModuleNotFoundError: No module named 'nowhere'"
    mend = f"install it for {sys.executable}, then touch {file}"
    assert done.stderr == f"{file}:1: {what}; {mend}\n"
    config.write_text("modules: {folders: [mine], pong: {}}\n")
    done = verb_of(config)("check")
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{file}:1: " in done.stderr and "no module 'pong'" in done.stderr


SECRETS = """\
people:
  ann: {unix: [ann], may: [help], totp: {file: gone.totp}}
doors:
  imap: {host: h, user: u, password: {file: empty}}
modules:
  plug:
    plugs:
      lamp: {host: 127.0.0.1, user: u, password: {file: gone.plug}}
"""


def test_check_tells_which_secret_is_missing_and_where(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text(SECRETS)
    (tmp_path / "empty").touch(mode=0o600)
    tmp_path.chmod(0o700)
    done = verb_of(config)("check")
    assert (done.returncode, done.stdout) == (78, "")
    assert [line for line in done.stderr.splitlines() if line.startswith(str(config))] == [
        f"{config}:2:41: people.ann.totp: {tmp_path}/gone.totp does not exist; "
        "run: housecarl person totp ann",
        f"{config}:4:38: doors.imap.password: is empty; "
        f"run: install -m 600 /dev/stdin {tmp_path}/empty  (then type it, and Ctrl-D)",
        f"{config}:8:50: modules.plug.plugs.lamp.password: {tmp_path}/gone.plug does not exist; "
        f"run: install -m 600 /dev/stdin {tmp_path}/gone.plug  (then type it, and Ctrl-D)",
    ]
    assert verb_of(config)("check", "--print").returncode == 0


def test_check_tells_a_file_that_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text(
        "doors:\n  imap: {host: h, user: u, password: {env: X}, ca: gone.ca}\n"
        "  smtp: {recipients: [a@b.example], certificate: {cert: gone.pem, key: key.pem}}\n"
        "post: {host: h, from: a@b.example, ca: gone.ca}\n"
    )
    (tmp_path / "key.pem").write_text("x")
    (tmp_path / "key.pem").chmod(0o600)
    done = verb_of(config)("check")
    assert done.returncode == 78
    assert [line for line in done.stderr.splitlines() if line.startswith(str(config))] == [
        f"{config}:2:52: doors.imap.ca: {tmp_path}/gone.ca does not exist",
        f"{config}:3:57: doors.smtp.certificate.cert: {tmp_path}/gone.pem does not exist",
        f"{config}:4:40: post.ca: {tmp_path}/gone.ca does not exist",
    ]


def test_check_notes_the_secrets_that_only_the_daemon_can_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("NOWHERE", raising=False)
    config = tmp_path / "house.yaml"
    config.write_text(
        "doors:\n  imap: {host: h, user: u, password: {credential: imap}}\n"
        "post: {host: h, user: u@h, password: {env: NOWHERE}, from: u@h}\n"
    )
    done = verb_of(config)("check")
    assert (done.returncode, done.stdout) == (
        0,
        f"{config}: well, but for 2 things that only the daemon can see.\n",
    )
    assert f"note: {config}:2:38: doors.imap.password: " in done.stderr
    assert f"note: {config}:3:38: post.password: not set in the environment" in done.stderr
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("NOWHERE", "x")
    done = verb_of(config)("check")
    assert (done.returncode, "[Service] LoadCredential=imap:PATH" in done.stderr) == (
        78,
        True,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(verb: Verb, shell: str) -> None:
    assert "_HOUSECARL_COMPLETE" in verb("completion", shell).stdout


@pytest.mark.long
def test_a_module_is_written_listed_and_tested(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("modules: {folders: [mine]}\nspool: spool\n")
    verb = verb_of(config)
    (tmp_path / "mine").mkdir()
    assert verb("module", "new", "hello").returncode == 0
    assert "hello [WHO]  [look] " in verb("module", "list").stdout
    done = verb("module", "test", "hello")
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout
    said = done.stdout + done.stderr
    assert "asyncio_default_fixture_loop_scope" not in said, "a warning of ours"
    (tmp_path / "mine" / "broken.py").write_text("import nowhere\n")
    done = verb("module", "list")
    assert (done.returncode, "broken.py:1" in done.stdout) == (1, True)
    assert verb("module", "new", "../evil").returncode == 1


@pytest.mark.long(after=4)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["why", "house.yaml", "--dns", "house.yaml"], 2, "--dns: house.yaml is no JSON such as"),
        (["why", "house.yaml", "--dns", "none.json"], 2, "--dns: none.json: No such file"),
        (["queue", "retry", str(2**63)], 2, "is not in the range"),
        (["queue", "drop", "0"], 2, "is not in the range"),
        (["module", "new", "bell", "--folder", "/proc/x"], 1, "/proc/x: No such file"),
        (["module", "new", "bell", "--folder", "/dev/null"], 1, "/dev/null"),
        (["init", "--answers", "/dev/zero"], 2, "--answers"),
        (["-c", "/proc/x/h.yaml", "init", "--no-doctor", "--answers", "answers"], 1, "/proc/x: "),
        (["-c", "pw.yaml", "person", "password", "ann"], 1, "/proc/.ann.hash.part: "),
        (["log", "--since", "9999999w"], 2, "is no time span"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)
def test_what_makes_no_sense_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house.yaml").write_text("spool: spool\n")
    login = "{user: ann, hash: {file: /proc/ann.hash}}"
    (tmp_path / "pw.yaml").write_text(f"people: {{ann: {{may: [help], login: {login}}}}}\n")
    (tmp_path / "answers").write_text(f"name: ann\ndoor: files\nlogin: {LOGIN}\n")
    done = verb_of(tmp_path / "house.yaml")(*words, typed="correct horse\n")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("doctor",), ("doctor", "--json")])
def test_a_doctor_without_a_configuration_says_what_is_wrong_with_it(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """As a finding for a person; where JSON is wanted, there is none to be had."""
    config = tmp_path / "house.yaml"
    config.write_text("hose: Elm\n")
    done = verb_of(config)(*words)
    told, empty = done.stdout, done.stderr
    if "--json" in words:
        told, empty = empty, told
    else:
        assert told.startswith("FAIL config ")
    assert (done.returncode, empty) == (78, "")
    assert "house.yaml:1:1: hose: unknown key; did you mean 'house'?" in told


def test_without_a_way_out_no_reply_is_tried(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\npeople: {ann: {addresses: [a@b.example], may: ['*']}}\n")
    done = verb_of(config)("test-send", "ann")
    assert (done.returncode, done.stdout) == (78, "")
    assert "post: is missing: without it nobody is answered" in done.stderr


def test_what_is_no_verb_after_two_dashes_is_a_usage_error(verb: Verb) -> None:
    done = verb("--", "-x")
    assert (done.returncode, "-x" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    "fault",
    [UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates"), OSError(errno.EINVAL, "odd")],
    ids=["a text", "a call"],
)
def test_a_fault_of_our_own_shows_its_trace(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Only what an operator can mend becomes a sentence."""

    def broken(**_: object) -> None:
        raise fault

    monkeypatch.setattr(cli.housecarl, "main", broken)
    with pytest.raises(type(fault)) as shown:
        cli.main()
    assert shown.value is fault


def test_help_lists_every_verb_with_what_it_does(verb: Verb) -> None:
    """In the order of a newcomer's needs."""
    done = verb("--help")
    listed = " ".join(done.stdout.partition("\nVerbs:\n")[2].split())
    assert (done.returncode, done.stderr) == (0, "")
    assert listed == " ".join(f"{name} {text}" for name, (_, text) in cli.VERBS.items())


def test_a_verb_with_a_slip_gets_a_suggestion(verb: Verb) -> None:
    done = verb("sttus")
    assert (done.returncode, "Did you mean 'status'?" in done.stderr) == (2, True)


@pytest.mark.long
def test_what_a_latin_1_terminal_types_is_read_right(verb: Verb, house: TestHouse) -> None:
    """Neither its bytes nor its locale, which knows fewer letters, meet a trace."""
    typed = "!ping h\xf6lle".encode("latin-1")
    done = subprocess.run(
        [HOUSECARL, "-c", house.folder / "housecarl.yaml", "try", typed, "--as", "ann"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "No host h" in done.stdout, done.stderr
    # what an interpreter that starts makes of these bytes
    done = verb("send", os.fsdecode(typed), "--as", "ann", "--wait")
    assert "No host h" in done.stdout, done.stderr


@pytest.mark.long
def test_a_path_that_the_locale_cannot_write_is_a_sentence(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("spool: sé/spool\n", "utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [HOUSECARL, "-c", config, "status"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **plain},
    )
    assert (done.returncode, "LC_ALL=C.UTF-8 helps" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(("errors", "code"), [("strict", 1), ("surrogateescape", 0)])
@pytest.mark.long
def test_a_path_that_the_output_cannot_write_is_a_sentence(
    tmp_path: Path, errors: str, code: int
) -> None:
    """A name of other bytes than UTF-8, and an output that takes nothing else."""
    config = tmp_path / "h\udcf6use.yaml"
    config.write_text("spool: spool\n")
    done = subprocess.run(
        [HOUSECARL, "-c", config, "check"],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": f"utf-8:{errors}"},
    )
    assert done.returncode == code, done.stderr
    if code:
        said = "h\\udcf6' cannot be printed; PYTHONIOENCODING=utf-8:surrogateescape helps\n"
        assert (done.stdout, done.stderr.endswith(said)) == ("", True), done.stderr
    else:
        assert done.stdout == f"{config}: well.\n"


def test_without_a_configuration_it_says_where_it_looked(tmp_path: Path) -> None:
    done = verb_of(tmp_path / "none.yaml")("status")
    assert (done.returncode, "no such file" in done.stderr) == (78, True)


def test_what_nobody_would_read_is_not_sent(tmp_path: Path) -> None:
    """No drop door: refused; no spool, no daemon: said, with what makes them."""
    config = tmp_path / "house.yaml"
    people = f"people: {{ann: {{unix: [{LOGIN}], may: [help]}}}}\nspool: spool\n"
    config.write_text(people)
    send = ("send", "!help", "--as", "ann")
    done = verb_of(config)(*send)
    assert (done.returncode, "add `drop: {}`" in done.stderr) == (78, True)
    config.write_text(f"{people}doors: {{drop: {{}}}}\n")
    done = verb_of(config)(*send)
    assert (done.returncode, f"{tmp_path}/spool is not there yet" in done.stderr) == (75, True)
    (tmp_path / "spool").mkdir()
    done = verb_of(config)(*send)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("It waits in the spool: no daemon runs. `")
    assert len(list((tmp_path / "spool").glob("send-*"))) == 1


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verb]:
    """Verbs on a spool of another login, by a root without the right to pass every door."""
    folder = tmp_path_factory.mktemp("theirs")
    config = folder / "house.yaml"
    config.write_text("spool: spool\ndoors: {drop: {}}\npeople: {ann: {unix: [ann], may: ['*']}}\n")
    (folder / "spool").mkdir(mode=0o700)
    os.chown(folder / "spool", 65534, 65534)
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    with forker(folder, without) as verbs:
        verbs.load(COMMON)
        yield partial(verbs.run, "-c", config)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["log"],
        ["queue", "list"],
        ["person", "list"],
        ["send", "!uptime", "--as", "ann"],
    ],
)
def test_a_spool_of_another_login_is_a_sentence(theirs: Verb, words: list[str]) -> None:
    done = theirs(*words)
    assert "Traceback" not in done.stderr
    assert (done.returncode, "this login may not" in done.stderr) == (77, True), done.stderr


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["hidden", "seen"])
@pytest.mark.parametrize(
    "words", [["queue", "drop", "1"], ["person", "off", "ann"], ["try", "!help", "--as", "ann"]]
)
def test_a_journal_that_another_login_may_change_is_a_sentence(
    theirs: Verb, tmp_path: Path, words: list[str], mode: int
) -> None:
    """Not "try again later": SQLite only says that it cannot open it."""
    config, spool = tmp_path / "house.yaml", tmp_path / "spool"
    config.write_text("spool: spool\npeople: {ann: {unix: [ann], may: ['*']}}\n")
    path = spool / JOURNAL
    path.parent.mkdir(parents=True)
    connect(path).close()
    for each, bits in ((spool, 0o755), (path.parent, mode), (path, 0o644)):
        os.chown(each, 65534, 65534)
        each.chmod(bits)
    done = theirs("-c", config, *words)
    assert "Traceback" not in done.stderr
    assert (done.returncode, "this login may not" in done.stderr) == (77, True), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(
            ["check"],
            0,
            "home/.config/housecarl/housecarl.yaml: well.",
            id="a place that nobody named",
        ),
        pytest.param(["why", "7f3a"], 75, "no journal in ", id="an id"),
        pytest.param(
            ["why", "letter.eml"],
            77,
            "letter.eml: this login may not",
            id="a file that is named",
        ),
    ],
)
@pytest.mark.long
def test_what_is_only_looked_for_is_not_in_a_folder_that_another_closed(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """As for `sudo -u housecarl` in a folder of root's."""
    config = tmp_path / "home" / ".config" / "housecarl" / "housecarl.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("spool: spool\n")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, 65534, 65534)
    env = {name: value for name, value in os.environ.items() if name != "HOUSECARL_CONFIG"}
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", HOUSECARL, *words],
        cwd=closed,
        env={**env, "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stderr


@pytest.fixture(scope="module")
def readonly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verb]:
    """Verbs on a spool that nobody can write."""
    folder = tmp_path_factory.mktemp("readonly")
    config = folder / "house.yaml"
    config.write_text(
        "spool: spool\ndoors: {drop: {}}\npeople: {ann: {unix: [root], may: [help]}}\n"
    )
    (folder / "spool").mkdir()
    mounted = f'mount -t tmpfs -o ro none {folder}/spool && exec "$@"'
    through = ("unshare", "-rm", "sh", "-c", mounted, "sh")
    if subprocess.run([*through, "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount anything")
    with forker(folder, through) as verbs:
        verbs.load(COMMON)
        yield partial(verbs.run, "-c", config)


@pytest.mark.long
@pytest.mark.server("unshare")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["queue", "drop", "1"], 75),
        (["person", "off", "ann"], 75),
        (["try", "!help", "--as", "ann"], 75),
        (["send", "!help", "--as", "ann"], 75),
        (["run"], 75),
        (["doctor", "--only", "spool"], 1),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_a_spool_that_cannot_be_written_is_a_sentence(
    readonly: Verb, words: list[str], code: int
) -> None:
    done = readonly(*words)
    said = done.stdout + done.stderr
    assert (done.returncode, "Read-only file system" in said) == (code, True), said
    assert "Traceback" not in said and "report it" not in said


def test_why_before_the_first_run_says_what_makes_a_journal(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\n")
    done = verb_of(config)("why", "7f3a")
    assert (done.returncode, f" -c {config} run` makes it" in done.stderr) == (75, True)


def test_without_a_journal_status_says_what_makes_one(tmp_path: Path) -> None:
    config = tmp_path / "house.yaml"
    config.write_text(
        "house: Elm\nspool: spool\npeople: {ann: {unix: [ann], may: [help]}}\ndoors: {drop: {}}\n"
    )
    done = verb_of(config)("status")
    assert (done.returncode, done.stderr) == (1, "")
    house, *parts = done.stdout.splitlines()
    failed = [line.partition(":")[0].split() for line in parts]
    assert (house, failed) == ("Elm: trouble", [["FAIL", n] for n in ("daemon", "disk", "journal")])
    assert f" -c {config} run` makes it" in parts[-1]


def test_a_spool_that_nothing_was_in_yet_is_no_trouble_of_the_disk(tmp_path: Path) -> None:
    """As `init` leaves it. One from which a folder was taken away is, and that folder is named."""
    config, spool = tmp_path / "house.yaml", tmp_path / "spool"
    config.write_text("house: Elm\nspool: spool\n")
    spool.mkdir()
    assert "disk" not in verb_of(config)("status").stdout
    (spool / JOURNAL.parent).mkdir()
    connect(spool / JOURNAL).close()
    told = f"FAIL disk: no message is taken: {spool / 'tmp'}: No such file or directory"
    assert told in verb_of(config)("status").stdout


@pytest.mark.parametrize("newer", [False, True], ids=["damaged", "newer"])
def test_status_tells_what_else_it_knows_beside_a_journal_that_cannot_be_read(
    tmp_path: Path, newer: bool
) -> None:
    """Nothing is counted then; 0 messages would be no news but a mistake."""
    config, path = tmp_path / "house.yaml", tmp_path / "spool" / JOURNAL
    config.write_text("house: Elm\nspool: spool\n")
    path.parent.mkdir(parents=True)
    with closing(connect(path)) as conn:
        conn.execute(f"PRAGMA user_version = {VERSION + 1}")
    if not newer:
        path.write_bytes(b"no journal" * 1000)
    done = verb_of(config)("status", "--json")
    told = json.loads(done.stdout)
    journal = next(part for part in told["parts"] if part["name"] == "journal")
    assert ("newer" if newer else "is damaged") in journal["text"]
    assert not journal["ok"] and "daemon" in [part["name"] for part in told["parts"]]
    assert (done.returncode, done.stderr, told["well"], told["last_24_h"]) == (1, "", False, None)
    assert "last 24 h" not in verb_of(config)("status").stdout


@pytest.mark.long
def test_an_installed_package_brings_a_module(tmp_path: Path) -> None:
    site, info = tmp_path / "site", tmp_path / "site" / "acme-1.dist-info"
    info.mkdir(parents=True)
    (site / "acme_bell.py").write_text(
        "from housecarl import Call, command\n\n\n@command()\nasync def bell(call: Call) -> str:\n"
        '    """Ring."""\n    return "Rang."\n'
    )
    (info / "METADATA").write_text("Name: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[housecarl.modules]\nbell = acme_bell\n")
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\npeople: {ann: {unix: [ann], may: [bell]}}\n")
    done = subprocess.run(
        [HOUSECARL, "-c", config, "try", "bell", "--as", "ann"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert (done.returncode, done.stdout) == (0, "Rang.\n"), done.stderr


@pytest.mark.parametrize("words", [["status"], ["check", "--print"]])
def test_an_output_that_takes_nothing_is_a_sentence(verb: Verb, words: list[str]) -> None:
    """A full disk behind `>`: one line, exit code 1, no trace."""
    done = verb(*words, out="/dev/full")
    assert done.returncode == 1
    assert done.stderr == "the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("words", [["status"], ["check", "--print"]])
@pytest.mark.long
def test_an_output_without_a_buffer_that_takes_nothing_is_a_sentence(
    house: TestHouse, words: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [HOUSECARL, "-c", house.folder / "housecarl.yaml", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    assert done.returncode == 1
    assert done.stderr == "the output cannot be written: No space left on device\n"
