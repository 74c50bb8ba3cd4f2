"""One request to a plug of the Kasa generation, through python-kasa, bounded in time and bytes."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from housecarl.errors import CommandError, StorageError
from housecarl.plugs import place

log = structlog.get_logger()

#: seconds from the first packet to the last byte; so that a silent plug is told in time
DEADLINE = 6.0
#: bytes; the longest honest answer (a month of days, a strip of six) stays under 4 KiB
ANSWER_LIMIT = 8192
#: what is told of a plug that answered, and not as it should
NONSENSE = "gives an answer that makes no sense."

Answer = dict[str, Any]


class PlugError(CommandError):
    """A plug did not do what was asked; `name` is the plug, `sent` whether the request left us."""

    reason = "plug"

    def __init__(self, name: str, text: str, *, sent: bool = False) -> None:
        super().__init__(f"{name} {text}")
        self.name = name
        self.text = text
        self.sent = sent


class PlugSilent(PlugError):
    """No connection, or no answer within the deadline."""


class PlugUnclear(PlugError):
    """The answer is not what a plug answers."""


class PlugRefused(PlugError):
    """The plug answered with an error code."""

    def __init__(self, name: str, code: int, said: str) -> None:
        super().__init__(name, f"refused: {said or 'no reason given'} ({code}).", sent=True)
        self.code = code
        self.said = said


@contextmanager
def own_error(plug: str) -> Iterator[None]:
    """Whatever breaks over what one plug says is an error of that plug: the others go on."""
    try:
        yield
    except (PlugError, StorageError):
        raise
    except Exception as error:
        log.exception("plug-failed", plug=plug)
        raise PlugUnclear(plug, NONSENSE, sent=True) from error


@functools.cache
def _protocol_class() -> tuple[type[Any], type[Any], type[Any]]:
    """python-kasa's protocol and configuration, and a transport with our bounds; slow once."""
    from kasa import DeviceConfig
    from kasa.json import loads
    from kasa.protocols import IotProtocol
    from kasa.transports.xortransport import XorEncryption, XorTransport

    class BoundTransport(XorTransport):
        """Reads at most `ANSWER_LIMIT` bytes; length 0 is up to the end, as in old firmware."""

        sent = False

        async def _execute_send(self, request: str) -> Answer:
            assert self.writer is not None and self.reader is not None  # `send` has connected
            self.writer.write(XorEncryption.encrypt(request))
            self.sent = True
            await self.writer.drain()
            length = int.from_bytes(await self.reader.readexactly(4), "big")
            if length > ANSWER_LIMIT:
                raise ValueError(f"an answer of {length} bytes")
            try:
                cipher = await self.reader.readexactly(length or ANSWER_LIMIT)
            except asyncio.IncompleteReadError as end:
                if length:
                    raise
                cipher = end.partial
            answer: Answer = loads(XorEncryption.decrypt(cipher))
            return answer

    return DeviceConfig, IotProtocol, BoundTransport


async def load() -> None:
    """Import python-kasa in a thread, so that the loop goes on meanwhile; at once when loaded."""
    if not _protocol_class.cache_info().currsize:
        await asyncio.to_thread(importlib.import_module, "kasa")
        await asyncio.to_thread(_protocol_class)


def datagram(request: Answer) -> bytes:
    """A request as it goes over UDP: the cipher text alone. python-kasa must be loaded."""
    from kasa.transports.xortransport import XorEncryption

    return XorEncryption.encrypt(json.dumps(request))[4:]


def undatagram(data: bytes) -> str:
    """The plain text of a datagram; ValueError when it is none."""
    from kasa.transports.xortransport import XorEncryption

    return XorEncryption.decrypt(data)


async def ask(
    name: str, host: str, port: int, request: Answer, *, seconds: float = DEADLINE, tries: int = 1
) -> Answer:
    """The answer of the plug `name` to one request on a connection of its own.

    `tries` above 1 is for what may be sent twice without harm. Raises PlugSilent or PlugUnclear.
    """
    await load()
    until = time.monotonic() + seconds
    found = await place.addresses(host, max(0.0, seconds))
    if not found:
        raise PlugSilent(name, "cannot be reached.", sent=False)
    config_class, protocol_class, transport_class = _protocol_class()
    config = config_class(host=found[0], port_override=port, timeout=math.ceil(seconds))
    transport = transport_class(config=config)
    protocol = protocol_class(transport=transport)
    try:
        async with asyncio.timeout(until - time.monotonic()):
            answer = await protocol.query(request, retry_count=tries - 1)
    except Exception as error:  # python-kasa lets any exception through
        raise _explained(name, error, transport.sent) from error
    finally:
        transport.close_without_wait()
    if not isinstance(answer, dict):
        raise PlugUnclear(name, NONSENSE, sent=True)
    return answer


def _explained(name: str, error: Exception, sent: bool) -> PlugError:
    """The one sentence for whatever python-kasa raised."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < 10:
        causes.append(cause)
        cause = cause.__cause__
    if any(isinstance(cause, TimeoutError | ConnectionError) or _cut(cause) for cause in causes):
        return PlugSilent(name, "does not answer.", sent=sent)
    if sent:
        return PlugUnclear(name, NONSENSE, sent=True)
    return PlugSilent(name, "cannot be reached.", sent=False)


def _cut(cause: BaseException) -> bool:
    """Whether the connection was closed before the first byte of an answer."""
    return isinstance(cause, asyncio.IncompleteReadError) and not cause.partial


def member(name: str, answer: Answer, module: str, member: str) -> Answer:
    """One member of an answer; PlugRefused for an error code, PlugUnclear when it is not there."""
    part = answer.get(module)
    if isinstance(part, dict) and "err_code" not in part:
        part = part.get(member)
    if not isinstance(part, dict):
        raise PlugUnclear(name, NONSENSE, sent=True)
    code = part.get("err_code", 0)
    if code != 0:
        said = str(part.get("err_msg", ""))[:40]
        raise PlugRefused(name, code if isinstance(code, int) else 0, said)
    return part
