"""The shipped units under a real systemd: installed as docs/install.md says, then ill-treated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.servers.installed import SMTP_SECRET, Home, block, block_of_socket, install, until
from tests.servers.machine import Machine, NoMachine

#: The units that listen for the daemon, in the order of the page.
SOCKETS = ("housecarl.socket", "housecarl-smtps.socket")

pytestmark = [pytest.mark.long, pytest.mark.server("systemd-nspawn", "nsenter")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A house that was installed a moment ago, and started."""
    tmp_path = tmp_path_factory.mktemp("machine")
    machine, mails = Machine(tmp_path / "root"), tmp_path / "mails"
    mails.mkdir()
    sink: subprocess.Popen[str] | None = None
    try:
        try:
            machine.boot()
        except NoMachine as reason:
            pytest.skip(f"no systemd can be booted here: {reason}")
        install(machine, tmp_path)
        script = Path(__file__).with_name("sink.py")
        words = [*machine.enter("net"), sys.executable, str(script), str(mails), "2500"]
        sink = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert sink.stdout is not None
        assert sink.stdout.readline() == "ready\n"
        house = Home(machine, mails)
        begun = machine.run("sh", "-e", typed=block("enable --now housecarl\n"))
        assert begun.returncode == 0, begun.stderr + house.log()
        for name in SOCKETS:
            machine.do("sh", "-e", typed=block_of_socket(name))
        yield house
    finally:
        machine.end()
        if sink is not None and sink.stdout is not None:
            sink.kill()
            sink.wait(10)
            sink.stdout.close()


def test_the_unit_is_active_once_the_house_is_ready(home: Home) -> None:
    assert home.says("ActiveState") == "active"
    assert home.says("User") == "housecarl"
    assert "ready" in home.log()


@pytest.mark.parametrize("port", [25, 587, 465])
def test_a_mail_through_the_handed_socket_is_answered(home: Home, port: int) -> None:
    """On port 465 TLS begins with the first byte."""
    answer = home.ask("!run printed", port)
    assert "printed well" in answer
    assert "To: ann@example.org" in answer


def test_the_daemon_holds_no_privilege(home: Home) -> None:
    status = home.do("cat", f"/proc/{home.says('MainPID')}/status")
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"{name}:\s+0+\n", status), name
    assert re.search(r"NoNewPrivs:\s+1", status)
    assert re.search(r"Seccomp:\s+2", status)


def test_a_dropped_file_is_its_owners(home: Home) -> None:
    """The uid is not lost on the way, and others may not drop anything."""
    drop = "umask 027; cd /var/lib/housecarl/spool; echo '!ping self' >.a && mv .a a"
    home.do(*"setpriv --reuid=ann --regid=ann --init-groups sh".split(), typed=drop)
    assert "self" in home.answer()
    listed = json.loads(home.do("housecarl", "log", "--json", "-n", "1").splitlines()[-1])
    assert "ann" in json.dumps(listed)
    stranger = "setpriv --reuid=nobody --regid=nogroup --clear-groups sh".split()
    assert home.machine.run(*stranger, typed=drop).returncode != 0


def test_an_unprivileged_ping_works(home: Home) -> None:
    assert " ms" in home.ask("!ping self")


def test_credentials_reach_the_daemon_and_their_files_do_not(home: Home) -> None:
    assert f"house {SMTP_SECRET}" in (home.mails / "logins").read_text()
    as_daemon = "setpriv --reuid=housecarl --regid=housecarl --init-groups".split()
    for name in ("smtp", "ann-hash"):
        done = home.machine.run(*as_daemon, "cat", f"/etc/housecarl/secrets/{name}")
        assert "Permission denied" in done.stderr
    environ = home.do("cat", f"/proc/{home.says('MainPID')}/environ")
    assert SMTP_SECRET not in environ + home.log()


