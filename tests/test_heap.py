"""The C library is told how to hold memory, where it can be told."""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
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


@pytest.fixture
def collector() -> Iterator[None]:
    """The collector as it was, whatever a test sets."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_the_collector_looks_less_often_while_the_process_starts(collector: None) -> None:
    usual = gc.get_threshold()
    heap.begin()
    assert gc.get_threshold()[0] > usual[0]
    heap.settle()
    assert gc.get_threshold() == usual


@pytest.mark.long
def test_what_is_kept_is_passed_over_and_what_is_forgotten_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: None
) -> None:
    """A package with all its parts, though they know each other; one of a longer name stays."""
    package = tmp_path / "plans"
    package.mkdir()
    (package / "__init__.py").write_text("from plans import part\n")
    (package / "part.py").write_text("import plans\nclass Kept: pass\nkept = Kept()\n")
    (tmp_path / "plans_of_others.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    before = gc.get_freeze_count()
    heap.keep()
    assert gc.get_freeze_count() > before
    importlib.import_module("plans_of_others")
    gone = weakref.ref(importlib.import_module("plans").part.kept)
    heap.forget("plans")
    assert gone() is None
    assert [name for name in sys.modules if name.startswith("plans")] == ["plans_of_others"]
