"""The SMTP door: takes messages over the network and hands each to the spool before it says 250."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog

from housecarl.clock import Clock, SystemClock
from housecarl.doors.door import Deliver
from housecarl.doors.smtp_crowd import Crowd, counted, places
from housecarl.doors.smtp_desk import TRY_LATER, Arrived, Desk
from housecarl.doors.smtp_listener import Listener
from housecarl.doors.smtp_login import Logins
from housecarl.doors.smtp_rules import Rules
from housecarl.doors.smtp_session import SmtpSession
from housecarl.doors.smtp_settings import SmtpSettings, load_pair
from housecarl.errors import ConfigError, FormError, Problem, SpoolFull, StorageError, Unreachable
from housecarl.message.form import gate
from housecarl.message.stamp import Stamp

#: What a peer hears for whom there is no room.
BUSY = b"421 4.3.2 Busy, try again later\r\n"

#: What a session hears when the door stops.
CLOSING = "421 4.3.2 Closing, try again later"

#: Seconds that messages being stored have when the door stops.
STOP_SECONDS = 5.0

log = structlog.get_logger()


class SmtpDoor:
    """Serves SMTP in the running loop; `logins` maps a user name to (person, argon2id hash).

    `deliver` returns once a message is safe. What it raises decides the reply: FormError 550,
    SpoolFull 452, anything else 451. While `closed` is true every message gets 451.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        deliver: Deliver,
        logins: Mapping[str, tuple[str, str]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._deliver = deliver
        self._clock = clock or SystemClock()
        self._rules = Rules(settings.rules)
        most = places(settings.connections)
        crowd = Crowd(most, settings.per_address, settings.rate, settings.grace)
        passwords = Logins(logins or {}, crowd.is_fruitless)
        self._desk = Desk(settings, crowd, passwords, None, self._receive)
        self._storing: set[asyncio.Task[object]] = set()
        self._meeting: set[asyncio.Task[None]] = set()
        self._listeners: list[Listener] = []
        self._plain: list[socket.socket] = []
        self._tls: list[socket.socket] = []

    @property
    def closed(self) -> bool:
        """Whether every message is put off with 451: storage is on its restart path."""
        return self._desk.closed

    @closed.setter
    def closed(self, closed: bool) -> None:
        self._desk.closed = closed

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) where plain SMTP is served."""
        return _address(self._plain)

    @property
    def address_tls(self) -> tuple[str, int]:
        """(host, port) where SMTP under TLS from the first byte is served."""
        return _address(self._tls)

    async def start(
        self,
        sockets: Sequence[socket.socket] = (),
        sockets_tls: Sequence[socket.socket] = (),
    ) -> None:
        """Listen; what systemd opened already is used in place of `listen` and of `listen_tls`.

        Raises ConfigError for a certificate that cannot be used, Unreachable for a place that
        cannot be listened on.
        """
        # aiosmtpd writes down whatever a stranger says; what matters is logged here.
        logging.getLogger("mail.log").disabled = True
        loop = asyncio.get_running_loop()
        settings = self._settings
        if (settings.listen_tls or sockets_tls) and settings.cert is None:
            place = "housecarl-smtps.socket" if sockets_tls else "doors.smtp.listen_tls"
            raise Unreachable(f"{place} needs doors.smtp.certificate")
        self._desk.tls = await asyncio.to_thread(tls, settings)
        self._plain = list(sockets)
        self._tls = list(sockets_tls)
        if not self._plain and settings.listen is not None:
            self._plain = await _opened(loop, "listen", settings.listen)
        if not self._tls and settings.listen_tls is not None:
            try:
                self._tls = await _opened(loop, "listen_tls", settings.listen_tls)
            except Unreachable:
                _close(self._plain)
                raise
        for under_tls, several in ((False, self._plain), (True, self._tls)):
            for each in several:
                self._listen(loop, each, under_tls)

    def _listen(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, under_tls: bool
    ) -> None:
        try:
            meet = partial(self._meet, loop, under_tls)
            self._listeners.append(Listener(loop, listening, meet))
        except OSError as error:  # two places that are one, which only listen(2) sees
            host, port = _address([listening])
            self._close_listeners()
            _close((*self._plain, *self._tls))
            text = f"doors.smtp: cannot listen on {host}:{port}: {error.strerror}"
            raise Unreachable(text) from None

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    async def stop(self) -> None:
        """Listen no more, let messages that are being stored be stored, end every session."""
        guests = list(self._desk.crowd.guests.values())
        self._close_listeners()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                for guest in guests:
                    guest.finish(CLOSING)
                if self._storing:
                    await asyncio.wait(self._storing)
        except TimeoutError:
            log.warning("smtp-stopped-late", sessions=len(self._desk.crowd.guests))
            for guest in guests:
                guest.make_room()

    def _meet(
        self,
        loop: asyncio.AbstractEventLoop,
        under_tls: bool,
        connection: socket.socket,
        host: str,
    ) -> None:
        """Begin a session, or turn the peer away before it has cost more than its connection."""
        crowd = self._desk.crowd
        if not crowd.admit(counted(host)):
            _turn_away(connection, under_tls)
            return
        session = SmtpSession(self._desk, loop, under_tls, host)
        crowd.enter(session)
        meeting = loop.create_task(self._begin(loop, session, connection))
        self._meeting.add(meeting)
        meeting.add_done_callback(self._meeting.discard)

    async def _begin(
        self, loop: asyncio.AbstractEventLoop, session: SmtpSession, connection: socket.socket
    ) -> None:
        try:
            await loop.connect_accepted_socket(lambda: session, connection)
        except BaseException:
            self._desk.crowd.leave(session)
            connection.close()
            raise

    async def _receive(self, arrived: Arrived) -> str:
        """Check one message's form and hand it on; the reply says what became of it."""
        task = asyncio.current_task()
        assert task is not None
        self._storing.add(task)
        try:
            return await self._store(arrived)
        finally:
            self._storing.discard(task)

    async def _store(self, arrived: Arrived) -> str:
        try:
            form = gate(arrived.body, max_size=self._settings.max_size)
            if not arrived.login and not self._rules.admit(form):
                log.info("smtp-refused", peer=arrived.peer, reason="no-rule")
                return "550 5.7.1 Not taken here"
            if self.closed:
                return TRY_LATER
            await self._deliver(_traced(arrived), self._stamp(arrived))
        except FormError as error:
            log.info("smtp-refused", peer=arrived.peer, reason=error.reason)
            return "550 5.6.0 Not in the form of a message"
        except SpoolFull as error:
            log.error("smtp-put-off", peer=arrived.peer, why=str(error))
            return "452 4.3.1 No room, try again later"
        except StorageError as error:
            log.error("smtp-put-off", peer=arrived.peer, why=str(error))
            return TRY_LATER
        except Exception:
            # whatever broke, the sender tries again and is told nothing of it
            log.exception("smtp-put-off", peer=arrived.peer)
            return TRY_LATER
        return "250 2.0.0 Safe"

    def _stamp(self, arrived: Arrived) -> Stamp:
        return Stamp(
            door="smtp",
            arrived=self._clock.now(),
            peer=arrived.peer,
            helo=arrived.helo,
            mail_from=arrived.mail_from,
            rcpt_to=",".join(arrived.rcpt_tos),
            tls=arrived.tls,
            login=arrived.login,
        )


