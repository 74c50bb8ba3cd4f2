"""Whom the house tells what it says first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from housecarl.alerts import owners
from housecarl.config import Config

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ALL: dict[str, Any] = {"may": ["*"]}
OWNER: dict[str, Any] = {"may": ["uptime"], "owner": True}
ENDED: dict[str, Any] = {"until": "2026-11-26"}


@pytest.mark.parametrize(
    ("ann", "bo", "off", "told"),
    [
        (ALL, ALL, "", ["ann"]),
        (ALL, OWNER, "", ["bo"]),
        (OWNER, OWNER, "", ["ann", "bo"]),
        (OWNER, OWNER, "ann", ["bo"]),
        (OWNER, ALL, "ann", ["bo"]),
        (OWNER | ENDED, ALL, "", ["bo"]),
        (ALL | ENDED, ALL, "", ["bo"]),
        (ALL, ALL, "ann", ["bo"]),
        (ALL, {"may": ["uptime"]}, "ann", []),
    ],
)
def test_an_owner_is_who_is_marked_else_the_first_who_may_everything(
    ann: dict[str, Any], bo: dict[str, Any], off: str, told: list[str]
) -> None:
    config = Config.model_validate({"people": {"ann": ann, "bo": bo}})
    assert owners(config, NOW, off.__eq__) == told
