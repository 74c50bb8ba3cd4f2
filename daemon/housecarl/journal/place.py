"""Where the journal is, and how a daemon hears that somebody else has changed it."""

from __future__ import annotations

from pathlib import Path

#: The journal's file, below the spool.
JOURNAL = Path(".journal") / "journal.sqlite"

#: The file beside it that a verb touches when it has changed the journal.
WAKE = "wake"
