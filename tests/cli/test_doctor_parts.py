"""The checks of `doctor` one by one: what each says of a house that is ill, and the mend."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import pwd
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from tests.cli.clinic import name_server
from tests.cli.conftest import LOGIN
from tests.doors.certificate import certificate
from tests.doors.imap_server import ImapServer, Mail, serving
from tests.doors.smtp_peer import has_ipv6
from tests.doors.smtp_peer import serving as smtp_serving
from tests.modules.sky_server import FORECAST, GEOCODING, MET_NO, STATION, Sky, place, running
from tests.nobody import NOBODY, needs_root, nobody

from housecarl import cli, clock, config_file, logs, module_folders
from housecarl.config_doors import Certificate
from housecarl.doctor import (
    CHECKS,
    Patient,
    access,
    files,
    finding,
    ping,
    secrets,
    spool,
    unit,
    visit,
)
from housecarl.doctor import certificate as certificates
from housecarl.doctor import modules as doctor_modules
from housecarl.doctor.finding import Finding
from housecarl.doctor.threads import Loose
from housecarl.doors.smtp import tls
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.errors import ConfigError, SecretLater
from housecarl.journal import JOURNAL, Database
from housecarl.password import hash_password
from housecarl.registry import Registry
from housecarl.rehearsal import make_judge
from housecarl.shipped import shipped
from housecarl.testing.house import free_port
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

Told = list[tuple[str, str, str]]

ONLINE = "Is this machine on the internet? See the line of dns; else try again in 15 min."


async def patient(folder: Path, *, running: bool = False, **sections: Any) -> Patient:
    """Ann's house; whether it runs is only said."""
    asyncio.get_running_loop().set_default_executor(Loose())
    whole = {"people": {"ann": {"may": ["*"], "unix": [LOGIN]}}, "spool": "spool", **sections}
    (folder / "housecarl.yaml").write_text(yaml.safe_dump(whole))
    loaded = config_file.load(folder / "housecarl.yaml")
    return Patient(loaded, (await make_judge(loaded)).registry, running)


def told(findings: list[Finding]) -> Told:
    return [(each.state.value.lower(), each.text, each.mend) for each in findings]


async def look(part: str, folder: Path, *, running: bool = False, **sections: Any) -> Told:
    """What one check finds."""
    ill = await patient(folder, running=running, **sections)
    return told([each async for each in visit(ill, {part})])


async def test_a_house_without_people_and_doors_is_told_and_one_that_others_may_write(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o777)
    file = tmp_path / "housecarl.yaml"
    assert await look("config", tmp_path, people={}, doors={}) == [
        ("ok", f"{file}: 0 people, doors none", ""),
        (
            "fail",
            "the house knows nobody and obeys no one",
            "Name somebody under people; `housecarl init` asks who, and writes a new file.",
        ),
        (
            "fail",
            "no door is on: no message can come in",
            "Name a door under doors, such as drop: {}; `man housecarl.yaml` has them all.",
        ),
        (
            "fail",
            f"{file} can be replaced by everybody, who could make themselves a person",
            f"chmod go-w {file} {tmp_path}; see whose they are with ls -ld",
        ),
    ]
    tmp_path.chmod(0o1777)
    assert (await look("config", tmp_path, doors={"drop": {}}))[1:] == [], (
        "nobody takes others' files out of such a one"
    )
    file.chmod(0o666)
    assert "replaced by everybody" in (await look("config", tmp_path))[-1][1]


async def test_authorities_that_are_not_there_are_not_called_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    post = {"host": "127.0.0.1", "from": "a@b.example", "ca": "ca.pem"}
    found = await look("config", tmp_path, doors={"drop": {}}, post=post)
    text, mend = f"post.ca: {tmp_path}/ca.pem does not exist", "Put it there, or change the"
    assert [(each[1], each[2][: len(mend)]) for each in found[1:]] == [(text, mend)]