def _turn_away(connection: socket.socket, under_tls: bool) -> None:
    """Say 421 and close; under TLS without a word, for the peer could not read it yet."""
    with connection, suppress(OSError):  # it has gone already
        if not under_tls:
            connection.send(BUSY)


def _traced(arrived: Arrived) -> bytes:
    """The message; one without an envelope sender says so, for only a program sends it.

    The line is the one that RFC 5321 4.4 has whoever delivers a mail put above it.
    """
    return arrived.body if arrived.mail_from else b"Return-Path: <>\r\n" + arrived.body


def tls(settings: SmtpSettings) -> ssl.SSLContext | None:
    """TLS 1.2 or 1.3 with the certificate as its files are now, None without one; blocks.

    Raises ConfigError naming the file and what is wrong with it.
    """
    cert, key = settings.cert, settings.key
    if cert is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        load_pair(context, cert, key)
    except ValueError as error:
        text = f"doors.smtp.certificate cannot be used with key {key}: {error}"
        raise ConfigError(Problem(str(cert), 1, 1, text)) from None
    return context


async def _opened(loop: asyncio.AbstractEventLoop, key: str, place: str) -> list[socket.socket]:
    """Sockets bound to HOST:PORT, one for each address of a name. Raises Unreachable."""
    host, _, port = place.rpartition(":")
    opened: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            each = socket.socket(family, kind, protocol)
            opened.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
    except OSError as error:
        _close(opened)
        raise Unreachable(f"doors.smtp.{key}: cannot listen on {place}: {error.strerror}") from None
    return opened


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()


def _address(sockets: Sequence[socket.socket]) -> tuple[str, int]:
    host, port = sockets[0].getsockname()[:2]
    return str(host), int(port)
