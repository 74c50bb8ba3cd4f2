"""The SMTP dialogue on a connection that is greeted and logged in: one mail after another."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import cast

from housecarl.errors import PostLater, PostRefused
from housecarl.post.answer import Answer, ServiceFault, judged, trouble_of

#: Bytes of one answer, all its lines; a real one has a few hundred.
MAX_ANSWER = 16 * 1024

#: Seconds for all that comes before the mail itself: a smarthost that needs longer is as good as
#: down.
DEADLINE = 120.0

#: Seconds for its verdict on a mail it holds whole (RFC 5321 4.5.3.2.6): who hangs up earlier
#: brings a copy to a smarthost that was only slow.
VERDICT = 600.0

_LINE_END = re.compile(rb"\r\n|\r|\n")
#: One answer, all its lines; the last may be a code without text (RFC 5321 4.2).
_ANSWER = re.compile(rb"(?:\d{3}-[^\n]*\n)*?(\d{3})(?: ([^\n]*))?\r?\n")


class Dropped(PostLater):
    """The connection ended; `unheard`: before the smarthost said anything to this mail."""

    def __init__(self, text: str, *, unheard: bool = False) -> None:
        super().__init__(text)
        self.unheard = unheard


class Dialogue(asyncio.Protocol):
    """Speaks SMTP over a transport it was put on with `transport.set_protocol`.

    Where the smarthost offers PIPELINING (RFC 2920) a mail takes two round trips instead of four.
    CHUNKING (RFC 3030) would save one more, and with it the answer that says that the smarthost is
    with us before it gets the mail: one that hangs up could have the mail or not.
    """

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool) -> None:
        self.transport = transport
        self._pipelining = pipelining
        self._buffer = bytearray()
        self._answers: list[Answer] = []
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = ""
        self._loop = asyncio.get_running_loop()
        self._patience = 0.0
        self._until = 0.0
        self._late = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether another mail may be tried: connected, and nothing was said out of turn."""
        return not (self._ended or self._buffer or self._answers or self.transport.is_closing())

    def data_received(self, data: bytes) -> None:
        """Collect whole answers; one that never ends is cut off."""
        self._buffer += data
        taken = 0
        while found := _ANSWER.match(self._buffer, taken):
            text = (found[2] or b"").decode("utf-8", "replace").strip()
            self._answers.append(Answer(int(found[1]), text))
            taken = found.end()
        del self._buffer[:taken]
        if len(self._buffer) > MAX_ANSWER or len(self._answers) > 100:
            self._end("its answer never ends")
            self.transport.abort()
        elif b"\n" in self._buffer and not re.match(rb"\d{3}[- ]", self._buffer):
            self._end("its answer is not SMTP")
            self.transport.abort()
        elif len(self._answers) >= self._wanted:
            self._awaken()

    def eof_received(self) -> None:
        """The smarthost hung up; what it said before still counts."""
        self._end("it closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._end(f"the connection was lost ({exc})" if exc else "the connection was closed")
        if self._timer is not None:
            self._timer.cancel()

    async def hand_in(
        self,
        sender: str,
        to: str,
        mail: bytes,
        deadline: float = DEADLINE,
        verdict: float = VERDICT,
    ) -> Answer:
        """Hand in one mail; the smarthost's answer once it is theirs.

        Raises PostRefused or PostLater about this mail, ServiceFault when the smarthost wants no
        mail from us, Dropped when it can no longer be known what became of it, as when the
        `deadline` before the mail or that for the `verdict` on it (seconds) passes.
        """
        self._allow(deadline)
        trouble = await self._offer(sender, to)
        if trouble is None:
            self._allow(verdict)
            (answer,) = await self._ask(_framed(mail), 1, begun=True)
            if 200 <= answer.code < 300:
                return answer
            trouble = judged(answer, "the mail")
        await self._forget(trouble)
        raise trouble

    def _allow(self, seconds: float) -> None:
        """Give the smarthost so long from now; one timer for many mails looks whether it is up."""
        self._patience = seconds
        self._until = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= self._until:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._until, self._look)

    def _look(self) -> None:
        """End what takes too long; look again when it has more time by now."""
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._until:
            self._timer = self._loop.call_at(self._until, self._look)
            return
        self._late = True
        self._end(f"no answer within {self._patience:g} s")
        self.transport.abort()

    async def _offer(self, sender: str, to: str) -> PostLater | PostRefused | None:
        """MAIL, RCPT and DATA: what the smarthost says against the mail, None when it wants it."""
        commands = [f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"]
        lines = [f"{command}\r\n".encode("ascii") for command in commands]
        if self._pipelining:
            answers = await self._ask(b"".join(lines), 3)
        else:
            answers = []
            for line in lines:
                answers += await self._ask(line, 1, begun=bool(answers))
                if not 200 <= answers[-1].code < 400:
                    break
        trouble = trouble_of(answers)
        if trouble is not None and answers[-1].code == 354 and len(answers) == 3:
            with suppress(Dropped):  # what was said counts
                await self._ask(b".\r\n", 1, begun=True)
        return trouble

    async def quit(self) -> None:
        """Say goodbye if it can be said at once, and close."""
        try:
            if self.usable:
                async with asyncio.timeout(2):
                    await self._ask(b"QUIT\r\n", 1)
        except (Dropped, TimeoutError):
            pass
        finally:
            self.transport.abort()

    async def _forget(self, trouble: PostLater | PostRefused) -> None:
        """After a mail that was not taken, make the connection fit for another, or end it."""
        try:
            if not isinstance(trouble, ServiceFault) and self.usable:
                (answer,) = await self._ask(b"RSET\r\n", 1)
                if 200 <= answer.code < 300:
                    return
        except Dropped:
            pass
        self.transport.abort()

    async def _ask(self, data: bytes, wanted: int, *, begun: bool = False) -> list[Answer]:
        if self._ended or self.transport.is_closing():
            raise Dropped(self._ended or "the connection was closed", unheard=not begun)
        self._wanted = wanted
        self._waiter = self._loop.create_future()
        self.transport.write(data)
        try:
            await self._waiter
        except asyncio.CancelledError:
            # an answer that still comes would be taken for one to the next mail
            self._end("it was given up")
            self.transport.abort()
            raise
        finally:
            self._waiter = None
            answers, self._answers = self._answers, []
        if answers and answers[0].code == 421 and not begun:
            self.transport.abort()
            raise Dropped(str(answers[0]), unheard=True)
        if len(answers) < wanted and not any(answer.code >= 400 for answer in answers):
            raise Dropped(self._ended, unheard=not (begun or answers or self._late))
        return answers[:wanted]

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._awaken()

    def _awaken(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _framed(mail: bytes) -> bytes:
    """A mail as DATA wants it: CR LF everywhere, leading dots doubled, a lone dot at the end."""
    if not mail.count(b"\r") == mail.count(b"\n") == mail.count(b"\r\n"):
        mail = _LINE_END.sub(b"\r\n", mail)
    lines = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    return (b"\r\n" + lines).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def take_over(transport: asyncio.BaseTransport, *, pipelining: bool) -> Dialogue:
    """A dialogue on a connection that somebody else opened."""
    stream = cast(asyncio.Transport, transport)
    dialogue = Dialogue(stream, pipelining=pipelining)
    stream.set_protocol(dialogue)
    return dialogue
