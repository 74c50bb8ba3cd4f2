"""A note of background work that the journal does not take."""

from __future__ import annotations

from typing import Any

import pytest

from housecarl import daemon
from housecarl.errors import StorageError
from housecarl.means import Workshop


def fail(monkeypatch: pytest.MonkeyPatch, number: int = 1) -> None:
    """Have the journal locked for the moment of that note; the house is opened again soon."""
    remember, noted = Workshop.remember, list[str]()

    async def fail_one(self: Workshop, key: str, note: dict[str, Any]) -> None:
        noted.append(key)
        if len(noted) == number:
            raise StorageError("database is locked")
        await remember(self, key, note)

    monkeypatch.setattr(daemon, "BACK_OFF", (0.01,))
    monkeypatch.setattr(Workshop, "remember", fail_one)
