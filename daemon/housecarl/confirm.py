"""One-time codes: the challenge before a danger, and the !yes that answers it."""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple
from unicodedata import decimal

from housecarl.config import Config
from housecarl.errors import NotAllowed, SecretError
from housecarl.journal import codes
from housecarl.journal.codes import STEP_SECONDS
from housecarl.quantity import MINUTE
from housecarl.rights import span
from housecarl.secret import Secret

#: Seconds in which a challenge can be answered (10 min: long enough to find the phone).
CODE_SECONDS = 600.0

#: Wrong answers to one challenge; the third ends it.
MAX_TRIES = 3

#: Wrong codes within LOCK_SECONDS that lock a person out of codes for as long.
LOCK_MISSES = 5
LOCK_SECONDS = 3600.0

#: Characters of the command that waits which a wrong code is told: enough to know it.
SHOWN = 40

#: Steps before and after now that are taken: clocks of phones differ by less than half a minute.
STEP_WINDOW = 1


#: The answer to a code of an authenticator app that has set a command free before.
SPENT = "Wrong code. That one was used before: wait for the next one of your app. Nothing was done."


class WrongCode(NotAllowed):
    """A code that does not fit; `locked` says that it was the one that locked the person out."""

    reason = "wrong-code"

    def __init__(self, text: str, *, locked: bool = False) -> None:
        super().__init__(text)
        self.locked = locked


class Challenge(NamedTuple):
    """A code to be sent: `code` is empty for a person whose authenticator app makes the codes."""

    code: str
    expires: float


class Confirmation(NamedTuple):
    """The command that a right code set free, and the TOTP step it came from, if it did.

    Both are used up with the claim of the command: a crash before it leaves them as they were.
    """

    code: codes.Code
    step: int | None = None


def make_challenge(config: Config, person: str, now: float) -> Challenge:
    """A new challenge; with TOTP the code is never sent, so that a stolen mailbox is not enough."""
    totp = config.people[person].totp is not None
    return Challenge("" if totp else f"{secrets.randbelow(10_000):04d}", now + CODE_SECONDS)


def find(
    conn: sqlite3.Connection, person: str, typed: str, receipt: str, now: float, totp: str | None
) -> Confirmation | WrongCode:
    """The command that the code in this message sets free; a wrong code is counted, once.

    It is returned as WrongCode and not raised: what was counted must stay counted.
    """
    if until := _locked(conn, person, now):
        # counted before a crash, it may be the one that the owner did not hear of
        return WrongCode(_off(until - now), locked=codes.is_missed(conn, receipt))
    open_code = codes.waiting(conn, person, now)
    # an app that came or went since it was asked makes it a question without an answer
    if open_code is None or bool(open_code.code) is bool(totp):
        codes.miss(conn, person, None, receipt, now)
        text = "Nothing waits for a code, or it came too late. Text the command again."
        return _wrong(conn, person, now, text)
    step = matching_step(totp, typed, now) if totp else None
    if step is not None and codes.is_spent(conn, person, step):
        return WrongCode(SPENT)  # not counted: it is no guess
    if step is not None or (open_code.code and same(open_code.code, typed)):
        return Confirmation(open_code, step)
    tries = codes.miss(conn, person, open_code.id, receipt, now)
    if tries >= MAX_TRIES:
        codes.close(conn, open_code.id, "spent")
        return _wrong(conn, person, now, "Wrong code, the third. Nothing was done.")
    left = MAX_TRIES - tries
    # it may be the code of an earlier question, which this one replaced
    tell = f"Wrong code for {' '.join(open_code.words)[:SHOWN]}. "
    tell += f"{left} {'try' if left == 1 else 'tries'} left. Nothing was done."
    return _wrong(conn, person, now, tell)


def _wrong(conn: sqlite3.Connection, person: str, now: float, text: str) -> WrongCode:
    """The answer to a wrong code that was counted just now; to the one that locks there is one."""
    until = _locked(conn, person, now)
    return WrongCode(_off(until - now), locked=True) if until else WrongCode(text)


def _off(seconds: float) -> str:
    wait = span(ceil(seconds / MINUTE) * MINUTE)
    return f"Too many wrong codes. Codes are off for you for {wait}."


def use(conn: sqlite3.Connection, confirmed: Confirmation, now: float) -> bool:
    """Use a code up; False when it was answered, cancelled or too old by now."""
    code, step = confirmed
    if not codes.use(conn, code, now):
        return False
    return step is None or codes.spend_step(conn, code.person, step)


def _locked(conn: sqlite3.Connection, person: str, now: float) -> float | None:
    """Until when a person is locked out: for an hour from the last of enough within an hour.

    What lies further ahead than that was counted by a clock that has been set back since.
    """
    times = codes.misses(conn, person, now - 2 * LOCK_SECONDS, now + LOCK_SECONDS)
    ends = (
        min(last, now) + LOCK_SECONDS
        for first, last in zip(times, times[LOCK_MISSES - 1 :], strict=False)
        if last - first < LOCK_SECONDS and now - last < LOCK_SECONDS
    )
    return max(ends, default=None)


def digits(typed: str) -> str:
    """The digits of a code as it was typed; ValueError when there are none, or words beside them.

    A keyboard may write those of another script, or wider ones; an app shows blanks in between.
    """
    found = "".join(str(decimal(char)) for char in typed if char.isdecimal())
    if not found or any(char.isalpha() for char in typed):
        raise ValueError("must be digits alone")
    return found


def same(one: str, other: str) -> bool:
    """Whether two codes are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def app_secret(secret: Secret) -> str:
    """The secret of an authenticator app; SecretError when it is not to be had or makes no codes.

    What pyotp takes for one differs between its versions.
    """
    from pyotp.totp import TOTP

    value = secret.read()
    try:
        TOTP(value).at(0)
    except ValueError:
        text = "is no secret of an authenticator app (A-Z and 2-7, 32 of them as a rule)"
        raise SecretError(str(secret), text) from None
    return value


def matching_step(secret: str, typed: str, now: float) -> int | None:
    """The TOTP step whose code was typed, None when it is none of those around now."""
    from pyotp.totp import TOTP

    totp = TOTP(secret, interval=STEP_SECONDS)
    current = int(now) // STEP_SECONDS
    found = None
    for step in range(current - STEP_WINDOW, current + STEP_WINDOW + 1):
        moment = datetime.fromtimestamp(step * STEP_SECONDS, UTC)
        if same(totp.at(moment), typed):
            found = step
    return found
