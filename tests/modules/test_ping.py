"""Behaviour of the ping command; ICMP itself is asked of loopback only."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from housecarl import CommandError

from .conftest import Commands, sms

#: what must never reach a socket or a resolver: options, shell words, zones, numbers that
#: inet_aton reads as another address
REFUSED = [
    "-f",
    "--help",
    "-c1000000",
    "-W0 127.0.0.1",
    "127.0.0.1;id",
    "$(id)",
    "`id`",
    "127.0.0.1\n-f",
    "a b",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "1.2.3.0x10",
    "fe80::1%eth0",
    "fe80::1%-f",
    "[::1]",
    "a" * 300,
    "a." * 130 + "lan",
    "привет",
    "host.",
    "a..b",
    "-a.lan",
    "a-.lan",
    "192.168.1.01",
    "http://127.0.0.1/",
    "user@host",
    "",
]
TAKEN = ["localhost", "router.lan", "::1", "xn--e1afmkfd", "192.168.1.1"]


@pytest.fixture
def ping(load: Callable[[str], Commands], monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = load("ping")
    monkeypatch.setattr(commands.module, "INTERVAL", 0.01)
    commands.set(hosts={"nas": "127.0.0.1", "printer": "192.168.1.30"})
    return commands


@pytest.mark.parametrize("host", REFUSED, ids=lambda host: ascii(host[:20]))
async def test_what_is_no_host_is_refused_in_one_sms(ping: Commands, host: str) -> None:
    with pytest.raises(CommandError, match="^(No host|ping: )") as caught:
        await ping.run("ping", host)
    said = str(caught.value)
    assert len(said) <= 160 and said.isascii() and said.isprintable()
    with pytest.raises(ValidationError):
        ping.set(hosts={"nas": host})


def test_two_hosts_that_are_the_same_in_a_text_are_refused(ping: Commands) -> None:
    with pytest.raises(ValidationError, match="nas and NAS are the same in a text"):
        ping.set(hosts={"nas": "192.168.1.20", "NAS": "192.168.1.21"})


@pytest.mark.parametrize("host", TAKEN)
def test_addresses_and_plain_host_names_are_taken(ping: Commands, host: str) -> None:
    assert ping.module.host_name(host) == str(host)


def test_an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address(ping: Commands) -> None:
    assert ping.module.host_name("::ffff:127.0.0.1") == "127.0.0.1"


async def test_a_named_host_answers_or_the_reply_says_why_not(ping: Commands) -> None:
    """Where the kernel gives us no ICMP socket at all, the sentence says so."""
    started = time.monotonic()
    try:
        text = await ping.text("ping", "NAS")
    except CommandError as error:
        assert str(error) == "ping is not allowed on this host; housecarl doctor there tells how."
    else:
        assert re.fullmatch(
            r"nas 127\.0\.0\.1: 3 of 3 answered, [\d.]+ ms average \([\d.]+-[\d.]+\)\.", text
        )
    assert time.monotonic() - started < 5


async def test_a_host_name_is_looked_up(ping: Commands) -> None:
    try:
        text = await ping.text("ping", "localhost")
    except CommandError as error:
        assert "not allowed" in str(error)
    else:
        assert re.match(r"localhost (127\.0\.0\.1|::1): 3 of 3 answered", text)


def test_times_are_told_with_as_many_digits_as_help(ping: Commands) -> None:
    said = ping.module._said
    assert sms(said("nas 192.168.1.20", 3, [0.62, 0.8, 1.1])) == (
        "nas 192.168.1.20: 3 of 3 answered, 0.8 ms average (0.6-1.1)."
    )
    assert sms(said("nas 192.168.1.20", 3, [])) == "nas 192.168.1.20: no answer (0 of 3)."
    assert sms(said("nas", 0, [])).startswith("nas: no way there")
    longest = f"{'n' * 20} {':'.join(['abcd'] * 8)}"
    sms(said(longest, 3, [1234.5, 1800.1, 1999.9]))


@pytest.mark.parametrize("host", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "ff02::1"])
async def test_one_text_never_pings_many_machines(ping: Commands, host: str) -> None:
    with pytest.raises(CommandError, match="not one machine"):
        await ping.run("ping", host)


@pytest.mark.parametrize(("typed", "meant"), [("nsa", "nas"), ("Printr", "printer")])
async def test_a_typo_gets_one_suggestion(ping: Commands, typed: str, meant: str) -> None:
    with pytest.raises(CommandError) as caught:
        await ping.run("ping", typed)
    assert str(caught.value) == f"No host {typed}. Did you mean {meant}? Hosts: nas, printer."


async def test_many_hosts_still_fit_one_sms(ping: Commands) -> None:
    ping.set(hosts={f"machine-{n:012}": "192.168.1.30" for n in range(40)})
    with pytest.raises(CommandError) as caught:
        await ping.run("ping", "no-machine-000000000001" + "x" * 200)
    assert len(str(caught.value)) <= 160 and str(caught.value).endswith(", ...")


async def test_only_named_hosts_when_others_are_off(ping: Commands) -> None:
    ping.set(hosts={"nas": "127.0.0.1"}, others=False)
    with pytest.raises(CommandError, match=r"No host 127\.0\.0\.2\. Hosts: nas\."):
        await ping.run("ping", "127.0.0.2")


async def test_an_unknown_name_is_said_so(ping: Commands) -> None:
    """`.invalid` is never resolved (RFC 6761)."""
    with pytest.raises(CommandError, match="DNS"):
        await ping.run("ping", "nowhere.invalid")


async def test_names_that_dns_has_no_answer_for_hold_up_nothing_else(
    ping: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-ins and dropped files use the loop's own pool of threads."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20))
    monkeypatch.setattr(ping.module, "LOOKUP", 0.02)
    asyncio.get_running_loop().set_default_executor(pool := ThreadPoolExecutor(1))
    with pool:
        try:
            with pytest.raises(
                CommandError, match="^slow.lan: DNS gave no answer. Try its address."
            ):
                await ping.run("ping", "slow.lan")
            assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5.0) == 7
        finally:
            over.set()
