"""Plain mail: proof that it comes from the domain in its From, by the first way that holds."""

from __future__ import annotations

from housecarl.errors import TrustLater
from housecarl.trust import arc, dkim, results
from housecarl.trust.case import Case, Finding
from housecarl.trust.dns import Resolver
from housecarl.trust.identity import People
from housecarl.trust.tags import Unsound
from housecarl.verdict import Proof


async def prove(
    case: Case, people: People, dns: Resolver, forwarders: frozenset[str], host: str | None
) -> Finding:
    """Aligned DKIM; else ARC of a named forwarder; else, by IMAP, the word of `host`.

    A stranger costs no question to DNS. Raises TrustLater when only a missing answer is in the way.
    """
    address = case.message.from_address or ""
    person = people.by_address(address)
    if person is None:
        return Finding(sender=address or None, reason="stranger")
    domain = address.rpartition("@")[2].lower()
    aligned = dkim.parents(domain)
    signed = await dkim.check(case, aligned, dns)
    if signed.passed is not None:
        return Finding(person, address, Proof.SIGNED, None, signed.times, signed.marks)
    if forwarders and (forwarded := await _forwarded(case, domain, dns, forwarders)):
        # what they checked may have been old, or here before, and the seal is always new
        marks, times = dkim.claimed(case, aligned)
        marks, times = (forwarded.message.key, *marks), (forwarded.seal.signed or 0, *times)
        return Finding(person, address, Proof.SIGNED, None, times, marks)
    if vouched(case, domain, signed, host):
        marks = unchecked(case, signed)
        return Finding(person, address, Proof.SIGNED, None, signed.times, marks)
    if signed.later:
        raise TrustLater("no answer for the key of the signature")
    return Finding(person, address, reason=unproven(signed))


def unproven(signed: dkim.Result) -> str:
    """The reason to give: too old is said apart, so that `why` need not be read for it."""
    return "expired" if "expired" in signed.words else "no-proof"


def vouched(case: Case, domain: str, signed: dkim.Result, host: str | None) -> bool:
    """Whether our mail host's own verdict may stand in for a key that is not to be had (IMAP only).

    It never outweighs a signature that we can see is wrong.
    """
    if host is None or case.door != "imap" or not signed.open:
        return False
    try:
        results.check(results.own(case.original, host).text, domain)
    except Unsound as fault:
        case.checks["results"] = str(fault)
        return False
    case.checks["results"] = f"pass {host}"
    return True


def unchecked(case: Case, signed: dkim.Result) -> tuple[str, ...]:
    """The marks of signatures whose key is not to be had: an addition to a Message-ID, no more.

    Without the key nobody can tell whether the same signature was written in another way.
    """
    return signed.marks if case.message.message_id else ()


async def _forwarded(
    case: Case, domain: str, dns: Resolver, forwarders: frozenset[str]
) -> arc.Set | None:
    """The newest set, when a named forwarder sealed it and says DKIM and DMARC passed there."""
    newest = (await arc.check(case, forwarders, dns)).newest
    if newest is None:
        return None
    try:
        results.check(newest.results, domain)
    except Unsound as fault:
        case.checks["arc"] = str(fault)
        return None
    return newest