async def test_a_secret_of_which_no_app_makes_codes_is_told(tmp_path: Path) -> None:
    for name, secret in (("ann", "not base 32!"), ("bo", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")):
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
    people = {
        name: {"may": ["*"], "unix": [name], "totp": {"file": name}} for name in ("ann", "bo")
    }
    found = told(
        [each async for each in visit(await patient(tmp_path, people=people), {"secrets"})]
    )
    assert found == [
        ("ok", "1 of 2 can be read, by the daemon only", ""),
        (
            "fail",
            "people.ann.totp: is no secret of an authenticator app "
            "(A-Z and 2-7, 32 of them as a rule)",
            "housecarl person totp ann",
        ),
    ]


async def test_a_password_where_its_hash_belongs_is_told(tmp_path: Path) -> None:
    """Nobody could log in with it, and it stands there for whoever reads the file."""
    for name, held in (("ann", "correct horse"), ("bo", hash_password("correct horse"))):
        (tmp_path / name).write_text(f"{held}\n")
        (tmp_path / name).chmod(0o600)
    people = {
        name: {"may": ["*"], "login": {"user": name, "hash": {"file": name}}}
        for name in ("ann", "bo")
    }
    found = told(
        [each async for each in visit(await patient(tmp_path, people=people), {"secrets"})]
    )
    assert found == [
        ("ok", "1 of 2 can be read, by the daemon only", ""),
        (
            "fail",
            "people.ann.login.hash: is no argon2 hash of a password",
            "housecarl person password ann",
        ),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another login")
async def test_who_may_not_read_a_secret_is_not_told_to_write_over_it() -> None:
    """`check` called it missing for any login but the daemon's."""
    imap = {"host": "imap.example.org", "user": "ann", "password": {"file": "imap"}}
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "imap").write_text("secret\n")
        (folder / "imap").chmod(0o600)
        ill = await patient(folder, doors={"imap": imap})
        ill.config.spool.mkdir(exist_ok=True)
        os.setresuid(65534, 65534, 0)
        try:
            ((problem, unseen),) = secrets.faults(ill)
        finally:
            os.setresuid(0, 0, 0)
    said = f"doors.imap.password: {folder}/imap is not for this login to read, but for root"
    assert (problem.text, unseen) == (said, True)


async def test_a_secret_that_cannot_be_read_has_the_way_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "open").write_text("secret\n")
    (tmp_path / "open").chmod(0o600)
    (tmp_path / "fine").write_text(hash_password("secret"))
    (tmp_path / "fine").chmod(0o600)
    people = {
        name: {"may": ["*"], "totp": totp, "login": {"user": name, "hash": secret}}
        for name, totp, secret in (
            ("ann", {"env": "NOWHERE"}, {"env": "NOWHERE"}),
            ("bo", {"file": "open"}, {"file": "fine"}),
        )
    }
    mailbox = {"host": "imap.example.org", "user": "ann"}
    mends: dict[str, str] = {}
    for secret in ({"file": "gone"}, {"env": "NOWHERE"}, {"credential": "imap"}):
        imap = {**mailbox, "password": secret}
        ill = await patient(tmp_path, people=people, doors={"imap": imap})
        (tmp_path / "open").chmod(0o644)
        found = told([each async for each in visit(ill, {"secrets"})])
        (tmp_path / "open").chmod(0o600)
        assert found[0] == ("ok", "1 of 5 can be read, by the daemon only", "")
        mends |= {text.partition(":")[0] + str(secret): mend for _, text, mend in found[1:]}
    assert {mend for place, mend in mends.items() if place.startswith("people")} == {
        "housecarl person totp ann",
        "housecarl person password ann",
        f"chmod 600 {tmp_path}/open",
    }
    assert [mend for place, mend in mends.items() if place.startswith("doors")] == [
        f"install -m 600 /dev/stdin {tmp_path}/gone  (then type it, and Ctrl-D)",
        "Set NOWHERE in the environment of the daemon, and of doctor.",
        "systemctl edit housecarl: [Service] LoadCredential=imap:PATH",
    ]


async def test_a_house_without_secrets_has_none_to_look_at(tmp_path: Path) -> None:
    assert await look("secrets", tmp_path) == [("skip", "none in the configuration", "")]


async def test_secrets_of_the_running_unit_are_read_by_who_may_look_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a doctor that root calls could say nothing of them."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    monkeypatch.setattr(secrets, "UNIT_CREDENTIALS", tmp_path / "unit")
    post = {"host": "mail.example.org", "from": "house@home.example", "user": "house"}
    post["password"] = {"credential": "smtp"}  # type: ignore[assignment]
    secrets.lend_credentials()
    assert (await look("secrets", tmp_path, post=post))[0][0] == "skip"
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "smtp").write_text("secret\n")
    secrets.lend_credentials()
    assert await look("secrets", tmp_path, post=post) == [
        ("ok", "1 of 1 can be read, by the daemon only", "")
    ]


async def test_a_secret_that_others_can_replace_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "oauth.json").write_text("{}")
    (folder / "oauth.json").chmod(0o600)
    folder.chmod(0o777)
    oauth = {"client_file": "shared/oauth.json"}
    imap = {"host": "imap.example.org", "user": "ann", "oauth": oauth}
    place = "doors.imap.oauth.client_file"
    assert await look("secrets", tmp_path, doors={"imap": imap}) == [
        (
            "fail",
            f"{place}: {folder}/oauth.json can be replaced by everybody",
            f"chmod go-w {folder}; see whose it is with ls -ld",
        )
    ]


OPEN = {"host": "127.0.0.1", "tls": "none", "user": "ann", "password": {"file": "imap"}}
NEVER = "01-Jan-2020 10:00:00 +9999"


