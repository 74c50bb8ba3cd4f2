"""What a door is to the daemon."""

from __future__ import annotations

from typing import Protocol


class Door(Protocol):
    """A way in, as the daemon sees it."""

    async def stop(self) -> None:
        """Take nothing more; what is being stored is stored."""
