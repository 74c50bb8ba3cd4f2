"""`housecarl run` killed with -9 at random moments under SMTP load: `python -m benchmarks.crash`.

Each round starts it again on what is left. Every 25 rounds and at the end the books are balanced
from outside: each acknowledged message answered, no change run twice, one Message-ID for a reply.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.rounds import Rounds, smarthost


def main() -> int:
    """Run and print the table; 1 when anything was not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, smarthost() as inbox:
        rounds = Rounds(Path(folder), inbox, options.seed, Path(folder) / "spool")
        rounds.run(options.rounds)
        rows = (
            ("seed", options.seed),
            ("kills", rounds.kills),
            ("messages acknowledged", len(rounds.acknowledged)),
            ("replies received", len(inbox.received)),
            ("told as interrupted", sum("interrupted" in each.text for each in inbox.received)),
            ("violations", len(rounds.violations)),
            ("seconds", round(time.monotonic() - began)),
        )
    for name, value in rows:
        print(f"{name:24} {value}")
    for text in rounds.violations:
        print(text)
    return 1 if rounds.violations else 0


if __name__ == "__main__":
    sys.exit(main())
