"""`doctor` and `test-send` as processes, against real servers on loopback, well and ill."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import re
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
import yaml
from tests.cli.clinic import Background, dkim_record, name_server
from tests.cli.conftest import LOGIN
from tests.cli.forked import Forker, forker
from tests.doors.certificate import certificate
from tests.doors.dovecot import PASSWORD, Dovecot, mailbox
from tests.doors.imap_server import ImapServer, serving
from tests.nobody import needs_root
from tests.post.smarthost import Smarthost

from housecarl import config_file
from housecarl.clock import is_disciplined
from housecarl.config import Config
from housecarl.doctor import CHECKS, Patient, access, admit, ping, spool, unit
from housecarl.doctor.finding import State
from housecarl.doctor.threads import Loose
from housecarl.errors import NotAllowed
from housecarl.journal import JOURNAL, Database, conditions, people, receipts, values
from housecarl.journal.conditions import Condition
from housecarl.password import hash_password
from housecarl.registry import Registry
from housecarl.testing.house import TestHouse, free_port
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

GOOGLE = "20251104._domainkey.google.com"
HW_ID = "60FF6B258734EA6880E186F8C96DDC61"
#: what says of a machine how it is, not of a house
MACHINE = ("clock", "ping", "unit")
#: parts that a test of a house looks at
HOUSE = "config,secrets,modules,spool,smtp,imap,drop,post,forwarding,dns,plugs,firmware,weather"


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    with Background() as loop:
        yield loop


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "housecarl.yaml"


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A folder that everybody may look into, with a spool whose daemon is another login."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "spool").mkdir()
        if os.getuid() == 0:
            os.chown(folder / "spool", 65534, 65534)
        yield folder


def examine(verbs: Forker, config: Path, only: str) -> dict[str, list[tuple[str, str, str]]]:
    """What doctor found: (state, text, mend) by part."""
    done = verbs.run("-c", config, "doctor", "--json", "--only", only)
    told = json.loads(done.stdout or "{}")
    assert told, done.stderr
    found: dict[str, list[tuple[str, str, str]]] = {}
    for each in told["checks"]:
        found.setdefault(each["part"], []).append((each["state"], each["text"], each["mend"]))
    failed = any(state == "fail" for each in found.values() for state, _, _ in each)
    assert (done.returncode, told["well"]) == (int(failed), not failed)
    return found


def write(config: Path, **sections: Any) -> None:
    """A configuration of Ann's house."""
    whole = {"people": {"ann": {"may": ["*"], "unix": [LOGIN]}}, "spool": "spool", **sections}
    config.write_text(yaml.safe_dump(whole))


async def journalled(folder: Path, do: Callable[[Connection], object]) -> None:
    """Write into the journal of the house in a folder, which does not run."""
    path = folder / "spool" / JOURNAL
    path.parent.mkdir(mode=0o700, parents=True)
    database = Database(path)
    database.open()
    await database.write(do)
    await database.close()


