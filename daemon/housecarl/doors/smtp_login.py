"""SMTP AUTH: PLAIN and LOGIN, passwords checked by argon2id, wrong ones slowed down."""

from __future__ import annotations

import asyncio
import binascii
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Coroutine, Mapping

from housecarl.config_people import Person
from housecarl.doors.smtp_settings import MAX_ADDRESSES
from housecarl.doors.smtp_turns import Busy, Turns

#: An argon2id hash (19 MiB, t=2, p=1: OWASP) that no password has: an unknown user costs the same.
NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$6OgGHbgph+NAAjW8xOQSWw$coUCK4lfeaO54ANOEIiTJE2ZPR+p6BjOJFapBCtPrM8"
)

#: Passwords that may wait for their turn, each for 30 ms; more are told to come again, so nobody
#: waits for seconds.
MAX_WAITING = 16

#: Wrong passwords from one address before it has to wait, and the longest such wait in seconds.
FREE_FAILURES = 5
MAX_WAIT = 900.0

Ask = Callable[[str], Awaitable[str]]


class BadDialogue(Exception):
    """The peer broke off or sent what is no answer; the text is the reply."""


class LockedOut(Busy):
    """This address has to wait for its wrong passwords."""


def accounts_of(people: Mapping[str, Person]) -> dict[str, tuple[str, str]]:
    """Who may log in: user -> (person, argon2id hash); raises SecretError."""
    return {
        person.login.user: (name, person.login.hash.read())
        for name, person in people.items()
        if person.login is not None
    }


class Logins:
    """Checks passwords off the loop, one at a time: AUTH takes 19 MiB and one core at most.

    `accounts` maps a user name to (person, argon2id hash); it is read anew at every check.
    `doubtful` says of an address whether there is another reason to let all others go first.
    """

    def __init__(
        self,
        accounts: Mapping[str, tuple[str, str]],
        doubtful: Callable[[str], bool] = lambda _: False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.accounts = accounts
        self._doubtful = doubtful
        self._now = now
        self._turns = Turns(MAX_WAITING, self.is_suspect)
        self._failures: dict[str, tuple[int, float]] = {}

    async def verify(self, user: str, password: str, address: str) -> str | None:
        """The person this password proves, None for nobody; `address` "" is never made to wait.

        Raises Busy when too many wait, LockedOut for who guesses: 1, 2, 4 ... seconds after the
        first five from one address, which after the first wrong one goes behind all who have not
        guessed. So guessers at many addresses keep nobody else waiting.
        """
        self._refuse_early(address)
        async with self._turns.turn(address):
            self._refuse_early(address)  # what waited may have come after the fifth guess
            person, stored = self.accounts.get(user, ("", NOBODY))
            right = await _seen_through(asyncio.to_thread(_is_right, stored, password))
        if right and person:
            self._failures.pop(address, None)
            return person
        if address:
            self._note_failure(address)
        return None

    def is_suspect(self, address: str) -> bool:
        """Whether all others go first: it has guessed, or there is another reason."""
        return self._has_guessed(address) or self._doubtful(address)

    def _has_guessed(self, address: str) -> bool:
        """Whether a wrong password came from there that is not forgiven yet."""
        failed = self._failures.get(address)
        return failed is not None and self._now() - failed[1] <= MAX_WAIT

    def _refuse_early(self, address: str) -> None:
        _, until = self._failures.get(address, (0, 0.0))
        if self._now() < until:
            raise LockedOut

    def _note_failure(self, address: str) -> None:
        failures = self._failures[address][0] if self._has_guessed(address) else 0
        self._failures.pop(address, None)
        failures, now = failures + 1, self._now()
        over = failures - FREE_FAILURES
        wait = min(2.0**over, MAX_WAIT) if over >= 0 else 0.0
        self._failures[address] = (failures, now + wait)
        if len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]


async def _seen_through(check: Coroutine[None, None, bool]) -> bool:
    """The result; who gives up waits for the thread too, or its successor's would be a second."""
    task = asyncio.ensure_future(check)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _is_right(stored: str, password: str) -> bool:
    from argon2 import PasswordHasher  # 20 ms to load, and only AUTH needs it
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(stored, password)
    except (InvalidHashError, VerificationError):
        return False


async def dialogue(mechanism: str, initial: str | None, ask: Ask) -> tuple[str, str]:
    """(user, password) as PLAIN (RFC 4616) or LOGIN brings them. Raises BadDialogue.

    `ask` sends one challenge in base64 and returns the peer's next line.
    """
    if mechanism == "PLAIN":
        answer = _plain(await ask("") if initial is None else initial)
        parts = answer.split("\0")
        if len(parts) != 3 or parts[0] not in ("", parts[1]):
            raise BadDialogue("501 5.5.2 Not user and password")
        return parts[1], parts[2]
    if mechanism == "LOGIN":
        user = await ask(_coded("Username:")) if initial is None else initial
        return _plain(user), _plain(await ask(_coded("Password:")))
    raise BadDialogue("504 5.5.4 PLAIN or LOGIN")


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _plain(answer: str) -> str:
    if answer == "*":
        raise BadDialogue("501 5.7.0 Broken off")
    if answer == "=":  # RFC 4954 4: an empty initial response
        return ""
    try:
        return b64decode(answer.encode("latin-1"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadDialogue("501 5.5.2 Not base64") from None
