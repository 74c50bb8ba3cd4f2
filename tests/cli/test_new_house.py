"""What `init` stands on: guesses, the place of the files, the text of a new configuration."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.nobody import NOBODY, needs_root, nobody

from housecarl import config_file, private_file
from housecarl.cli import guess, interview
from housecarl.cli.draft import Draft, Server, scalar
from housecarl.cli.questions import Answers, Check
from housecarl.cli.site import Site
from housecarl.config_spool import SERVICE_SPOOL
from housecarl.config_text import parse

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()

#: What one who has a mailbox and a Google Voice number answers; the rest is guessed.
VOICE = """
name: ann
timezone: America/Denver
phone: 303 555 0123
voice_account: house@gmail.com
voice_number: (303) 555-0100
password: abcd efgh ijkl mnop
"""

#: What may stand in a line: no control and no separator but the space.
PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")

HERE = guess.Guesses(house="elm", timezone="Europe/Zurich", login="bo")


def held(answers: str) -> interview.Found:
    """What comes of answers in a file, on a machine where no secret is yet."""
    return interview.hold(Answers(answers), HERE, "spool", lambda _: False)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a machine that says nothing of itself yet."""
    for name in ("TZ", "LC_ALL", "LC_MEASUREMENT", "LANG", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "etc").mkdir()
    return tmp_path