@pytest.mark.long
def test_a_house_that_runs_is_well_and_left_as_it_was(tmp_path: Path, verbs: Forker) -> None:
    pair = certificate(tmp_path, timedelta(days=90))
    images = tmp_path / "images"
    images.mkdir()
    (images / "new.bin").write_bytes(make_image([HW_ID], "1.2.6 Build 200727 Rel.121701", 120_000))
    with name_server({GOOGLE: dkim_record()}) as resolver, SimulatedPlug() as plug:
        house = TestHouse(
            tmp_path,
            {"ann": {"phones": ["+13035550123"], "unix": [LOGIN], "may": ["*"]}},
            {
                "plug": {"plugs": {"lamp": f"127.0.0.1:{plug.port}"}},
                "firmware": {"folder": "images"},
            },
            doors={"smtp": {"certificate": {"cert": str(pair[0]), "key": str(pair[1])}}},
            trust={"resolver": [resolver]},
        )
        with house:
            before = sorted(house.spool.rglob("*"))
            found = examine(verbs, tmp_path / "housecarl.yaml", HOUSE)
            assert sorted(house.spool.rglob("*")) == before
            assert house.inbox.received == []
            certificate(tmp_path, timedelta(days=365))
            renewed = examine(verbs, tmp_path / "housecarl.yaml", "smtp")["smtp"]
    assert [state for state, _, _ in renewed] == ["ok", "ok", "fail"]
    assert "still shows an older certificate" in renewed[2][1]
    assert renewed[2][2] == "systemctl reload housecarl"
    texts = {part: [text for _, text, _ in each] for part, each in found.items()}
    fleeting = "tmpfs" in texts["spool"][0]
    wrong = {part for part, each in found.items() for state, _, _ in each if state == "fail"}
    assert wrong == ({"spool"} if fleeting else set())
    assert {part for part, each in found.items() if each[0][0] == "skip"} == {"imap", "weather"}
    assert texts["config"] == [f"{tmp_path}/housecarl.yaml: 1 person, doors smtp, drop"]
    assert texts["smtp"][0].endswith("is answered with 220 by the daemon")
    assert "89 more days" in texts["smtp"][1]
    assert texts["post"] == [
        f"127.0.0.1:{house.inbox.port} answers, none, no log-in; no mail was sent"
    ]
    assert "20251104 of google.com, 2048 bits" in texts["dns"][0]
    assert texts["plugs"][0].startswith("lamp at 127.0.0.1: HS110(US) 1.0, -")
    assert texts["firmware"] == [f"{images} has 1 image"]
    assert texts["forwarding"] == ["no confirmation waits"]


def test_every_fault_is_told_with_its_mend(tmp_path: Path, config: Path, verbs: Forker) -> None:
    """One house in which nothing works; no part keeps another from being told."""
    modules = tmp_path / "mine"
    modules.mkdir()
    (modules / "bell.py").write_text("import nothing_of_this_name\n")
    modules.chmod(0o777)
    images = tmp_path / "images"
    images.mkdir()
    (images / "old.bin").write_bytes(b"no image")
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o777)
    with name_server({}) as resolver:
        write(
            config,
            people={
                "ann": {
                    "may": ["*", "pong"],
                    "unix": ["nobody-here"],
                    "totp": {"file": "ann.totp"},
                }
            },
            doors={
                "drop": {},
                "imap": {
                    "host": "127.0.0.1",
                    "port": free_port(),
                    "tls": "none",
                    "user": "ann",
                    "password": {"env": "NOT_SET"},
                },
            },
            post={
                "host": "127.0.0.1",
                "port": free_port(),
                "tls": "none",
                "from": "house@home.example",
            },
            trust={"resolver": [resolver]},
            modules={
                "folders": ["mine"],
                "plug": {"plugs": {"lamp": f"127.0.0.1:{free_port()}"}},
                "firmware": {"folder": "images"},
                "weather": {
                    "place": "Denver",
                    "geocoding": f"http://127.0.0.1:{free_port()}",
                },
            },
        )
        done = verbs.run("-c", config, "doctor", "--only", HOUSE)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for text, mend in (
        ("secrets    people.ann.totp: ", "housecarl person totp ann"),
        ("modules    ", "Mend the file; it is live when it is saved."),
        (f"modules    {modules} can be written by everybody", "chown "),
        (f"drop       {tmp_path}/spool: who may put files there may also take away", "chmod +t"),
        ("drop       people.ann.unix.0: there is no login nobody-here", "Correct the name"),
        ("imap       127.0.0.1: Connection refused", "Check doors.imap.host, port and tls"),
        ("post       127.0.0.1: Connection refused", "Check post.host, port and tls"),
        (f"dns        {resolver}: answers, but knows no key", "It hides TXT records: set trust.re"),
        ("plugs      lamp at 127.0.0.1 does not answer.", "Is it powered and on the Wi-Fi?"),
        ("firmware   old.bin", f"Take old.bin out of {images}"),
        ("weather    the list of places cannot be reached", "Is this machine on the internet?"),
    ):
        head, _, rest = done.stdout.partition(f"FAIL {text}")
        assert rest, f"{text} is not in {done.stdout}"
        following = rest.splitlines()[1]
        assert following.startswith(" " * 16) and following.strip().startswith(mend), following
    assert "No module named 'nothing_of_this_name'" in done.stdout
    assert "no command 'pong'" in done.stdout
    assert "skip smtp       no door for SMTP in the configuration" in done.stdout


