"""How long to wait before a mailbox is tried again."""

from __future__ import annotations

import random
from typing import NamedTuple


class Patience(NamedTuple):
    """Seconds: of connecting and reading, and between tries; a test may be less patient."""

    #: a TCP connection and a TLS handshake; a home router on a bad day
    connect: float = 15.0
    #: the longest silence within an answer; large mailboxes think
    read: float = 60.0
    #: the first wait after a lost connection, doubled each time
    first: float = 1.0
    #: the longest of them
    last: float = 300.0
    #: the first wait after a refused log-in, doubled each time; providers lock who hammers
    refused: float = 60.0
    #: the longest of them
    refused_last: float = 3600.0
    #: how long a connection must have lasted for the waits to start again
    steady: float = 30.0
    #: until a message is tried again that the spool would not take, or the server not give
    again: float = 5.0
    #: of the first IDLE after something came
    brief: float = 1.0
    #: between looks at a server without IDLE
    look: float = 30.0

    def after_cut(self, times: int) -> float:
        """The wait after `times` lost connections in a row; up to a half is chance.

        Else a thousand houses would come back to their provider in the same second.
        """
        wait = min(self.first * 2 ** min(times - 1, 30), self.last)
        return float(wait) * random.uniform(0.5, 1.0)

    def after_refusal(self, times: int) -> float:
        """The wait after `times` refused log-ins in a row; never less than the first."""
        wait = min(self.refused * 2 ** min(times - 1, 30), self.refused_last)
        return float(wait) * random.uniform(1.0, 1.1)
