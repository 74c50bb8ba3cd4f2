"""How long a search goes on: a moment at home, a minute in CI, hours when somebody wants it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T = TypeVar("T")

#: seconds of all searches together: what `make test` can spare, and what CI gives
AT_HOME, IN_CI = 1.5, 60.0
#: how many searches share them
SEARCHES = 4
#: examples between two looks at the clock, about half a second
BATCH = 30
BOUNDS = settings(
    max_examples=BATCH,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def seconds() -> float:
    """The seconds of one search, by HOUSECARL_FUZZ_SECONDS for all of them together."""
    wanted = os.environ.get("HOUSECARL_FUZZ_SECONDS")
    return float(wanted or (IN_CI if os.environ.get("CI") else AT_HOME)) / SEARCHES


def search(holds: Callable[[T], None], cases: st.SearchStrategy[T]) -> None:
    """Try fresh cases until the time is over; one that fails is shown small."""
    end = time.monotonic() + seconds()
    while True:
        BOUNDS(given(cases)(holds))()
        if time.monotonic() > end:
            return