def test_a_spool_on_two_file_systems_cannot_work(
    tmp_path: Path, config: Path, verbs: Forker
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    for state in ("tmp", "new"):
        (tmp_path / "spool" / state).mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=memory) as elsewhere:
        (tmp_path / "spool" / "work").symlink_to(elsewhere)
        write(config)
        ((state, text, mend),) = examine(verbs, config, "spool")["spool"]
        assert list(Path(elsewhere).iterdir()) == []
    assert (state, text.partition(": ")[2]) == ("fail", "Invalid cross-device link")
    assert mend.startswith("Every folder of the spool must be on one file system")
    assert [path.name for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


@pytest.mark.server("unshare")
@pytest.mark.parametrize(
    ("kind", "why", "mends"),
    [
        ("size=4k", "No space left on device", "Make room: `du -xh "),
        ("size=4k,ro", "Read-only file system", "`dmesg` tells why it is read-only; "),
    ],
    ids=["full", "read-only"],
)
@pytest.mark.long
def test_a_disk_that_takes_nothing_is_mended_by_what_it_says(
    tmp_path: Path, config: Path, kind: str, why: str, mends: str
) -> None:
    root = tmp_path / "spool"
    root.mkdir()
    write(config)
    full = f"mount -t tmpfs -o size=4k none {root} && echo full >{root}/other"
    mounted = f'{full} && mount -o remount,{kind} {root} && exec "$@"'
    through = ("unshare", "-rm", "sh", "-c", mounted, "sh")
    if subprocess.run([*through, "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount anything")
    with forker(tmp_path, through) as verbs:
        (state, text, mend), *_ = examine(verbs, config, "spool")["spool"]
    assert (state, text.endswith(why), mend.startswith(mends)) == ("fail", True, True), text


async def test_a_full_disk_is_told_before_messages_are_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config.parent / "spool").mkdir()
    write(config)
    monkeypatch.setattr(spool, "RESERVE_BYTES", 1 << 60)
    found = await spool.examine(Patient(config_file.load(config), Registry(None), running=False))
    assert any("are reserved: no message is taken" in each.text for each in found)
    assert list((config.parent / "spool").iterdir()) == []


@needs_root
def test_root_looks_with_the_eyes_of_the_daemons_user(foreign: Path, verbs: Forker) -> None:
    config = foreign / "housecarl.yaml"
    for name, held in (("totp", "KEPT" * 8), ("hash", hash_password("kept"))):
        (foreign / name).write_text(held)
        (foreign / name).chmod(0o600)
    os.chown(foreign / "hash", 65534, 65534)
    login = {"user": "ann", "hash": {"file": "hash"}}
    ann = {"may": ["*"], "unix": [LOGIN], "totp": {"file": "totp"}, "login": login}
    write(config, people={"ann": ann})
    sound, (state, text, mend) = examine(verbs, config, "secrets")["secrets"]
    daemon = access.user(65534)
    assert sound[1] == "1 of 2 can be read, by the daemon only"
    assert (state, mend) == ("fail", f"chown {daemon} {foreign}/totp")
    assert text.endswith(f"{foreign}/totp belongs to root, the daemon is {daemon}")


@needs_root
@pytest.mark.long
def test_what_root_can_read_and_the_daemon_cannot_is_told(foreign: Path, verbs: Forker) -> None:
    """Else the next start is the first to say it, and what `doctor` said was no use."""
    config, daemon = foreign / "housecarl.yaml", access.user(65534)
    for name in ("mine", "secrets"):
        (foreign / name).mkdir(mode=0o700)
    (foreign / "secrets" / "hash").write_text(hash_password("kept"))
    (foreign / "secrets" / "hash").chmod(0o600)
    os.chown(foreign / "secrets" / "hash", 65534, 65534)
    login = {"user": "ann", "hash": {"file": "secrets/hash"}}
    people = {"ann": {"may": ["*"], "unix": [LOGIN], "login": login}}
    (foreign / "images").mkdir()
    image = make_image([HW_ID], "1.2.6 Build 200727 Rel.121701", 120_000)
    (foreign / "images" / "one.bin").write_bytes(image)
    (foreign / "images" / "one.bin").chmod(0o600)
    (foreign / "ca.pem").touch(mode=0o600)
    modules = {"folders": ["mine"], "firmware": {"folder": f"{foreign}/images"}}
    post = {"host": "127.0.0.1", "from": "a@b.example", "ca": "ca.pem"}
    write(config, people=people, doors={"drop": {}}, modules=modules, post=post)
    config.chmod(0o600)
    found = examine(verbs, config, "config,secrets,modules,firmware")
    closed = {path: f"{foreign}/{path} cannot be read by {daemon}" for path in ("mine", "ca.pem")}
    assert found["config"][2][1] == f"post.ca: {closed['ca.pem']}"
    assert f"{foreign}/images/one.bin cannot be read by {daemon}" in [
        text for _, text, _ in found["firmware"]
    ]
    state, text, mend = found["config"][1]
    assert (state, text) == (
        "fail",
        f"{config} cannot be read by {daemon}, as whom the daemon runs: it would not start with it",
    )
    assert mend.startswith(f"chgrp {access.group(65534)} {config} && chmod 640 {config}; `namei")
    assert [text for _, text, _ in found["secrets"]] == [
        f"people.ann.login.hash: {foreign}/secrets/hash is out of reach of {daemon}, as whom the "
        "daemon runs"
    ]
    mends = {text: mend for _, text, mend in found["modules"]}
    mend = mends[f"{foreign}/mine cannot be read by {daemon}"]
    assert mend.startswith(f"chmod a+rx {foreign}/mine, then SIGHUP or a restart; `namei -l ")
    done = verbs.run("-c", config, "check")
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{config}: cannot be read by {daemon}, as whom the daemon runs" in done.stderr
    for place, path in (("modules.folders.0", "mine"), ("post.ca", "ca.pem")):
        assert f"{place}: {closed[path]}; `namei -l {foreign}/{path}` shows" in done.stderr
    assert verbs.run("-c", config, "check", "--print").returncode == 0, "it shows what is there"
    config.chmod(0o644)
    (foreign / "ca.pem").chmod(0o644)
    assert len(examine(verbs, config, "config")["config"]) == 1


async def test_who_sees_less_than_the_daemon_is_sent_away(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a port of our own daemon would look like another program's."""
    (config.parent / "spool").mkdir()
    write(config)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotAllowed, match=f"{LOGIN}'s alone: run it as {LOGIN}"):
        await admit(config_file.load(config))


def test_a_configuration_that_cannot_be_used_ends_it(config: Path, verbs: Forker) -> None:
    config.write_text("hose: Elm\n")
    done = verbs.run("-c", config, "doctor")
    assert done.returncode == 78
    assert done.stdout.startswith("FAIL config     cannot be used; mend what follows:\n     ")
    assert "hose: unknown key; did you mean 'house'?" in done.stdout


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("impa", "no part impa. Did you mean imap?"),
        ("", "--only names no part. Parts: config, "),
        (", ,", "--only names no part. Parts: config, "),
    ],
)
def test_a_part_that_does_not_exist_is_a_usage_error(
    config: Path, verbs: Forker, only: str, said: str
) -> None:
    """And so is none at all: nothing would be looked at, and all be called well."""
    write(config)
    done = verbs.run("-c", config, "doctor", "--only", only)
    assert (done.returncode, done.stdout, said in done.stderr) == (2, "", True), done.stderr


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("server", "texts", "mends"),
    [
        (
            ImapServer(),
            ["127.0.0.1: none, log-in, INBOX with 0 messages, IDLE, MOVE to housecarl/executed"],
            [""],
        ),
        (ImapServer("UIDPLUS"), ["no IDLE (looked at every 30 s), UIDPLUS to housecarl/"], [""]),
        (ImapServer(refuse={"LOGIN"}), ["log-in as ann refused: not here"], ["Check doors.imap.u"]),
        (ImapServer(cuts={"EXAMINE": 1}), ["127.0.0.1: "], ["Check doors.imap.host"]),
    ],
    ids=["well", "simple", "refused", "cut"],
)
def test_the_mailbox_is_looked_into_and_left_alone(
    server: ImapServer,
    texts: list[str],
    mends: list[str],
    config: Path,
    verbs: Forker,
    background: Background,
) -> None:
    (config.parent / "imap").write_text("right\n")
    (config.parent / "imap").chmod(0o600)

    async def enter(stack: AsyncExitStack) -> None:
        await stack.enter_async_context(serving(server))

    stack = AsyncExitStack()
    background.do(enter(stack))
    imap = {"host": "127.0.0.1", "port": server.port, "tls": "none", "user": "ann"}
    write(config, doors={"imap": {**imap, "password": {"file": "imap"}}})
    found = examine(verbs, config, "imap")["imap"]
    background.do(stack.aclose())
    assert len(found) == len(texts)
    for (_, text, mend), wanted, way in zip(found, texts, mends, strict=True):
        assert wanted in text and mend.startswith(way)
    changing = ("CREATE", "SELECT", "UID STORE", "UID MOVE", "APPEND", "EXPUNGE")
    assert [word for word in changing if server.words(word)] == []


