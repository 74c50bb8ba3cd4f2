"""What the tests of the post share: a house with a smarthost that is up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.post.house import House
from tests.post.smarthost import Smarthost

from housecarl.journal import Database


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    database = Database(tmp_path / "journal.db")
    database.open()
    smarthost = Smarthost()
    await smarthost.start()
    yield House(database, smarthost)
    await smarthost.stop()
    await database.close()
