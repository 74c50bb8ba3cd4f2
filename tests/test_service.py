"""How to start it is said as it was installed: by systemd, or by hand."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.nobody import NOBODY, needs_root

from housecarl import cli, config_file, logs, service
from housecarl.cli import run
from housecarl.doctor import access
from housecarl.errors import NotAllowed
from housecarl.journal import JOURNAL, Database


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration that a unit of systemd would serve, and no unit."""
    config = tmp_path / "housecarl.yaml"
    config.write_text("spool: spool\n")
    monkeypatch.setenv("HOUSECARL_CONFIG", str(config))
    monkeypatch.setattr(config_file, "SERVICE_FILE", config)
    monkeypatch.setattr(service, "UNITS", (tmp_path / "housecarl.service",))
    monkeypatch.setattr("sys.argv", ["housecarl"])
    monkeypatch.setenv("PATH", str(tmp_path))
    return config


def install(config: Path, says: str = "") -> None:
    """The unit, and what starts units and says this of each."""
    (config.parent / "housecarl.service").touch()
    (config.parent / "systemctl").write_text(f"#!/bin/sh\necho {says}\n")
    (config.parent / "systemctl").chmod(0o755)


def make_journal(config: Path) -> None:
    """What a daemon that ran once left."""
    path = config.parent / "spool" / JOURNAL
    path.parent.mkdir(parents=True)
    journal = Database(path)
    journal.open()
    asyncio.run(journal.close())


def told(*words: str) -> str:
    """What `status` says of the daemon."""
    done = CliRunner().invoke(cli.housecarl, [*words, "status", "--json"])
    parts = {part["name"]: part["text"] for part in json.loads(done.stdout)["parts"]}
    return str(parts["daemon"])


def test_status_says_how_the_daemon_is_started_here(config: Path) -> None:
    make_journal(config)
    spool = config.parent / "spool"
    assert told() == f"not running on {spool}: `housecarl run`"
    install(config)
    assert told() == f"not running on {spool}: `systemctl start housecarl`"


@pytest.mark.long
def test_a_daemon_whose_spool_is_not_mounted_any_more_is_not_told_to_be_started(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start would do nothing, and a restart serve an empty spool that knows nobody who is off."""
    monkeypatch.setattr(logs, "set_up", lambda _: None)  # it would stay so for other tests
    spool = config.parent / "spool"
    config.write_text("spool: spool\npeople: {bo: {unix: [bo], may: [help]}}\ndoors: {drop: }\n")
    install(config, "ActiveState=active")
    (spool / "below").mkdir(parents=True)
    mend = "mount its disk, or put it back; if `spool` was changed, `systemctl reload housecarl`"
    what = f"the daemon runs, but not on {spool}"
    assert told() == f"{what}: {mend}"
    invoke = partial(CliRunner().invoke, cli.housecarl)
    sent, off = invoke(["send", "!help", "--as", "bo"]), invoke(["person", "off", "bo"])
    assert str(sent.exception) == f"nothing was sent: {what}: {mend}"
    assert (str(off.exception), off.stdout) == (f"nothing was changed: {what}: {mend}", "")
    assert [each.name for each in spool.iterdir()] == ["below"], "a mount would hide it"
    checks = json.loads(invoke(["doctor", "--only", "spool", "--json"]).stdout)["checks"]
    assert [(each["text"], each["mend"]) for each in checks[1:]] == [(what, mend)]
    install(config, "ActiveState=activating")
    assert told() == f"not running on {spool}: `systemctl start housecarl`"


@needs_root
def test_root_makes_no_spool_for_the_service_and_the_service_is_not_told_to_start_itself(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore that lost the owners: what it says stands in the log of the unit."""

    def told() -> str:
        with pytest.raises(NotAllowed) as refused:
            run._refuse_foreign(config_file.load(config))
        return str(refused.value)

    spool, daemon = config.parent / "spool", access.user(NOBODY)
    install(config)
    assert told() == f"the spool {spool} is the service's to make: systemctl start housecarl"
    spool.mkdir()
    os.chown(spool, NOBODY, -1)
    assert told() == f"the spool {spool} is {daemon}'s: systemctl start housecarl"
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    assert told() == f"the spool {spool} is {daemon}'s: run it as {daemon}"


def test_a_house_that_can_obey_nobody_is_not_well(config: Path) -> None:
    """As after an editor that could not write the file on a full disk, and left it empty."""
    config.write_text("")
    done = CliRunner().invoke(cli.housecarl, ["status"])
    assert f"FAIL config: {config} names nobody, or no door: by it nothing is obeyed" in done.stdout


def test_where_no_configuration_is_found_the_one_meant_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.called(config, "run") == "housecarl run"
    monkeypatch.setenv("HOUSECARL_CONFIG", str(config.with_name("none.yaml")))
    assert service.called(config, "run") == f"housecarl -c {config} run"


def test_a_configuration_that_the_unit_does_not_serve_is_run_by_hand(config: Path) -> None:
    make_journal(config)
    install(config)
    other = config.with_name("other.yaml")
    other.write_text(config.read_text())
    spool = config.parent / "spool"
    assert told("-c", str(other)) == f"not running on {spool}: `housecarl -c {other} run`"


def test_what_is_not_there_yet_is_made_by_a_start(config: Path) -> None:
    install(config)
    done = CliRunner().invoke(cli.housecarl, ["status"])
    assert "`systemctl start housecarl` makes it" in done.stdout
    assert service.start(config, enable=True) == "systemctl enable --now housecarl"


def test_a_new_password_says_what_takes_it_up(config: Path) -> None:
    ann = "{may: [help], login: {user: ann, hash: {file: ann.hash}}}"
    config.write_text(f"people: {{ann: {ann}}}\n")
    for taken in ("SIGHUP or a restart", "`systemctl reload housecarl`"):
        done = CliRunner().invoke(
            cli.housecarl, ["person", "password", "ann"], input="correct horse\n"
        )
        assert done.stdout == f"Written to {config.parent}/ann.hash. {taken} takes it up.\n"
        install(config)
