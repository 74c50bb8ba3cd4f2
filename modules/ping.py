"""Ask whether a machine answers."""

import difflib
import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from housecarl import Call, CommandError, Reply, addresses, command
from housecarl.config_section import Name
from housecarl.folding import apart

#: letters, digits and hyphens (RFC 952, RFC 1123): no option, no shell word, no zone
LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
#: a last label like this makes a number of the whole: inet_aton reads 127.1, 0177.0.0.1 and 0x7f.1
NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
#: how often, octets of one DNS name, and the seconds between two, for each, and for the name
COUNT, LONGEST = 3, 253
INTERVAL, PATIENCE, LOOKUP = 0.3, 2.0, 5.0
#: all machines of a network at once: not one host
BROADCAST = ipaddress.IPv4Address("255.255.255.255")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def host_name(text: str) -> str:
    """The host as typed when it is one address or one plain host name; ValueError otherwise."""
    if "%" not in text:
        try:
            address = ipaddress.ip_address(text)
            return str(getattr(address, "ipv4_mapped", None) or address)
        except ValueError:
            labels = text.split(".")
            plain = all(LABEL.fullmatch(label) for label in labels)
            if plain and len(text) <= LONGEST and not NUMBER.fullmatch(labels[-1]):
                return text
    raise ValueError("write an address like 192.168.1.20 or a host name like nas.lan")


Host = Annotated[str, AfterValidator(host_name)]


class Settings(BaseModel):
    """`hosts` are names people may text; `others` allows any address or host name as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: Annotated[dict[Name, Host], AfterValidator(apart)] = Field(default_factory=dict)
    others: bool = True


@command()
async def ping(call: Call, host: str) -> Reply:
    """Ask whether a machine answers: ping nas

    A name from the config, an address, or a host name. Three packets, 0.3 s apart.
    """
    name, target = _target(call.settings, host)
    address = await _resolve(name, target)
    sent, times = await _echo(address)
    shown = _short(name) if name == str(address) else f"{_short(name)} {address}"
    return _said(shown, sent, times)


def _target(settings: Settings, asked: str) -> tuple[str, str]:
    for name, target in settings.hosts.items():
        if name.casefold() == asked.casefold():
            return name, target
    try:
        target = host_name(asked)
    except ValueError as error:
        raise CommandError(f"No host {_short(asked)}. {_known(settings, asked)}") from error
    dotted = "." in target or ":" in target
    if settings.others and (dotted or not _close(settings, asked)):
        return target, target
    raise CommandError(f"No host {_short(asked)}. {_known(settings, asked)}")


def _close(settings: Settings, asked: str) -> list[str]:
    by_fold = {name.casefold(): name for name in settings.hosts}
    return [by_fold[near] for near in difflib.get_close_matches(asked.casefold(), by_fold, 1)]


def _known(settings: Settings, asked: str) -> str:
    guess = "".join(f"Did you mean {near}? " for near in _close(settings, asked))
    text = f"{guess}Hosts: {', '.join(sorted(settings.hosts)) or 'none in the config'}."
    return text if len(text) <= 110 else f"{text[:105].rpartition(',')[0]}, ..."


def _short(text: str) -> str:
    """A typed word as a reply may show it: printable ASCII, at most 40 characters."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return plain if len(plain) <= 40 else f"{plain[:38]}.."


async def _resolve(name: str, target: str) -> Address:
    try:
        address: Address = ipaddress.ip_address(target)
    except ValueError:
        address = await _look_up(name, target)
    if address.is_multicast or address.is_unspecified or address == BROADCAST:
        raise CommandError(f"{_short(name)} {address} is not one machine. Nothing was sent.")
    return address


async def _look_up(name: str, target: str) -> Address:
    """The first address of a name."""
    try:
        found = await addresses.of(target, LOOKUP)
    except TimeoutError:
        raise CommandError(f"{_short(name)}: DNS gave no answer. Try its address.") from None
    if not found:
        raise CommandError(f"{_short(name)}: no such name in DNS. Try its address.")
    return ipaddress.ip_address(found[0].partition("%")[0])


async def _echo(address: Address) -> tuple[int, list[float]]:
    """Packets sent and the times of the answers, ms: without privilege first, then raw."""
    from icmplib import ICMPLibError, SocketPermissionError, async_ping  # the first ping pays

    for privileged in (False, True):
        try:
            host = await async_ping(
                str(address),
                COUNT,
                INTERVAL,  # pyright: ignore[reportArgumentType] - fractions are taken
                timeout=PATIENCE,  # pyright: ignore[reportArgumentType]
                privileged=privileged,
            )
        except SocketPermissionError:
            continue
        except ICMPLibError:
            raise CommandError(f"{address}: this host has no network for it.") from None
        return host.packets_sent, list(host.rtts)
    raise CommandError("ping is not allowed on this host; housecarl doctor there tells how.")


def _said(shown: str, sent: int, times: list[float]) -> Reply:
    if not sent:
        return Reply(f"{shown}: no way there from this house. Nothing was sent.")
    if not times:
        return Reply(f"{shown}: no answer (0 of {sent}).")
    low, mean, high = (_ms(v) for v in (min(times), sum(times) / len(times), max(times)))
    return Reply(
        f"{shown}: {len(times)} of {sent} answered, {mean} ms average ({low}-{high}).",
        rows=[("Answered", f"{len(times)} of {sent}"), ("Average", f"{mean} ms")],
        bars=[(f"{number}", round(value, 2)) for number, value in enumerate(times, 1)],
        unit="ms",
    )


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"
