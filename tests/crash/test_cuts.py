"""The power is cut under the real daemon, on a real file system: the books balance."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.cuts import Cuts
from tests.crash.loop_disk import LoopDisk, NoLoopDisk, loop_disk
from tests.crash.rounds import smarthost

from housecarl.testing.inbox import Inbox

#: Cuts in the short form; `python -m benchmarks.crash --power` makes hundreds.
SHORT = 6

#: Cuts after which a house without one of its syncs is looked at, and how often it is: each commit
#: of the journal happens to sync the folder too, and on a busy machine it often comes in time.
ENOUGH, AGAIN = 4, 5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    """A disk whose power can be cut; it needs root and loop devices, which a container may lack."""
    try:
        with loop_disk(tmp_path) as disk:
            yield disk
    except NoLoopDisk as error:
        pytest.skip(str(error))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with smarthost() as inbox:
        yield inbox


@pytest.mark.server("unshare")
def test_a_machine_starts_again_whoever_still_holds_its_dead_disk(disk: LoopDisk) -> None:
    """As a container does that started meanwhile: it has the mounts of that moment for itself."""
    held = ["unshare", "--mount", "sh", "-c", "echo held && read _"]
    (disk.place / "synced").write_text("before")
    os.sync()
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        (disk.place / "unsynced").write_text("after")
        disk.cut()
        disk.remount()
        assert (disk.place / "synced").read_text() == "before"
        assert not (disk.place / "unsynced").exists()


@pytest.mark.long
@pytest.mark.server("openssl")
def test_power_cuts_lose_nothing_and_repeat_nothing(
    tmp_path: Path, disk: LoopDisk, inbox: Inbox
) -> None:
    with closing(Cuts(tmp_path, inbox, 6, disk)) as cuts:
        cuts.run(SHORT)
    assert cuts.violations == []
    assert cuts.kills == SHORT and len(cuts.acknowledged) > SHORT


@pytest.mark.long
@pytest.mark.server("openssl")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_without_one_of_its_syncs_a_message_is_lost(
    tmp_path: Path, disk: LoopDisk, inbox: Inbox, which: str
) -> None:
    """The harness can fail: the name or the content of a message left unsynced is found."""
    command = (sys.executable, "-m", "tests.crash.unsynced", which)
    with closing(Cuts(tmp_path, inbox, 6, disk, command)) as cuts:
        cuts.early, cuts.loaded_seconds, cuts.rest_seconds = 0.0, 0.0, 4.0
        for _ in range(AGAIN):
            cuts.run(ENOUGH)
            if cuts.violations:
                break
    assert any("acknowledged and not answered" in text for text in cuts.violations)
