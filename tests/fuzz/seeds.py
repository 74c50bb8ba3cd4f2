"""What a search starts from: messages that are obeyed, each with all that is needed to judge it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests import cost
from tests.message.letters import letter, mixture, voice
from tests.trust.conftest import (
    ACCOUNT,
    NOW,
    OURS,
    PEOPLE,
    Person,
    T,
    Voice,
    World,
    forwarded,
    mail,
    sealed,
    signed,
    text,
)

from housecarl.errors import CommandError, FormError, TrustLater
from housecarl.message import Kind, Stamp, gate, read_form
from housecarl.module import Call
from housecarl.syntax import parse
from housecarl.trust import Answers, Trust
from housecarl.verdict import Proof

SAMPLES = Path(__file__).parents[1] / "samples"
#: seconds of CPU in which any message must be decided
LIMIT = 0.25


@dataclass(frozen=True, slots=True)
class Words:
    """A language of commands."""

    symbol: str = "!"
    delimiter: str = " "


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What is done for whom; `keys` know a repeat."""

    person: str | None
    sender: str | None
    calls: tuple[Call, ...]
    reply_to: str | None
    keys: frozenset[str] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Seed:
    """A message, its judge, what its door saw, and when; `quiet` asks for nothing."""

    name: str
    raw: bytes = field(repr=False)
    trust: Trust = field(repr=False)
    stamp: Stamp
    now: datetime
    words: Words = Words()
    quiet: bool = False

    def obeyed(self, raw: bytes) -> Obeyed | None:
        """What these bytes would make the house do here; None when nothing."""
        with asyncio.Runner() as runner:
            return runner.run(self._obeyed(raw))

    async def _obeyed(self, raw: bytes) -> Obeyed | None:
        try:
            form = gate(raw)
            message = read_form(form)
            verdict = await self.trust.verify(form, message, self.stamp, self.now)
            calls = parse(message.text, message.subject, self.words, most=5)
        except (FormError, TrustLater, CommandError):
            return None
        known = verdict.proof is not Proof.CLAIMED and verdict.reason is None
        if not known or not calls or message.kind not in (Kind.SMS, Kind.MAIL):
            return None
        keys = frozenset(verdict.keys)
        return Obeyed(verdict.person, verdict.sender, calls, message.reply_to, keys)

    def decide(self, raw: bytes) -> None:
        """Fail when it takes long."""
        with cost.at_most(LIMIT):
            self.obeyed(raw)


@cache
def seeds() -> tuple[Seed, ...]:
    """Every recorded message that is obeyed, and made ones with less of them signed."""
    found = (*_recorded(), *_made())
    lost = [each.name for each in found if (each.obeyed(each.raw) is None) is not each.quiet]
    assert not lost, f"not as they should be: {lost}"
    return found


def _recorded() -> Iterator[Seed]:
    account = Voice("housecarl.sample@gmail.com", "+12025550100", without_arc=True)
    people = {"robin": Person(["+12025550199"], ["robin@example.org"])}
    dns = Answers.load(SAMPLES / "dns.json")
    trust = Trust(people, dns, recipients=[OURS], google_voice=account)
    for path in sorted(SAMPLES.glob("*.eml")):
        told: dict[str, Any] = yaml.safe_load(path.with_suffix(".yaml").read_text())
        if not told["why"]["calls"]:
            continue
        now = datetime.fromisoformat(told["now"])
        stamp = Stamp("smtp", now, mail_from=told["envelope"]["mail_from"], rcpt_to=OURS)
        yield Seed(path.stem, path.read_bytes(), trust, stamp, now, Words(delimiter="|"))


#: what Gmail signs: no Content-Type, no Content-Transfer-Encoding
_FEW = "to:subject:message-id:date:from:mime-version"


