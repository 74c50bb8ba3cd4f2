"""Say which addresses the house has."""

import errno
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from housecarl import Call, Reply, command

#: this process's own view of the network; readable also where ProcSubset=pid hides /proc/net
NET = Path("/proc/self/net")
#: systemd-resolved writes its stub into the first and the servers it really asks into the second
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
STUBS = ("127.0.0.53", "127.0.0.54")
#: RTF_UP of linux/route.h, SIOCGIFADDR of netdevice(7), octets of struct ifreq
UP, GET_ADDRESS, IFREQ = 1, 0x8915, 40
#: septets of one SMS
ROOM = 160


@dataclass
class Card:
    """One network interface: its addresses as text, and its hardware address."""

    name: str
    v4: list[str] = field(default_factory=list)
    v6: list[str] = field(default_factory=list)
    mac: str = ""


@command()
def ipconfig(call: Call) -> Reply:
    """Say which addresses the house has: ipconfig

    Every interface that is up, then gateway and DNS servers. The one with the gateway comes
    first; an SMS shows what fits, e-mail shows all.
    """
    gateways = [*_gateways4(), *_gateways6()]
    first = [card for card, _ in gateways]
    cards = [card for card in _cards() if card.name != "lo" and (card.v4 or card.v6)]
    cards.sort(key=lambda card: (card.name not in first, card.name))
    ways = list(dict.fromkeys(gateway for _, gateway in gateways))
    return _said(cards, ways, _servers(RESOLVERS))


def _said(cards: list[Card], gateways: list[str], servers: list[str]) -> Reply:
    rows = [
        (card.name, ", ".join([*card.v4, *card.v6, *([f"({card.mac})"] if card.mac else [])]))
        for card in cards
    ]
    rows += [("Gateway", ", ".join(gateways) or "none"), ("DNS", ", ".join(servers) or "none")]
    tail = f"Gateway {(gateways or ['none'])[0]}. DNS {(servers or ['none'])[0]}."
    shown: list[str] = []
    for card in cards:
        part = f"{card.name} {', '.join([*card.v4[:1], *card.v6[:1]])}"
        if len("; ".join([*shown, part])) + len(tail) + len("; and 99 more. ") > ROOM:
            shown.append(f"and {len(cards) - len(shown)} more")
            break
        shown.append(part)
    return Reply(f"{'; '.join(shown) or 'No address but its own'}. {tail}", rows=rows)


def _cards() -> list[Card]:
    try:
        return _cards_by_netlink()
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise
        return _cards_by_files()  # the systemd unit leaves out AF_NETLINK


def _cards_by_netlink() -> list[Card]:
    import psutil  # the first call pays

    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    cards = []
    for name, found in psutil.net_if_addrs().items():
        card = Card(name)
        for entry in found:
            if entry.family == socket.AF_INET:
                card.v4.append(entry.address)
            elif entry.family == socket.AF_INET6:
                card.v6.append(entry.address.partition("%")[0])
            elif entry.family == socket.AF_PACKET and entry.address != "00:00:00:00:00:00":
                card.mac = entry.address
        if name in up:
            cards.append(_useful(card))
    return cards


def _cards_by_files() -> list[Card]:
    cards = {name: Card(name) for name in _interfaces()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for name, card in cards.items():
            question = struct.pack(f"{IFREQ}s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(asked, GET_ADDRESS, question)
            except OSError:
                continue  # it has no IPv4 address
            card.v4.append(socket.inet_ntoa(answer[20:24]))
    for address, *_, name in _table("if_inet6"):
        cards.setdefault(name, Card(name)).v6.append(_from_hex(address))
    return [_useful(card) for card in cards.values()]


def _interfaces() -> list[str]:
    """The names in /proc/net/dev, whose first two lines are a heading."""
    return [words[0].partition(":")[0] for words in _table("dev")[2:]]


def _useful(card: Card) -> Card:
    """Without link-local IPv6 addresses, unless it has nothing else."""
    wide = [address for address in card.v6 if not ipaddress.ip_address(address).is_link_local]
    card.v6 = wide or ([] if card.v4 else card.v6)
    return card


def _table(name: str) -> list[list[str]]:
    try:
        return [line.split() for line in (NET / name).read_text().splitlines() if line.strip()]
    except OSError:
        return []  # a kernel without IPv6 has no such file


def _gateways4() -> list[tuple[str, str]]:
    """Interface and gateway of each default route; addresses are hex in the host's byte order."""
    found = []
    for card, target, gateway, flags, _, _, metric, mask, *_ in _table("route")[1:]:
        if int(target, 16) == int(mask, 16) == 0 and int(flags, 16) & UP and int(gateway, 16):
            address = socket.inet_ntoa(struct.pack("=L", int(gateway, 16)))
            found.append((int(metric), card, address))
    return [(card, address) for _, card, address in sorted(found)]


def _gateways6() -> list[tuple[str, str]]:
    found = []
    for target, length, _, _, gateway, metric, _, _, flags, card in _table("ipv6_route"):
        if int(target, 16) == int(length, 16) == 0 and int(flags, 16) & UP and int(gateway, 16):
            found.append((int(metric, 16), card, _from_hex(gateway)))
    return [(card, address) for _, card, address in sorted(found)]


def _from_hex(text: str) -> str:
    return str(ipaddress.IPv6Address(bytes.fromhex(text)))


def _servers(files: Iterable[Path]) -> list[str]:
    """The name servers of the first file that names real ones; a lone stub is better than none."""
    stubs: list[str] = []
    for file in files:
        try:
            lines = [line.split() for line in file.read_text(errors="replace").splitlines()]
        except OSError:
            continue
        named = [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]
        servers = [server for server in named if server not in STUBS]
        if servers:
            return servers
        stubs = stubs or named
    return stubs
