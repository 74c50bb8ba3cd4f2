"""What a peer may say to the SMTP door, command by command (RFC 5321, 3207, 4954)."""

from __future__ import annotations

import asyncio

import structlog

from housecarl.doors import smtp_path
from housecarl.doors.smtp_connection import Goodbye, SmtpConnection
from housecarl.doors.smtp_desk import TRY_LATER, Arrived, Desk
from housecarl.doors.smtp_intake import is_clean, unstuffed
from housecarl.doors.smtp_login import BadDialogue, LockedOut, dialogue
from housecarl.doors.smtp_settings import MAX_FAILURES, MAX_RECIPIENTS, PUT_OFFS
from housecarl.doors.smtp_turns import Busy

log = structlog.get_logger()

_NEEDS_HELO = "503 5.5.1 Say EHLO first"


class SmtpSession(SmtpConnection):
    """Takes messages for the house's addresses and answers nothing else."""

    def __init__(
        self, desk: Desk, loop: asyncio.AbstractEventLoop, under_tls: bool, peer: str
    ) -> None:
        super().__init__(desk, loop, under_tls, peer)
        self._failures = 0
        self._put_offs = 0
        self._recipients = {address.casefold() for address in desk.settings.recipients}

    async def smtp_HELO(self, hostname: str) -> None:
        """Greet without extensions."""
        await self.push(self._greet(hostname, [self.hostname]))

    async def smtp_EHLO(self, hostname: str) -> None:
        """Greet, and say what is offered just now."""
        lines = [self.hostname, f"SIZE {self.desk.settings.max_size}", "8BITMIME", "PIPELINING"]
        if self.desk.tls is not None and not self.tls_name:
            lines.append("STARTTLS")
        if self.tls_name and self.desk.logins.accounts:
            lines.append("AUTH PLAIN LOGIN")
        lines.append("ENHANCEDSTATUSCODES")
        await self.push(self._greet(hostname, lines))

    def _greet(self, hostname: str, lines: list[str]) -> str:
        if not 1 <= len(hostname) <= 255 or " " in hostname:
            return "501 5.5.4 Say who you are"
        assert self.session is not None
        self.session.host_name = hostname
        self._set_rset_state()
        return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])

    async def smtp_NOOP(self, arg: str) -> None:
        """Do nothing."""
        await self.push("250 2.0.0 OK")

    async def smtp_RSET(self, arg: str) -> None:
        """Forget the message that was begun."""
        self._set_rset_state()
        await self.hold("250 2.0.0 OK")

    async def smtp_QUIT(self, arg: str) -> None:
        """End as the peer asks."""
        raise Goodbye("221 2.0.0 Goodbye")

    async def smtp_VRFY(self, arg: str) -> None:
        """Tell nobody which addresses exist."""
        await self.push("502 5.5.1 Not offered")

    smtp_EXPN = smtp_VRFY
    smtp_HELP = smtp_VRFY

    async def smtp_STARTTLS(self, arg: str) -> None:
        """Wrap the connection in TLS (RFC 3207); all that was said before is forgotten."""
        if self.tls_name or self.desk.tls is None:
            await self.push("502 5.5.1 Not offered")
        elif arg:
            await self.push("501 5.5.4 STARTTLS takes no argument")
        else:
            await self.push("220 2.0.0 Ready to start TLS")
            await self.secure()

    # One message

    async def smtp_MAIL(self, arg: str) -> None:
        """Begin a message."""
        await self.hold(self._mail(arg))

    def _mail(self, arg: str) -> str:
        assert self.session is not None
        if self.session.host_name is None:
            return _NEEDS_HELO
        if self.sender is not None:
            return "503 5.5.1 One message at a time"
        path = smtp_path.read("FROM", arg)
        if path is None:
            return "501 5.1.7 Write MAIL FROM:<address>"
        if trouble := smtp_path.refuse_parameters(path.parameters, self.desk.settings.max_size):
            return trouble
        if self.desk.closed:
            return TRY_LATER
        if not self.desk.crowd.may_send(self):
            raise Goodbye("421 4.7.0 Too many messages, try again later")
        self.sender = path.address
        return "250 2.1.0 OK"

    async def smtp_RCPT(self, arg: str) -> None:
        """Name one of the house's addresses."""
        await self.hold(self._rcpt(arg))

    def _rcpt(self, arg: str) -> str:
        if self.sender is None:
            return "503 5.5.1 MAIL comes first"
        path = smtp_path.read("TO", arg)
        if path is None:
            return "501 5.1.3 Write RCPT TO:<address>"
        if path.parameters:
            return "555 5.5.4 Parameter not known"
        address = path.address.casefold()
        if address not in self._recipients:
            log.info("smtp-refused", peer=self.peer, reason="recipient")
            return "550 5.1.1 No such address here"
        if address not in self.rcpt_tos:
            if len(self.rcpt_tos) >= MAX_RECIPIENTS:
                return "452 4.5.3 Too many recipients"
            self.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def smtp_DATA(self, arg: str) -> None:
        """Take the message itself; 250 only when it is safe."""
        if arg:
            await self.push("501 5.5.4 DATA takes no argument")
        elif not self.rcpt_tos:
            await self.push("503 5.5.1 RCPT comes first")
        else:
            await self.push("354 End with a dot on a line of its own")
            body = await self.intake.body(self.desk.settings.max_size)
            await self.push(await self._take(body))

    async def _take(self, body: bytes | None) -> str:
        """The reply to one whole message."""
        sender, rcpt_tos = self.sender or "", tuple(self.rcpt_tos)
        self._set_rset_state()
        if body is None:
            log.info("smtp-refused", peer=self.peer, reason="size")
            return "552 5.3.4 Message too big"
        if not is_clean(body):
            # Two servers may see its end in different places (smuggling): nothing after it is read.
            log.info("smtp-refused", peer=self.peer, reason="bare-cr-lf-nul")
            raise Goodbye("550 5.6.0 Bare CR, bare LF or NUL not accepted")
        assert self.session is not None
        helo = self.session.host_name or ""
        arrived = Arrived(
            unstuffed(body), self.peer, helo, sender, rcpt_tos, self.tls_name, self.person
        )
        self.busy = True
        try:
            reply = await self.desk.receive(arrived)
        finally:
            self.busy = False
        self._reset_timeout()
        if reply.startswith("250"):
            self.forgive()
        return reply

    # AUTH

    async def smtp_AUTH(self, arg: str) -> None:
        """Prove who is speaking; only under TLS, since the password itself is sent."""
        await self.push(await self._auth(arg))

    async def _auth(self, arg: str) -> str:
        assert self.session is not None
        if self.session.host_name is None:
            return _NEEDS_HELO
        if not self.tls_name:
            return "538 5.7.11 Only under TLS"
        if not self.desk.logins.accounts:
            return "502 5.5.1 Not offered"
        if self.person or self.sender is not None:
            return "503 5.5.1 Not now"
        mechanism, _, initial = arg.partition(" ")
        try:
            user, password = await dialogue(mechanism.upper(), initial.strip() or None, self._ask)
            person = await self._proved(user, password)
        except BadDialogue as bad:
            return str(bad)
        except Busy as busy:
            return await self._put_off(ours=not isinstance(busy, LockedOut))
        if person is not None:
            self.person = person
            self.desk.crowd.remember(self)
            return "235 2.7.0 Welcome"
        return await self._wrong()

    async def _proved(self, user: str, password: str) -> str | None:
        """Whose password it is; the session keeps its place until that is known."""
        self.proving = True
        try:
            return await self.desk.logins.verify(user, password, self.address)
        finally:
            self.proving = False

    async def _put_off(self, *, ours: bool) -> str:
        """Answer a suspect late, which whoever tries on and on becomes; `ours`: we are too busy."""
        self._put_offs += 1
        self.excused = ours and not self._failures and self._put_offs <= PUT_OFFS
        if self._put_offs > PUT_OFFS:
            self.desk.crowd.distrust(self.address)
        if self.desk.logins.is_suspect(self.address):
            await asyncio.sleep(self.desk.settings.tarpit)
        return "454 4.7.0 Too many attempts, try again later"

    async def _wrong(self) -> str:
        """Answer a wrong password late, and the last one with goodbye."""
        self._failures += 1
        self.excused = False
        log.warning("smtp-login-failed", peer=self.peer, failures=self._failures)
        await asyncio.sleep(self.desk.settings.tarpit * self._failures)
        if self._failures >= MAX_FAILURES:
            raise Goodbye("421 4.7.0 Too many attempts, goodbye")
        return "535 5.7.8 Wrong user or password"

    async def _ask(self, challenge: str) -> str:
        await self.push(f"334 {challenge}")
        return await self.intake.line()
