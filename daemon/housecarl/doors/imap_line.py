"""One IMAP connection: what is said on it, with bounds, and what its faults mean."""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import structlog
from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import LoginError
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.response_parser import parse_response

from housecarl.config_doors import Imap
from housecarl.doors.imap_bridge import Stopped
from housecarl.doors.imap_socket import Cut, Opening, Timed, Tls, opened

_BYTES = re.compile(r"\bb(['\"])(.*?)\1")

#: Bytes of one answer, all that imaplib would hold in memory (8 MiB): 20 whole messages of 256 KiB
#: are the most we ask for at once, and a server can say that it sends gigabytes.
MAX_ANSWER = 8 * 1024 * 1024

# imaplib's own bound on a line is a million bytes, which the numbers of 125,000 messages are: half
# a million must do, for to read them holds up the loop for most of a second
imaplib._MAXLINE = MAX_ANSWER // 2  # type: ignore[attr-defined]

#: A change of a message that nobody asked about, told by its place in the mailbox: another client
#: made it. imapclient takes that for a UID, and gives the flags to another message.
_UNASKED = re.compile(rb"\d+ \((?!.*\bUID +\d)", re.IGNORECASE | re.DOTALL)

#: IMAP's keyword for what changed the number of messages; anything else in IDLE is small talk.
_NEWS = frozenset((b"EXISTS", b"RECENT"))

log = structlog.get_logger()


class Refused(Exception):
    """The server said no to who we are; trying again soon would only lock the account."""


class _Wire(IMAP4WithTimeout):  # type: ignore[misc]
    """imaplib with our socket, known before TLS is shaken on it, and bounds on what is read."""

    def __init__(
        self, place: tuple[str, int], context: ssl.SSLContext | None, wait: float, opening: Opening
    ) -> None:
        self._context, self._wait, self._opening = context, wait, opening
        self._heard = 0
        super().__init__(*place, wait)

    def _new_tag(self) -> bytes:
        """What comes after it is another answer."""
        self.begin()
        return bytes(super()._new_tag())  # pyright: ignore[reportAttributeAccessIssue]

    def begin(self) -> None:
        """Give the server its time and its bytes for another answer."""
        self._heard = 0
        self.timed.begin()

    @property
    def timed(self) -> Timed:
        """The socket, which STARTTLS exchanges."""
        assert isinstance(self.sock, Timed)
        return self.sock

    def read(self, size: int) -> bytes:
        """A literal. Raises Cut when the answer is too large with it, before any of it is read."""
        self._hear(size)
        return bytes(super().read(size))

    def readline(self) -> bytes:
        """A line. Raises Cut when the answer is too large with it."""
        line = bytes(super().readline())
        self._hear(len(line))
        return line

    def _untagged_response(self, typ: str, dat: list[Any], name: str) -> tuple[str, list[Any]]:
        """The lines of an answer as imapclient reads them: to SEARCH one, to FETCH by UID."""
        typ, said = super()._untagged_response(  # pyright: ignore[reportAttributeAccessIssue]
            typ, dat, name
        )
        if name == "SEARCH":
            return typ, [b" ".join(filter(None, said))]
        if name == "FETCH":
            said = [x for x in said if not (isinstance(x, bytes) and _UNASKED.match(x))] or [None]
        return typ, said

    def _hear(self, size: int) -> None:
        self._heard += size
        if self._heard > MAX_ANSWER:
            raise Cut(f"its answer is larger than {MAX_ANSWER // 1024**2} MiB")

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return opened((self.host, self.port), self._wait, self._context, self._opening)


