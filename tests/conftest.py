"""What every test may use: a house is built from real parts, sockets beyond loopback are off."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import settings
from tests import once
from tests.programs import installed

from housecarl import child, house, process
from housecarl.journal import Database, connect
from housecarl.testing import house as testing_house

#: Examples that each property is tried with at home, and in CI.
FEW, MANY = 50, 250
settings.register_profile(
    "house", max_examples=MANY if os.environ.get("CI") else FEW, deadline=None
)
settings.load_profile("house")


def pytest_configure() -> None:
    """What is collected stays until the end: no collector looks for garbage in it again."""
    gc.disable()


#: Objects, and rounds of younger ones, after which the collector looks: garbage in circles is rare,
#: and with the usual numbers looking for it is a twentieth of the suite's work.
COLLECT = (20_000, 20, 20)


def pytest_collection_finish() -> None:
    """What comes from now on is garbage one day."""
    gc.freeze()
    gc.set_threshold(*COLLECT)
    gc.enable()


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """A journal with its threads."""
    db = Database(tmp_path / "journal.sqlite")
    db.open()
    yield db
    await db.close()


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A journal as its writer sees it."""
    with closing(connect(tmp_path / "journal.sqlite")) as conn:
        yield conn


@pytest.fixture(scope="session", autouse=True)
def starts_read_once() -> Iterator[None]:
    """Each house loads modules and searches packages."""
    with pytest.MonkeyPatch.context() as patch:
        once.read_once(patch.setattr)
        # the file of a house: libyaml writes it in a tenth of the time
        write = partial(yaml.dump, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
        patch.setattr(testing_house, "yaml", SimpleNamespace(safe_dump=write))
        yield


@pytest.fixture(scope="session", autouse=True)
def modules_tried_once() -> Iterator[None]:
    """Each house tries a module of its own in a process: the same files, again without a fault."""
    sound: set[tuple[str, bytes, tuple[tuple[str, bytes], ...]]] = set()

    async def try_file(path: Path, source: bytes) -> str:
        files = (each for each in sorted(path.parent.glob("*.py")) if each.is_file())
        key = path.name, source, tuple((each.name, each.read_bytes()) for each in files)
        if key in sound:
            return ""
        fault = await process.try_file(path, source)
        if not fault:
            sound.add(key)
        return fault

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house, "try_file", try_file)
        yield


#: The variable in which coverage.py tells the processes of a measured one what to do.
MEASURE = "COVERAGE_PROCESS_CONFIG"
#: Seconds in which a measured worker process that answered writes down what it ran.
WRITE_DOWN = 5.0


@pytest.fixture(scope="session", autouse=True)
def worker_processes_measured() -> Iterator[None]:
    """Under coverage.py: a worker process hears of it, and is not killed before it wrote its data.

    One that is killed at a limit loses its data, as it would lose its answer.
    """
    if MEASURE not in os.environ:
        yield
        return
    end = process._Worker.end

    async def end_later(worker: process._Worker) -> None:
        if worker.answered:
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_DOWN):
                    await worker._until(lambda: worker._exited)
        await end(worker)

    with pytest.MonkeyPatch.context() as patch:
        seen = re.compile(f"{child._ENVIRONMENT.pattern}|{MEASURE}")
        patch.setattr(child, "_ENVIRONMENT", seen)
        patch.setattr(process._Worker, "end", end_later)
        yield


#: Workers of the suite at the most: there is not more to do at once than a few of them can.
MOST_WORKERS = 8


def pytest_xdist_auto_num_workers() -> int:
    """Two workers a processor: a third of the time a test waits for others to act.

    In CI one: what runs there only measures time and keeps the processors busy by itself.
    """
    workers = len(os.sched_getaffinity(0)) * (1 if os.environ.get("CI") else 2)
    return min(workers, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is made: whether this test runs here at all."""
    _need_servers(item)
    _take_long(item)


def _need_servers(item: pytest.Item) -> None:
    """`@pytest.mark.server("swaks")`: without the program skip at home, fail in CI."""
    for mark in item.iter_markers("server"):
        missing = [name for name in mark.args if installed(name) is None]
        if not missing:
            continue
        text = f"{', '.join(missing)} not installed"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)


#: How many tests were collected of what bears the mark `long`, by its node's id.
BORNE: pytest.StashKey[Counter[str]] = pytest.StashKey()
#: Set in a test that does not run at home.
LONG: pytest.StashKey[bool] = pytest.StashKey()


def pytest_itemcollected(item: pytest.Item) -> None:
    """`@pytest.mark.long(after=2)`: the first two of a file, or cases of a test, are quick."""
    borne = item.session.stash.setdefault(BORNE, Counter())
    for node, mark in item.iter_markers_with_node("long"):
        of = node.nodeid.partition("[")[0]
        if LONG not in item.stash:
            borne[of] += 1
            if borne[of] > mark.kwargs.get("after", 0):
                item.stash[LONG] = True


def _take_long(item: pytest.Item) -> None:
    """`@pytest.mark.long` runs in CI only, so that `make test` stays quick."""
    if LONG in item.stash and not os.environ.get("CI"):
        pytest.skip("long: runs in CI, or with CI=1")
