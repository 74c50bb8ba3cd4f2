"""The folders of modules are watched: what happens in one, or to one, has the house look again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from housecarl.errors import Unreachable
from housecarl.folder_watch import FolderWatch
from housecarl.house import House
from housecarl.registry import Registry
from housecarl.watch import Watch

log = structlog.get_logger()

#: Does something with the house soon.
Later = Callable[[Callable[[House], Awaitable[None]]], None]


async def follow(watch: Watch, registry: Registry, later: Later) -> None:
    """Have modules read again whenever there may be others; raises Unreachable."""
    folders = FolderWatch(watch, registry.folders, lambda: later(look))

    async def look(house: House) -> None:
        try:
            await folders.renew()
        except Unreachable as error:
            log.error("modules-unwatched", why=str(error))
        await house.reload_modules()

    if registry.shipped is not None and registry.shipped.is_dir():
        watch.add(registry.shipped, lambda _: later(House.reload_modules))
    await folders.renew()
    later(House.reload_modules)  # what came before the watch
