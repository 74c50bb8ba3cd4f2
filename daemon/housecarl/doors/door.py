"""What a door is to the daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from housecarl.message.stamp import Stamp

#: Stores a message with its stamp, and gives the id it has from then on; it is safe by then.
Deliver = Callable[[bytes, Stamp], Awaitable[str]]

#: Tells how a part of the house is: its name, whether it is well, and what is wrong.
Tell = Callable[[str, bool, str], Awaitable[None]]


class Door(Protocol):
    """A way in, as the daemon sees it."""

    async def stop(self) -> None:
        """Take nothing more; what is being stored is stored."""
