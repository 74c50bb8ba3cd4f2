"""A house that dies at a chosen point of a flash: a program of its own, so that kill -9 is real.

Reads lines `PORT STORE POINT` from its input; a child of each flashes the plug at PORT with the
journal in the file STORE and kills itself at POINT. The order of points: before and after each
write of the journal.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from housecarl.plugs import preflight, wire
from housecarl.plugs.device import Device
from housecarl.plugs.download import Pace
from housecarl.plugs.file_flash import FileFlash
from housecarl.plugs.flash_log import StoreLog
from housecarl.plugs.preflight import Rules
from housecarl.plugs.settings import PlugAddress

#: the same as the simulated plugs'
PACE = 0.005


class FileStore:
    """A module's store in one JSON file, durable on return."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def get(self, key: str, default: Any = None) -> Any:
        try:
            return json.loads(self.path.read_text()).get(key, default)
        except FileNotFoundError:
            return default

    async def set(self, key: str, value: Any) -> None:
        values = json.loads(self.path.read_text()) if self.path.exists() else {}
        values[key] = value
        if value is None:
            del values[key]
        new = self.path.with_suffix(".new")
        with new.open("w") as stream:
            json.dump(values, stream)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.path)

    async def take(self, key: str, value: Any, instead_of: Any = None) -> bool:
        if await self.get(key) != instead_of:
            return False
        await self.set(key, value)
        return True


class Deadly:
    """A flash log that kills its process at one of its writes."""

    def __init__(self, inner: StoreLog, point: int) -> None:
        self._inner = inner
        self._left = point
        self.unfinished = inner.unfinished

    async def claim(self, plug: str, facts: Mapping[str, Any]) -> bool:
        self._tick()
        claimed = await self._inner.claim(plug, facts)
        self._tick()
        return claimed

    async def step(self, name: str, detail: str = "") -> None:
        self._tick()
        await self._inner.step(name, detail)
        self._tick()

    async def finish(self, outcome: str, *, done: bool = False) -> None:
        self._tick()
        await self._inner.finish(outcome, done=done)
        self._tick()

    def _tick(self) -> None:
        self._left -= 1
        if self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def flash(port: int, store: Path, point: int) -> None:
    log = Deadly(StoreLog(FileStore(store)), point)
    device = Device("lamp", PlugAddress(host="127.0.0.1", port=port))
    ready = await preflight.prepare(device, Rules(store.parent / "firmware", pause=0.0))
    facts = {"running": ready.identity.sw_ver, "target": ready.target, "auto": ready.auto}
    await log.claim("lamp", facts)
    await FileFlash(ready, log, Pace(PACE), lambda _share, _text: None).run()


def main() -> None:
    asyncio.run(wire.load())
    import aiohttp.web  # noqa: F401  once, before the children

    children = {}
    for line in sys.stdin:
        port, store, point = line.split()
        child = os.fork()
        if child == 0:
            asyncio.run(flash(int(port), Path(store), int(point)))
            os._exit(0)
        children[child] = point
    for child, point in children.items():
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{point} {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main()