@pytest.fixture
def dovecot(tmp_path: Path) -> Iterator[Dovecot]:
    """A server that Ann's mailbox is on."""
    with mailbox(certificate(tmp_path)) as server:
        yield server


@pytest.mark.long
@pytest.mark.server("dovecot")
def test_a_real_mailbox_and_its_clock(
    dovecot: Dovecot, tmp_path: Path, config: Path, verbs: Forker, background: Background
) -> None:
    with dovecot.client("ann") as client:
        for minutes in (-5, 30):
            came = datetime.now(UTC) + timedelta(minutes=minutes)
            client.append("INBOX", b"From: a@example.org\r\n\r\nhello\r\n", msg_time=came)
    (tmp_path / "imap").write_text(PASSWORD + "\n")
    (tmp_path / "imap").chmod(0o600)
    door = {
        "host": "localhost",
        "port": dovecot.port_tls,
        "ca": str(tmp_path / "cert.pem"),
        "user": "ann",
        "password": {"file": "imap"},
    }
    progress = {"validity": 1, "last": 1, "began": 0, "looked": 0}
    key = f"ann@localhost:{dovecot.port_tls}/INBOX"
    background.do(
        journalled(tmp_path, lambda conn: values.put(conn, "_imap", key, progress, time.time()))
    )
    write(config, doors={"imap": door})
    (_, well, _), (state, late, mend) = examine(verbs, config, "imap")["imap"]
    assert (
        "tls, log-in, INBOX with 2 messages (1 not looked at yet), IDLE, MOVE to housecarl" in well
    )
    assert re.fullmatch(r"the server's clock is (29|30) min ahead of ours", late)
    assert (state, mend[:22]) == ("fail", "See the line of clock:")
    write(config, doors={"imap": {**door, "ca": None}})
    ((_, untrusted, mend),) = examine(verbs, config, "imap")["imap"]
    assert "certificate is not trusted" in untrusted and "doors.imap.ca" in mend
    write(config, doors={"imap": {**door, "folder": "Texts"}})
    ((_, missing, mend),) = examine(verbs, config, "imap")["imap"]
    assert "there is no folder Texts" in missing and "doors.imap.folder" in mend


