"""The sources that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from housecarl.config import Config
from housecarl.config_watches import HostWatch, PlugWatch, Watches
from housecarl.means import Workshop
from housecarl.plugs.settings import PlugAddress
from housecarl.watches.kept import Kept
from housecarl.watches.source import Source
from housecarl.watches.strangers import Strangers

#: The plugs of the module, as they are known now.
Plugs = Callable[[], Mapping[str, PlugAddress]]


def sources(config: Config, workshop: Workshop, plugs: Plugs) -> list[Source]:
    """What is to be watched; none when nothing is named. A kind that is not costs no import."""
    watches, found = config.watches, list[Source]()
    if watches.hosts:
        found += _hosts(watches.hosts, config.modules.settings.get("ping", {}).get("hosts") or {})
    if watches.plugs:
        found += _plugs(watches.plugs, plugs, workshop, ZoneInfo(config.timezone))
    found += _stock(watches, config)
    if watches.strangers is not None:
        found.append(Strangers(workshop.db, watches.strangers, ZoneInfo(config.timezone)))
    kept = Kept(workshop.db, watches)
    return [*found, kept] if kept.names else found


def _hosts(hosts: Mapping[str, HostWatch], known: Mapping[str, object]) -> Iterator[Source]:
    from housecarl.watches.reach import Host

    for name, watch in hosts.items():
        yield Host(name, watch.address or str(known.get(name, name)), watch)


def _plugs(
    watched: Mapping[str, PlugWatch], plugs: Plugs, workshop: Workshop, zone: ZoneInfo
) -> Iterator[Source]:
    from housecarl.watches.power import Plug

    for name, watch in watched.items():
        yield Plug(name, watch, plugs, workshop, zone)


def _stock(watches: Watches, config: Config) -> Iterator[Source]:
    if watches.disk is None and watches.certificate is None:
        return
    from housecarl.watches.stock import Certificate, Disks

    if watches.disk is not None:
        yield Disks(watches.disk, config.spool)
    file = _certificate(config)
    if watches.certificate is not None and file is not None:
        yield Certificate(file, watches.certificate)


def _certificate(config: Config) -> Path | None:
    smtp = config.doors.smtp
    return smtp.certificate.cert if smtp and smtp.certificate else None
