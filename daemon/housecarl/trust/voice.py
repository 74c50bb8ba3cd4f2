"""Texts and notices from Google: proof that Google wrote them and Gmail forwarded our account's."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

from housecarl.errors import TrustLater
from housecarl.message import gmail_confirmation, google_voice
from housecarl.trust import arc, covered, dkim, mail
from housecarl.trust.case import Case, Finding
from housecarl.trust.dns import Resolver
from housecarl.trust.identity import People, plain, same_mailbox
from housecarl.verdict import Proof

#: Who signs texts, notices and forwarded mail.
GOOGLE = frozenset({"google.com"})

#: Sets at least: one when Gmail took the message in, one when it sent it on to us.
MIN_SETS = 2

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")


class Account(Protocol):
    """The Google account: its address, its E.164 number, and whether ARC may be missing."""

    @property
    def account(self) -> str: ...  # noqa: D102  the class says it
    @property
    def number(self) -> str: ...  # noqa: D102
    @property
    def without_arc(self) -> bool: ...  # noqa: D102


def is_notice(case: Case) -> bool:
    """Whether it says it is Gmail's question whether mail may be forwarded to us."""
    return plain(case.message.from_address or "") == gmail_confirmation.ADDRESS


def is_text(case: Case) -> bool:
    """Whether it says it comes from Google Voice."""
    address = plain(case.message.from_address or "")
    return address == google_voice.NOREPLY or address.endswith(google_voice.DOMAIN)


async def prove_notice(case: Case, dns: Resolver) -> Finding:
    """Gmail's forwarding question speaks for nobody, but must be Google's to be shown at all."""
    sender = case.message.from_address
    signed = await dkim.check(case, GOOGLE, dns, covered.STRICT)
    if signed.passed is not None:
        return Finding(None, sender, Proof.SIGNED, None, signed.times, signed.marks)
    if signed.later:
        raise TrustLater("no answer for Google's key")
    return Finding(None, sender, reason=mail.unproven(signed))


async def prove_text(
    case: Case,
    people: People,
    dns: Resolver,
    ours: Account | None,
    recipients: Collection[str],
    host: str | None,
) -> Finding:
    """A text of one of our people to our number; a stranger costs no question to DNS.

    Google signs what the phone network told it: a forged caller ID is signed as honestly as a true
    one, so `carrier` is all this can prove. Raises TrustLater when an answer of DNS is missing.
    """
    number = case.message.sender
    person = people.by_number(number)
    if ours is None or person is None:
        return Finding(person, number, reason="no-proof" if person else "stranger")
    if wrong := _not_ours(case, ours, recipients):
        return Finding(person, number, reason=wrong)
    signed = await dkim.check(case, GOOGLE, dns, covered.STRICT)
    if signed.passed is None:
        if mail.vouched(case, "google.com", signed, host):
            marks = mail.unchecked(case, signed)
            return Finding(person, number, Proof.CARRIER, None, signed.times, marks)
        if signed.later:
            raise TrustLater("no answer for Google's key")
        return Finding(person, number, reason=mail.unproven(signed))
    times = signed.times
    if case.door != "imap":
        sealed = await _forwarded(case, ours, recipients, dns)
        if sealed is None:
            return Finding(person, number, reason="no-proof")
        times = (*times, *sealed)
    return Finding(person, number, Proof.CARRIER, None, times, signed.marks)


def _not_ours(case: Case, ours: Account, recipients: Collection[str]) -> str | None:
    """`number`, `account` or `envelope`: which of them is not ours; signed, or seen by the door."""
    told = case.message.facts.get("gv_number")
    classic = plain(case.message.from_address or "") != google_voice.NOREPLY
    if (told or classic) and (told or "").lstrip("+") != ours.number.lstrip("+"):
        case.checks["number"] = "not ours"
        return "number"
    to = case.original.only(b"to")
    found = _ADDRESS.findall(to.text) if to else []
    if len(found) != 1 or not same_mailbox(found[0], ours.account):
        case.checks["account"] = "not ours"
        return "account"
    case.checks["account"] = "ours"
    return None if case.door == "imap" else _envelope(case, ours, recipients)


def _envelope(case: Case, ours: Account, recipients: Collection[str]) -> str | None:
    """Gmail forwards as `account+caf_=local=domain@gmail.com`; not seen is not held against it."""
    seen = case.stamp.mail_from if case.stamp else ""
    if not seen:
        case.checks["envelope"] = "not seen"
        return None
    local, _, domain = plain(seen).rpartition("@")
    account, _, way = local.partition("+caf_=")
    to, _, host = way.rpartition("=")
    ok = same_mailbox(f"{account}@{domain}", ours.account)
    ok = ok and f"{to}@{host}" in {plain(each) for each in recipients}
    case.checks["envelope"] = "forwarded by our account" if ok else "not by our account"
    return None if ok else "envelope"


async def _forwarded(
    case: Case, ours: Account, recipients: Collection[str], dns: Resolver
) -> list[int] | None:
    """When Gmail sealed what our account forwards to us; None when it did not."""
    if ours.without_arc and not case.original.all(b"arc-seal"):
        case.checks["arc"] = "none (allowed)"
        return []
    chain = await arc.check(case, GOOGLE, dns)
    newest = chain.newest
    if newest is None:
        return None
    wrong = None
    if len(chain.sets) < MIN_SETS or any(each.seal.domain not in GOOGLE for each in chain.sets):
        wrong = "not sealed on the way out"
    elif newest.message.tags.get(b"darn", b"").decode().lower() not in _domains(recipients):
        wrong = "not meant for us (darn)"
    elif not _delivered(case, ours, newest):
        wrong = "not delivered to our account"
    if wrong:
        case.checks["arc"] = wrong
        return None
    return [newest.seal.signed or 0]


def _delivered(case: Case, ours: Account, newest: arc.Set) -> bool:
    """The one Delivered-To below the newest seal is signed and names our account.

    What stands above the seal was put there after Gmail let go of it, and is nobody's word.
    """
    place = case.original.fields.index(newest.seal.field)
    below = [each for each in case.original.fields[place:] if each.key == b"delivered-to"]
    if len(below) != 1 or b"delivered-to" not in newest.message.covers:
        return False
    return same_mailbox(below[0].text, ours.account)


def _domains(recipients: Collection[str]) -> set[str]:
    return {plain(each).rpartition("@")[2] for each in recipients}