def test_what_it_keeps_is_nobody_elses(home: Home) -> None:
    spool = "/var/lib/housecarl/spool"
    folders = home.do("find", spool, "-mindepth", "1", "-type", "d", "-printf", "%m %u\n")
    assert {line[-13:] for line in folders.splitlines()} == {"700 housecarl"}
    files = home.do("find", spool, "-type", "f", "-perm", "/077")
    assert files == ""


def test_nothing_in_the_state_folder_can_be_run(home: Home) -> None:
    planted = home.machine.root / "var/lib/housecarl/planted"
    planted.write_text("#!/bin/sh\necho planted well\n")
    planted.chmod(0o755)
    assert home.do("/var/lib/housecarl/planted") == "planted well"
    answer = home.ask("!run planted")
    assert "planted well" not in answer
    assert "ermission" in answer or "not" in answer


def test_the_doctor_finds_it_well_and_sees_a_looser_unit(home: Home) -> None:
    words = "housecarl doctor --json --only".split()
    parts = "config,secrets,modules,spool,smtp,drop,post,ping,unit"
    (unit,) = json.loads(home.at_first)["checks"]
    assert unit["state"] == "ok"
    told = json.loads(home.do(*words, parts, seconds=30))
    assert [each for each in told["checks"] if each["state"] != "ok"] == []
    looser = home.machine.root / "etc/systemd/system/housecarl.service.d/looser.conf"
    looser.write_text("[Service]\nProtectHome=no\n")
    home.do("systemctl", "daemon-reload")
    told = json.loads(home.machine.run(*words, "unit").stdout)
    looser.unlink()
    home.do("systemctl", "daemon-reload")
    assert [each["text"][:14] for each in told["checks"]] == ["ProtectHome is"]


def test_a_spool_that_the_unit_keeps_from_it_is_told_by_the_doctor(home: Home) -> None:
    """Root can write there; the daemon starts there once the command of the doctor is done."""
    config = home.machine.root / "etc/housecarl/housecarl.yaml"
    kept = config.read_text()
    home.do("install", "-d", "-o", "housecarl", "-m", "700", "/srv/spool")
    config.write_text(f"spool: /srv/spool\n{kept}")
    words = "housecarl doctor --json --only unit,spool".split()
    spool, served, unit = json.loads(home.machine.run(*words).stdout)["checks"]
    assert (spool["state"], unit["state"]) == ("ok", "fail")
    assert (served["state"], served["text"]) == ("skip", "the daemon runs, but not on /srv/spool")
    *_, section, line = unit["mend"].split()
    drop_in = home.machine.root / "etc/systemd/system/housecarl.service.d/spool.conf"
    drop_in.write_text(f"{section}\n{line}\n")
    home.do("systemctl", "daemon-reload")
    assert home.machine.run(*words).returncode == 0
    home.do("systemctl", "restart", "housecarl")
    assert home.says("ActiveState") == "active"
    drop_in.unlink()
    config.write_text(kept)
    home.do("systemctl", "daemon-reload")
    home.do("systemctl", "restart", "housecarl")


def test_a_frozen_daemon_is_ended_and_its_mail_is_answered(home: Home) -> None:
    """The socket stays with systemd, so that who comes meanwhile waits."""
    before, times = home.says("MainPID"), int(home.says("NRestarts"))
    home.do(*"systemctl kill --signal=STOP --kill-who=main housecarl".split())
    sending = home.sending("!run printed")
    until(lambda: home.restarted(times + 1))
    _, complaint = sending.communicate(timeout=20)
    assert sending.returncode == 0, complaint
    assert "printed well" in home.answer()
    assert home.says("MainPID") != before
    assert "Watchdog timeout" in home.log()


def test_it_comes_back_however_often_it_dies(home: Home) -> None:
    """Seven times at once; systemd gives up after five when it may."""
    first = int(home.says("NRestarts"))
    for n in range(1, 8):
        home.do(*"systemctl kill --signal=KILL --kill-who=main housecarl".split())
        until(lambda n=n: home.restarted(first + n))  # type: ignore[misc]
    assert "printed well" in home.ask("!run printed")