@pytest.mark.long(after=3)
@pytest.mark.parametrize(
    ("server", "door", "said"),
    [
        (
            ImapServer(),
            {"password": {"env": "NOWHERE"}},
            [
                ("ok", "127.0.0.1:PORT answers, none", ""),
                (
                    "fail",
                    "log-in not tried: not set in the environment of this process",
                    "See the line of secrets.",
                ),
            ],
        ),
        (
            ImapServer(date=NEVER, inbox={1: Mail(b"From: x@y.example\r\n\r\n")}, next_uid=2),
            {"move": "flag"},
            [
                (
                    "ok",
                    "127.0.0.1: none, log-in, INBOX with 1 message, IDLE, "
                    "messages are flagged, not moved",
                    "",
                )
            ],
        ),
        (
            ImapServer("IDLE"),
            {"move": "move"},
            [
                ("ok", "127.0.0.1: none, log-in, INBOX with 0 messages, IDLE", ""),
                (
                    "fail",
                    "127.0.0.1 can neither MOVE nor UID EXPUNGE",
                    "Set doors.imap.move: flag",
                ),
            ],
        ),
        (
            ImapServer(delimiter=".", folders={"a.b": []}),
            {"folder": "a/b", "executed": "a.b"},
            [
                ("ok", "127.0.0.1: none, log-in, a/b with 0 messages, IDLE", ""),
                (
                    "fail",
                    "127.0.0.1: folder a.b is the one that is watched",
                    "Name another folder as doors.imap.executed.",
                ),
            ],
        ),
        (
            ImapServer("IDLE"),
            {},
            [
                (
                    "ok",
                    "127.0.0.1: none, log-in, INBOX with 0 messages, IDLE, "
                    "messages are flagged, not moved",
                    "",
                )
            ],
        ),
        (
            ImapServer(),
            {"password": None, "oauth": {"client_file": "imap"}},
            [
                (
                    "fail",
                    "127.0.0.1: FOLDER/imap is no JSON",
                    "Mend doors.imap.oauth.client_file, or grant access anew and put the new "
                    "token there.",
                )
            ],
        ),
        (
            ImapServer(),
            {"password": None, "oauth": {"client_file": "oauth.json"}},
            [("fail", "127.0.0.1: no access token: Connection refused", ONLINE)],
        ),
    ],
    ids=["no password", "flag", "no move", "one folder", "plain", "no grant", "no token"],
)
async def test_what_the_mailbox_lacks_is_told_with_its_mend(
    server: ImapServer,
    door: dict[str, Any],
    said: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    grant = {"client_id": "id", "refresh_token": "old"}
    grant["token_uri"] = f"http://127.0.0.1:{free_port()}/token"
    for name, text in (("imap", "right\n"), ("oauth.json", json.dumps(grant))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    async with serving(server):
        imap = {**OPEN, "port": server.port, **door}
        found = await look("imap", tmp_path, doors={"imap": imap})
    names = (("PORT", str(server.port)), ("FOLDER", str(tmp_path)))
    wanted = []
    for state, text, mend in said:
        for name, value in names:
            text = text.replace(name, value)
        wanted.append((state, text, mend))
    assert found == wanted


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), "mail.example: there is no host of this name"),
        (socket.gaierror(socket.EAI_AGAIN, "no"), "mail.example: DNS gives no answer"),
        (None, "mail.example: DNS gives no answer"),
    ],
)
async def test_a_mail_host_whose_name_leads_nowhere_is_told(
    fault: OSError | None, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def look_up(*given: object, **more: object) -> list[Any]:
        if fault is not None:
            raise fault
        over.wait(10)
        return []

    limit = 0.01 if fault is None else 10.0
    monkeypatch.setattr("housecarl.doctor.mail_host.LOOK_UP_SECONDS", limit)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    post = {"host": "mail.example", "from": "house@home.example"}
    ((state, said, mend),) = await look("post", tmp_path, post=post)
    over.set()
    assert (state, said) == ("fail", text)
    assert "Is this machine on the network?" in mend or "is this machine on the network?" in mend


async def test_a_house_without_post_and_doors_is_not_asked_for_them(tmp_path: Path) -> None:
    lacking = {
        "smtp": "no door for SMTP in the configuration",
        "imap": "no mailbox in the configuration",
        "drop": "no drop door in the configuration",
        "dns": "no door for mail in the configuration",
        "post": "no post in the configuration: nobody is answered by mail or text",
        "forwarding": "no google_voice in the configuration",
        "plugs": "no plugs in the configuration",
        "firmware": "no folder in the configuration",
    }
    found = [each async for each in visit(await patient(tmp_path), lacking)]
    assert {each.part: each.text for each in found} == lacking
    assert {each.state for each in found} == {finding.State.SKIP}


async def test_a_house_that_waits_for_texts_has_no_journal_before_its_first_start(
    tmp_path: Path,
) -> None:
    voice = {"account": "house@gmail.com", "number": "+12025550100"}
    ((state, text, _),) = await look("forwarding", tmp_path, trust={"google_voice": voice})
    assert (state, text.partition(":")[0]) == ("skip", "no journal yet")


@pytest.mark.parametrize("name", ["work", ".journal"])
async def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / name).touch()
    said = ("fail", f"{tmp_path}/spool/{name} is no folder", "Move it away: a start makes its own.")
    assert await look("spool", tmp_path) == [said]


@pytest.mark.long
async def test_a_journal_of_which_one_page_is_damaged_is_told(tmp_path: Path) -> None:
    """It opens, and what is asked of it breaks."""
    path = tmp_path / "spool" / JOURNAL
    path.parent.mkdir(parents=True)
    journal = Database(path)
    journal.open()
    await journal.close()
    with closing(sqlite3.connect(path)) as conn:
        (size,) = conn.execute("PRAGMA page_size").fetchone()
        (page,) = conn.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'conditions'"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    ((state, text, mend),) = await look("forwarding", tmp_path)
    assert (state, text) == ("fail", "the journal cannot be read")
    assert f"the journal {path} is damaged: " in mend


