"""pymap on loopback: a second IMAP server, so that nothing is Dovecot's own way only."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient
from tests.doors.dovecot import PASSWORD

from housecarl.testing.house import free_port

#: pymap 0.36 keeps no hold of its sessions, and Python 3.14's collector takes them away.
PROGRAM = "import gc; gc.disable(); from pymap.main import main; main()"


class Pymap:
    """One server with one mailbox, kept in memory, in which some old mail lies."""

    def __init__(self, user: str) -> None:
        self.user, self.port = user, free_port()

    def client(self) -> Any:
        """A mail program, logged in."""
        client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
        client.login(self.user, PASSWORD)
        return client


@contextmanager
def pymap(user: str) -> Iterator[Pymap]:
    """A server that answers, ended in the end."""
    server = Pymap(user)
    place = ["--host", "127.0.0.1", "--port", str(server.port)]
    whom = ["dict", "--demo-data", "--demo-user", user, "--demo-password", PASSWORD]
    command = [sys.executable, "-c", PROGRAM, *place, *whom]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with IMAPClient("127.0.0.1", server.port, ssl=False, timeout=5):
                    break
            except (OSError, IMAPClient.Error):
                time.sleep(0.02)
        yield server
    finally:
        process.kill()
        process.wait(10)
