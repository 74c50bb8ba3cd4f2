"""`plugs`: find smart plugs in the network, list those of the configuration."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.plugs.device import Device, Identity
    from housecarl.plugs.find import Found
    from housecarl.plugs.settings import PlugAddress


@click.group("plugs")
def verb() -> None:
    """Find smart plugs in the network, list those of the configuration."""


@verb.command("find")
@click.argument("network", required=False)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    default=9999,
    help="Where the plugs listen; 9999 unless told.",
)
@click.pass_context
def find(ctx: click.Context, network: str | None, port: int) -> None:
    """Look for plugs: by broadcast, or at each address of a private NETWORK (192.168.1.0/24).

    A broadcast does not leave its network; name the other one, and each of its addresses is asked
    on TCP 9999. At most 4096 addresses. Exit code 1 when none is found.
    """
    from housecarl.errors import CommandError
    from housecarl.plugs import find as search

    names, apart = _known(ctx.obj, port)
    if network is None:
        found = asyncio.run(_heard(port))
        try_network = "In another network? `housecarl plugs find 192.168.1.0/24`"
        nothing = f"No plug answered the broadcast. {try_network}"
    else:
        try:
            where = search.network(network)
        except CommandError as error:
            raise click.UsageError(str(error)) from None
        for host in map(str, where.hosts()):
            if host in apart:
                click.echo(f"{host} {names[host]} {apart[host]}", err=True)
        found = asyncio.run(_swept(where, port, apart))
        nothing = f"No plug in {where}."
    for one in sorted(found, key=lambda each: IPv4Address(each.host)):
        click.echo(_line(one, names))
    if not found:
        click.echo(nothing, err=True)
    elif not all(one.host in names for one in found):
        click.echo("A new one gets its name under `modules: plug: plugs:`.", err=True)
    ctx.exit(0 if found else 1)


def _known(given: Path | None, port: int) -> tuple[dict[str, str], dict[str, str]]:
    """By host: the names of configured plugs, and why one at this port must be left alone.

    A house without a configuration has none, nor one whose configuration this login may not see.
    """
    from housecarl.cli import configuration, devices
    from housecarl.errors import ConfigError, NotAllowed
    from housecarl.plugs import place

    try:
        loaded = configuration.load(given)
        settings = devices.settings_of(loaded, "plug")
    except (ConfigError, NotAllowed):
        if given is not None:
            raise
        return {}, {}
    names = {address.host: name for name, address in settings.plugs.items()}
    apart: dict[str, str] = {}
    for name, why in _apart(loaded, settings.plugs).items():
        if settings.plugs[name].port == port:
            hosts = asyncio.run(place.addresses(settings.plugs[name].host))
            names |= dict.fromkeys(hosts, name)
            apart |= dict.fromkeys(hosts, why)
    return names, apart


async def _heard(port: int) -> list[Found]:
    """Who answers in the networks of this machine."""
    from housecarl.cli.bar import bar
    from housecarl.plugs import find as search

    with bar("listening") as show:
        asked = asyncio.create_task(search.broadcast(_targets(), port=port))
        for step in range(1, 21):
            await asyncio.wait((asked,), timeout=search.LISTEN_SECONDS / 20)
            show(step / 20, "listening")
        return await asked


def _targets() -> list[str]:
    """Where to send a broadcast: most machines send 255.255.255.255 on one interface only."""
    import psutil

    from housecarl.plugs import find as search

    own = {
        one.broadcast
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family is socket.AF_INET and one.broadcast
    }
    private = [one for one in own if any(IPv4Address(one) in network for network in search.PRIVATE)]
    return ["255.255.255.255", *sorted(private)]


async def _swept(where: IPv4Network, port: int, apart: dict[str, str]) -> list[Found]:
    """Who answers at the addresses of a network."""
    from housecarl.cli.bar import bar
    from housecarl.plugs import find as search

    found: list[Found] = []
    with bar(f"asking {where}") as show:

        def progress(done: int, of: int) -> None:
            show(done / of, f"{done} of {of}, {len(found)} found")

        async for one in search.sweep(where, port=port, apart=apart, progress=progress):
            found.append(one)
    return found


def _line(one: Found, names: dict[str, str]) -> str:
    seen = one.identity
    name = f", {names[one.host]} in the configuration" if one.host in names else ""
    alias = f' "{seen.alias}"' if seen.alias else ""
    return f"{one.host}{alias} {_kind(seen)}, {seen.mac}{name}"


def _kind(seen: Identity) -> str:
    return f"{seen.model} {seen.hw_ver}, firmware {seen.version}"


@verb.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show the plugs of the configuration and what each says now; exit code 1 for a silent one."""
    from housecarl.cli import configuration, devices
    from housecarl.logs import set_up
    from housecarl.plugs.names import device

    set_up("warning")
    loaded = configuration.load(ctx.obj)
    settings = devices.settings_of(loaded, "plug")
    plugs = [
        device(name, settings.plugs[name], settings.patience) for name in sorted(settings.plugs)
    ]
    if not plugs:
        click.echo("No plugs: add one under `modules: plug: plugs:`. `housecarl plugs find`")
    apart = _apart(loaded, settings.plugs)
    told = asyncio.run(_told(plugs, apart, settings.recheck, ZoneInfo(loaded.config.timezone)))
    for line, well in told:
        click.echo(line if well else click.style(line, fg="red"))
    ctx.exit(0 if all(well for _, well in told) else 1)


def _apart(loaded: Loaded, plugs: Mapping[str, PlugAddress]) -> dict[str, str]:
    """The plugs whose firmware is being written, which are not asked, and why.

    None for a login that may not read the journal.
    """
    from housecarl.cli.verb_store import VerbStore
    from housecarl.errors import HousecarlError
    from housecarl.plugs import busy

    try:
        return asyncio.run(busy.left_alone(VerbStore(loaded, busy.MODULE), plugs))
    except (HousecarlError, OSError):
        return {}


async def _told(
    plugs: list[Device], apart: dict[str, str], recheck: float, zone: ZoneInfo
) -> list[tuple[str, bool]]:
    """A line for each plug, and whether all is well with it; all are asked at once."""
    from housecarl.plugs import tapo

    try:
        asked = (_looked(plug, apart.get(plug.name), recheck, zone) for plug in plugs)
        return await asyncio.gather(*asked)
    finally:
        await tapo.close()


async def _looked(
    plug: Device, apart: str | None, recheck: float, zone: ZoneInfo
) -> tuple[str, bool]:
    from housecarl.plugs.device import judged
    from housecarl.plugs.wire import PlugError

    where = plug.address.host
    if apart is not None:
        return f"{plug.name} {where}: {apart}", True
    try:
        look = await plug.look(datetime.now(zone).date())
        judgement = await judged(plug, look, pause=recheck)
    except PlugError as error:
        return f"{plug.name} {where}: {error.text}", False
    seen = look.identity
    said = [f"{plug.name} {where}: {'on' if seen.on else 'off'}"]
    if judgement is not None and judgement.fault is None:
        said.append("no reading" if judgement.watts is None else f"{judgement.watts:.1f} W")
    if look.today_kwh is not None:
        said.append(f"{look.today_kwh:.2f} kWh today")
    said += [_kind(seen), f"{seen.rssi} dBm"]
    if judgement is not None and judgement.fault is not None:
        return f"{', '.join(said)}. The meter is wrong: it {judgement.fault}.", False
    return ", ".join(said), True
