"""Lives of `housecarl run` whose disk fails at the n-th call, also inside SQLite: `Faulty`."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.crash.disk_faults import ALWAYS, DiskFaults
from tests.crash.load import Load
from tests.crash.rounds import Rounds

from housecarl.testing.inbox import Inbox

#: Messages of a life, one after another: a change, a change, a look.
MESSAGES = 3

#: Seconds a fault lasts: the house is opened again in vain once, and once more with success.
LASTS_SECONDS = 0.7

#: Seconds in which a life must be over.
LIFE_SECONDS = 40.0

#: Exit codes of a daemon whose disk fails: after its stop, or with its storage at fault.
WELL, STORAGE = 0, 75


class Faulty(Rounds):
    """One configuration, a fresh spool for each life; `lives` counts those that were struck."""

    def __init__(self, folder: Path, inbox: Inbox, seed: int = 0) -> None:
        super().__init__(folder, inbox, seed, folder / "spool")
        self.faults = DiskFaults(folder, self.spool)
        self.lives = 0
        self.answered = 0

    def live(
        self, n: int, error: int, *, always: bool, reads: bool = False, dirty: bool = False
    ) -> bool:
        """A life whose n-th call fails, and `always` all after it until the fault is gone.

        With `dirty` it is the life after a kill under load. False: it had no n-th call.
        """
        self.make_fresh()
        if dirty:
            self._leave_dirty()
        self.faults.fail(error, n, ALWAYS if always else n, reads=reads)
        sender = threading.Thread(target=self.load.send, args=(MESSAGES,))
        process = self.start(self.faults.env)
        sender.start()
        process = self._see_through(process, sender)
        sender.join()
        self._stop(process, struck=self.faults.failed > 0)
        if self.faults.failed:
            self.rest()  # whatever the fault left, also one that came with the stop
        else:
            self.balance()
        self.lives += bool(self.faults.failed)
        self.answered += len(self.books.replies())
        return self.faults.failed > 0

    def make_fresh(self) -> None:
        """Nothing of the life before is there."""
        shutil.rmtree(self.spool, ignore_errors=True)
        self.books.ledger.write_text("")
        self.books.begin()
        self.load = Load(self.load.port)
        self.faults.begin()

    def _leave_dirty(self) -> None:
        """A life that is killed in the middle of its work."""
        process = self.start()
        with self.load.flowing() as over:
            self.load.taken.wait(LIFE_SECONDS)
            self.strike(process)
            over.set()

    def _see_through(
        self, process: subprocess.Popen[bytes], sender: threading.Thread
    ) -> subprocess.Popen[bytes]:
        """Until all is taken and answered; a daemon that ends is started again, as by systemd."""
        deadline, gone = time.monotonic() + LIFE_SECONDS, float("inf")
        while time.monotonic() < deadline:
            if self.faults.failed:
                gone = min(gone, time.monotonic() + LASTS_SECONDS)
            if time.monotonic() > gone:
                self.faults.mend()
            if process.poll() is not None:
                self._say_if(process.returncode != STORAGE, f"it ended with {process.returncode}")
                process = self.start(self.faults.env)
            if not sender.is_alive() and self.books.settled(self.acknowledged):
                return process
            time.sleep(0.01)  # seen from outside there is no event
        self._say_if(True, "not all was taken, answered and filed once the fault was gone")
        return process

    def _stop(self, process: subprocess.Popen[bytes], *, struck: bool) -> None:
        catches = self.is_open()
        process.terminate()
        code = process.wait(LIFE_SECONDS)
        well = {WELL} if struck else {WELL, STORAGE}  # the fault may come with the stop
        if not catches:
            well.add(-signal.SIGTERM)  # started again a moment ago, it knows no signal yet
        self._say_if(code not in well, f"it stopped with {code}")

    def _say_if(self, wrong: bool, text: str) -> None:
        if wrong:
            self.violations.append(text)