def test_the_post_says_why_it_takes_nothing(
    tmp_path: Path, config: Path, verbs: Forker, background: Background
) -> None:
    pair = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*pair)
    (tmp_path / "smtp").write_text("wrong\n")
    (tmp_path / "smtp").chmod(0o600)
    host = Smarthost()
    host.use_tls(tls, implicit=False)
    host.script = lambda step, to: "535 5.7.8 Bad password" if step == "auth" else None
    background.do(host.start())
    post = {"host": "localhost", "port": host.port, "user": "ann", "from": "house@home.example"}
    try:
        secret = {"password": {"file": "smtp"}}
        write(config, post={**post, **secret, "ca": str(pair[0])})
        ((_, refused, password),) = examine(verbs, config, "post")["post"]
        write(config, post={**post, **secret})
        ((_, untrusted, ca),) = examine(verbs, config, "post")["post"]
        write(config, post={**post, "password": {"credential": "smtp"}, "ca": str(pair[0])})
        found = examine(verbs, config, "post,secrets")
    finally:
        background.do(host.stop())
    assert "535" in refused and "app password" in password
    assert "certificate is not valid" in untrusted and "post.ca" in ca
    assert [state for state, _, _ in found["post"]] == ["ok", "skip"]
    assert "within the unit" in found["secrets"][0][1]
    assert host.taken == []


