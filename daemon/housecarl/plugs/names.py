"""Which plug a typed word means: its name in the config, its host, its alias or its MAC address."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from housecarl.errors import CommandError
from housecarl.folding import spoken
from housecarl.plugs.device import Device, Identity
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.tapo import NewDevice
from housecarl.plugs.wire import DEADLINE, PlugError, own_error

#: seconds to ask all plugs for their alias and MAC when a word is no name
ALIAS_SECONDS = 2.0
#: characters of a list of plugs in a reply, so that the rest fits one SMS
LIST_LIMIT = 80


class UnknownPlug(CommandError):
    """A word means no one plug of the config; `others` are those that the other words mean."""

    others: Sequence[Device] = ()


def device(name: str, address: PlugAddress, seconds: float = DEADLINE) -> Device:
    """The plug at an address; one with an account in the config is of the newer kind."""
    kind = Device if address.user is None else NewDevice
    return kind(name, address, seconds)


async def named(
    words: Sequence[str],
    plugs: Mapping[str, PlugAddress],
    *,
    also: Sequence[str] = (),
    apart: Mapping[str, str] = MappingProxyType({}),
    own: Sequence[str] = (),
    seconds: float = DEADLINE,
) -> list[Device]:
    """The plugs the words mean, each once; `all` means every one.

    `also` are words that could have been meant in the last place, `apart` plugs that are not asked
    for their alias and why, `own` words that are no alias, `seconds` how long each plug may take to
    answer. Raises UnknownPlug with one suggestion, or for a word that several plugs are called by.
    """
    if not plugs:
        raise UnknownPlug("No plugs in the config yet. Add one under modules: plug: plugs:.")
    if not words or any(word.casefold() == "all" for word in words):
        return [device(name, plugs[name], seconds) for name in sorted(plugs)]
    known: dict[str, list[str]] = {spoken(word): [] for word in own}
    for name, address in plugs.items():
        known.setdefault(address.host.casefold(), []).append(name)
    known |= {spoken(name): [name] for name in plugs}
    if any(spoken(word) not in known for word in words):
        known = await _aliases(plugs, apart) | known
    found: dict[str, Device] = {}
    unknown: UnknownPlug | None = None
    for number, word in enumerate(words):
        meant = known.get(_folded(word)) or known.get(spoken(word)) or []
        if len(meant) == 1:
            found[meant[0]] = device(meant[0], plugs[meant[0]], seconds)
            continue
        if meant:
            text = f"{_shown(word)} could be {' or '.join(meant[:3])}. Say which."
        else:
            last = number > 0 and number == len(words) - 1
            silent = [f" {name} {why}" for name, why in apart.items() if name in plugs]
            text = _unknown(word, plugs, also if last else ()) + "".join(silent)
        unknown = unknown or UnknownPlug(text)
    if unknown is not None:
        unknown.others = [*found.values()]
        raise unknown
    return list(found.values())


async def _aliases(
    plugs: Mapping[str, PlugAddress], apart: Collection[str]
) -> dict[str, list[str]]:
    """Alias and MAC of every plug that answers in time, folded, to the names they may mean."""

    async def ask(name: str) -> Identity | None:
        try:
            with own_error(name):
                return await device(name, plugs[name]).identity(seconds=ALIAS_SECONDS)
        except PlugError:
            return None

    names = sorted(plugs.keys() - set(apart))
    answers = await asyncio.gather(*(ask(name) for name in names))
    known: dict[str, list[str]] = {}
    for name, identity in zip(names, answers, strict=True):
        if identity is not None:
            for word in {spoken(identity.alias), _folded(identity.mac)}:
                known.setdefault(word, []).append(name)
    known.pop("", None)
    return known


def _folded(word: str) -> str:
    """A MAC address without its separators; another word as it is, folded."""
    bare = word.replace(":", "").replace("-", "").casefold()
    return bare if len(bare) == 12 and set(bare) <= set("0123456789abcdef") else spoken(word)


def _unknown(word: str, plugs: Mapping[str, PlugAddress], also: Sequence[str]) -> str:
    folded = {spoken(name): name for name in [*plugs, *also]}
    import difflib  # only for a slip of the finger

    near = difflib.get_close_matches(spoken(word), folded, 1)
    guess = f" Did you mean {folded[near[0]]}?" if near else ""
    names = ", ".join(sorted(plugs))
    if len(names) > LIST_LIMIT:
        names = names[:LIST_LIMIT].rpartition(",")[0] + ", .."  # three with the full stop
    return f"No plug {_shown(word)}.{guess} Plugs: {names}."


def _shown(word: str) -> str:
    """A typed word as a reply may show it."""
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in word)[:20]