def test_a_broken_configuration_changes_nothing(home: Home) -> None:
    config = home.machine.root / "etc/housecarl/housecarl.yaml"
    good, pid = config.read_text(), home.says("MainPID")
    config.write_text("people: [\n")
    home.do("systemctl", "reload", "housecarl")
    until(lambda: "reload-refused" in home.log())
    assert "printed well" in home.ask("!run printed")
    config.write_text(good.replace("Elm Street", "Oak Street"))
    home.do("systemctl", "reload", "housecarl")
    until(lambda: "Oak Street" in home.log())
    assert "printed well" in home.ask("!run printed")
    assert home.says("MainPID") == pid


def test_a_stop_is_soon_over_and_a_mail_starts_it_again(home: Home) -> None:
    began = time.monotonic()
    home.do("systemctl", "stop", "housecarl", seconds=30)
    assert time.monotonic() - began < 10
    assert home.says("Result") == "success"
    assert "printed well" in home.ask("!run printed")
    assert home.says("ActiveState") == "active"


@pytest.mark.parametrize(("left", "port", "closed"), [(SOCKETS[0], 25, 465), (SOCKETS[1], 465, 25)])
def test_one_socket_alone_starts_and_serves_it(
    home: Home, left: str, port: int, closed: int
) -> None:
    (other,) = set(SOCKETS) - {left}
    home.do("systemctl", "stop", *SOCKETS, "housecarl", seconds=30)
    home.do("systemctl", "disable", other)
    home.do("systemctl", "start", left)
    assert "printed well" in home.ask("!run printed", port)
    home.do("systemctl", "restart", "housecarl", seconds=30)
    refused = home.sending("!run printed", closed)
    assert "ConnectionRefused" in refused.communicate(timeout=40)[1]
    home.do("systemctl", "enable", other)
    home.do("systemctl", "restart", "housecarl", seconds=30)
    assert "printed well" in home.ask("!run printed", closed)


def test_who_waits_does_not_start_a_daemon_for_ever_that_cannot_start(home: Home) -> None:
    """Its port is closed; the next start by hand opens it."""
    config = home.machine.root / "etc/housecarl/housecarl.yaml"
    good = config.read_text()
    config.write_text("people: [\n")
    home.do("systemctl", "stop", "housecarl", seconds=30)
    waiting = home.sending("!run printed")
    until(lambda: home.machine.run("systemctl", "is-failed", SOCKETS[0]).returncode == 0, 40)
    waiting.kill()
    waiting.communicate()
    config.write_text(good)
    home.do("systemctl", "start", "housecarl", seconds=30)
    assert "printed well" in home.ask("!run printed")


def test_a_start_that_is_long_because_there_is_much_to_do_is_waited_for(home: Home) -> None:
    """The journal of 20,000 messages is lost; the unit allows a start less than that takes."""
    home.do("systemctl", "stop", "housecarl")
    limit = home.machine.root / "etc/systemd/system/housecarl.service.d/limit.conf"
    limit.write_text("[Service]\nTimeoutStartSec=3\n")
    home.do("systemctl", "daemon-reload")
    spool = home.machine.root / "var/lib/housecarl/spool"
    today = datetime.now(UTC)  # what could be sent again is read whole
    (carried,) = (spool / "executed").glob("*")
    kept = next(carried.glob("*.eml")).read_bytes()
    for n in range(20_000):
        (carried / f"{today:%Y%m%d}T000000.000000-{n:016x}.eml").write_bytes(kept)
    (spool / ".journal" / "journal.sqlite").unlink()
    home.do("chown", "--recursive", "housecarl", "/var/lib/housecarl/spool/executed")
    began = time.monotonic()
    home.do("systemctl", "start", "housecarl", seconds=60)
    assert time.monotonic() - began > 3
    limit.unlink()
    home.do("systemctl", "daemon-reload")
    assert home.says("StatusText") == "serving"
