"""What somebody agreed to: the plug and the firmware that were ready when they were asked."""

from __future__ import annotations

from typing import NamedTuple

from housecarl.plugs import version
from housecarl.plugs.flash_log import KeyValue
from housecarl.plugs.preflight import NotReady, Prepared


class Asked(NamedTuple):
    """One flash as it was asked about; `digest` is empty where the firmware is no file of ours.

    `words` are the plug and the file as they were typed.
    """

    plug: str
    mac: str
    target: str
    digest: str
    words: str = ""

    @classmethod
    def about(cls, ready: Prepared, words: str = "") -> Asked:
        """What is ready now."""
        return cls(ready.device.name, ready.identity.mac, ready.target, ready.digest, words)


def refuse_other(asked: Asked, ready: Prepared) -> None:
    """Raise NotReady when the same words mean another plug now, or it would get something else."""
    now = Asked.about(ready, asked.words)
    if asked == now:
        return
    was = version.short(asked.target)
    if asked.plug != now.plug:  # an alias is on another plug now, or a new name is what it was
        why = f"you were asked about {asked.plug}"
    elif asked.mac != now.mac:
        why = "another plug answers at its address than when you were asked"
    elif asked.target != now.target:
        why = f"you were asked about {was}, but {version.short(now.target)} is ready now"
    else:
        why = f"the file of {was} is another one than when you were asked"
    raise NotReady(ready.device.name, why)


async def remember(store: KeyValue, person: str, words: str, ready: Prepared) -> None:
    """Note what a person is asked about; the last question counts, as with codes."""
    await store.set(_key(person), Asked.about(ready, words))


async def keep(store: KeyValue, person: str, words: str, ready: Prepared) -> None:
    """Take what a person was asked about, once. Raises NotReady when something else is ready.

    Nothing is refused to who was not asked, or not in these words.
    """
    stored = await store.get(_key(person))
    if stored is None:
        return
    await store.set(_key(person), None)
    asked = Asked(*stored)
    if asked.words == words:
        refuse_other(asked, ready)


def _key(person: str) -> str:
    return f"asked.{person}"
