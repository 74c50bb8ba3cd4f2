"""What `send` leaves in the spool, and what it says when no answer comes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import LOGIN, Verb, verb_of
from tests.cli.forked import COMMON, forker
from tests.nobody import NOBODY, needs_root

from housecarl.cli import send
from housecarl.journal import JOURNAL, connect
from housecarl.testing.house import TestHouse

SPOOL = f"spool: spool\ndoors: {{drop: {{}}}}\npeople: {{ann: {{unix: [{LOGIN}], may: ['*']}}}}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.parametrize(
    "mode",
    [pytest.param(0o700, id="folder"), pytest.param(0o755, id="file")],
)
@pytest.mark.long
def test_a_command_whose_answer_may_not_be_read_is_not_sent(tmp_path: Path, mode: int) -> None:
    """It would be carried out, and this verb would end as if that had not been allowed."""
    config, spool = tmp_path / "house.yaml", tmp_path / "spool"
    config.write_text(SPOOL)
    (spool / JOURNAL.parent).mkdir(parents=True)
    connect(spool / JOURNAL).close()
    for path, bits in ((spool, 0o777), (spool / JOURNAL.parent, mode), (spool / JOURNAL, 0o600)):
        os.chown(path, 65534, 65534)
        path.chmod(bits)
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    with forker(tmp_path, without) as verbs:
        verbs.load(COMMON)
        words = ("-c", config, "send", "!uptime", "--as", "ann")
        done = verbs.run(*words, "--wait")
        assert (done.returncode, "this login may not" in done.stderr) == (77, True), done.stderr
        assert list(spool.glob("send-*")) == []
        assert verbs.run(*words).returncode == 0
    assert len(list(spool.glob("send-*"))) == 1


def test_what_is_sent_is_the_daemons_to_read_whatever_the_umask(tmp_path: Path) -> None:
    """In the service's spool by its group; of a login that keeps its files to itself, too."""
    before = os.umask(0o077)
    try:
        send.drop(tmp_path, "!uptime\n")
    finally:
        os.umask(before)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o640


@needs_root
def test_what_root_sends_is_read_by_a_daemon_that_is_not_root(tmp_path: Path) -> None:
    """Also in a spool that gives files no group of its own, as that of a house run by a login."""
    os.chown(tmp_path, NOBODY, NOBODY)
    tmp_path.chmod(0o755)
    send.drop(tmp_path, "!uptime\n")
    (file,) = tmp_path.iterdir()
    about = file.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (0, NOBODY, 0o640)


@needs_root
@pytest.mark.server("unshare")
@pytest.mark.long
def test_a_spool_of_a_group_that_has_no_number_here_takes_what_is_sent(tmp_path: Path) -> None:
    """As in a container that maps one login: the kernel knows no such group there (EINVAL)."""
    spool = tmp_path / "spool"
    spool.mkdir()
    os.chown(spool, 0, NOBODY)
    through = ("unshare", "-Ur")
    if subprocess.run([*through, "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody have a container")
    dropped = f"from pathlib import Path; send.drop(Path({str(spool)!r}), '!uptime')"
    code = f"from housecarl.cli import send; {dropped}"
    subprocess.run([*through, sys.executable, "-c", code], check=True, timeout=60)
    (file,) = spool.iterdir()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("!uptime", 0o640)


@pytest.mark.server("unshare")
@pytest.mark.long
def test_a_full_disk_keeps_nothing_of_what_could_not_be_sent(tmp_path: Path) -> None:
    config, spool = tmp_path / "house.yaml", tmp_path / "spool"
    config.write_text(SPOOL)
    spool.mkdir()
    full = f"mount -t tmpfs -o size=4k none {spool} && echo full >{spool}/other"
    through = ("unshare", "-rm", "sh", "-c", f'{full} && exec "$@"', "sh")
    if subprocess.run([*through, "true"], check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount anything")
    with forker(tmp_path, through) as verbs:
        verbs.load(COMMON)
        done = verbs.run("-c", config, "send", "!uptime", "--as", "ann")
        left = [path.name for path in Path(f"/proc/{verbs.process.pid}/root{spool}").iterdir()]
    assert (done.returncode, "No space left on device" in done.stderr) == (75, True), done.stderr
    assert left == ["other"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("hello", "no-command"), (f"!help\n{'x' * 200_000}", "form")],
    ids=["no command", "a text that is too long"],
)
def test_what_is_refused_in_silence_is_told_to_who_waits(
    verb: Verb, text: str, reason: str
) -> None:
    done = verb("send", text, "--as", "ann", "--wait")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"refused: {reason}\n")


def test_who_waits_hears_of_a_person_that_is_off(verb: Verb, house: TestHouse) -> None:
    verb("person", "off", "bo")
    house.do(house.daemon.house.refresh())  # type: ignore[union-attr]
    done = verb("send", "!uptime", "--as", "bo", "--wait")
    verb("person", "on", "bo")
    house.do(house.daemon.house.refresh())  # type: ignore[union-attr]
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "refused: off\n")


def test_who_waits_hears_of_a_person_that_the_daemon_does_not_know(house: TestHouse) -> None:
    """One that the file names since, and nobody has told the daemon to read it again."""
    newer = house.folder / "newer.yaml"
    newer.write_text((house.folder / "housecarl.yaml").read_text().replace("  bo:", "  eve:"))
    done = verb_of(newer)("send", "!uptime", "--as", "eve", "--wait")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "refused: stranger\n")
