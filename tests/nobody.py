"""The tests as a login that may look into no folder of root's, for a moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

#: The number that Linux gives to who has none.
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another login")


@contextmanager
def nobody() -> Iterator[None]:
    """Every thread of this process is another login, as far as files are concerned."""
    os.setresuid(-1, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(-1, 0, 0)
