"""The C library is told how to hold memory, where it can be told."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from housecarl import heap

#: One heap; blocks of a MiB by themselves, as much may stay free: M_* of <malloc.h>.
BOUNDS = [(-8, 1), (-3, 1 << 20), (-1, 1 << 20)]


@pytest.mark.parametrize(("names", "told"), [(("mallopt", "malloc_trim"), True), ((), False)])
def test_a_c_library_is_told_what_it_knows(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], told: bool
) -> None:
    """glibc knows both, musl neither: nothing breaks there."""
    calls: list[tuple[int, ...]] = []
    library = SimpleNamespace(**{name: lambda *words: calls.append(words) for name in names})
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    heap.bound()
    heap.settle()
    assert calls == ([*BOUNDS, (0,)] if told else [])
