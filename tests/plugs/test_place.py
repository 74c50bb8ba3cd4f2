"""Where a plug is, when DNS has no answer."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from housecarl.plugs import place
from housecarl.plugs.device import Device
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.wire import PlugSilent

#: more than the loop's own pool has threads
PLUGS = 40


async def test_a_dead_dns_holds_up_nothing_but_the_plugs_that_are_named_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Log-ins and dropped files use the same pool; a look-up that hangs is not begun again."""
    over, asked = threading.Event(), list[str]()

    def hangs(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        over.wait(20)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    plugs = [Device("lamp", PlugAddress(host=f"p{n}.lan"), 0.05) for n in range(PLUGS)]
    try:
        for _ in range(2):
            answers = await asyncio.gather(
                *(plug.identity() for plug in plugs), return_exceptions=True
            )
            assert {type(one) for one in answers} == {PlugSilent}
            assert str(answers[0]) == "lamp cannot be reached."
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 2) == 7
        assert sorted(asked) == sorted(plug.address.host for plug in plugs)
    finally:
        over.set()


async def test_two_hosts_are_one_when_their_addresses_are() -> None:
    assert await place.same("Lamp.lan", "lamp.LAN")
    assert await place.same("::1", "0:0:0:0:0:0:0:1")
    assert await place.same("localhost", "127.0.0.1")
    assert not await place.same("192.168.1.41", "192.168.1.42")
    assert not await place.same("no..host", "127.0.0.1")


async def test_a_plug_with_addresses_of_both_kinds_is_asked_at_its_ipv4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plugs of the older kind have no other; a name server tells both in any order."""
    both = [(0, 0, 0, "", (address, 0)) for address in ("fd00::7", "192.0.2.7", "fd00::8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert (await place.addresses("lamp.lan"))[0] == "192.0.2.7"
