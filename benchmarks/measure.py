"""The measures of one system: what it takes to start, to idle, to answer, and to hold."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import psutil
from benchmarks import line
from benchmarks.peers import Peer, folder

#: Starts of each system in a round; the median counts.
STARTS = 3
#: Connections at once while the rate is taken.
CONNECTIONS = 10
#: Seconds from the last message until a system counts as idle.
SETTLED = 15.0

#: A name of a measure, and the unit it has in the table.
Figures = dict[str, float]

P50, P99 = "final dot to reply, p50, ms", "final dot to reply, p99, ms"
RATE, CPU = "messages a second", "CPU for 1,000 messages, s"
IDLE, LOADED = "memory idle, MiB", "memory loaded, MiB"
START = "start to 220, s"
IDLE_CPU, WOKEN = "CPU of a minute idle, ms", "wake-ups of a minute idle"
MEASURES = (P50, P99, RATE, CPU, IDLE, LOADED, START, IDLE_CPU, WOKEN)


def tree(process: psutil.Process) -> list[psutil.Process]:
    """What a process started, youngest first, and the process itself last."""
    return [*reversed(process.children(recursive=True)), process]


def memory(process: psutil.Process) -> float:
    """MiB held by a process and what it started; a page that several share counts once."""
    total = 0
    for each in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().pss
    return total / 2**20


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU of a process and what it started, also of what has ended.

    A child is read before its parent, which inherits the time of one that ends meanwhile.
    """
    total = 0.0
    for each in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def threads(process: psutil.Process) -> Iterator[Path]:
    """The threads of a process and of what it started, in /proc."""
    for each in tree(process):
        yield from Path(f"/proc/{each.pid}/task").glob("*")


def awake(process: psutil.Process) -> tuple[float, int]:
    """Milliseconds on a processor and voluntary switches so far, finer than clock ticks."""
    spent, switches = 0, 0
    for thread in threads(process):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            spent += int((thread / "schedstat").read_text().split()[0])
            status = (thread / "status").read_text()
            switches += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return spent / 1e6, switches


async def peak(process: psutil.Process, done: asyncio.Event) -> float:
    """The most memory it held until done."""
    most = 0.0
    while not done.is_set():
        most = max(most, memory(process))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 0.2)
    return most


async def loaded(peer: Peer, port: int, process: psutil.Process, count: int) -> float:
    """The most memory it holds while messages come in, apart from the rate: looking costs."""
    done = asyncio.Event()
    most = asyncio.create_task(peak(process, done))
    await line.throughput(port, peer.user, count, CONNECTIONS, peer.answers)
    done.set()
    return await most


async def measure(peer: Peer, sink: int, count: int) -> Figures:
    """One round of one system; what answers nothing has no latency, its rate is of its 250s."""
    taken = []
    for _ in range(STARTS):
        async with peer.start(folder(), sink) as (_, _, seconds):
            taken.append(seconds)
    figures = {START: statistics.median(taken)}
    count = max(100, int(count * peer.share))
    async with peer.start(folder(), sink) as (port, process, _):
        await asyncio.sleep(1)
        figures[IDLE] = memory(process)
        if peer.answers:
            lags = sorted(await line.latency(port, peer.user, 200))
            figures[P50], figures[P99] = statistics.median(lags), lags[int(len(lags) * 0.99)]
        figures[RATE], figures[CPU] = await line.throughput(
            port, peer.user, count, CONNECTIONS, peer.answers, partial(cpu, process)
        )
        figures[LOADED] = await loaded(peer, port, process, max(100, count // 4))
    return figures


async def idle(some: list[Peer], sink: int, seconds: float) -> dict[str, Figures]:
    """What each does in a minute in which nothing comes; all are watched at the same time."""
    async with AsyncExitStack() as stack:
        processes = {}
        for peer in some:
            port, process, _ = await stack.enter_async_context(peer.start(folder(), sink))
            await line.throughput(port, peer.user, CONNECTIONS, CONNECTIONS, peer.answers)
            processes[peer.name] = process
        await asyncio.sleep(SETTLED)
        before = {name: awake(process) for name, process in processes.items()}
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        minutes = (time.perf_counter() - began) / 60
        figures = {}
        for name, process in processes.items():
            spent, switches = awake(process)
            spent, switches = spent - before[name][0], switches - before[name][1]
            figures[name] = {IDLE_CPU: max(0, spent) / minutes, WOKEN: max(0, switches) / minutes}
    return figures
