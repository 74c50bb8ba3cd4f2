"""A judge without a house: for verbs that look at a message and run nothing of the daemon."""

from __future__ import annotations

from housecarl import builtin
from housecarl.clock import SystemClock
from housecarl.config_file import Loaded
from housecarl.journal import JOURNAL, Database
from housecarl.judge import Judge
from housecarl.process import try_file
from housecarl.registry import Registry
from housecarl.shipped import shipped
from housecarl.trust import Resolver, Trust


async def make_judge(loaded: Loaded, resolver: Resolver | None = None) -> Judge:
    """A judge of the configuration, with every module loaded; the journal is not opened."""
    config = loaded.config
    registry = Registry(
        shipped("modules"),
        config.modules.folders,
        config.modules.settings,
        locate=loaded.source.problem,
        context=loaded.source.context,
        trial=try_file,
    )
    judge = Judge(config, Trust.of(config, resolver), registry, off=lambda _: False)
    unopened = Database(config.spool / JOURNAL)
    registry.add_builtin(*builtin.commands(unopened, judge, config, SystemClock(), lambda: None))
    await registry.load_installed()
    await registry.reload()
    return judge