def test_a_port_of_another_program_and_a_certificate_near_its_end(
    tmp_path: Path, config: Path, verbs: Forker, background: Background
) -> None:
    pair = certificate(tmp_path, timedelta(days=3))
    host = Smarthost()
    background.do(host.start())
    try:
        write(
            config,
            doors={
                "smtp": {
                    "listen": f"127.0.0.1:{host.port}",
                    "listen_tls": f"127.0.0.1:{free_port()}",
                    "certificate": {"cert": str(pair[0]), "key": str(pair[1])},
                    "recipients": ["cmd@home.example"],
                }
            },
        )
        taken, free, ends = examine(verbs, config, "smtp")["smtp"]
    finally:
        background.do(host.stop())
    assert taken[0] == "fail" and f"sport = :{host.port}" in taken[2]
    assert free[0] == "ok" and "is free for the daemon" in free[1]
    assert ends[0] == "fail" and "in 2 days" in ends[1] and ends[2].startswith("Renew ")


def test_a_confirmation_waits_until_a_text_comes_through(tmp_path: Path, verbs: Forker) -> None:
    text = "Gmail asks to confirm that house@gmail.com forwards here: code 123456789"
    asked = receipts.Receipt("a" * 16, "a.eml", time.time() - 60, "smtp", kind="confirmation")
    mail = receipts.Receipt("b" * 16, "b.eml", time.time() - 30, "smtp", "mail", "ann")

    def note(conn: Any) -> None:
        conditions.note(conn, Condition("confirmation", True, text, time.time()))
        receipts.store(conn, asked)
        receipts.store(conn, mail)  # which came by itself, and proves nothing

    with TestHouse(tmp_path) as house:
        assert house.daemon is not None and house.daemon.house is not None
        house.do(house.daemon.house.db.write(note))
        config = tmp_path / "housecarl.yaml"
        ((state, told, mend),) = examine(verbs, config, "forwarding")["forwarding"]
        assert (state, told) == ("fail", text)
        assert mend.startswith("Enter the code in Gmail's settings")
        house.phone().text("!uptime")
        house.settle()
        ((state, told, _),) = examine(verbs, config, "forwarding")["forwarding"]
        assert (state, told) == ("ok", "no confirmation waits")


