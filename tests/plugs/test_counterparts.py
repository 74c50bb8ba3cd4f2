"""Programs of others drive the simulated plug: what they understand is what a real plug says."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.programs import NODE_MODULES, installed

from housecarl.plugs.device import Device
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.house import free_port
from housecarl.testing.plug import SimulatedPlug

#: seconds one run of a foreign program may take; node and python-kasa start slowly
PATIENCE = 20.0


async def run(program: str | Path, *arguments: str) -> str:
    """What a program prints; fails when it does not end well."""
    process = await asyncio.create_subprocess_exec(
        installed(str(program)) or program,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.long
@pytest.mark.server("kasa")
async def test_the_program_of_python_kasa_switches_and_reads_it() -> None:
    with SimulatedPlug(alias="den", relay=False) as plug:
        where = ["--host", plug.host, "--port", str(plug.port), "--type", "plug"]
        await run("kasa", *where, "on")
        assert plug.relay
        info = json.loads(await run("kasa", "--json", *where, "sysinfo"))
        assert info["alias"] == "den"


@pytest.mark.server("tplink-smarthome-api")
async def test_the_program_of_tplink_smarthome_api_switches_and_reads_it() -> None:
    with SimulatedPlug(alias="den", relay=False) as plug:
        address = f"{plug.host}:{plug.port}"
        await run("tplink-smarthome-api", "setPowerState", address, "true")
        assert plug.relay
        assert "den" in await run("tplink-smarthome-api", "getSysInfo", address)


PYHS100 = """
import json, sys
from pyHS100 import SmartPlug, TPLinkSmartHomeProtocol

class AtPort(TPLinkSmartHomeProtocol):
    def query(self, host, request):
        return TPLinkSmartHomeProtocol.query(host, request, int(sys.argv[2]))

plug = SmartPlug(sys.argv[1], protocol=AtPort())
plug.turn_on()
print(json.dumps([plug.is_on, plug.alias, plug.has_emeter, plug.get_emeter_realtime()]))
"""


@pytest.mark.server("pyhs100")
async def test_pyhs100_switches_and_reads_it() -> None:
    """Its program knows port 9999 only, so its classes are used, in its own interpreter."""
    program = installed("pyhs100")
    assert program is not None
    with SimulatedPlug(alias="den", relay=False) as plug:
        output = await run(program.with_name("python"), "-c", PYHS100, plug.host, str(plug.port))
        on, alias, metered, reading = json.loads(output)
        assert plug.relay and on and metered and alias == "den"
        assert reading["power"] == 43.0


NODE = """
const { Device } = require('tplink-smarthome-simulator');
const device = new Device({ model: process.argv[1], address: '127.0.0.1', port: +process.argv[2] });
device.start().then(() => console.log('READY'));
"""


@asynccontextmanager
async def simulator(model: str) -> AsyncIterator[Device]:
    """Our device on a plug that the simulator of others plays.

    It wants the same port for UDP and TCP, and chooses one that may be taken for the other.
    """
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node",
        *("-e", NODE, model, str(port)),
        stdout=asyncio.subprocess.PIPE,
        env={"NODE_PATH": str(NODE_MODULES), **os.environ},
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        assert line.startswith(b"READY"), "see what it wrote to stderr"
        yield Device("other", PlugAddress(host="127.0.0.1", port=port))
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.server("node", "tplink-smarthome-simulator")
@pytest.mark.parametrize("model", ["hs100", "hs110", "hs110v2"])
async def test_our_device_drives_the_simulator_of_others(model: str) -> None:
    async with simulator(model) as device:
        for on in (True, False):
            await device.switch(on)
            assert (await device.identity()).on is on
        watts = [reading.watts for reading in await device.readings(1, pause=0)]
        assert watts == ([None] if model == "hs100" else [3.14])
