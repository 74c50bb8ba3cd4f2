"""The network face of a simulated plug: TCP one connection at a time, UDP, and their faults."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from housecarl.testing.plug_faults import Faults
from housecarl.testing.plug_protocol import BUFFER, decrypt, encrypt, framed

#: how many select passes a request may take, the header being one of them
PASSES = 5
#: seconds between two bytes of an answer that drips
DRIP = 1.0
#: how often a port is tried that somebody else has, and the seconds between
TRIES, AGAIN = 20, 0.02

Answer = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a plug talks; the default is the first hardware version."""

    #: serve many requests on one connection, as later firmware does
    keep_open: bool = False
    #: answer length 0 and close, as very old firmware does
    zero_header: bool = False
    #: bytes a piece; 0 = whole answers
    segment: int = 0
    #: seconds before each answer
    delay: float = 0.0
    #: seconds a select pass lasts
    pass_time: float = 1.0
    faults: Faults = field(default_factory=Faults)


class Line:
    """TCP and UDP on one port of loopback, from `Line(...)` until `close()`."""

    def __init__(self, host: str, port: int, answer: Answer, manner: Manner, dark: bool) -> None:
        self._answer = answer
        self._manner = manner
        self._dark = dark
        self.served = 0
        self.dropped = 0
        self.datagrams = 0
        self._tcp, self._udp = _bound(host, port)
        self.port: int = self._tcp.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._threads = [
            threading.Thread(target=self._tcp_loop, daemon=True),
            threading.Thread(target=self._udp_loop, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close the port; a connection that is being served is cut."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        for thread in self._threads:
            thread.join(2)
        for sock in (self._tcp, self._udp, self._wake, self._woken):
            sock.close()

    def _ready(self, sock: socket.socket, seconds: float | None) -> bool | None:
        """True: something to read; False: nothing in time; None: the line is being closed."""
        found, _, _ = select.select([sock, self._woken], [], [], seconds)
        return None if self._woken in found else bool(found)

    def _tcp_loop(self) -> None:
        while not self._dark and self._ready(self._tcp, None):
            connection, _ = self._tcp.accept()
            with connection, contextlib.suppress(OSError):
                while self._serve(connection) and self._manner.keep_open:
                    pass
        if self._dark:
            self._ready(self._woken, None)

    def _udp_loop(self) -> None:
        while self._ready(self._udp, None):
            cipher, peer = self._udp.recvfrom(BUFFER)
            self.datagrams += 1
            if self._dark or self._lost():
                continue
            reply = self._answer(decrypt(cipher))
            if reply is not None:
                with contextlib.suppress(OSError):
                    self._udp.sendto(encrypt(reply), peer)

    def _lost(self) -> bool:
        """Whether the answer to this datagram is lost."""
        faults = self._manner.faults
        first = faults.number("udp_lost")
        return "udp_lost" in faults and (not first or self.datagrams <= first)

    def _serve(self, connection: socket.socket) -> bool:
        """One request, one answer; False when the connection is to be closed."""
        request = self._request(connection)
        if request is None:
            return False
        self.served += 1
        if self._manner.faults.words and self._misbehave(connection):
            return False
        reply = self._answer(decrypt(request))
        if reply is None:
            return False
        if self._manner.delay:
            self._ready(self._woken, self._manner.delay)
        self._send(connection, reply)
        return not self._manner.zero_header

    def _request(self, connection: socket.socket) -> bytes | None:
        """The cipher text of one request; None when it does not come as a plug wants it."""
        header = b""
        body = b""
        for _ in range(PASSES):
            ready = self._ready(connection, self._manner.pass_time)
            if ready is None:
                return None
            if not ready:
                continue
            if not header:
                header = connection.recv(4)
                if len(header) != 4:
                    self.dropped += bool(header)
                    return None
                continue
            piece = connection.recv(BUFFER - len(body))
            body += piece
            if not piece:
                break
            if len(body) >= struct.unpack(">I", header)[0]:
                return body
        self.dropped += 1
        return None

    def _send(self, connection: socket.socket, reply: bytes) -> None:
        wire = framed(reply)
        if self._manner.zero_header:
            wire = bytes(4) + wire[4:]
        if not self._manner.segment:
            connection.sendall(wire)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(wire), self._manner.segment):
            connection.sendall(wire[start : start + self._manner.segment])
            time.sleep(0.002)

    def _misbehave(self, connection: socket.socket) -> bool:
        """Answer as the fault says; False when no fault concerns this answer."""
        faults = self._manner.faults
        if "silent" in faults:
            self._ready(connection, None)
        elif "rst" in faults:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif "garbage" in faults:
            connection.sendall(b"\0\0\0\x20" + b"this means nothing at all to you"[:32])
        elif "half_reply" in faults:
            connection.sendall(framed(b'{"system":{"get_sysinfo":{"err_code":0}}}')[:20])
        elif "huge_reply" in faults:
            self._flood(connection)
        elif "empty_reply" in faults:
            connection.sendall(bytes(4))
        elif "list_reply" in faults:
            connection.sendall(framed(b"[]"))
        elif "deep_reply" in faults:
            connection.sendall(framed(b"[" * 100_000))
        elif "drip_reply" in faults:
            for byte in framed(b'{"system":{"get_sysinfo":{"err_code":0}}}'):
                connection.sendall(bytes([byte]))
                if self._ready(self._woken, DRIP) is None:
                    break
        else:
            return False
        return True

    def _flood(self, connection: socket.socket) -> None:
        connection.sendall(b"\xff\xff\xff\xff")
        for _ in range(64):
            connection.sendall(bytes(1 << 20))


def _bound(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A listening TCP socket and a UDP socket on the same port; OSError when it stays taken."""
    for _ in range(TRIES - 1):
        try:
            return _bound_now(host, port)
        except OSError:
            time.sleep(AGAIN)
    return _bound_now(host, port)


def _bound_now(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    with contextlib.ExitStack() as undone:
        tcp = undone.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        udp = undone.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((host, port))
        udp.bind((host, tcp.getsockname()[1]))
        tcp.listen(10)
        undone.pop_all()
    return tcp, udp