class TestTestSend:
    """`test-send PERSON`."""

    @pytest.fixture
    def host(self, background: Background) -> Iterator[Smarthost]:
        host = Smarthost()
        background.do(host.start())
        yield host
        background.do(host.stop())

    def send(
        self, verbs: Forker, config: Path, port: int, person: str = "ann"
    ) -> subprocess.CompletedProcess[str]:
        write(
            config,
            house="Elm Street",
            people={
                "ann": {"may": ["*"], "addresses": ["ann@example.org"]},
                "bo": {"may": ["*"], "phones": ["+13035550199"]},
            },
            trust={"google_voice": {"account": "house@home.example", "number": "+13035550100"}},
            post={"host": "127.0.0.1", "port": port, "tls": "none", "from": "house@home.example"},
        )
        return verbs.run("-c", config, "test-send", person)

    def test_it_says_what_the_server_answered(
        self, host: Smarthost, config: Path, verbs: Forker
    ) -> None:
        done = self.send(verbs, config, host.port)
        assert done.returncode == 0, done.stderr
        words = "took the reply to ann at ann@example.org: 250 2.0.0 queued\n"
        assert done.stdout == f"127.0.0.1 {words}"
        ((to, mail),) = host.taken
        assert to == "ann@example.org"
        assert b"Elm Street: a test. Replies reach you this way." in mail
        assert b"Auto-Submitted: auto-generated" in mail

    @pytest.mark.long(after=1)
    @pytest.mark.parametrize(
        ("step", "answer", "code"),
        [
            ("greet", "drop", 69),
            ("end", "drop", 69),
            ("rcpt", "550 5.1.1 nobody here", 1),
            ("rcpt", "451 4.7.1 greylisted", 75),
        ],
    )
    def test_it_says_what_went_wrong(
        self, host: Smarthost, config: Path, verbs: Forker, step: str, answer: str, code: int
    ) -> None:
        host.script = lambda at, to: answer if at == step else None
        done = self.send(verbs, config, host.port)
        assert done.returncode == code, done.stderr
        assert "127.0.0.1" in done.stderr and "Traceback" not in done.stderr
        assert answer == "drop" or answer in done.stderr

    def test_who_has_no_way_or_is_off_gets_nothing(
        self, host: Smarthost, config: Path, verbs: Forker, background: Background
    ) -> None:
        done = self.send(verbs, config, host.port, "bo")
        assert (done.returncode, "no way to bo yet" in done.stderr) == (1, True)
        assert self.send(verbs, config, host.port, "eve").returncode == 2

        def note(conn: Connection) -> None:
            people.switch_off(conn, "ann", time.time())
            address = "13035550100.13035550199.0123456789@txt.voice.google.com"
            way = people.Way(address, "+13035550199", "0123456789", 0.0)
            people.use_way(conn, "bo", way)

        background.do(journalled(config.parent, note))
        assert self.send(verbs, config, host.port).returncode == 77
        assert self.send(verbs, config, host.port, "bo").stdout.startswith(
            "127.0.0.1 took the reply to bo as a text: 250"
        )
        assert [to for to, _ in host.taken] == [
            "13035550100.13035550199.0123456789@txt.voice.google.com"
        ]


def test_the_page_has_every_part_in_its_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    assert re.findall(r"(?m)^\| `(\w+)` \|", page) == list(CHECKS)


def test_the_unit_is_held_against_the_shipped_one() -> None:
    shipped = Path(__file__).parents[2] / "systemd" / "housecarl.service"
    lines = [line.partition("=") for line in shipped.read_text().splitlines()]
    says = {name: value for name, _, value in lines if name in unit.WANTED}
    usual = {"PrivateUsers": "no", "DynamicUser": "no", "ActiveState": "active"}
    good = {**usual, **says, "LoadState": "loaded", "User": "housecarl", "WatchdogUSec": "1min"}
    assert [each.state for each in unit.judged(good)] == [State.OK]
    bad = {**good, "ProtectSystem": "no", "User": "", "WatchdogUSec": "infinity"}
    assert [each.mend.rpartition(" ")[2][:14] for each in unit.judged(bad)] == [
        "ProtectSystem=",
        "User=housecarl",
        "WatchdogSec=60",
    ]
    assert [each.state for each in unit.judged({"LoadState": "not-found"})] == [State.SKIP]
    # before its first start, systemd tells no watchdog of any unit
    new = {**good, "ActiveState": "inactive", "WatchdogUSec": "0"}
    assert [each.state for each in unit.judged(new)] == [State.OK]


