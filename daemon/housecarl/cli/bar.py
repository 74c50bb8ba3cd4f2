"""A progress bar on a terminal, and silence where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

#: (share of the whole from 0 to 1, what is going on)
Show = Callable[[float, str], None]

#: columns of the bar itself; the words before it need the rest of a terminal of 80
WIDTH = 30
#: columns of the words, so that the bar does not jump
WORDS = 28


@contextmanager
def bar(doing: str) -> Iterator[Show]:
    """Draw on stderr how far something is; what is shown on stdout stays clean for scripts."""
    if not sys.stderr.isatty():
        yield lambda _share, _doing: None
        return
    with click.progressbar(
        length=100, label=doing.ljust(WORDS), file=sys.stderr, show_eta=False, width=WIDTH
    ) as drawn:

        def show(share: float, doing: str) -> None:
            drawn.label = doing[:WORDS].ljust(WORDS)
            drawn.pos = min(100, max(drawn.pos, int(share * 100)))
            with suppress(OSError):  # the terminal is gone; what is shown there goes on
                drawn.render_progress()

        yield show
