"""The wait until a mailbox has news, by IDLE or by looking now and then."""

from __future__ import annotations

from housecarl.config_doors import Imap
from housecarl.doors.imap_bridge import Bridge
from housecarl.doors.imap_line import Line
from housecarl.doors.imap_patience import Patience

#: Looks in vain at what a server says is new, before we go back to waiting: some say it always.
LOOKS = 3


class Lookout:
    """Waits on one connection with a folder selected."""

    def __init__(self, line: Line, settings: Imap, bridge: Bridge, patience: Patience) -> None:
        self._line = line
        self._settings = settings
        self._bridge = bridge
        self._patience = patience
        self._was_told = False
        self._vain = 0

    def wait(self, seconds: float, *, found: bool) -> bool:
        """Until the server says that there is something, or it is time to look; which of them.

        `found` tells whether there was something the last time: a server that says so whenever it
        is asked, for which there would be no wait at all, is asked less often.
        """
        self._vain = self._vain + 1 if self._was_told and not found else 0
        if self._vain >= LOOKS:
            self._bridge.stopping.wait(self._patience.again)
        self._was_told = self._is_told(seconds)
        return self._was_told

    def _is_told(self, seconds: float) -> bool:
        if self._line.has_capability("IDLE"):
            if self._line.wait_for_news(min(seconds, self._settings.idle)):
                return True
        else:
            self._bridge.stopping.wait(min(seconds, self._patience.look))
        # Some servers tell of new mail only when asked to do nothing.
        self._line.noop()
        return False
