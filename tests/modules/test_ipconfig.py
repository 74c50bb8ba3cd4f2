"""Behaviour of the ipconfig command; the kernel's own files in, one SMS out."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Commands, sms

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\tFE01A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""
ROUTE6 = (
    f"{'0' * 32} 00 {'0' * 32} 00 fe800000000000000000000000000001 00000400 00000002 "
    "00000000 00000003     eth0\n"
    f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
)


@pytest.fixture
def ipconfig(load: Callable[[str], Commands]) -> Commands:
    return load("ipconfig")


async def test_it_names_addresses_gateway_and_dns(ipconfig: Commands) -> None:
    """On whatever machine this runs; a box without a network says so."""
    text = await ipconfig.text("ipconfig")
    assert re.match(r"(\S+ [\da-f.:]+|No address but its own)", text)
    assert re.search(r"\. Gateway (none|[\da-f.:]+)\. DNS (none|[\da-f.:]+)\.$", text)


def test_each_interface_gateway_and_dns_is_named_and_so_is_their_lack(ipconfig: Commands) -> None:
    module = ipconfig.module
    card = module.Card("eth0", ["192.168.1.5"], ["2001:db8::5"], "52:54:00:12:34:56")
    reply = module._said([card], ["192.168.1.1"], ["192.168.1.1"])
    assert sms(reply) == "eth0 192.168.1.5, 2001:db8::5. Gateway 192.168.1.1. DNS 192.168.1.1."
    assert reply.rows[0] == ("eth0", "192.168.1.5, 2001:db8::5, (52:54:00:12:34:56)")
    assert sms(module._said([], [], [])) == "No address but its own. Gateway none. DNS none."


def test_many_interfaces_fit_one_sms_and_mail_shows_all(ipconfig: Commands) -> None:
    longest = ":".join(["2001"] * 8)
    module = ipconfig.module
    cards = [module.Card(f"enx00112233445{n}", ["192.168.100.200"], [longest]) for n in range(9)]
    reply = module._said(cards, [longest], [longest])
    assert "and 9 more." in sms(reply) and len(reply.rows) == 11
    some = module._said([module.Card(f"eth{n}", ["10.0.0.1"]) for n in range(20)], [], [])
    assert re.search(r"eth0 10\.0\.0\.1; .*; and \d+ more\. Gateway none", sms(some))


def test_both_ways_of_asking_the_kernel_agree(ipconfig: Commands) -> None:
    module = ipconfig.module
    by_files = {card.name: card for card in module._cards_by_files() if card.v4 or card.v6}
    by_netlink = {card.name: card for card in module._cards_by_netlink() if card.v4 or card.v6}
    assert by_files.keys() == by_netlink.keys()
    for name, card in by_netlink.items():
        assert by_files[name].v4 == card.v4[:1]
        assert sorted(by_files[name].v6) == sorted(card.v6)


def test_without_netlink_it_reads_the_kernels_files(
    ipconfig: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hardened unit without AF_NETLINK: getifaddrs says EAFNOSUPPORT."""

    def refused() -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(ipconfig.module, "_cards_by_netlink", refused)
    assert "lo" in [card.name for card in ipconfig.module._cards()]


def test_the_gateway_is_that_of_the_best_default_route(
    ipconfig: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "route").write_text(ROUTE)
    (tmp_path / "ipv6_route").write_text(ROUTE6)
    monkeypatch.setattr(ipconfig.module, "NET", tmp_path)
    assert ipconfig.module._gateways4() == [("eth0", "192.168.1.254"), ("wlan0", "192.168.1.1")]
    assert ipconfig.module._gateways6() == [("eth0", "fe80::1")]
    (tmp_path / "ipv6_route").unlink()
    assert ipconfig.module._gateways6() == []


def test_the_stub_of_systemd_resolved_is_looked_behind(ipconfig: Commands, tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("# made by systemd\nnameserver 127.0.0.53\noptions edns0\n")
    servers = ipconfig.module._servers
    assert servers([stub, real]) == ["127.0.0.53"]
    real.write_text("nameserver 192.168.1.1\nnameserver\nsearch lan\nnameserver 9.9.9.9\n")
    assert servers([stub, real]) == ["192.168.1.1", "9.9.9.9"]
    assert servers([tmp_path / "none"]) == []
