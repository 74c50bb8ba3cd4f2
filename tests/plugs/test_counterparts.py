"""Programs of others drive the simulated plug: what they understand is what a real plug says."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from housecarl.plugs.device import Device
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.plug import SimulatedPlug

#: seconds one run of a foreign program may take; node and python-kasa start slowly
PATIENCE = 20.0


async def run(*command: str) -> str:
    """What a program prints; fails when it does not end well."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environ,
    )
    output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, output.decode()
    return output.decode()


def program(name: str) -> str:
    """Where a program is, beside the interpreter or on the path; skips where it is not."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} not installed")
    return found


async def test_the_program_of_python_kasa_switches_and_reads_it() -> None:
    with SimulatedPlug(alias="den", relay=False) as plug:
        where = ["--host", plug.host, "--port", str(plug.port), "--type", "plug"]
        await run(program("kasa"), *where, "on")
        assert plug.relay
        info = json.loads(await run(program("kasa"), "--json", *where, "sysinfo"))
        assert info["alias"] == "den"


async def test_the_program_of_tplink_smarthome_api_switches_it() -> None:
    with SimulatedPlug(relay=False) as plug:
        address = f"{plug.host}:{plug.port}"
        await run(program("tplink-smarthome-api"), "-c", "off", "setPowerState", address, "true")
        assert plug.relay


async def test_pyhs100_switches_and_reads_it() -> None:
    pyhs100 = pytest.importorskip("pyHS100")
    with SimulatedPlug(relay=False) as plug:
        query = pyhs100.TPLinkSmartHomeProtocol.query

        def ask(request: dict[str, object]) -> dict[str, dict[str, dict[str, object]]]:
            answer: dict[str, dict[str, dict[str, object]]] = query(plug.host, request, plug.port)
            return answer

        await asyncio.to_thread(ask, {"system": {"set_relay_state": {"state": 1}}})
        reading = await asyncio.to_thread(ask, {"emeter": {"get_realtime": {}}})
        assert plug.relay and reading["emeter"]["get_realtime"]["power"] == 43.0


NODE = """
const { Device, UdpServer } = require('tplink-smarthome-simulator');
const device = new Device({ model: process.argv[2], address: '127.0.0.1', port: 0 });
device.start().then(() => console.log('READY ' + device.port));
"""


@pytest.mark.parametrize("model", ["hs100", "hs110", "hs110v2"])
async def test_our_device_drives_the_simulator_of_others(model: str, tmp_path: Path) -> None:
    found = await asyncio.create_subprocess_exec(
        program("node"),
        "-e",
        "require('tplink-smarthome-simulator')",
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await found.wait() != 0:
        pytest.skip("tplink-smarthome-simulator not installed where NODE_PATH says")
    script = tmp_path / "simulator.js"
    script.write_text(NODE)
    node = await asyncio.create_subprocess_exec(
        "node", str(script), model, stdout=asyncio.subprocess.PIPE
    )
    assert node.stdout is not None
    try:
        line = await asyncio.wait_for(node.stdout.readline(), PATIENCE)
        device = Device("other", PlugAddress(host="127.0.0.1", port=int(line.split()[1])))
        for on in (True, False):
            await device.switch(on)
            assert (await device.identity()).on is on
        assert (await device.identity()).metered is (model != "hs100")
    finally:
        node.terminate()
        await node.wait()
