"""Rounds of `housecarl run` on a disk whose power is cut: what was acknowledged is there."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.crash.loop_disk import LoopDisk
from tests.crash.rounds import Rounds

from housecarl.testing.inbox import Inbox


class Cuts(Rounds):
    """As `Rounds`, with the spool on a disk that loses what was not synced.

    The ledger is on another disk: what a change does in the world no power cut takes back.
    """

    def __init__(
        self,
        folder: Path,
        inbox: Inbox,
        seed: int,
        disk: LoopDisk,
        command: tuple[str, ...] = (),
    ) -> None:
        super().__init__(folder, inbox, seed, disk.place / "spool", command)
        self._disk = disk

    def strike(self, process: subprocess.Popen[bytes]) -> None:
        """Cut the power, and start the machine again.

        Without power the processor stops too: of a sync that was under way in the kernel, nobody
        learns that it went well, and nothing is done on the strength of it.
        """
        process.send_signal(signal.SIGSTOP)
        self._disk.cut()
        super().strike(process)
        self._disk.remount()
