"""`init`: questions on a real terminal, answers in a file, and what is written for them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.conftest import HOUSECARL, LOGIN, verb_of
from tests.cli.forked import COMMON, Forked, forker, shared
from tests.cli.terminal import Typist
from tests.cli.test_run import running

from housecarl import cli, config_file, doctor, logs
from housecarl.cli.site import Site
from housecarl.doctor import finding
from housecarl.errors import NotAllowed
from housecarl.lock import Lock

#: What one who has a mailbox and a Google Voice number answers; the rest is guessed.
VOICE = """
name: ann
timezone: America/Denver
phone: 303 555 0123
voice_account: house@gmail.com
voice_number: (303) 555-0100
password: abcd efgh ijkl mnop
"""


#: A machine in Denver.
HERE = {"TZ": "America/Denver", "LANG": "en_US.UTF-8"}


@contextmanager
def asked(config: Path, *words: str) -> Iterator[tuple[Typist, Forked]]:
    """`init` on a terminal."""
    with shared().at_terminal("-c", config, "init", *words, env=HERE) as both:
        yield both


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "housecarl.yaml"


def given(config: Path, answers: str) -> subprocess.CompletedProcess[str]:
    """`init` with answers on its input."""
    return verb_of(config)("init", "--no-doctor", "--answers", "-", typed=answers)


def test_a_newcomer_answers_and_the_secret_is_never_seen(config: Path) -> None:
    with asked(config, "--no-doctor") as (typist, verb):
        typist.answer("Time zone [America/Denver]:")
        typist.answer("Units [us]:")
        typist.answer("Name of the house", "Elm Street")
        typist.answer("Your name", "ann lee")
        typist.wait("'ann lee' is no name")
        typist.answer("Your name", "ann")
        typist.answer("Your phone number", "303 555 012")
        typist.wait("too few digits")
        typist.answer("Your phone number", "303 555 0123")
        typist.answer("Your e-mail address")
        typist.answer("Way in [mailbox]:", "m")
        typist.answer("Google account", "house@gmail.com")
        typist.answer("Its Google Voice number", "303-555-0100")
        typist.answer("mail host [imap.gmail.com]:")
        typist.answer("user name [house@gmail.com]:")
        typist.answer("app password", "abcd")
        typist.wait("has 16 letters")
        typist.answer("app password", "abcd efgh ijkl mnop")
        typist.answer("mail host [smtp.gmail.com]:")
        screen = typist.rest()
    assert verb.wait() == 0, screen
    assert screen.rstrip().endswith(f"Next: {shlex.quote(str(HOUSECARL))} -c {config} run")
    assert "abcd" not in screen and "mnop" not in screen
    assert "abcd" not in config.read_text()
    secret = config.parent / "secrets" / "gmail"
    assert secret.read_text() == "abcdefghijklmnop\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    assert (config.parent / "spool").is_dir()
    made = config_file.load(config).config
    assert made.house == "Elm Street"
    assert made.people["ann"].phones == ["+13035550123"]
    assert made.doors.imap is not None and made.post is not None
    assert made.doors.imap.password is not None
    assert made.doors.imap.password.read() == "abcdefghijklmnop"


def test_whoever_stops_half_way_has_changed_nothing(config: Path) -> None:
    with asked(config) as (typist, verb):
        typist.answer("Time zone", "Europe/Zurich")
        typist.answer("Units [us]:")
        typist.wait("Name of the house")
        os.write(typist.terminal, b"\x04")
        typist.rest()
    assert verb.wait() == 1
    assert not config.parent.exists()


def test_an_old_configuration_is_written_over_only_when_told(config: Path) -> None:
    config.parent.mkdir()
    config.write_text("house: Oak Street\n")
    with asked(config, "--no-doctor") as (typist, verb):
        typist.answer("Write a new one?", "")
        typist.rest()
    assert verb.wait() == 1
    assert config.read_text() == "house: Oak Street\n"
    with asked(config, "--no-doctor") as (typist, verb):
        typist.answer("Write a new one?", "y")
        for question in ("Time zone", "Units", "Name of the house"):
            typist.answer(question)
        typist.answer("Your name", "ann")
        for question in ("Your phone", "Your e-mail", "Way in [files]:"):
            typist.answer(question)
        typist.answer("Login of this machine", "ann")
        typist.rest()
    assert verb.wait() == 0
    assert config_file.load(config).config.people["ann"].unix == ["ann"]
    assert config.with_name("housecarl.yaml.old").read_text() == "house: Oak Street\n"


def test_a_house_that_runs_takes_the_new_file_up_by_a_reload(config: Path) -> None:
    """To start it, as a new house, would leave the former configuration in force."""
    lock = Lock(config.parent / "spool" / ".journal")
    config.write_text("house: Oak Street\nspool: spool\n")
    with asked(config, "--no-doctor") as (typist, verb):
        typist.answer("Write a new one?", "y")
        for question in ("Time zone", "Units", "Name of the house"):
            typist.answer(question)
        typist.answer("Your name", "ann")
        for question in ("Your phone", "Your e-mail", "Way in [files]:", "Login of this machine"):
            typist.answer(question)
        screen = typist.rest()
    lock.release()
    assert verb.wait() == 0
    next_ = "Next: the daemon that runs takes it up by SIGHUP or a restart"
    assert screen.rstrip().endswith(next_)


#: What the doctor looks at here: only what is on this machine.
AT_HOME = ("config", "spool", "imap", "post")

#: A mailbox that nobody serves: port 1 of this machine.
DEAD_MAILBOX = """
name: ann
address: ann@example.org
account: house@home.example
imap_host: 127.0.0.1:1
imap_password: secret
post_host: 127.0.0.1:1
"""


@pytest.mark.parametrize(
    ("answers", "found", "then"),
    [
        ("name: ann\nlogin: ann\n", "ok   spool", "run"),
        (DEAD_MAILBOX, "FAIL imap", "doctor"),
    ],
    ids=["well", "trouble"],
)
def test_the_doctor_has_a_look_and_decides_what_comes_next(
    config: Path, monkeypatch: pytest.MonkeyPatch, answers: str, found: str, then: str
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {part: doctor.CHECKS[part] for part in AT_HOME})
    monkeypatch.setattr(sys, "argv", ["housecarl"])
    monkeypatch.setattr(logs, "set_up", lambda _: None)  # it would be the log of all tests here
    words = ["-c", str(config), "init", "--answers", "-"]
    done = CliRunner().invoke(cli.housecarl, words, input=answers)
    assert done.exit_code == 0, done.output
    assert f"\n{found}" in done.stdout
    assert done.stdout.endswith(f"\nNext: housecarl -c {config} {then}\n")
    assert f"start it: housecarl -c {config} run\n" in done.stdout or then == "run"


def test_who_will_not_wait_for_the_doctor_is_told_what_comes_next(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is written by then."""

    async def stopped(_: doctor.Patient) -> list[finding.Finding]:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "CHECKS", {"config": stopped})
    monkeypatch.setattr(logs, "set_up", lambda _: None)  # it would be the log of all tests here
    words = ["-c", str(config), "init", "--answers", "-"]
    done = CliRunner().invoke(cli.housecarl, words, input="name: ann\ntimezone: UTC\nlogin: ann\n")
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(" doctor\n")


