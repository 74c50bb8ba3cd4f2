"""What a plug costs: `python -m benchmarks.plug`.

A simulated plug in a process of its own. First the daemon's own calls, once python-kasa is loaded:
switch and read back, which is what `!plug lamp on` does, each request on a new connection as the
first hardware version wants it. Then the same by mail through `housecarl run`, from the final dot
to the reply at a sink in this process, and the memory of that daemon before and after. Prints one
table; exit code 1 when the 99th of a hundred switches takes more than its budget.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import psutil
from benchmarks import line

from housecarl.plugs import wire
from housecarl.plugs.device import Device
from housecarl.plugs.settings import PlugAddress

#: ms; the most a switch with its reading back may take on loopback
BUDGET = 60.0
#: rounds before anything is counted
WARM = 10
#: seconds after a start until its memory is looked at: its first rounds are over then
SETTLED = 1.0
LOG_LIMIT = 400


@asynccontextmanager
async def simulated() -> AsyncIterator[int]:
    """The port of a simulated plug in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "housecarl.testing.plug", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield int((await process.stdout.readline()).split()[1])
    finally:
        process.terminate()
        await process.wait()


async def switched(port: int, count: int) -> list[float]:
    """Switch and read back, `count` times; ms each. RuntimeError when the plug is not switched."""
    plug, today, taken = Device("lamp", PlugAddress(host="127.0.0.1", port=port)), date.today(), []
    await wire.load()
    for n in range(WARM + count):
        on = n % 2 == 0
        began = time.perf_counter()
        await plug.switch(on)
        look = await plug.look(today)
        taken.append((time.perf_counter() - began) * 1000)
        if look.identity.on is not on:
            raise RuntimeError("the plug did not switch")
    return taken[WARM:]


async def texted(client: line.Client, n: int) -> float:
    """Switch by one mail; ms from its final dot to the reply."""
    state = "off" if n % 2 else "on"
    mail = (
        f"From: ann@example.org\r\nTo: {line.TO}\r\nSubject: x\r\n"
        f"Message-ID: <{n}.{time.time_ns()}@example.org>\r\n\r\n!plug lamp {state}\r\n"
    )
    dot = await client.hand_in("ann@example.org", mail.encode())
    at, reply = await asyncio.wait_for(line.Sink.arrived.get(), 30)
    if f"lamp {state}." not in reply.decode():
        raise RuntimeError(f"the house said {reply.decode()[-LOG_LIMIT:]}")
    return (at - dot) * 1000


def memory(process: psutil.Process) -> str:
    """What it holds, and what of that is its own, in MiB."""
    found = {}
    for row in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = row.split()[:2]
        found[name.rstrip(":")] = int(value) / 1024
    own = found["Private_Clean"] + found["Private_Dirty"]
    return f"{found['Rss']:.1f} MiB, {own:.1f} its own"


def centile(taken: list[float]) -> float:
    """What 99 of a hundred stay under."""
    return sorted(taken)[int(len(taken) * 0.99)]


def quantiles(taken: list[float]) -> str:
    """Median and the 99th of a hundred."""
    return f"{statistics.median(taken):.2f} / {centile(taken):.2f} ms"


async def daemons(port: int, sink: int, count: int) -> list[tuple[str, str]]:
    """The rows about two daemons: one without plugs, one with."""
    rows = []
    async with line.housecarl(Path(tempfile.mkdtemp()), sink) as (_, process, _):
        await asyncio.sleep(SETTLED)
        rows.append(("RSS idle, no plugs configured", memory(process)))
    more = f'modules: {{plug: {{plugs: {{lamp: "127.0.0.1:{port}"}}}}}}'
    async with line.housecarl(Path(tempfile.mkdtemp()), sink, more) as (smtp, process, _):
        await asyncio.sleep(SETTLED)
        rows.append(("RSS idle, plugs configured, unused", memory(process)))
        client = line.Client(smtp, "ann")
        await client.connect()
        first = await texted(client, 0)
        rows.append(("RSS after the first switch", memory(process)))
        taken = [await texted(client, n) for n in range(1, WARM + count)][WARM - 1 :]
        rows.append((f"RSS after {WARM + count} switches", memory(process)))
        rows.append(("first switch by mail, loads python-kasa", f"{first:.0f} ms"))
        rows.append((f"by mail, dot to reply, p50 / p99 of {len(taken)}", quantiles(taken)))
    return rows


async def main(count: int) -> bool:
    """Measure and print the table; whether switching keeps the budget."""
    line.Sink.arrived = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(line.Sink, "127.0.0.1", 0)
    async with simulated() as port:
        taken = await switched(port, count)
        rows = [(f"switch and read back, p50 / p99 of {count}", quantiles(taken))]
        rows += await daemons(port, server.sockets[0].getsockname()[1], count)
    server.close()
    for name, value in rows:
        print(f"{name:44} {value}")
    well = centile(taken) < BUDGET
    print(
        f"{'budget of a switch, ' + format(BUDGET, 'g') + ' ms':44} {'kept' if well else 'MISSED'}"
    )
    return well


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as everything:
        tempfile.tempdir = everything
        sys.exit(0 if asyncio.run(main(options.count)) else 1)