async def test_a_journal_that_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool/.journal/journal.sqlite").mkdir(parents=True)
    ((state, text, mend),) = await look("forwarding", tmp_path)
    assert (state, text) == ("fail", "the journal cannot be read")
    assert "journal.sqlite" in mend


async def test_a_socket_for_tls_needs_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "sockets", lambda: {"[::]:465": True})
    door = {"listen": f"127.0.0.1:{free_port()}", "recipients": ["cmd@home.example"]}
    assert await look("smtp", tmp_path, doors={"smtp": door}) == [
        (
            "fail",
            "systemd holds a port for TLS, without a certificate",
            "Set doors.smtp.certificate, or systemctl disable --now housecarl-smtps.socket",
        ),
        ("ok", "systemd holds [::]:465 for the daemon", ""),
        ("ok", f"{door['listen']} is free for the daemon, which does not run", ""),
    ]


DENVER = {"Denver": [place("Denver", "Colorado", 700_000)]}
COORDINATES = "Is this machine on the internet? Coordinates need no list: place: 39.74,-104.98"


@pytest.mark.parametrize(
    ("named", "faults", "said"),
    [
        ("Denver", {}, ("ok", "Denver: Open-Meteo answers, met.no answers", "")),
        ("39.74,-104.98", {}, ("ok", "39.74,-104.98: Open-Meteo answers, met.no answers", "")),
        ("Denver", {FORECAST: "500"}, ("ok", "Denver: Open-Meteo ", "")),
        ("Denver", {FORECAST: "500", MET_NO: "html"}, ("fail", "Denver: Open-Meteo ", ONLINE)),
        ("Denver", {GEOCODING: "500"}, ("fail", "the list of places ", COORDINATES)),
        (
            "Nowhere",
            {},
            (
                "fail",
                "there is no place Nowhere",
                "Correct modules.weather.place; coordinates work too: place: 39.74,-104.98",
            ),
        ),
    ],
)
async def test_each_source_of_the_weather_is_asked_once(
    tmp_path: Path, named: str, faults: dict[str, str], said: tuple[str, str, str]
) -> None:
    async with running(Sky(places=DENVER, faults=faults)) as sky:
        settings = {"place": named, "geocoding": sky.base, "forecast": sky.base, "second": sky.base}
        ((state, text, mend),) = await look("weather", tmp_path, modules={"weather": settings})
    assert (state, text[: len(said[1])], mend) == said
    assert len(sky.asked) == len(set(sky.paths()))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, ("ok", "station KCODENVE1 answers", "")),
        (
            "500",
            (
                "fail",
                "station KCODENVE1 ",
                "Check modules.weather.station: its id, its key, and that it uploads.",
            ),
        ),
        ("unread", ("fail", "station KCODENVE1: ", "See the line of secrets.")),
    ],
)
async def test_the_houses_own_station_is_asked(
    tmp_path: Path, fault: str | None, said: tuple[str, str, str]
) -> None:
    if fault != "unread":
        (tmp_path / "key").write_text("0123456789abcdef\n")
        (tmp_path / "key").chmod(0o600)
    async with running(Sky(faults={STATION: fault} if fault == "500" else {})) as sky:
        station = {"id": "KCODENVE1", "key": {"file": "key"}}
        settings = {"station": station, "stations": sky.base}
        ((state, text, mend),) = await look("weather", tmp_path, modules={"weather": settings})
    assert (state, text[: len(said[1])], mend) == said


@needs_root
async def test_what_the_daemon_cannot_open_of_its_own_spool_is_told(tmp_path: Path) -> None:
    """As after a backup that was put back without its owners."""
    root = tmp_path / "spool"
    for name in (".journal", "new"):
        (root / name).mkdir(parents=True)
    os.chown(root, NOBODY, -1)
    ((state, text, mend),) = await look("spool", tmp_path)
    assert (state, text) == ("fail", f"{root}/new is root's, and the spool nobody's")
    assert mend == f"chown -R nobody {root}/new {root}/.journal"
    # a daemon that root lets into a folder of its own makes these: that mend would shut it out
    for path, owner in ((root, 0), (root / "new", NOBODY)):
        os.chown(path, owner, -1)
    assert (await look("spool", tmp_path))[0][0] == "ok"