def test_without_a_terminal_it_wants_answers(config: Path) -> None:
    done = verb_of(config)("init")
    assert done.returncode == 2
    assert "run it on a terminal, or give --answers FILE" in done.stderr
    assert not config.exists()


def test_answers_make_the_same_without_a_question(config: Path) -> None:
    done = given(config, VOICE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"\nNext: {shlex.quote(str(HOUSECARL))} -c {config} run\n")
    assert verb_of(config)("check").stdout == f"{config}: well.\n"
    again = given(config, f"\ufeff{VOICE}")  # as some editors begin a file
    assert (again.returncode, "nothing was changed" in again.stderr) == (1, True)


def test_the_next_command_is_short_where_the_shell_finds_all_by_itself(config: Path) -> None:
    found = {"PATH": f"{HOUSECARL.parent}:{os.environ['PATH']}", "HOUSECARL_CONFIG": str(config)}
    done = shared().run("init", "--no-doctor", "--answers", "-", typed=VOICE, env=found)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nNext: housecarl run\n")


def test_what_check_would_refuse_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told as a fault of the file that would have been: here a file is where the spool would be."""
    home, state = tmp_path / "home", tmp_path / "state" / "housecarl"
    home.mkdir()
    state.mkdir(parents=True)
    (state / "spool").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config = home / ".config" / "housecarl" / "housecarl.yaml"
    done = given(config, "name: ann\nlogin: ann\n")
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{config}:" in done.stderr and f"{state / 'spool'} is no folder" in done.stderr
    assert list(home.iterdir()) == []


def test_a_spool_that_is_there_already_is_left_as_it_is(config: Path) -> None:
    spool = config.parent / "spool"
    spool.mkdir(parents=True)
    (spool / "note.txt").write_text("!uptime\n")
    spool.chmod(0o2770)
    assert given(config, "name: ann\nlogin: ann\n").returncode == 0
    assert config_file.load(config).config.spool == spool
    assert spool.stat().st_mode & 0o7777 == 0o2770
    assert [path.name for path in spool.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file or directory"), ("name: Zo\xeb\n", "is not UTF-8 text")],
)
def test_answers_that_cannot_be_read_are_named(
    config: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    answers = tmp_path / "answers.yaml"
    if content is not None:
        answers.write_text(content, "latin-1")
    done = verb_of(config)("init", "--no-doctor", "--answers", str(answers))
    assert (done.returncode, f"--answers: {answers}: {said}" in done.stderr) == (2, True)
    assert not config.exists()


def test_from_nothing_to_the_first_answer(config: Path) -> None:
    """What `init` wrote runs as it is: the daemon starts, and a command is answered."""
    assert given(config, f"name: ann\nlogin: {LOGIN}\nhouse: Elm Street\n").returncode == 0
    with running(config):
        done = verb_of(config)("send", "!uptime", "--as", "ann", "--wait")
    assert done.stdout.startswith("Elm Street up "), done.stderr


def test_a_password_that_is_there_already_is_kept(config: Path) -> None:
    (config.parent / "secrets").mkdir(parents=True)
    secret = config.parent / "secrets" / "gmail"
    secret.write_text("from before\n")
    assert given(config, VOICE.partition("password")[0]).returncode == 0
    assert secret.read_text() == "from before\n"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_the_smtp_door_and_a_relay_on_this_machine_need_no_password(config: Path) -> None:
    answers = (
        "name: ann\naddress: ann@example.org\ndoor: smtp\nsmtp_recipient: cmd@home.example\n"
        "account: cmd@home.example\npost_host: 127.0.0.1:2500\ntimezone: Europe/Zurich\n"
    )
    assert given(config, answers).returncode == 0
    made = config_file.load(config).config
    assert made.doors.smtp is not None and made.doors.smtp.recipients == ["cmd@home.example"]
    assert made.post is not None
    assert (made.post.port, made.post.tls, made.post.user) == (2500, "none", None)
    assert not (config.parent / "secrets").exists()


def test_a_wrong_answer_is_named_and_nothing_is_written(config: Path) -> None:
    done = given(config, VOICE.replace("efgh", ""))
    assert done.returncode == 2
    assert "--answers: password: an app password has 16 letters" in done.stderr
    assert "abcd" not in done.stderr
    assert not config.parent.exists()


def test_a_file_of_answers_with_a_password_must_be_private(config: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(VOICE)
    answers.chmod(0o644)
    done = verb_of(config)("init", "--no-doctor", "--answers", str(answers))
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True)
    answers.chmod(0o600)
    assert verb_of(config)("init", "--no-doctor", "--answers", str(answers)).returncode == 0


@pytest.mark.long
def test_what_is_written_is_utf_8_whatever_the_locale(config: Path, tmp_path: Path) -> None:
    """The locale was taken, and the file could not be read again."""
    answers = tmp_path / "answers.yaml"
    answers.write_text("{name: ann, house: Zürich, door: files, login: ann}", "utf-8")
    words = (HOUSECARL, "-c", config, "init", "--no-doctor", "--answers", answers)
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        words, env={**os.environ, **plain}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert config_file.load(config).config.house == "Zürich"


def test_an_old_configuration_that_is_no_utf_8_stays_as_it_was(config: Path) -> None:
    config.parent.mkdir()
    config.write_bytes(b"house: Z\xfcrich\n")
    Site(config, "spool").write_config("house: Elm\n")
    assert config.read_text() == "house: Elm\n"
    assert config.with_name("housecarl.yaml.old").read_bytes() == b"house: Z\xfcrich\n"


def test_a_password_that_is_no_line_of_text_is_refused(config: Path) -> None:
    answers = (
        "{name: ann, address: ann@example.org, account: h@example.org, post_password: x, "
        'imap_password: "a\\tb"}'
    )
    done = given(config, answers)
    assert (done.returncode, "imap_password: a password has letters" in done.stderr) == (2, True)
    assert not config.parent.exists()


@pytest.mark.long
def test_answers_on_the_input_that_are_no_utf_8_are_a_usage_error(config: Path) -> None:
    words = (HOUSECARL, "-c", config, "init", "--no-doctor", "--answers", "-")
    done = subprocess.run(
        words,
        input=b"{name: ann, house: Z\xfcrich}",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, b"--answers: -: is not UTF-8 text" in done.stderr) == (2, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.long
def test_where_nothing_can_be_written_nothing_is_asked(tmp_path: Path) -> None:
    """It asked everything, and then said to run it as the daemon's user."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    with forker(tmp_path, ("setpriv", "--bounding-set=-dac_override,-dac_read_search")) as verbs:
        verbs.load(COMMON)
        config = home / "new" / "housecarl.yaml"
        done = verbs.run("-c", config, "init", "--answers", "-", typed="name: ann")
    assert done.returncode == 77
    assert (
        done.stderr == f"{home}: this login may not write there; name another place with -c FILE\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another login")
def test_a_login_without_a_home_must_name_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container's number of a user has none: it was a folder `~` where one stood."""
    for name in ("HOME", "HOUSECARL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    os.setresuid(4_000_000, 4_000_000, 0)
    try:
        with pytest.raises(NotAllowed, match="name a file with -c FILE"):
            Site.of(None)
    finally:
        os.setresuid(0, 0, 0)
