"""The DKIM signature of a domain (RFC 6376), in a stricter reading than dkimpy's."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from typing import NamedTuple

from housecarl.errors import TrustLater
from housecarl.trust import covered, key, signature, tags, traces
from housecarl.trust.case import Case
from housecarl.trust.dns import Resolver
from housecarl.trust.original import Field, Original
from housecarl.trust.signature import Signature
from housecarl.trust.tags import Unsound

#: Signatures of fitting domains that are looked at; two key types and two selectors make four.
MAX_SIGNATURES = 5

_DEFAULT = b"simple/simple"  # RFC 6376 3.5, c=


class Result(NamedTuple):
    """The first signature that held, else one word for each that did not.

    `marks` name every signature over this message that is sound so far: whoever sends it again
    without the first must not look new. `times` (seconds since 1970) tell when the one that held
    was made, or else each of those that are sound so far.
    """

    passed: Signature | None = None
    words: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    times: tuple[int, ...] = ()

    @property
    def later(self) -> bool:
        """Whether a key could not be asked for just now."""
        return "dns" in self.words

    @property
    def open(self) -> bool:
        """Whether nothing speaks against a signature but that its key is not to be had."""
        return bool(self.words) and set(self.words) <= {"dns", "key-gone", "expired"}


def parents(domain: str) -> tuple[str, ...]:
    """The domain and those above it, never a bare top level: whose signature is aligned."""
    labels = domain.lower().split(".")
    return tuple(".".join(labels[i:]) for i in range(len(labels) - 1))


async def check(
    case: Case,
    domains: Container[str],
    dns: Resolver,
    needed: tuple[bytes, ...] = covered.NEEDED,
) -> Result:
    """Look for one good signature by one of `domains`; nobody else's key is ever asked for."""
    sound, old, words = _sorted(case, domains, needed)
    marks = traces.marks([*sound, *old], case)
    for signed in sound:
        try:
            await _check_key(signed, case.original, dns)
        except Unsound as fault:
            words.append(str(fault))
            continue
        except TrustLater:
            words.append("dns")
            continue
        unsigned = covered.notes(signed, case.original)
        case.checks["dkim"] = f"pass {signed.domain}" + (
            f" (unsigned: {unsigned})" if unsigned else ""
        )
        return Result(signed, (), marks, traces.times([signed.signed], case))
    words = [*[await _fault_of_old(each, case.original, dns) for each in old], *words]
    case.checks["dkim"] = " ".join(words) or "none"
    times = traces.times([each.signed for each in (*sound, *old)], case)
    return Result(None, tuple(words), marks, times)


def claimed(case: Case, domains: Container[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The marks and times of signatures that hold no longer, as somebody else saw that they did.

    The one that they saw may have been taken out since, or be of a kind that we do not read.
    """
    fields, found = _candidates(case.original, domains), list[Signature]()
    for field in fields:
        with suppress(Unsound):
            found.append(signature.read(field))
    is_whole = len(found) == len(fields) > 0
    moments = [*(each.signed for each in found), *([] if is_whole else [None])]
    return traces.marks(found, case, is_whole=is_whole), traces.times(moments, case)


async def _fault_of_old(signed: Signature, original: Original, dns: Resolver) -> str:
    """`expired`, for which our mail host may speak, unless its key tells that it never held."""
    try:
        await _check_key(signed, original, dns)
    except Unsound as fault:
        return "expired" if str(fault) == "key-gone" else str(fault)
    except TrustLater:
        pass  # it would be too old with an answer too
    return "expired"


def _sorted(
    case: Case, domains: Container[str], needed: tuple[bytes, ...]
) -> tuple[list[Signature], list[Signature], list[str]]:
    """The signatures that are sound but for their key, those too old, what is wrong with others."""
    candidates = _candidates(case.original, domains)
    sound, old = list[Signature](), list[Signature]()
    words = ["too-many"] if len(candidates) > MAX_SIGNATURES else []
    for found in candidates[:MAX_SIGNATURES]:
        try:
            signed = _sound(found, case, needed)
            is_old = _is_old(signed, case)
        except Unsound as fault:
            words.append(str(fault))
            continue
        (old if is_old else sound).append(signed)
    return sound, old, words


def _candidates(original: Original, domains: Container[str]) -> list[Field]:
    """The signatures of these domains, and those that do not say whose they are."""
    return [each for each in original.all(b"dkim-signature") if _may_be_of(domains, each)]


def _may_be_of(domains: Container[str], field: Field) -> bool:
    try:
        return tags.domain(tags.read(field.value)) in domains
    except Unsound:
        return True


def _sound(field: Field, case: Case, needed: tuple[bytes, ...]) -> Signature:
    """Everything that can be said without asking for the key, but for its age."""
    signed = signature.read(field)
    if signed.tags.get(b"v") != b"1" or not signed.covers:
        raise Unsound("syntax")
    if b"dns/txt" not in signed.tags.get(b"q", b"dns/txt").split(b":"):
        raise Unsound("syntax")
    if not f".{_identity(signed)}".endswith(f".{signed.domain}"):
        raise Unsound("identity")
    covered.check(signed, case.original, needed)
    signature.check_body(signed, case.original, _DEFAULT)
    return signed


def _is_old(signed: Signature, case: Case) -> bool:
    """Whether it has expired; Unsound for times that cannot be, and for none."""
    if signed.signed is None:
        date = traces.date(case) if signed.covered(case.original, b"date") else None
        if date is None:
            raise Unsound("no-time")
        if date > case.now.timestamp() + traces.DATE_AHEAD:
            raise Unsound("future")
    try:
        signature.check_time(signed, case.now)
    except Unsound as fault:
        if str(fault) == "expired":
            return True
        raise
    return False


async def _check_key(signed: Signature, original: Original, dns: Resolver) -> None:
    public = key.read(await dns.txt(signed.name))
    if public.strict and _identity(signed) != signed.domain:
        raise Unsound("identity")
    signature.check_value(signed, public, original.fields, signed.covers, _DEFAULT)


def _identity(signed: Signature) -> str:
    """The domain of i=, which is d= when absent (RFC 6376 3.5)."""
    if b"i" not in signed.tags:
        return signed.domain
    _, at, domain = signed.tags[b"i"].decode("ascii", "replace").lower().rpartition("@")
    return domain if at else ""
