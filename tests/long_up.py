"""`housecarl` on a machine that has been up for long: `python -m tests.long_up ...`.

Shortly after a boot, where no time service has set the clock yet, a change waits for ten minutes.
"""

from __future__ import annotations

from housecarl import clock
from housecarl.cli import main

if __name__ == "__main__":
    clock.SETTLE_SECONDS = 0.0
    main()