def test_folders_that_the_unit_keeps_from_the_daemon_are_told() -> None:
    """Root, who asks the doctor, sees them."""
    said = {"LoadState": "loaded", "User": "housecarl", "ProtectSystem": "strict"}
    said |= {"ProtectHome": "yes", "ReadWritePaths": "-/srv/spool"}

    smtp: dict[str, Any] = {"recipients": ["cmd@home.example"]}
    ann: dict[str, Any] = {"unix": ["ann"], "may": ["*"]}
    files: list[Path] = []

    def told(spool: str, *folders: str) -> list[str]:
        whole = {"spool": spool, "modules": {"folders": [*folders]}}
        whole |= {"people": {"ann": ann}, "doors": {"smtp": smtp}}
        config = Config.model_validate(whole, context={"folder": Path("/")})
        return [each.text.partition(",")[0] for each in unit.judged(said, config, files)]

    well = ["housecarl.service is hardened as shipped"]
    assert told("/var/lib/housecarl/spool", "/etc/housecarl/modules") == told("/srv/spool") == well
    assert told("/srv/other") == ["/srv/other cannot be written by the daemon"]
    assert told("/srv/spool", "/home/ann/modules") == [
        "/home/ann/modules is hidden from the daemon"
    ]
    smtp["certificate"] = {"cert": "/root/c.pem", "key": "/etc/ssl/k.pem"}
    files.append(Path("/home/ann/totp"))
    assert told("/srv/spool") == [
        "/home/ann/totp is hidden from the daemon",
        "/root/c.pem is hidden from the daemon",
    ]
    # to let the daemon write where it sees nothing would keep it from starting
    assert told("/home/ann/spool")[0] == "/home/ann/spool is hidden from the daemon"


def test_the_sockets_of_systemd_are_met_in_place_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(
        "#!/bin/sh\necho ActiveState=active\ncase $2 in\n"
        "housecarl.socket) echo FileDescriptorName=smtp; echo 'Listen=[::]:25 (Stream)';;\n"
        "*) echo FileDescriptorName=smtps; echo 'Listen=[::]:465 (Stream)';;\nesac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(unit, "BOOTED", tmp_path)
    assert unit.sockets() == {"[::]:25": False, "[::]:465": True}
    said = {"ActiveState": "active", "FileDescriptorName": "smtp", "Listen": "[::]:25 (Stream)"}
    assert unit.listened(said) == {"[::]:25": False}
    assert unit.listened({**said, "FileDescriptorName": "smtps"}) == {"[::]:25": True}
    assert unit.listened({**said, "ActiveState": "inactive"}) == {}


async def test_what_hangs_keeps_nothing_from_ending() -> None:
    """A look-up that takes a minute: the loop closes at once all the same."""
    asyncio.get_running_loop().set_default_executor(Loose())
    hanging, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        hanging.wait(60)

    task = asyncio.create_task(asyncio.to_thread(hang))
    assert await asyncio.to_thread(begun.wait, 10)
    began = time.monotonic()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert time.monotonic() - began < 5
    hanging.set()
    await task
    with pytest.raises(ZeroDivisionError):
        await asyncio.wrap_future(Loose().submit(lambda: 1 // 0))


def test_who_may_ping_is_read_from_the_range() -> None:
    assert ping.within("0\t2147483647\n", [1000])
    assert ping.within("100 200", [7, 200])
    assert not ping.within("1\t0\n", [0, 1, 1000])


def test_a_group_of_one_is_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o620)
    assert access.written_by(path, os.getuid()) == ""
    path.chmod(0o602)
    assert access.written_by(path, os.getuid()) == "everybody"
    if os.getuid() == 0:
        others = next((g for g in grp.getgrall() if len(set(g.gr_mem) - {"root"}) > 0), None)
        path.chmod(0o620)
        os.chown(path, 0, others.gr_gid if others else 0)
        assert access.written_by(path, 0) == (f"the group {others.gr_name}" if others else "")
        os.chown(path, 65534, -1)
        assert access.written_by(path, 0) == access.user(65534)


def test_the_machine_is_looked_at_too(config: Path, verbs: Forker) -> None:
    write(config)
    found = examine(verbs, config, ",".join(MACHINE))
    assert found["clock"][0][0] == ("ok" if is_disciplined() else "fail")
    assert set(found) == set(MACHINE)
