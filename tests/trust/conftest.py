"""Domains with keys of their own: they publish, sign and seal as real mail hosts do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import RSASSA_PKCS1_v1_5_sign
from nacl.signing import SigningKey

from housecarl.errors import TrustLater
from housecarl.message import Message, Stamp, gate, read_form
from housecarl.trust import Answers, Trust
from housecarl.verdict import Verdict

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
T = int(NOW.timestamp())
OURS = "cmd@home.example"
ACCOUNT = "house@gmail.com"
NUMBER, PHONE = "+13035550100", "+13035550123"
PASSED = "mx.google.com; dkim=pass header.i=@google.com; dmarc=pass header.from=google.com"
H = "from:to:subject:date:message-id:mime-version:content-type:from:subject"


@cache
def rsa_pem(bits: int = 2048) -> bytes:
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@cache
def rsa_key(pem: bytes) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def rsa_sign(hasher: Any, key: rsa.RSAPrivateKey | dict[str, Any]) -> bytes:
    """What dkimpy computes in Python with its own kind of key, byte for byte, in less time."""
    if isinstance(key, dict):
        return bytes(RSASSA_PKCS1_v1_5_sign(hasher, key))
    kind = utils.Prehashed(hashes.SHA1() if hasher.name == "sha1" else hashes.SHA256())
    return key.sign(hasher.digest(), padding.PKCS1v15(), kind)


dkim.RSASSA_PKCS1_v1_5_sign = rsa_sign


@cache
def rsa_record(pem: bytes) -> str:
    public = rsa_key(pem).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


@dataclass
class World:
    """All of DNS, and the keys behind it; `silent` names never get an answer."""

    records: dict[str, list[str]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def publish(self, domain: str, record: str | None = None, selector: str = "s1") -> None:
        name = f"{selector}._domainkey.{domain}"
        self.records[name] = [rsa_record(rsa_pem()) if record is None else record]

    async def txt(self, name: str) -> tuple[bytes, ...]:
        self.asked.append(name)
        if name in self.silent:
            raise TrustLater(name)
        return await Answers({n: {"TXT": r} for n, r in self.records.items()}).txt(name)


@dataclass
class Person:
    phones: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    unix: list[str] = field(default_factory=list)


@dataclass
class Voice:
    account: str = ACCOUNT
    number: str = NUMBER
    without_arc: bool = False


PEOPLE = {
    "ann": Person([PHONE], ["ann@example.org", "ann@mail.example.org"], ["ann"]),
    "bo": Person([], ["bo@gmail.com"]),
}


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    for name in ("example.org", "google.com", "gmail.com", "evil.example", "forward.example"):
        made.publish(name)
    yield made


def trust(world: Any, **more: Any) -> Trust:
    more.setdefault("google_voice", Voice())
    return Trust(PEOPLE, world, recipients=[OURS], **more)


def arrived(door: str = "smtp", at: datetime = NOW, **seen: str) -> Stamp:
    return Stamp(door, at, **seen)


async def judged(
    world: Any,
    raw: bytes,
    stamp: Stamp | None = None,
    message: Message | None = None,
    now: datetime = NOW,
    **more: Any,
) -> Verdict:
    stamp = stamp or arrived(at=now)
    form = gate(raw)
    return await trust(world, **more).verify(form, message or read_form(form), stamp, now)


def mail(
    sender: str = "ann@example.org",
    body: bytes = b"!plug lamp on\r\n",
    subject: str = "hello",
    extra: str = "",
    kind: str = "text/plain; charset=utf-8",
    message_id: str = "<1@example.org>",
) -> bytes:
    head = (
        f"From: {sender}\r\nTo: {OURS}\r\nSubject: {subject}\r\n"
        "Date: Wed, 25 Nov 2026 11:59:58 +0000\r\n"
        f"Message-ID: {message_id}\r\nMIME-Version: 1.0\r\n"
    )
    if kind:
        head += f"Content-Type: {kind}\r\n"
    return (head + extra + "\r\n").encode() + body


def signed(
    raw: bytes,
    domain: str = "example.org",
    *,
    h: str = H,
    pem: bytes | None = None,
    ed: SigningKey | None = None,
    name: str = "DKIM-Signature",
    **tags: Any,
) -> bytes:
    """The message with a signature on top; a tag of None is left out."""
    return signature(raw, domain, h=h, pem=pem, ed=ed, name=name, **tags) + raw


def signature(
    raw: bytes,
    domain: str,
    *,
    h: str,
    pem: bytes | None = None,
    ed: SigningKey | None = None,
    name: str = "DKIM-Signature",
    default: str = "simple/simple",
    **tags: Any,
) -> bytes:
    """Only the field; dkimpy computes it, from whatever tags it is told; `default` without c=."""
    d = dkim.DKIM(raw)
    canon = tags.get("c", "relaxed/relaxed")
    policy = CanonicalizationPolicy.from_c_value((canon or default).encode())
    algorithm = tags.get("a") or ("ed25519-sha256" if ed else "rsa-sha256")
    body = policy.canonicalize_body(d.body)
    if "l" in tags:
        body = body[: int(tags["l"] or 0)]
    bh = base64.b64encode(hashlib.new("sha1" if "sha1" in algorithm else "sha256", body).digest())
    every: dict[str, str | None] = {"v": "1", "a": algorithm, "c": canon, "d": domain, "s": "s1"}
    every |= {"t": str(T - 2), "h": h, "bh": bh.decode()} | tags | {"b": "0" * 60}
    fields = [(k.encode(), v.encode()) for k, v in every.items() if v is not None]
    d.signature_algorithm = algorithm.encode()
    d.hasher = dkim.HASH_ALGORITHMS[d.signature_algorithm]
    private = ed or rsa_key(pem or rsa_pem())
    covers = [each.encode() for each in h.lower().split(":")]
    value: bytes = d.gen_header(fields, covers, policy, name.encode(), private)
    return name.encode() + b": " + value


def sealed(
    raw: bytes,
    instance: int,
    domain: str = "google.com",
    *,
    results: str = PASSED,
    h: str = "from:to:subject:date:message-id:content-type:delivered-to",
    cv: str | None = None,
    t: int | None = T - 2,
    **ams: Any,
) -> bytes:
    """The message with one more ARC set on top (RFC 8617 5.1)."""
    aar = f"ARC-Authentication-Results: i={instance}; {results}\r\n".encode()
    more: dict[str, Any] = {"v": None, "t": None, "i": str(instance), **ams}
    more.setdefault("default", "relaxed/relaxed")
    message = signature(raw, domain, h=h, name="ARC-Message-Signature", **more)
    d = dkim.DKIM(message + aar + raw)
    chain = _arc_fields(d.headers)
    fields = [("i", str(instance)), ("a", "rsa-sha256"), *([("t", str(t))] if t else [])]
    fields += [("cv", cv or ("none" if instance == 1 else "pass")), ("d", domain), ("s", "s1")]
    fields += [("b", "0" * 60)]
    d.headers = [list(each) for each in chain[::-1]]
    d.signature_algorithm, d.hasher = b"rsa-sha256", hashlib.sha256
    policy = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    covers = [name.lower() for name, _ in chain]
    value: bytes = d.gen_header(
        [(k.encode(), v.encode()) for k, v in fields],
        covers,
        policy,
        b"ARC-Seal",
        rsa_key(rsa_pem()),
    )
    return b"ARC-Seal: " + value + message + aar + raw


def _arc_fields(headers: Sequence[Sequence[bytes]]) -> list[tuple[bytes, bytes]]:
    """ARC fields, oldest set first, each set as a seal covers it; the newest stands on top."""
    order = [b"arc-authentication-results", b"arc-message-signature", b"arc-seal"]
    mine = [(n, v) for n, v in headers if n.lower() in order][::-1]
    return [each for i in range(0, len(mine), 3) for each in _ordered(mine[i : i + 3], order)]


def _ordered(part: list[tuple[bytes, bytes]], order: list[bytes]) -> list[tuple[bytes, bytes]]:
    return sorted(part, key=lambda each: order.index(each[0].lower()))


def text(
    account: str = ACCOUNT, ours: str = NUMBER, sender: str = PHONE, said: str = "!plug lamp on"
) -> bytes:
    """What Google Voice writes, unsigned."""
    local = f"{ours[1:]}.{sender[1:]}.Qx7bN2mR-e@txt.voice.google.com"
    shown = f"({sender[2:5]}) {sender[5:8]}-{sender[8:]}"
    head = (
        f"MIME-Version: 1.0\r\nMessage-ID: <{ours}.dcbdc1@txt.voice.google.com>\r\n"
        f"Date: Wed, 25 Nov 2026 11:59:58 +0000\r\nSubject: New text message from {shown}\r\n"
        f'From: "{shown}" <{local}>\r\nTo: {account}\r\n'
        'Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes\r\n\r\n'
    )
    tail = "YOUR ACCOUNT <https://voice.google.com> HELP CENTER\r\n"
    return (head + f"\r\n<https://voice.google.com>\r\n{said}\r\n{tail}").encode()


def forwarded(raw: bytes | None = None, account: str = ACCOUNT, **ams: Any) -> bytes:
    """A Google-signed text as Gmail forwards it: two seals, the second with darn=."""
    one = sealed(
        signed(raw or text(), "google.com", x=str(T + 604800)),
        1,
        h="from:to:subject:date:message-id",
    )
    more: dict[str, Any] = {"darn": "home.example", **ams}
    return sealed(f"Delivered-To: {account}\r\n".encode() + one, 2, **more)
