"""Rounds of `housecarl run` told to stop at random moments under SMTP load: it ends well."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from tests.crash.rounds import MODULE, Rounds

from housecarl.testing.inbox import Inbox

#: Seconds in which a daemon whose commands take a moment has to end.
SOON = 10.0

#: What stands before the last line of a change: it takes a while and is in hand at most stops. As
#: one person's changes wait for each other, 32 of them take three seconds.
SLOW = "    await asyncio.sleep(0.1)\n"


class Stops(Rounds):
    """As `Rounds`, with SIGTERM in place of the kill; `seconds` is what each stop took."""

    def __init__(
        self, folder: Path, inbox: Inbox, seed: int, command: tuple[str, ...] = ()
    ) -> None:
        super().__init__(folder, inbox, seed, folder / "spool", command)
        self.seconds: list[float] = []
        self.unborn = 0
        slow = MODULE.replace("import os\n", "import asyncio\nimport os\n")
        slow = slow.replace('    return Reply(f"marked', f'{SLOW}    return Reply(f"marked')
        text = slow.format(ledger=self.books.ledger)
        (folder / "modules" / "marks.py").write_text(text)

    def strike(self, process: subprocess.Popen[bytes]) -> None:
        """Tell it to stop; it says goodbye, finishes what is in hand, and leaves nothing."""
        began = time.monotonic()
        process.terminate()
        try:
            code = process.wait(SOON)
        except subprocess.TimeoutExpired:
            self.violations.append(f"it did not stop within {SOON:g} s")
            super().strike(process)
            return
        self.seconds.append(time.monotonic() - began)
        if code == -signal.SIGTERM and not self.load.taken.is_set():
            self.unborn += 1  # Python had not come to our handler yet
        elif code != 0:
            self.violations.append(f"it ended with {code}")
        tmp = self.spool / "tmp"
        if left := [path.name for path in tmp.iterdir()] if tmp.is_dir() else []:
            self.violations.append(f"left in tmp: {left}")
        self.violations += self._interrupted()

    def _interrupted(self) -> list[str]:
        """What was told as interrupted: a stop waits for commands that take a moment."""
        return [
            f"{n} was interrupted by a stop"
            for n, told in self.books.replies().items()
            if any("interrupted" in text for _, text in told)
        ]