async def test_a_spool_that_forgets_or_is_slow_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "spool"
    ((state, text, _),) = await look("spool", tmp_path)
    assert (state, text.partition(":")[0]) == ("skip", f"{root} is not there yet")
    assert text.endswith(f" -c {tmp_path}/housecarl.yaml run` makes it")
    root.mkdir()
    monkeypatch.setattr(spool, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(spool, "_kind", lambda _: "tmpfs")
    (well, slow, fleeting) = await look("spool", tmp_path)
    assert well[1].startswith(f"{root} (tmpfs): renames and syncs, ")
    assert (slow[0], slow[2][:6]) == ("fail", "`dmesg")
    assert fleeting == (
        "fail",
        "tmpfs is empty after a reboot: messages are lost",
        "Set spool: to a folder on a disk.",
    )
    assert list(root.iterdir()) == [], "what was tried there is gone"


async def test_the_root_of_the_spool_and_its_logins(tmp_path: Path) -> None:
    root = tmp_path / "spool"
    ((_, text, mend),) = await look("drop", tmp_path, doors={"drop": {}})
    assert (text, mend) == (f"{root} is no folder", "See the line of spool.")
    root.mkdir()
    root.chmod(0o777)
    people = {"ann": {"may": ["*"], "unix": [LOGIN, "no-such-login"]}}
    sound, shared, every, missing = await look("drop", tmp_path, people=people, doors={"drop": {}})
    assert sound[0] == "ok" and sound[1].endswith(", mode 777")
    assert shared[2] == f"chmod +t {root}"
    assert every[1] == f"{root}: every login may put files there"
    assert missing[1:] == (
        "people.ann.unix.1: there is no login no-such-login here",
        "Correct the name, or take it out.",
    )


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Certificate]:
    cert, key = certificate(tmp_path, timedelta(days=90))
    yield Certificate(cert=cert, key=key)


