"""The socket of a mailbox: opened with deadlines, cut from outside at any moment, read in time."""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

#: Seconds of one answer, whatever the server says meanwhile (20 min): 8 MiB by 60 kbit/s.
ANSWER_SECONDS = 1200.0

#: The kernel asks a silent server after 60 s whether it is there, three times in 30 s: else it
#: would go unnoticed until the IDLE ends that a router forgot the connection, or we slept.
KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


class Cut(Exception):
    """The connection ended or stalled; `str` says how."""


class Opening:
    """Keeps the socket while it is being opened, so that `cut` ends even a silent greeting."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.is_cut = False

    def hold(self, sock: socket.socket) -> None:
        """Take over a socket that has just been connected."""
        self.socket = sock
        if self.is_cut:
            self.cut()

    def cut(self) -> None:
        """End the connection from any thread: whoever reads or waits there returns at once."""
        self.is_cut = True
        if self.socket is not None:
            try:
                # the plain socket below TLS: a TLS goodbye would wait for the peer
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already


class Timed:
    """A socket that gives nothing more once an answer has had its time: reading raises Cut.

    Looked at before each read of the kernel: what waits for the end of a line or of a literal
    would look once that has come, however long its peer takes for a byte.
    """

    _until = math.inf

    def begin(self) -> None:
        """Another answer is waited for."""
        self._until = time.monotonic() + ANSWER_SECONDS

    def end_never(self) -> None:
        """The answer lasts as long as we like."""
        self._until = math.inf

    def recv(self, *how: Any) -> Any:
        """As of any socket. Raises Cut."""
        return self._in_time(super().recv, how)  # type: ignore[misc]

    def recv_into(self, *how: Any) -> Any:
        """As of any socket. Raises Cut."""
        return self._in_time(super().recv_into, how)  # type: ignore[misc]

    def _in_time(self, read: Callable[..., Any], how: tuple[Any, ...]) -> Any:
        if time.monotonic() > self._until:
            raise Cut("it talks and gives no answer")
        return read(*how)


# both are read by the standard library alone, which names no argument
class Plain(Timed, socket.socket):  # pyright: ignore[reportIncompatibleMethodOverride]
    """One without TLS."""


class Tls(Timed, ssl.SSLSocket):  # pyright: ignore[reportIncompatibleMethodOverride]
    """One with it: the class of a context's sockets."""


def opened(
    place: tuple[str, int], wait: float, context: ssl.SSLContext | None, opening: Opening
) -> socket.socket:
    """A connection to a place, known to `opening` before TLS is shaken on it.

    Raises OSError, also when either takes longer than `wait` seconds.
    """
    connected = socket.create_connection(place, wait)
    sock: socket.socket = Plain(fileno=connected.detach())
    sock.settimeout(wait)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname=place[0], do_handshake_on_connect=False)
    assert isinstance(sock, Timed)
    sock.begin()  # its greeting
    opening.hold(sock)
    if isinstance(sock, Tls):
        try:
            sock.do_handshake()
        except OSError:
            sock.close()
            raise
    return sock
