"""The commands that are always there: they need the journal, the registry and the rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from housecarl.builtin import codes, help, jobs, log, more, status
from housecarl.clock import Clock
from housecarl.config import Config
from housecarl.journal import Database
from housecarl.judge import Judge


def commands(
    db: Database, judge: Judge, config: Config, clock: Clock, wake_jobs: Callable[[], None]
) -> list[Callable[..., Any]]:
    """The functions of all built-in commands, ready for the registry."""
    return [
        help.make(judge, config),
        *codes.make(db),
        more.make(db),
        log.make(db, judge, config),
        status.make(db, judge, config, clock),
        *jobs.Jobs(db, judge, config, clock, wake_jobs).commands,
    ]
