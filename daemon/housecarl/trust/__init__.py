"""Who sent this, and how do we know: every way in has its own proof, and here is their order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from housecarl.errors import TrustLater
from housecarl.message.form import Form
from housecarl.message.model import Message
from housecarl.message.stamp import Stamp
from housecarl.trust import freshness, mail, voice
from housecarl.trust.case import Case, Finding
from housecarl.trust.dns import PATIENCE, Answers, NameServers, Resolver
from housecarl.trust.identity import Known, People, plain
from housecarl.trust.original import Original
from housecarl.verdict import Proof, Verdict

if TYPE_CHECKING:
    from housecarl.config import Config

__all__ = ["PATIENCE", "Answers", "NameServers", "Resolver", "Trust"]

#: Proofs from weak to strong.
_RANK = tuple(Proof)


class Trust:
    """The judge of senders: holds what the configuration says, stores nothing.

    `recipients` are the addresses of the SMTP door, `google_voice` our Google account, `host` the
    mail host whose own Authentication-Results count by IMAP. What was seen before, and which
    conversation token belongs to whom, is the journal's to know.
    """

    def __init__(
        self,
        people: Mapping[str, Known],
        resolver: Resolver,
        *,
        recipients: Collection[str] = (),
        google_voice: voice.Account | None = None,
        forwarders: Collection[str] = (),
        host: str | None = None,
        require: Proof = Proof.SIGNED,
        max_age: timedelta = timedelta(days=2),
    ) -> None:
        self._people = People(people)
        self._dns = resolver
        self._recipients = frozenset(plain(each) for each in recipients)
        self._voice = google_voice
        self._forwarders = frozenset(plain(each) for each in forwarders)
        self._host = plain(host) if host else None
        self._require = require
        self._max_age = max_age
        self._loaded = False
        # a lock is left in the order in which it is waited for, threads end in any
        self._loading, self._naming = asyncio.Lock(), asyncio.Lock()

    @classmethod
    def of(cls, config: Config, resolver: Resolver | None = None) -> Trust:
        """The judge that a configuration describes; `resolver` stands in for its name servers."""
        rules, smtp = config.trust, config.doors.smtp
        return cls(
            config.people,
            resolver or NameServers(rules.resolver),
            recipients=smtp.recipients if smtp else (),
            google_voice=rules.google_voice,
            forwarders=[each.domain for each in rules.forwarders],
            host=rules.authserv_id,
            require=rules.require,
            max_age=timedelta(seconds=rules.max_age),
        )

    async def verify(
        self, form: Form, message: Message, stamp: Stamp | None, now: datetime
    ) -> Verdict:
        """Say who sent it and what proves it; TrustLater when DNS owes an answer, never a guess.

        Once the message has waited for that as long as any may, it is stale instead.
        `form` is what the gate made of the message, `message` what was read from that. The verdict
        of a message that is not proven names whom it claims to be from, with proof `claimed` and
        the reason; nothing of it may be obeyed.
        """
        case = Case(Original(form), message, stamp, now)
        if self._misdirected(stamp):
            return self._verdict(case, Finding(reason="wrong-recipient"))
        try:
            finding = await self._prove(case)
        except TrustLater:
            arrived = stamp.arrived if stamp else None
            if freshness.stale(arrived, now, self._max_age) != "stale":
                raise
            finding = self._unanswered(case)
        verdict = self._verdict(case, finding)
        if finding.reason is None and finding.proof is not Proof.LOCAL:
            return self._fresh(case, verdict)
        return verdict

    async def _prove(self, case: Case) -> Finding:
        """The route of its own kind: what the door saw first, then what the message carries."""
        if case.stamp and case.stamp.local:
            return await self._by_owner(case, case.stamp)
        if case.stamp and case.stamp.login:
            return self._enough(self._by_login(case, case.stamp))
        if case.stamp and case.stamp.mail_from:
            case.checks["spf"] = "not checked"  # a shared server passes it for all its users
        await self._load()
        if voice.is_notice(case):
            return await voice.prove_notice(case, self._dns)
        if voice.is_text(case):
            return await voice.prove_text(
                case, self._people, self._dns, self._voice, self._recipients, self._host
            )
        found = await mail.prove(case, self._people, self._dns, self._forwarders, self._host)
        return self._enough(found)

    def _enough(self, found: Finding) -> Finding:
        """What a mail proves, if that is as much as this house requires of one."""
        if _RANK.index(found.proof) < _RANK.index(self._require):
            return found._replace(proof=Proof.CLAIMED, reason=found.reason or "no-proof")
        return found

    def _unanswered(self, case: Case) -> Finding:
        """What is known of a message whose key nobody could tell us: whom it claims to be from."""
        message = case.message
        person = self._people.by_number(message.sender)
        person = person or self._people.by_address(message.from_address)
        return Finding(person, message.sender, reason="stale")

    def _misdirected(self, stamp: Stamp | None) -> bool:
        """Whether it came by SMTP and for none of our addresses."""
        if stamp is None or stamp.door != "smtp" or not stamp.rcpt_to:
            return False
        return self._recipients.isdisjoint(plain(each) for each in stamp.rcpt_to.split(","))

    def _by_login(self, case: Case, stamp: Stamp) -> Finding:
        """SMTP AUTH: the door checked the password; From only says where the answer goes."""
        person = self._people.by_name(stamp.login)
        case.checks["login"] = "pass" if person else "nobody"
        if person is None:
            return Finding(reason="stranger")
        address = case.message.from_address
        own = self._people.by_address(address) == person
        case.checks["from"] = "own" if own else "other"
        return Finding(person, address if own else f"login:{person}", Proof.SIGNED, None)

    async def _by_owner(self, case: Case, stamp: Stamp) -> Finding:
        """A file: its owner's uid; what the file says of its sender grants nothing."""
        async with self._naming:
            person = await asyncio.to_thread(self._people.by_owner, stamp)
        case.checks["owner"] = (
            f"uid {stamp.uid}" if person else f"uid {stamp.uid} speaks for nobody"
        )
        if person is None:
            return Finding(sender=f"uid:{stamp.uid}", reason="stranger")
        return Finding(person, f"uid:{stamp.uid}", Proof.LOCAL, None)

    def _fresh(self, case: Case, verdict: Verdict) -> Verdict:
        """Refuse what is too old to answer for, and what could be repeated without our noticing."""
        reason = freshness.stale(verdict.sent, case.now, self._max_age)
        if reason is None and not verdict.keys:
            reason = "no-key"
        return verdict if reason is None else replace(verdict, reason=reason)

    def _verdict(self, case: Case, finding: Finding) -> Verdict:
        proven = finding.proof is not Proof.CLAIMED
        return Verdict(
            person=finding.person,
            sender=finding.sender,
            proof=finding.proof,
            reason=finding.reason,
            sent=freshness.sent(case, finding),
            keys=freshness.keys(case, finding) if proven else (),
            checks=dict(case.checks),
            token=(case.message.facts.get("token") or "") if proven else "",
        )

    async def _load(self) -> None:
        """Import dkimpy and dnspython off the loop, once: it takes 140 ms.

        Messages that wait for it go on in their order, and none that comes then overtakes them.
        """
        async with self._loading:
            if not self._loaded:
                await asyncio.to_thread(__import__, "dkim")
                self._loaded = True