def test_the_time_zone_is_the_machines(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TZ before /etc/timezone before /etc/localtime; what is no time zone is passed over."""
    assert guess.look(machine).timezone == "UTC"
    (machine / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Zurich")
    assert guess.look(machine).timezone == "Europe/Zurich"
    (machine / "etc/timezone").write_text("America/Denver\n")
    assert guess.look(machine).timezone == "America/Denver"
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert guess.look(machine).timezone == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "MST7MDT,M3.2.0")
    assert guess.look(machine).timezone == "America/Denver"


@pytest.mark.parametrize(
    ("language", "country", "units"),
    [
        ("", "US", "us"),
        ("", "CH", "metric"),
        ("", "", "us"),
        ("C.UTF-8", "CH", "metric"),
        ("en_US.UTF-8", "CH", "us"),
        ("de_CH.UTF-8", "US", "metric"),
    ],
)
def test_the_units_are_those_of_the_locale_else_of_the_country(
    machine: Path, monkeypatch: pytest.MonkeyPatch, language: str, country: str, units: str
) -> None:
    monkeypatch.setenv("LANG", language)
    assert guess.units(country) == units


def test_the_country_of_a_time_zone_is_known() -> None:
    assert guess.region("America/Denver") == "US"
    assert guess.region("Europe/Zurich") == "CH"
    assert guess.region("UTC") == ""


def test_a_machine_without_a_table_of_countries_tells_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first table that is there counts; a Python that brings its own time zones has none."""
    monkeypatch.setattr(guess, "TZPATH", (str(tmp_path / "none"), str(tmp_path)))
    assert guess.region("Europe/Zurich") == ""
    (tmp_path / "zone.tab").write_text("CH\t+4723+00832\tEurope/Zurich\n")
    assert guess.region("Europe/Zurich") == "CH"


def test_a_login_without_a_name_is_nobody(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as some number."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert guess.look(machine).login == ""


def test_sudo_is_seen_through_and_root_is_nobody(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert guess.look(machine).login == "ann"
    monkeypatch.setenv("SUDO_USER", "root")
    assert guess.look(machine).login == ""


def test_the_hosts_of_a_provider_follow_from_the_address() -> None:
    assert guess.hosts("house@GMail.com") == ("imap.gmail.com", "smtp.gmail.com")
    assert guess.hosts("house@home.example") == ("imap.home.example", "smtp.home.example")


def test_files_go_where_the_program_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOUSECARL_CONFIG", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    site = Site.of(None)
    assert (site.config, site.spool) == (config_file.SERVICE_FILE, str(SERVICE_SPOOL))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    own = Site.of(None)
    assert own.config == tmp_path / ".config/housecarl/housecarl.yaml"
    assert own.spool == "~/.local/state/housecarl/spool"
    assert own.make_spool() == tmp_path / ".local/state/housecarl/spool"
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert Site.of(None).spool == "/srv/state/housecarl/spool"
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert Site.of(None).spool == "~/.local/state/housecarl/spool"
    assert Site.of(tmp_path / "config/housecarl.yaml").spool == "../spool"
    assert Site.of(tmp_path / "elm.yaml").spool == "spool"
    monkeypatch.setenv("HOUSECARL_CONFIG", str(tmp_path / "other.yaml"))
    assert Site.of(None).config == tmp_path / "other.yaml"


@pytest.mark.parametrize(
    ("euid", "user", "owner"),
    [(0, "nobody", True), (0, "no-such-user", False), (1000, "nobody", False)],
    ids=["root", "no such user", "another login"],
)
def test_the_files_of_the_service_are_given_to_its_user_by_root_alone(
    monkeypatch: pytest.MonkeyPatch, euid: int, user: str, owner: bool
) -> None:
    """With no such user the files stay whose they are, as for a house of one's own."""
    named = pwd.getpwnam
    entry = named("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: named(user if name == "housecarl" else name))
    site = Site.of(config_file.SERVICE_FILE)
    assert site.owner == ((entry.pw_uid, entry.pw_gid) if owner else None)
    assert Site.of(config_file.SERVICE_FILE.with_name("other.yaml")).owner is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_the_service_must_read_belongs_to_its_user(tmp_path: Path) -> None:
    site = Site(tmp_path / "etc" / "housecarl.yaml", "spool", (65534, 65534))
    secret = site.write_secret("secrets/imap", "hush")
    site.write_config("house: Elm Street\n")
    spool = site.make_spool()
    for path in (secret, secret.parent, spool):
        assert path.stat().st_uid == 65534, path
    for path, mode in ((site.config, 0o640), (site.config.parent, 0o750)):
        about = path.stat()
        assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (0, 65534, mode), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_secret_that_was_there_is_made_readable_to_the_service_alone(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "gmail"
    secret.write_text("from before\n")
    secret.chmod(0o644)
    Site(tmp_path / "housecarl.yaml", "spool", (65534, 65534)).write_secret("secrets/gmail", None)
    about = secret.stat()
    assert (secret.read_text(), about.st_uid) == ("from before\n", 65534)
    assert about.st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_a_link_in_the_daemons_folder_leads_to_is_not_given_away(tmp_path: Path) -> None:
    """Whoever broke into the daemon would have root's files by the next `init`."""
    roots = tmp_path / "roots"
    roots.write_text("for root alone\n")
    roots.chmod(0o640)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "gmail").symlink_to(roots)
    site = Site(tmp_path / "housecarl.yaml", "spool", (65534, 65534))
    assert site.has("secrets/gmail")
    site.write_secret("secrets/gmail", None)
    about = roots.stat()
    assert (about.st_uid, about.st_mode & 0o777) == (0, 0o640)
    site.write_secret("secrets/gmail", "hush")
    assert (roots.read_text(), roots.stat().st_uid) == ("for root alone\n", 0)
    about = (tmp_path / "secrets" / "gmail").lstat()
    assert (about.st_uid, about.st_mode & 0o777) == (65534, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_secret_that_root_writes_is_the_daemons(tmp_path: Path) -> None:
    """`person password` as root in a house that had no secret yet."""
    (tmp_path / "spool").mkdir()
    os.chown(tmp_path / "spool", 65534, 65533)
    file = tmp_path / "secrets" / "ann.hash"
    private_file.write(file, "x\n", like=tmp_path / "spool")
    for path in (file.parent, file):
        about = path.stat()
        assert (about.st_uid, about.st_gid, about.st_mode & 0o077) == (65534, 65533, 0)


def test_every_former_configuration_stays(tmp_path: Path) -> None:
    """Who runs `init` once more because the second house was wrong still has the first."""
    site = Site(tmp_path / "housecarl.yaml", "spool")
    for text in ("first", "second", "third"):
        site.write_config(text)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {
        "housecarl.yaml": "third",
        "housecarl.yaml.old": "first",
        "housecarl.yaml.old2": "second",
    }


def test_a_private_file_keeps_its_owner_and_is_never_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "ann.hash"
    private_file.write(path, "one\n")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    private_file.write(path, "two\n")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two\n", 0o600)
    assert [file.name for file in path.parent.iterdir()] == ["ann.hash"]


@needs_root
def test_its_owner_writes_a_private_file_anew_whatever_its_group() -> None:
    """After a `chown housecarl FILE` its group is root's, into which nobody else may put a file."""
    with TemporaryDirectory() as folder:  # pytest's own are closed to other logins
        os.chown(folder, NOBODY, -1)
        path = Path(folder, "ann.hash")
        private_file.write(path, "one\n")
        os.chown(path, NOBODY, 65533)
        with nobody():
            private_file.write(path, "two\n")
        assert (path.read_text(), path.stat().st_uid) == ("two\n", NOBODY)


@example("true")
@example("null")
@example("12")
@example("a: b # c")
@given(st.text(PRINTABLE, min_size=1).filter(str.strip))
def test_any_text_comes_back_from_the_file_as_it_was(text: str) -> None:
    assert parse(f"house: {scalar(text)}\nmay: [{scalar(text)}]\n").data == {
        "house": text,
        "may": [text],
    }


def test_a_full_draft_is_a_configuration_in_which_each_thing_stands_once(tmp_path: Path) -> None:
    draft = Draft(
        house="on",
        timezone="America/Denver",
        units="us",
        spool="../spool",
        name="ann",
        phone="+1 303 555 0123",
        address="ann@example.org",
        login="ann",
        voice=("house@gmail.com", "+1 303 555 0100"),
        imap=Server("imap.gmail.com", 993, "tls", "house@gmail.com", "secrets/gmail"),
        smtp=("127.0.0.1:2525", "cmd@home.example"),
        post=Server("smtp.gmail.com", 465, "tls", "house@gmail.com", "secrets/gmail"),
        sender="house@gmail.com",
    )
    file = tmp_path / "config" / "housecarl.yaml"
    file.parent.mkdir()
    file.write_text(draft.text())
    made = config_file.load(file).config
    assert (made.house, made.spool) == ("on", tmp_path / "spool")
    assert made.people["ann"].addresses == ["ann@example.org"]
    assert made.people["ann"].owner
    assert made.doors.imap and made.doors.smtp and made.doors.drop and made.post
    assert (made.doors.imap.port, made.post.port, made.post.tls) == (993, 465, "tls")
    assert made.trust.google_voice and made.trust.authserv_id == "mx.google.com"
    assert max(map(len, draft.text().splitlines())) <= 100


def test_what_is_not_answered_is_guessed() -> None:
    draft = held("phone: 044 668 18 00\ndoor: files\n").draft
    assert (draft.house, draft.timezone, draft.units) == ("elm", "Europe/Zurich", "metric")
    assert (draft.name, draft.login, draft.phone) == ("bo", "bo", "+41 44 668 18 00")
    assert (draft.imap, draft.smtp, draft.voice, draft.post) == (None, None, None, None)


@pytest.mark.parametrize(
    ("zone", "phone", "found"),
    [
        ("America/Denver", "+41446681800", "+41446681800"),
        ("America/Denver", "303 555 0123", "+1 303-555-0123"),
        ("UTC", "+1 303 555 0123", "+1 303 555 0123"),
        ("UTC", "303 555 0123", None),
    ],
)
def test_a_number_is_dialled_as_at_home_or_has_its_country(
    zone: str, phone: str, found: str | None
) -> None:
    """One with its country stays as it was typed; without one in the time zone, it has to be so."""
    answers = f"phone: '{phone}'\ntimezone: {zone}\ndoor: files\n"
    if found is None:
        with pytest.raises(click.UsageError, match=r"needs \+ and the country code"):
            held(answers)
    else:
        assert held(answers).draft.phone == found


def test_a_house_that_has_no_address_of_its_own_sends_no_replies() -> None:
    found = held("address: bo@home.example\ndoor: files\n")
    assert (found.draft.post, found.draft.sender, found.secrets) == (None, "", {})
    found = held(
        "address: bo@home.example\ndoor: files\naccount: h@home.example\npost_password: x\n"
    )
    assert found.draft.post == Server(
        "smtp.home.example", user="h@home.example", secret="secrets/post"
    )
    assert found.draft.sender == "h@home.example"


def test_a_phone_needs_no_google_voice_to_be_known() -> None:
    answers = "phone: +1 303 555 0123\naddress: bo@home.example\naccount: h@home.example\n"
    draft = held(f"{answers}imap_password: x\npost_password: x\n").draft
    assert (draft.voice, draft.phone, draft.sender) == (None, "+1 303 555 0123", "h@home.example")
    assert draft.imap is not None and draft.imap.host == "imap.home.example"
    assert "google_voice" not in draft.text()


class Recorder(Answers):
    """Notes each question that is asked."""

    def __init__(self, text: str, asked: set[str]) -> None:
        super().__init__(text)
        self.asked = asked

    def ask(self, name: str, text: str, guess: str | None, check: Check) -> str:
        self.asked.add(name)
        return super().ask(name, text, guess, check)


def test_the_page_names_every_answer_and_its_example_is_one() -> None:
    section = PAGE.partition("### `housecarl init")[2].partition("\n### ")[0]
    example = re.findall(r"(?m)^    ([a-z_]+: .*)$", section)
    further = re.findall(r"`([a-z_]+)`", section.partition("Further answers:")[2].partition(".")[0])
    asked: set[str] = set()
    mailbox = "account: b@home.example\nimap_password: x\npost_password: x\n"
    relay = "account: b@home.example\npost_host: localhost\nsmtp_recipient: c@home.example\n"
    for answers in (
        "\n".join(example),
        f"address: a@b.example\n{mailbox}",
        f"address: a@b.example\ndoor: smtp\n{relay}",
        "door: files\n",
    ):
        interview.hold(Recorder(answers, asked), HERE, "spool", lambda _: False)
    assert sorted([*(line.partition(":")[0] for line in example), *further]) == sorted(asked)


def test_another_account_at_gmail_has_another_password() -> None:
    user, word = "post_user: relay@gmail.com\n", "post_password: bcde bcde bcde bcde\n"
    answers = "name: ann\naccount: house@gmail.com\npassword: abcd abcd abcd abcd\n"
    found = held(f"address: ann@example.org\n{answers}{user}{word}")
    assert found.draft.imap and found.draft.post
    assert (found.draft.imap.secret, found.draft.post.secret) == ("secrets/gmail", "secrets/post")
    assert found.secrets == {"secrets/gmail": "abcd" * 4, "secrets/post": "bcde" * 4}


def test_gmail_has_one_password_and_other_hosts_one_each() -> None:
    found = held(VOICE)
    assert found.secrets == {"secrets/gmail": "abcdefghijklmnop"}
    assert "abcd" not in repr(found)
    answers = "address: bo@home.example\naccount: house@home.example\n"
    found = held(answers + "imap_password: one\npost_password: two\n")
    assert found.secrets == {"secrets/imap": "one", "secrets/post": "two"}
    assert found.draft.imap == Server(
        "imap.home.example", user="house@home.example", secret="secrets/imap"
    )


@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("mail.example:143", ("mail.example", 143, "starttls")),
        ("mail.example:993", ("mail.example", 993, "tls")),
        ("localhost", ("localhost", None, "none")),
        ("127.0.0.1:993", ("127.0.0.1", 993, "tls")),
        ("[::1]:1143", ("::1", 1143, "none")),
    ],
)
def test_the_port_says_how_a_host_is_spoken_to(
    host: str, server: tuple[str, int | None, str]
) -> None:
    answers = "address: bo@home.example\naccount: house@home.example\nimap_password: x\n"
    imap = held(f'{answers}imap_host: "{host}"\npost_password: x\n').draft.imap
    assert imap is not None
    assert (imap.host, imap.port, imap.tls) == server


def test_the_smtp_door_takes_texts_too() -> None:
    draft = held(VOICE + "door: smtp\nsmtp_recipient: cmd@home.example\n").draft
    assert draft.smtp == ("127.0.0.1:2525", "cmd@home.example")
    assert draft.voice == ("house@gmail.com", "+1 303-555-0100")
    assert draft.post == Server("smtp.gmail.com", user="house@gmail.com", secret="secrets/gmail")


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ("name: ann\nnumber: 1\n", "unknown 'number'"),
        ("address: a@b.example\n", "'account' is missing"),
        ("address: a@b.example\naccount: A@b.example\n", "account: that is your own: the house"),
        ("name: ann\ndoor: window\n", "one of mailbox, smtp, files"),
        ("name: ann\ntimezone: Mars/Base\n", "'Mars/Base' is no time zone"),
        (VOICE + "password: hunter2\n", "'password' stands here a second time"),
        ("name: [ann]\n", "name: should be one text"),
        ("name: ann\nname: bo\n", "line 2"),
        ("ann\n", "is no list of NAME: ANSWER"),
        ("phone: nine\n", "phone: 'nine' is no phone number"),
        ("address: ann@\n", "is no plain address"),
        ("door: smtp\naddress: a@b.example\nsmtp_listen: 25\n", "is no HOST:PORT"),
        ("address: a@b.example\naccount: h@b.example\nimap_host: a b\n", "is no domain name"),
    ],
)
def test_a_wrong_answer_is_named(answers: str, fault: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        held(answers)
    assert fault in refused.value.message