def _made() -> Iterator[Seed]:
    world = World()
    for domain in ("example.org", "google.com", "forward.example", "evil.example"):
        world.publish(domain)
    trust = Trust(
        PEOPLE,
        Answers({name: {"TXT": records} for name, records in world.records.items()}),
        recipients=[OURS],
        google_voice=Voice(),
        forwarders=["forward.example"],
        host="mx.google.com",
    )
    stamp = Stamp("smtp", NOW, rcpt_to=OURS)
    for name, raw in _letters():
        yield Seed(name, raw, trust, stamp, NOW)
    ours = Stamp("imap", NOW, internal=NOW.isoformat())
    yield Seed("a text in our mailbox", signed(text(), "google.com"), trust, ours, NOW)
    for name, raw in _quiet():
        yield Seed(name, raw, trust, stamp, NOW, quiet=True)


def _letters() -> Iterator[tuple[str, bytes]]:
    yield "plain, all signed", signed(mail())
    yield "plain, little signed", signed(mail(), h=_FEW)
    yield "simple", signed(mail(), c="simple/simple", h=_FEW)
    yield "from and subject only", signed(mail(), h="from:subject:from:date")
    yield "two lines", signed(mail(body=b"!plug lamp on\r\nsee you\r\n"), h=_FEW)
    dashes = b"---------- Forwarded message ---------\r\nFrom: x@y\r\n\r\n!plug heater on\r\n"
    yield "below forwarded", signed(mail(body=b"!plug lamp on\r\n" + dashes), h=_FEW)
    yield "in the subject", signed(mail(subject="!plug lamp on", body=b"\r\n"))
    quoted = "Content-Transfer-Encoding: quoted-printable\r\n"
    body = b"=21say " + b"word " * 13 + b"o=\r\nn\r\n\r\nthanks a lot =E2=80=94 Ann\r\n"
    yield "quoted", signed(mail(body=body, extra=quoted), h=_FEW)
    encoded = "Content-Transfer-Encoding: base64\r\n"
    yield "base64", signed(mail(body=b"IXBsdWcgbGFtcCBvbg0K\r\n", extra=encoded), h=_FEW)
    two = (
        b"--b\r\nContent-Type: text/plain\r\n\r\n!plug lamp on\r\n\r\nX: y\r\n\r\n"
        b"!plug lamp off\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>!plug lamp on</p>\r\n--b--\r\n"
    )
    kind = "multipart/alternative; boundary=b"
    yield "two parts", signed(mail(body=two, kind=kind), h=_FEW)
    yield "a text", forwarded()
    results = "x; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"
    covers = "from:to:subject:date:message-id:content-type"
    yield "by a forwarder", sealed(mail(), 1, "forward.example", results=results, h=covers)
    yield "signed twice", signed(signed(mail(), h=_FEW), h=_FEW, t=str(T - 5))
    yield (
        "signed twice, no id",
        signed(signed(mail(), h="from:to:subject:date"), h="from:to:subject:date", t=str(T - 5)),
    )


def _quiet() -> Iterator[tuple[str, bytes]]:
    """Signed mail of one of us that asks for nothing at its beginning."""
    kind = "multipart/mixed; boundary=b"
    below = b"--b\r\nContent-Type: text/plain\r\n\r\nPS: hello\r\n\r\n!plug heater on\r\n--b--\r\n"
    yield "a command below", signed(mail(body=below, kind=kind))
    yield "a command quoted", signed(mail(body=b"fine\r\n> !plug lamp on\r\n"), h=_FEW)
    page = b"<blockquote>!plug lamp on</blockquote>&#33;plug lamp on\r\n"
    dashes = b"---------- Forwarded message ---------\r\nFrom: x@y\r\n\r\n!plug heater on\r\n"
    yield "forwarded", signed(mail(body=dashes), h=_FEW)
    yield "text like a page", signed(mail(body=b"<p>see</p>!plug lamp on\r\n"), h=_FEW)
    yield "a page about it", signed(mail(body=b"hi\r\n" + page), h=_FEW)


def unsigned() -> tuple[bytes, ...]:
    """Messages of every format that nobody signed."""
    return (letter(), voice(), mixture("alternative", "\na", "\nb"), letter(ACCOUNT))
