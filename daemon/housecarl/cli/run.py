"""`run`: the daemon in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click


@click.command("run")
@click.pass_context
def verb(ctx: click.Context) -> None:
    """Run the daemon in the foreground until SIGTERM; SIGHUP reads the configuration again."""
    from housecarl import config_file
    from housecarl.clock import SystemClock
    from housecarl.daemon import Daemon
    from housecarl.logs import set_up

    set_up(ctx.meta["housecarl.level"])
    given: Path | None = ctx.obj
    daemon = Daemon(config_file.load(config_file.find(given)), SystemClock())

    async def serve() -> None:
        daemon.handle_signals()
        await daemon.run()

    asyncio.run(serve())
