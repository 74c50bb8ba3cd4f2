"""A plug that is being flashed is left alone by everybody else, whoever flashes it."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from housecarl.plugs import place
from housecarl.plugs.busy import SETTLE, PlugBusy, left_alone, writing
from housecarl.plugs.busy import leave_alone as _leave_alone
from housecarl.plugs.device import Device
from housecarl.plugs.flash_log import KEY, StoreLog, Unfinished
from housecarl.plugs.settings import PlugAddress

from .flasher import FileStore

TARGET = "1.2.3 Build 170508 Rel.162000"


@pytest.fixture
def store(tmp_path: Any) -> FileStore:
    return FileStore(tmp_path / "store.json")


async def leave_alone(store: FileStore, plug: str, host: str = "192.0.2.1") -> None:
    await _leave_alone(store, Device(plug, PlugAddress(host=host)))


async def test_the_flashed_plug_only_and_only_until_the_end(store: FileStore) -> None:
    log = StoreLog(store)
    await leave_alone(store, "lamp")
    assert await log.claim("lamp", {"target": TARGET})
    await leave_alone(store, "heater")
    with pytest.raises(PlugBusy, match=r"^lamp is being flashed to 1\.2\.3; do not unplug it\.$"):
        await leave_alone(store, "lamp")
    await log.finish("lamp flashed", done=True)
    await leave_alone(store, "lamp")


async def test_the_plug_that_is_flashed_is_known_under_any_name(store: FileStore) -> None:
    """Another module may call it otherwise, and write its host as a name, or a name as it likes."""
    assert await StoreLog(store).claim("den", {"target": TARGET, "host": "LocalHost", "port": 9999})
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(
            PlugBusy, match=r"^lamp is being flashed to 1\.2\.3; do not unplug it\.$"
        ):
            await leave_alone(store, "lamp", host)
    for host in ("192.0.2.1", "no..host"):
        await leave_alone(store, "lamp", host)
    assert await left_alone(store, {"lamp": PlugAddress(host="localhost", port=9998)}) == {}


async def test_a_dead_dns_is_waited_for_once_however_many_plugs_are_named_by_it(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one flash would keep `!plug` from every other plug, also from those with an address."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) or [])
    monkeypatch.setattr(place, "LOOKUP_SECONDS", 0.25)
    assert await StoreLog(store).claim("den", {"target": TARGET, "host": "192.0.2.9", "port": 9999})
    plugs = {f"p{n}": PlugAddress(host=f"p{n}.lan") for n in range(40)}
    began = time.monotonic()
    try:
        assert await left_alone(store, plugs) == {}
        assert time.monotonic() - began < 5
    finally:
        over.set()


@pytest.mark.parametrize(
    ("last", "age", "free"),
    [
        ("commit", 1.0, False),
        ("flashing", SETTLE + 1, True),
        ("download", 1.0, True),
        ("flashing", -600.0, False),  # by a clock that a power cut has set back
        ("download", -600.0, True),
    ],
)
async def test_one_told_to_write_by_a_process_that_is_gone_is_left_alone_until_it_has_written(
    store: FileStore, last: str, age: float, free: bool
) -> None:
    began = time.time() - age
    row = {"plug": "lamp", "target": TARGET, "pid": 0, "started": began}
    await store.set(KEY, {**row, "steps": [[last, "", began]]})
    if free:
        await leave_alone(store, "lamp")
        return
    with pytest.raises(PlugBusy) as caught:
        await leave_alone(store, "lamp")
    assert str(caught.value) == "lamp may be writing its firmware; do not unplug it."


def test_an_order_noted_in_the_future_has_settled_after_our_own_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    row = Unfinished("lamp", TARGET, 0.0, "flashing", False, at=time.time() + 3600)
    assert writing(row)
    now += SETTLE - 1
    assert writing(row)
    now += 1
    assert not writing(row)