class Line(IMAPClient):  # type: ignore[misc]
    """A connection that is logged in; every call raises Cut's causes, which `faults` names."""

    def __init__(self, settings: Imap, limits: SocketTimeout, opening: Opening) -> None:
        self._tls = trusted(settings.ca)
        self._tls.sslsocket_class = Tls
        self._opening = opening
        self._limits: Any = limits  # imapclient's own type for it says less than it takes
        super().__init__(
            settings.host, settings.port, ssl=settings.tls == "tls", timeout=self._limits
        )
        # imapclient would write down everything said, also the password and the mail
        self._imap.debug = 0
        self.normalise_times = False
        if settings.tls == "starttls":
            self._protect()

    def _protect(self) -> None:
        """STARTTLS, or no connection at all: never on in the clear."""
        try:
            self.starttls(self._tls)
        except BaseException:
            # the failed handshake has closed the socket, what is left is the file on it
            with suppress(OSError):
                self.shutdown()
            raise
        self._opening.hold(self._imap.sock)
        self._set_read_timeout()

    def _create_IMAP4(self) -> IMAP4WithTimeout:
        context = self._tls if self.ssl else None
        return _Wire((self.host, self.port), context, self._limits.connect, self._opening)

    def _poll_socket(self, sock: socket.socket, timeout: float | None = None) -> Any:
        """Without a time limit of zero as imapclient does; at zero read what is buffered already.

        What came in one packet with the answer to IDLE is no longer in the socket.
        """
        return True if timeout == 0 else super()._poll_socket(sock, timeout)

    def enter(self, user: str, password: str, token: str | None) -> None:
        """Log in with a password or an XOAUTH2 token. Raises Refused, Cut."""
        try:
            if token is not None:
                self.oauth2_login(user, token)
            elif password.isascii() and user.isascii():
                self.login(user, password)
            else:
                self.plain_login(user, password)
        except LoginError as error:
            why = str(error)
            if isinstance(error.__context__, imaplib.IMAP4.abort) or "[UNAVAILABLE]" in why:
                raise Cut(f"log-in was not answered: {plain(why)}") from None
            raise Refused(f"log-in as {user} refused: {plain(why)}") from None

    def home(self) -> tuple[str, str] | None:
        """Prefix and delimiter of our own folders; None where NAMESPACE does not say.

        imapclient's own reading breaks over the extensions that may follow them (RFC 2342 5).
        """
        if not self.has_capability("NAMESPACE"):
            return None
        said: Any = parse_response(self._command_and_check("namespace"))
        if not said or not (personal := said[0]):
            return None
        prefix, delimiter = personal[0][:2]
        return decode_utf7(prefix), (delimiter or b"").decode("ascii", "replace")

    def wait_for_news(self, seconds: float) -> bool:
        """IDLE until the mailbox changes or the time is over; whether it changed.

        `idle_check` finds a stalled or closed server healthy: only ending the IDLE, which has a
        deadline, tells.
        """
        end = time.monotonic() + seconds
        self._begin_idle()
        self._imap.timed.end_never()  # it is we who end it
        said = self.idle_check(timeout=0)
        while not _news(said) and not self.heard() and (left := end - time.monotonic()) > 0:
            said = self.idle_check(timeout=left)
            if not said:
                break
        self._imap.begin()
        said += self.idle_done()[1]
        return _news(said) or self.heard()

    def _begin_idle(self) -> None:
        """IDLE, as imapclient does it, for servers that say something else before they agree."""
        self._idle_tag = self._imap._command("IDLE")
        while self._imap._get_response() is not None:
            if self._imap.tagged_commands[self._idle_tag]:
                raise imaplib.IMAP4.abort("IDLE refused")

    def heard(self) -> bool:
        """Whether the server told of new mail amid another answer; it will not say so again."""
        return "EXISTS" in self._imap.untagged_responses

    def forget(self) -> None:
        """Drop what imaplib keeps of unasked-for answers; it would grow for ever."""
        self._imap.untagged_responses.clear()


def _news(said: list[tuple[object, ...]]) -> bool:
    return any(len(each) > 1 and each[1] in _NEWS for each in said)


def trusted(ca: Path | None) -> ssl.SSLContext:
    """A context that verifies the server's certificate and name, by `ca` or the system's list."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def plain(text: str) -> str:
    """What a server said, as one short line of printable ASCII for the operator."""
    # imaplib puts the bytes of an answer into its errors as Python writes them
    text = _BYTES.sub(r"\2", text)
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:200]


def faults(call: Callable[[], NoReturn]) -> NoReturn:
    """Run `call`; what ends a connection comes out as Cut. Stopped and Refused pass."""
    try:
        call()
    except (Cut, Refused, Stopped):
        raise
    except ssl.SSLCertVerificationError as error:
        raise Cut(f"its certificate is not trusted: {error.verify_message}") from None
    except TimeoutError:
        raise Cut("it does not answer") from None
    except OSError as error:
        raise Cut(plain(error.strerror or str(error))) from None
    except imaplib.IMAP4.error as error:
        raise Cut(plain(str(error))) from None
    except Exception as error:
        # a server can say what no library foresees; the next session begins afresh
        log.exception("imap-fault")
        raise Cut(f"it says what cannot be read ({type(error).__name__})") from None
