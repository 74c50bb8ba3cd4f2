"""The judge that a configuration describes: each of its keys is heard."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from housecarl.config import Config
from housecarl.message import Stamp, gate, read_form
from housecarl.trust import Trust
from housecarl.verdict import Proof, Verdict

from .conftest import (
    ACCOUNT,
    NOW,
    NUMBER,
    OURS,
    PHONE,
    World,
    arrived,
    forwarded,
    mail,
    sealed,
    signed,
)
from .test_dns import Server

H = "from:to:subject:date:message-id:content-type"
PASSED = "mx; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"
VOUCHED = (
    b"Received: from a by mx.example.org with ESMTPS id 1\r\n"
    b"Authentication-Results: mx.example.org; dkim=pass header.d=example.org;"
    b" dmarc=pass header.from=example.org\r\n"
)


async def judged_by(world: World, raw: bytes, stamp: Stamp | None = None, **rules: Any) -> Verdict:
    keys = {
        "people": {"ann": {"phones": [PHONE], "addresses": ["ann@example.org"], "may": ["*"]}},
        "doors": {"smtp": {"recipients": [OURS]}},
        "trust": rules,
    }
    config = Config.model_validate(keys, context={"folder": Path("/etc/housecarl")})
    form = gate(raw)
    return await Trust.of(config, world).verify(form, read_form(form), stamp or arrived(), NOW)


async def test_recipients_are_those_of_the_smtp_door(world: World) -> None:
    ours = arrived(rcpt_to=OURS.upper())
    assert (await judged_by(world, signed(mail()), ours)).reason is None
    other = arrived(rcpt_to="other@home.example")
    assert (await judged_by(world, signed(mail()), other)).reason == "wrong-recipient"
    config = Config.model_validate({}, context={"folder": Path("/etc/housecarl")})
    form = gate(mail())
    found = await Trust.of(config, world).verify(form, read_form(form), ours, NOW)
    assert found.reason == "wrong-recipient", "a house without the door has no address"


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (f"{OURS},other@home.example", None),
        (f"other@home.example,{OURS.upper()}", None),
        ("other@home.example,another@home.example", "wrong-recipient"),
    ],
)
async def test_one_of_several_recipients_that_is_ours_is_enough(
    world: World, to: str, reason: str | None
) -> None:
    assert (await judged_by(world, signed(mail()), arrived(rcpt_to=to))).reason == reason


async def test_authserv_id_is_whose_word_counts_by_imap(world: World) -> None:
    raw = VOUCHED + signed(mail(), s="gone")
    assert (await judged_by(world, raw, arrived("imap"))).reason == "no-proof"
    found = await judged_by(world, raw, arrived("imap"), authserv_id="mx.example.org")
    assert (found.person, found.proof, found.reason) == ("ann", Proof.SIGNED, None)


@pytest.mark.parametrize(("hours", "reason"), [(1, None), (3, "stale")])
async def test_max_age_is_how_old_a_message_may_be(
    world: World, hours: int, reason: str | None
) -> None:
    stamp = arrived(at=NOW - timedelta(hours=hours))
    found = await judged_by(world, signed(mail()), stamp, max_age="2h", late="1h")
    assert found.reason == reason


async def test_forwarders_are_whose_seal_counts(world: World) -> None:
    raw = sealed(mail(), 1, "forward.example", results=PASSED, h=H)
    assert (await judged_by(world, raw)).reason == "no-proof"
    found = await judged_by(world, raw, forwarders=[{"domain": "forward.example"}])
    assert (found.person, found.reason) == ("ann", None)


async def test_google_voice_is_the_account_whose_texts_count(world: World) -> None:
    assert (await judged_by(world, forwarded())).reason == "no-proof"
    account = {"account": ACCOUNT, "number": NUMBER}
    found = await judged_by(world, forwarded(), google_voice=account)
    assert (found.person, found.proof, found.reason) == ("ann", Proof.CARRIER, None)


async def test_require_is_the_least_proof_of_a_mail(world: World) -> None:
    found = await judged_by(world, signed(mail()), require="local")
    assert (found.reason, found.keys) == ("no-proof", ())
    assert found.proof is Proof.CLAIMED, "else its sender would be told that it came too late"
    assert (await judged_by(world, signed(mail()), require="signed")).reason is None


async def test_resolver_is_who_is_asked_for_keys() -> None:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    keys = {
        "people": {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}},
        "trust": {"resolver": [f"127.0.0.1:{port}"]},
    }
    config = Config.model_validate(keys, context={"folder": Path("/etc/housecarl")})
    form = gate(signed(mail()))
    found = await Trust.of(config).verify(form, read_form(form), arrived(), NOW)
    transport.close()
    assert server.asked == ["s1._domainkey.example.org."]
    assert found.checks["dkim"] == "key-form", "what this server says is no key"
