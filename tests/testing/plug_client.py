"""A client of the plug protocol in raw sockets, apart from the daemon and from the plug."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any


def crypt(data: bytes, *, reading: bool = False) -> bytes:
    key, out = 171, bytearray()
    for byte in data:
        out.append(key ^ byte)
        key = byte if reading else out[-1]
    return bytes(out)


def frame(request: Any) -> bytes:
    plain = request if isinstance(request, bytes) else json.dumps(request).encode()
    return struct.pack(">I", len(plain)) + crypt(plain)


def connect(port: int, timeout: float = 3.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout)


def everything(sock: socket.socket) -> bytes:
    """All bytes until the plug closes."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def ask(port: int, module: str, member: str, args: Any = None) -> dict[str, Any]:
    """One member asked over TCP; what the plug says of it."""
    with connect(port) as sock:
        sock.sendall(frame({module: {member: {} if args is None else args}}))
        data = everything(sock)
    (length,) = struct.unpack(">I", data[:4])
    assert length == len(data) - 4
    part = json.loads(crypt(data[4:], reading=True))[module]
    answer: dict[str, Any] = part if "err_code" in part else part[member]
    return answer


def ask_udp(port: int, request: Any) -> dict[str, Any]:
    """One datagram each way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        sock.sendto(crypt(json.dumps(request).encode()), ("127.0.0.1", port))
        answer: dict[str, Any] = json.loads(crypt(sock.recv(65536), reading=True))
    return answer
