"""A program on a terminal of its own, and whoever types there."""

from __future__ import annotations

import codecs
import os
import pty
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds a question may take to appear.
PATIENCE = 30.0


class Typist:
    """Whoever sits at the terminal: reads up to a question, types an answer."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.seen = ""
        self._new = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def wait(self, for_: str) -> None:
        while for_ not in self._new:
            self._read()
        self._new = self._new.partition(for_)[2]

    def answer(self, question: str, text: str = "") -> None:
        self.wait(question)
        os.write(self.terminal, f"{text}\n".encode())

    def rest(self) -> str:
        """All that comes until the program has ended."""
        try:
            while True:
                self._read()
        except OSError:  # Linux: EIO once the other side is closed
            return self.seen

    def _read(self) -> None:
        assert select.select([self.terminal], [], [], PATIENCE)[0], self.seen
        read = os.read(self.terminal, 4096)
        if not read:
            raise OSError("closed")
        text = self._decoder.decode(read)
        self.seen += text
        self._new += text


@contextmanager
def at_terminal(
    *command: str | Path, env: dict[str, str]
) -> Iterator[tuple[Typist, subprocess.Popen[bytes]]]:
    """A program that believes a person sits before it; killed when it does not end by itself."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "NO_COLOR": "1", **env},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Typist(ours), process
            process.wait(PATIENCE)
        finally:
            process.kill()
            os.close(ours)
