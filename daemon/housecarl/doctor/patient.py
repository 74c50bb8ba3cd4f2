"""The patient: the house that is examined, and what every check asks of it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from housecarl import service
from housecarl.config import Config
from housecarl.config_file import Loaded
from housecarl.disk import is_there
from housecarl.doctor.access import user
from housecarl.doctor.finding import Trouble
from housecarl.doctor.threads import Loose
from housecarl.errors import NotAllowed, StorageError
from housecarl.journal import JOURNAL, connect, fault
from housecarl.registry import Registry
from housecarl.rehearsal import make_judge

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patient:
    """A configuration with its modules; `running` is whether a daemon serves it now."""

    loaded: Loaded
    registry: Registry
    running: bool

    @property
    def config(self) -> Config:
        """What the file says."""
        return self.loaded.config

    @property
    def start(self) -> str:
        """The command that starts its daemon."""
        return service.start(self.loaded.source.path)

    def settings(self, module: str) -> Any:
        """The checked section of a module; None when it is off or not set up."""
        commands = self.registry.commands.values()
        return next((c.settings for c in commands if c.module == module), None)

    def uid(self) -> int:
        """The user the daemon runs as: the owner of the spool, else whoever asks."""
        try:
            return self.config.spool.stat().st_uid
        except OSError:
            return os.geteuid()

    def read(self, do: Callable[[sqlite3.Connection], T]) -> T | None:
        """Something from the journal, which is not changed; None when there is none yet.

        Raises Trouble for one of another version, or damaged.
        """
        path = self.config.spool / JOURNAL
        if not is_there(path):
            return None
        try:
            with closing(connect(path, readonly=True)) as conn:
                return do(conn)
        except sqlite3.DatabaseError as error:
            raise Trouble("the journal cannot be read", f"{fault(path, error)}.") from error
        except StorageError as error:
            raise Trouble("the journal cannot be read", f"{error}.") from error


async def admit(loaded: Loaded) -> Patient:
    """Load the modules of a configuration, so that it can be examined.

    Raises NotAllowed for a login that cannot see what the daemon sees.
    """
    asyncio.get_running_loop().set_default_executor(Loose())
    spool = loaded.config.spool
    try:
        owner = spool.stat().st_uid
    except FileNotFoundError:
        owner = os.geteuid()
    if os.geteuid() not in (0, owner):
        raise NotAllowed(f"spool and journal are {user(owner)}'s alone: run it as {user(owner)}")
    judge = await make_judge(loaded)
    return Patient(loaded, judge.registry, service.is_running(spool))
