"""The ARC chain (RFC 8617): who handled the message last, and what they say they saw."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from housecarl.trust import covered, key, signature
from housecarl.trust.case import Case
from housecarl.trust.dns import Resolver
from housecarl.trust.original import Field, Original
from housecarl.trust.signature import Signature
from housecarl.trust.tags import Unsound

#: Sets in one chain: two Gmail hops make three; each one costs a key and a check.
MAX_SETS = 10

#: One ARC-Authentication-Results field, in bytes.
MAX_RESULTS = 8192

_SEAL, _MESSAGE, _RESULTS = b"arc-seal", b"arc-message-signature", b"arc-authentication-results"
_INSTANCE = re.compile(r"\s*i\s*=\s*([0-9]{1,2})\s*;")
_RELAXED = b"relaxed/relaxed"  # RFC 8617 knows no other for seals


class Set(NamedTuple):
    """One hop's set: its seal, its signature over the message, its results without `i=`."""

    seal: Signature
    message: Signature
    results_field: Field

    @property
    def fields(self) -> tuple[Field, Field, Field]:
        """The three fields in the order in which a seal covers them."""
        return self.results_field, self.message.field, self.seal.field

    @property
    def results(self) -> str:
        """What the hop says it checked, as the text of an Authentication-Results field."""
        return _INSTANCE.sub("", self.results_field.text, count=1).strip()


class Result(NamedTuple):
    """The sets, oldest first, when the whole chain held; else one word."""

    sets: tuple[Set, ...] = ()
    word: str = "none"

    @property
    def newest(self) -> Set | None:
        """The set of the last hop; None when the chain did not hold."""
        return self.sets[-1] if self.sets else None


async def check(case: Case, sealers: Container[str], dns: Resolver) -> Result:
    """Check the chain, newest first, when one of `sealers` sealed it last; TrustLater for no DNS.

    Keys of earlier hops are asked for only once the newest seal is known to be sound, so nobody
    else can make us ask for names of their choice.
    """
    try:
        sets = _sets(case.original)
        if sets:
            await _check_newest(sets, case, sealers, dns)
            for end in range(len(sets), 0, -1):
                await _check_seal(sets[:end], dns)
    except Unsound as fault:
        case.checks["arc"] = str(fault)
        return Result(word=str(fault))
    case.checks["arc"] = "pass " + " ".join(each.seal.domain for each in sets) if sets else "none"
    return Result(sets)


def _sets(original: Original) -> tuple[Set, ...]:
    """The sets 1..n, each whole and once; Unsound("chain") for anything else."""
    found: dict[tuple[bytes, int], Field] = {}
    for field in original.fields:
        if field.key in (_SEAL, _MESSAGE, _RESULTS):
            place = (field.key, _instance(field))
            if place in found:
                raise Unsound("chain")
            found[place] = field
    count = len(found) // 3
    if count > MAX_SETS:
        raise Unsound("chain")
    try:
        sets = tuple(_set(found, i) for i in range(1, count + 1))
    except KeyError:
        raise Unsound("chain") from None
    if len(found) != 3 * count:
        raise Unsound("chain")
    return sets


def _instance(field: Field) -> int:
    """The i= tag, which must come first in the results and may stand anywhere in the others."""
    if field.key == _RESULTS:
        if len(field.value) > MAX_RESULTS or not (found := _INSTANCE.match(field.text)):
            raise Unsound("chain")
        return int(found[1])
    value = signature.read(field).tags.get(b"i", b"")
    if not re.fullmatch(rb"[0-9]{1,2}", value):
        raise Unsound("chain")
    return int(value)


def _set(found: dict[tuple[bytes, int], Field], instance: int) -> Set:
    seal, message = (
        signature.read(found[_SEAL, instance]),
        signature.read(found[_MESSAGE, instance]),
    )
    status = seal.tags.get(b"cv")
    if status != (b"none" if instance == 1 else b"pass") or seal.covers:
        raise Unsound("chain")
    if not message.covers or _SEAL in message.covers:
        raise Unsound("chain")
    return Set(seal, message, found[_RESULTS, instance])


async def _check_newest(
    sets: tuple[Set, ...],
    case: Case,
    sealers: Container[str],
    dns: Resolver,
) -> None:
    newest = sets[-1]
    if newest.seal.domain not in sealers or newest.message.domain != newest.seal.domain:
        raise Unsound("sealer")
    signature.check_time(newest.seal, case.now)
    signature.check_time(newest.message, case.now)
    if newest.seal.signed is None:
        raise Unsound("no-time")
    covered.check(newest.message, case.original, covered.STRICT)
    signature.check_body(newest.message, case.original, _RELAXED)
    public = key.read(await dns.txt(newest.message.name))
    fields = case.original.fields
    signature.check_value(newest.message, public, fields, newest.message.covers, _RELAXED)


async def _check_seal(sets: tuple[Set, ...], dns: Resolver) -> None:
    """The newest seal of `sets` covers all fields of all of them but itself (RFC 8617 5.1.1)."""
    seal = sets[-1].seal
    public = key.read(await dns.txt(seal.name))
    fields = [field for each in sets for field in each.fields][:-1]
    names = [field.key for field in fields]
    signature.check_value(seal, public, fields[::-1], names, _RELAXED)
