"""`run`: the daemon in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click


@click.command("run")
@click.pass_context
def verb(ctx: click.Context) -> None:
    """Run the daemon in the foreground until SIGTERM; SIGHUP reads the configuration again."""
    from housecarl import config_file, heap
    from housecarl.clock import SystemClock
    from housecarl.daemon import Daemon
    from housecarl.logs import set_up

    heap.bound()
    set_up(ctx.meta["housecarl.level"])
    given: Path | None = ctx.obj
    daemon = Daemon(config_file.load(config_file.find(given)), SystemClock())

    async def serve() -> None:
        daemon.handle_signals()
        running = asyncio.create_task(daemon.run())
        ready = asyncio.create_task(daemon.ready.wait())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        heap.settle()
        await running

    asyncio.run(serve())
