"""Housecarl beside what one would use instead, in one run: `python -m benchmarks.compare`.

The same work for each, on loopback: `!uptime` comes in by SMTP, the answer leaves by SMTP; the
systems take turns, and the medians of the rounds count. A peer that is not installed is named as
skipped; nothing is installed. Prints tables in Markdown, with the ratio of each peer to housecarl.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import line, measure, waiting
from benchmarks.measure import MEASURES, Figures
from benchmarks.peers import Peer, peers
from benchmarks.voice import voice
from benchmarks.waiting import Drained


def tell(text: str) -> None:
    """What is measured now; the tables go to standard output."""
    print(text, file=sys.stderr, flush=True)


def cell(value: float | None, ours: float | None) -> str:
    """A figure, and in brackets how many times housecarl's it is."""
    if value is None:
        return "-"
    text = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{text} ({value / ours:.2g}x)" if ours else text


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print a table, in Markdown."""
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def print_measures(names: list[str], figures: dict[str, Figures]) -> None:
    """One row for each measure, one column for each system."""
    ours = figures[names[0]]
    rows = [
        [
            name,
            *(
                cell(figures[each].get(name), None if each is names[0] else ours.get(name))
                for each in names
            ),
        ]
        for name in MEASURES
    ]
    table(["measure", *names], rows)


def print_backlogs(drained: dict[tuple[int, str], Drained]) -> None:
    """One row for each system and size."""
    rows = []
    for (size, name), each in drained.items():
        ours = drained[size, "housecarl"]
        ratio = None if each is ours else ours.rate
        ends = f"{each.first:.0f} / {each.last:.0f} ({each.last / each.first:.2f})"
        rows.append([f"{size:,}", name, f"{each.done:,}", cell(each.rate, ratio), ends])
    table(["waiting", "system", "answered", "messages a second", "first / last tenth"], rows)


async def rounds(some: list[Peer], sink: int, options: argparse.Namespace) -> dict[str, Figures]:
    """The medians of all rounds of all systems."""
    taken: dict[str, list[Figures]] = {peer.name: [] for peer in some}
    for turn in range(options.rounds):
        for peer in some:
            tell(f"round {turn + 1} of {options.rounds}: {peer.name}")
            taken[peer.name].append(await measure.measure(peer, sink, options.count))
    figures = {
        name: {key: statistics.median(each[key] for each in found) for key in found[0]}
        for name, found in taken.items()
    }
    if options.idle:
        tell(f"idle for {options.idle:g} s: all")
        for name, more in (await measure.idle(some, sink, options.idle)).items():
            figures[name].update(more)
    return figures


async def backlogs(
    some: list[Peer], sink: int, options: argparse.Namespace
) -> dict[tuple[int, str], Drained]:
    """Every system that can be started on a queue, on each size of it."""
    drained = {}
    for size in options.backlog:
        tell(f"backlog of {size:,}: housecarl")
        drained[size, "housecarl"] = await waiting.housecarl(sink, size, options.longest)
        for peer in some:
            if peer.postfix is not None:
                tell(f"backlog of {size:,}: {peer.name}")
                drained[size, peer.name] = await waiting.postfix(
                    peer.postfix, sink, size, options.longest
                )
    return drained


async def main(options: argparse.Namespace) -> None:
    """Measure what is here and print it."""
    line.Sink.arrived = asyncio.Queue()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    # Who ends this early ends the servers too: a mail server with a long queue lives on otherwise.
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    server = await loop.create_server(line.Sink, "127.0.0.1", 0)
    sink = server.sockets[0].getsockname()[1]
    every = peers(options.postfix, options.php)
    some = [peer for peer in every if not peer.missing]
    if options.rounds:
        print_measures([peer.name for peer in some], await rounds(some, sink, options))
        tell("a Google Voice text")
        lags = sorted(await voice(sink, 20, 200))
        p50, p99 = statistics.median(lags), lags[int(len(lags) * 0.99)]
        print(f"Google Voice text, DKIM verified: p50 / p99 {p50:.1f} / {p99:.1f} ms.\n")
    if options.backlog:
        print_backlogs(await backlogs(some, sink, options))
    for peer in every:
        if peer.missing:
            print(f"{peer.name}: skipped, {peer.missing}.")
    server.close()


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="rounds of all systems; 0: only the backlog")
    add("--count", type=int, default=2000, help="messages for the rate; slow peers get fewer")
    add("--idle", type=float, default=60.0, help="seconds to watch all of them idle; 0: not")
    sizes = "waiting messages, e.g. 20000 100000; 0: none"
    add("--backlog", type=int, nargs="*", default=[20_000], help=sizes)
    add("--longest", type=float, default=300.0, help="seconds a backlog is watched at most")
    add("--postfix", type=Path, help="where the package is unpacked, when it is not installed")
    add("--php", type=Path, help="the php program, when it is not on the path")
    options = parser.parse_args()
    options.backlog = [size for size in options.backlog if size]
    return options


if __name__ == "__main__":
    asked = parse()
    # Everything is removed at the end: without a journal, ext4 gives a freed inode out again only
    # after a minute, and until then looks at each whenever it makes a file. A mail server ends
    # before the scripts it started, which may still write.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as everything:
        Path(everything).chmod(0o755)
        tempfile.tempdir = everything
        asyncio.run(main(asked))