def test_a_certificate_is_told_by_its_days(
    pair: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(days: float) -> tuple[str, str]:
        class Moved(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + timedelta(days=days)

        monkeypatch.setattr(certificates, "datetime", Moved)
        ((state, text, _),) = told(certificates.examine("smtp", pair, None))
        return state, text

    end = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"
    assert said(0) == ("ok", f"certificate is valid until {end}, 89 more days")
    assert said(77) == ("fail", f"certificate ends {end}, in 12 days")
    assert said(91) == ("fail", f"certificate ended {end}")
    assert said(-1)[1].startswith("certificate is not valid before ")


def test_a_certificate_of_another_key_and_one_that_is_not_served_yet(
    pair: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    cert, key = certificate(tmp_path / "other")
    ((state, text, mend),) = told(
        certificates.examine("smtp", Certificate(cert=pair.cert, key=key), None)
    )
    assert (state, text) == ("fail", "certificate and key cannot be used: they are no pair in PEM")
    assert mend.startswith("Put the certificate with its chain")
    older = x509.load_pem_x509_certificate(cert.read_bytes()).public_bytes(Encoding.DER)
    assert told(certificates.examine("smtp", pair, older))[1][1:] == (
        "the daemon still shows an older certificate than the file",
        "systemctl reload housecarl",
    )


def test_nobody_is_asked_for_the_password_of_a_key(pair: Certificate, tmp_path: Path) -> None:
    """OpenSSL waits for it on the terminal, of `doctor` as of a start."""
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hush"))
    )
    why = f"the key has a password; openssl pkey -in {locked} writes it without"
    ((state, text, _),) = told(
        certificates.examine("smtp", Certificate(cert=pair.cert, key=locked), None)
    )
    assert (state, text) == ("fail", f"certificate and key cannot be used: {why}")
    with pytest.raises(ConfigError, match=f"cannot be used with key {locked}: {why}"):
        tls(SmtpSettings(recipients=(), cert=pair.cert, key=locked))


async def test_ports_are_tried_before_the_daemon_needs_them(tmp_path: Path) -> None:
    def door(listen: str) -> dict[str, Any]:
        return {"smtp": {"listen": listen, "recipients": ["cmd@home.example"]}}

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ((state, text, mend),) = await look("smtp", tmp_path, doors=door(f"127.0.0.1:{port}"))
        assert (state, text) == ("fail", f"127.0.0.1:{port}: Address already in use")
        assert mend.startswith("Another program has it: `ss -ltnp")
    ((state, text, _),) = await look("smtp", tmp_path, doors=door(f"127.0.0.1:{port}"))
    assert (state, text) == ("ok", f"127.0.0.1:{port} is free for the daemon, which does not run")
    ((_, text, mend),) = await look("smtp", tmp_path, doors=door(f"192.0.2.1:{port}"))
    assert text == f"192.0.2.1:{port}: Cannot assign requested address"
    assert mend.startswith("Give an address of this machine")


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
async def test_ports_below_1024_come_from_systemd_and_ipv6_is_tried_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = {"listen": f"[::1]:{free_port()}", "recipients": ["cmd@home.example"]}
    ((state, text, _),) = await look("smtp", tmp_path, doors={"smtp": door})
    assert (state, text.partition(" is")[0]) == ("ok", door["listen"])

    def refused(sock: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refused)
    ((state, text, mend),) = await look("smtp", tmp_path, doors={"smtp": door})
    assert (state, text) == ("fail", f"{door['listen']}: Permission denied")
    assert mend == (
        f"Ports below 1024 come from systemd: install -m 644 {shipped('systemd')}/housecarl.socket "
        "/etc/systemd/system/; systemctl enable housecarl.socket; systemctl restart housecarl"
    )


async def test_the_door_of_a_daemon_that_runs_is_greeted(tmp_path: Path, pair: Certificate) -> None:
    """In the clear, by STARTTLS and under TLS; the certificate is the one of the file."""
    cert, key = pair.cert, pair.key
    async with smtp_serving(listen_tls="127.0.0.1:0", cert=cert, key=key) as served:
        places = [f"{host}:{port}" for host, port in (served.door.address, served.door.address_tls)]
        plain = {"listen": places[0], "recipients": ["cmd@home.example"]}
        tls = {"listen_tls": places[1], "certificate": {"cert": str(cert), "key": str(key)}}
        *greeted, valid = await look(
            "smtp", tmp_path, running=True, doors={"smtp": {**plain, **tls}}
        )
        assert await look("smtp", tmp_path, running=True, doors={"smtp": plain}) == greeted[:1]
    assert greeted == [
        ("ok", f"{place} is answered with 220 by the daemon", "") for place in places
    ]
    assert valid[:1] == ("ok",)


async def test_a_daemon_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """It has another configuration, or the port is another program's."""
    closed = f"127.0.0.1:{free_port()}"
    doors = {"smtp": {"listen": closed, "recipients": ["cmd@home.example"]}}
    assert await look("smtp", tmp_path, running=True, doors=doors) == [
        (
            "fail",
            f"the daemon runs, but nothing listens on {closed}",
            "It has another configuration: systemctl reload housecarl",
        )
    ]
    async with serving(ImapServer()) as other:
        doors["smtp"]["listen"] = f"127.0.0.1:{other.port}"
        ((state, text, mend),) = await look("smtp", tmp_path, running=True, doors=doors)
    assert (state, text.partition(":")[0]) == ("fail", "127.0.0.1")
    assert " gives no 220: " in text
    assert mend == f"`ss -ltnp 'sport = :{other.port}'` tells whose port that is."


async def test_a_clock_that_nothing_keeps_right_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kept, state in ((True, "ok"), (False, "fail")):
        monkeypatch.setattr("housecarl.doctor.clock.is_disciplined", lambda kept=kept: kept)
        assert (await look("clock", tmp_path))[0][0] == state
    assert clock.is_disciplined() in (True, False)


async def test_a_firmware_folder_that_is_none_is_told(tmp_path: Path) -> None:
    settings = {"firmware": {"folder": "images"}}
    assert (await look("firmware", tmp_path, modules=settings))[0][1:] == (
        f"{tmp_path}/images is no folder",
        "Make it, or change modules.firmware.folder.",
    )


async def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "manifest.yaml").write_text("nonsense: [\n")
    settings = {"firmware": {"folder": "images"}}
    ((state, text, mend),) = await look("firmware", tmp_path, modules=settings)
    assert (state, text) == ("fail", "The firmware manifest cannot be read.")
    assert mend == f"Mend {tmp_path}/images/manifest.yaml."


async def test_a_folder_of_modules_that_is_none_is_told(tmp_path: Path) -> None:
    ((state, _, _), missing) = await look("modules", tmp_path, modules={"folders": ["gone"]})
    assert state == "ok"
    assert missing == (
        "fail",
        f"{tmp_path}/gone is no folder",
        f"mkdir {tmp_path}/gone, or take it out of modules.folders",
    )


@pytest.mark.long
async def test_a_folder_of_modules_on_a_dead_mount_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ill, back = await patient(tmp_path, modules={"folders": ["dead"]}), threading.Event()
    iterdir, dead = Path.iterdir, tmp_path / "dead"
    monkeypatch.setattr(
        Path, "iterdir", lambda folder: (folder == dead and back.wait(20)) or iterdir(folder)
    )
    monkeypatch.setattr(doctor_modules, "LOOK_SECONDS", 0.5)
    found = told([each async for each in visit(ill, {"modules"})])
    back.set()
    mend = "Is its mount dead? Mount it anew, or take it out of modules.folders."
    assert found[1:] == [("fail", f"{dead} tells nothing in 0.5 s", mend)]


@needs_root
async def test_a_folder_of_modules_that_the_daemon_may_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    tmp_path.chmod(0o700)
    ill = await patient(tmp_path, modules={"folders": ["mine"]})
    with nobody():
        found = told([each async for each in visit(ill, {"modules"})])
    text = f"{tmp_path}/mine cannot be read: Permission denied"
    mend = "Let nobody read it, or take it out of modules.folders."
    assert found[1:] == [("fail", text, mend)]


@needs_root
async def test_a_folder_that_this_login_may_not_look_into_is_no_broken_check(
    tmp_path: Path,
) -> None:
    (tmp_path / "shut" / "images").mkdir(parents=True)
    (tmp_path / "shut").chmod(0o700)
    ill = await patient(tmp_path, modules={"firmware": {"folder": "shut/images"}})
    with nobody():
        ((state, text, mend),) = told([each async for each in visit(ill, {"firmware"})])
    assert (state, text) == ("fail", f"{tmp_path}/shut/images: Permission denied")
    assert mend == f"`namei -l {tmp_path}/shut/images` shows what bars it"


@needs_root
async def test_of_a_closed_folder_of_images_each_image_is_not_told_too() -> None:
    with TemporaryDirectory() as folder:  # pytest's own are closed to other logins
        root = Path(folder)
        root.chmod(0o711)
        for name in ("spool", "images"):
            (root / name).mkdir(mode=0o700)
        os.chown(root / "spool", NOBODY, -1)
        image = make_image(["60FF6B25"], "1.2.6 Build 200727 Rel.121701", 120_000)
        for name in ("one.bin", "two.bin"):
            (root / "images" / name).write_bytes(image)
        found = await look("firmware", root, modules={"firmware": {"folder": "images"}})
    closed = [text for state, text, _ in found if state == "fail" and "cannot be read" in text]
    assert len(closed) == 1 and closed[0].startswith(f"{root}/images cannot be read by ")
    assert "2 images" in found[0][1]


@needs_root
async def test_a_closed_folder_of_modules_is_a_fault_for_the_daemon_and_no_other_login() -> None:
    with TemporaryDirectory() as folder:  # pytest's own are closed to other logins
        root = Path(folder)
        for name, mode in (("spool", 0o711), ("mine", 0o700), (".", 0o711)):
            (root / name).mkdir(exist_ok=True)
            (root / name).chmod(mode)
        ill = await patient(root, modules={"folders": ["mine"]})
        assert list(files.faults(ill)) == []
        with nobody():
            await ill.registry.reload()
            ((fault, unseen),) = files.faults(ill)
        assert "modules.folders.0: " in str(fault) and unseen
        assert f"{root}/mine cannot be read: Permission denied" in str(fault)
        os.chown(root / "spool", NOBODY, -1)
        with nobody():
            ((_, unseen),) = files.faults(ill)
        assert not unseen


def test_check_ends_beside_a_folder_of_modules_on_a_dead_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, dead, back = tmp_path / "house.yaml", tmp_path / "dead", threading.Event()
    config.write_text("modules: {folders: [dead]}\n")

    def hanging(ask: Callable[[Path], Any]) -> Callable[[Path], Any]:
        return lambda path: (path == dead and back.wait(20)) or ask(path)

    for name in ("iterdir", "is_dir"):
        monkeypatch.setattr(Path, name, hanging(getattr(Path, name)))
    monkeypatch.setattr(module_folders, "LOOK_LIMIT", 0.05)
    monkeypatch.setattr(logs, "set_up", lambda _: None)  # it would stay so for other tests
    began = time.monotonic()
    done = CliRunner().invoke(cli.housecarl, ["-c", str(config), "check"])
    back.set()
    assert f"{dead} cannot be read: it has told nothing in 0.05 s" in str(done.exception)
    assert time.monotonic() - began < 10


def test_check_ends_beside_a_secret_on_a_dead_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, dead, back = tmp_path / "house.yaml", tmp_path / "dead", threading.Event()
    config.write_text("people: {ann: {may: [help], totp: {file: dead}, unix: [root]}}\n")
    stat = Path.stat
    monkeypatch.setattr(
        Path, "stat", lambda path, **how: (path == dead and back.wait(20)) or stat(path, **how)
    )
    monkeypatch.setattr("housecarl.secret._at_once", lambda *_: back.wait(20) and -1)
    monkeypatch.setattr("housecarl.secret.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("housecarl.secret.READ_SECONDS", 0.02)
    monkeypatch.setattr(logs, "set_up", lambda _: None)  # it would stay so for other tests
    done = CliRunner().invoke(cli.housecarl, ["-c", str(config), "check"])
    back.set()
    told = f"people.ann.totp: {dead}: its disk gave nothing in 0.02 s. Is its mount dead?"
    assert told in str(done.exception)


def test_a_start_beside_a_secret_on_a_dead_mount_is_to_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 78 would keep systemd from it."""
    config, back = tmp_path / "house.yaml", threading.Event()
    config.write_text(
        "spool: spool\n"
        "people: {ann: {may: [help], login: {user: ann, hash: {file: dead}}}}\n"
        f"doors: {{smtp: {{listen: '127.0.0.1:{free_port()}', recipients: [cmd@home.example]}}}}\n"
    )
    monkeypatch.setattr("housecarl.secret._at_once", lambda *_: back.wait(20) and -1)
    monkeypatch.setattr("housecarl.secret.READ_SECONDS", 0.02)
    monkeypatch.setattr(logs, "set_up", lambda _: None)  # it would stay so for other tests
    done = CliRunner().invoke(cli.housecarl, ["-c", str(config), "run"])
    back.set()
    assert isinstance(done.exception, SecretLater), done.exception
    assert cli.tell(done.exception) == 69


async def test_a_plug_that_talks_nonsense_may_be_of_another_make(tmp_path: Path) -> None:
    with SimulatedPlug(fault="garbage") as plug:
        settings = {"plug": {"plugs": {"lamp": f"127.0.0.1:{plug.port}"}}}
        ((state, text, mend),) = await look("plugs", tmp_path, modules=settings)
    assert (state, text[:17]) == ("fail", "lamp at 127.0.0.1")
    assert mend.startswith("Is the plug at 127.0.0.1 a TP-Link one?")


async def test_a_resolver_that_knows_other_keys_than_we_do_is_well(tmp_path: Path) -> None:
    with name_server({"google.com": "v=spf1 -all"}) as resolver:
        trust, doors = {"resolver": [resolver]}, {"smtp": {"recipients": ["cmd@home.example"]}}
        assert await look("dns", tmp_path, trust=trust, doors=doors) == [
            (
                "ok",
                f"{resolver}: answers with TXT records; Google signs with other keys now",
                "",
            )
        ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            "#!/bin/sh\necho LoadState=loaded\necho User=root\n",
            ("fail", "it runs as root", "systemctl edit housecarl: [Service] User=housecarl"),
        ),
        ("no program", ("skip", "systemctl does not answer", "")),
        (
            "#!/bin/sh\necho LoadState=not-found\n",
            ("skip", "housecarl.service is not installed", ""),
        ),
    ],
)
async def test_systemd_is_asked_for_the_unit(
    answer: str, said: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(answer)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(unit, "BOOTED", tmp_path)
    ((state, text, mend),) = await look("unit", tmp_path)
    assert (state, text, mend.partition(" (")[0]) == said


async def test_without_the_command_nobody_needs_the_right_to_ping(tmp_path: Path) -> None:
    ill = await patient(tmp_path)
    ill = Patient(ill.loaded, Registry(None), running=False)
    assert told(await ping.examine(ill)) == [("skip", "there is no command ping", "")]


@pytest.mark.parametrize(("range_", "state"), [("0\t2147483647\n", "ok"), ("1\t0\n", "fail")])
async def test_another_user_reads_whether_the_daemon_may_ping(
    range_: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that we can open ourselves says nothing of the daemon's user."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "range").write_text(range_)
    monkeypatch.setattr(ping, "RANGE", tmp_path / "range")
    monkeypatch.setattr(ping, "_opens", lambda _: state != "ok")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    ((found, text, _),) = await look("ping", tmp_path)
    assert (found, text.partition(" may")[0]) == (state, access.user(os.getuid()))


def test_what_was_given_up_before_its_thread_began_is_not_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: begun.append(thread))
    done: list[int] = []
    future = Loose().submit(done.append, 1)
    assert future.cancel()
    begun[0].run()
    assert done == []


async def test_who_may_not_ping_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("1\t0\n")
    monkeypatch.setattr("housecarl.doctor.ping.RANGE", tmp_path / "range")
    monkeypatch.setattr("housecarl.doctor.ping._opens", lambda _: False)
    ((state, text, mend),) = await look("ping", tmp_path)
    assert (state, mend[:9]) == ("fail", "install -")
    assert text == f"{access.user(os.geteuid())} may not ping (net.ipv4.ping_group_range)"


async def test_a_check_that_breaks_or_hangs_keeps_no_other_from_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(_: Patient) -> list[Finding]:
        raise KeyError("x")

    async def hangs(_: Patient) -> list[Finding]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr("housecarl.doctor.LIMIT", 0.05)
    monkeypatch.setitem(CHECKS, "clock", breaks)
    monkeypatch.setitem(CHECKS, "ping", hangs)
    asked = await patient(tmp_path)
    found = {each.part: each async for each in visit(asked, {"clock", "ping", "forwarding"})}
    assert found["clock"].text == "this check broke: KeyError: 'x'"
    assert found["ping"].text == "no answer in 0.05 s"
    assert found["forwarding"].state is not finding.State.FAIL


def test_who_may_write_a_file_is_told_by_name(tmp_path: Path) -> None:
    assert access.written_by(tmp_path / "gone", 0) == ""
    assert access.replaced_by(tmp_path / "gone" / "file", 0) == ""
    assert access.user(4_000_000) == access.group(4_000_000) == "4000000"
    assert access.groups(4_000_000) == [os.getegid(), *os.getgroups()]
    for mode, other in ((0o700, False), (0o730, True), (0o720, False)):
        tmp_path.chmod(mode)
        assert access.may_write(tmp_path, 4_000_000) is other
        assert access.may_write(tmp_path, os.geteuid())


def test_who_is_in_no_group_of_a_folder_is_everybody_else(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    if os.getgid() in access.groups(nobody):
        pytest.skip("we are nobody ourselves")
    os.chown(tmp_path, -1, os.getgid())
    for mode, may in ((0o703, True), (0o770, False), (0o702, False)):
        tmp_path.chmod(mode)
        assert access.may_write(tmp_path, nobody) is may


@needs_root
@pytest.mark.long
@pytest.mark.server("setpriv")
def test_what_a_root_that_cannot_become_the_daemon_sees_is_not_held_against_it(
    tmp_path: Path,
) -> None:
    """In a container without the right to change its user; `check` ended with a fault of ours."""
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    asked = f"""if True:
        from pathlib import Path
        from housecarl.doctor import access
        print(access.may_read(Path({str(secret)!r}), {NOBODY}))
    """
    for bounds, told in (([], "False"), (["--bounding-set=-setuid,-setgid"], "True")):
        words = ["setpriv", *bounds, sys.executable, "-c", asked]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.stdout.strip(), done.stderr) == (told, "")


async def test_a_login_that_cannot_put_files_into_the_spool_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    people = {"ann": {"may": ["*"], "unix": ["nobody"]}}
    _, (state, text, mend) = await look("drop", tmp_path, people=people, doors={"drop": {}})
    assert (state, text) == ("fail", f"nobody cannot put files into {tmp_path}/spool")
    assert mend.startswith("adduser nobody housecarl-drop")
