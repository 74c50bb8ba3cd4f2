"""Takes connections off one listening socket, a few at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog

#: Connections the kernel keeps for us while we are busy; a burst waits instead of failing, for one
#: that finds no place there comes again after a second, then after two more. The kernel bounds it
#: by net.core.somaxconn.
BACKLOG = 4096

#: Connections taken before whoever is in has a turn again; asyncio would take a whole backlog.
AT_ONCE = 32

#: Seconds to wait when the system has no file left for a connection.
RETRY_SECONDS = 1.0

log = structlog.get_logger()

Meet = Callable[[socket.socket, str], None]


class Listener:
    """Calls `meet` with each connection, not blocking, and the host of its peer.

    The host is "" for a Unix socket.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, meet: Meet
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._meet = meet
        self._later: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        listening.listen(BACKLOG)
        self._begin()

    def close(self) -> None:
        """Listen no more, and close the socket."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _begin(self) -> None:
        self._later = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, name = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # EMFILE, ENFILE, ENOBUFS, ENOMEM: accept(2) has a long list
                log.error("smtp-accept-failed", why=error.strerror)
                self._loop.remove_reader(self._listening)
                self._later = self._loop.call_later(RETRY_SECONDS, self._begin)
                return
            connection.setblocking(False)
            self._meet(connection, str(name[0]) if isinstance(name, tuple) else "")
