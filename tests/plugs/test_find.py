"""Finding plugs on loopback: one address at a time, and by datagram."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from housecarl.errors import CommandError
from housecarl.plugs import find
from housecarl.testing.plug import SimulatedPlug


@pytest.mark.allow_hosts([f"127.0.0.{last}" for last in range(1, 7)])
async def test_every_address_is_asked_and_plugs_are_found() -> None:
    with SimulatedPlug(host="127.0.0.2", alias="den") as plug:
        steps: list[tuple[int, int]] = []
        where = ipaddress.IPv4Network("127.0.0.0/29")
        found = [
            one
            async for one in find.sweep(
                where, port=plug.port, progress=lambda done, of: steps.append((done, of))
            )
        ]
    assert [(one.host, one.identity.alias) for one in found] == [("127.0.0.2", "den")]
    assert steps == [(done, 6) for done in range(1, 7)]


async def test_what_is_no_plug_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    where = ipaddress.IPv4Network("127.0.0.1/32")
    assert [one async for one in find.sweep(where, port=closed)] == []
    with SimulatedPlug(fault="garbage") as plug:
        assert [one async for one in find.sweep(where, port=plug.port)] == []


async def test_who_answers_a_datagram_is_found() -> None:
    with SimulatedPlug(alias="den") as plug:
        found = await find.broadcast(["127.0.0.1"], port=plug.port, seconds=0.1)
    assert [(one.host, one.identity.model) for one in found] == [("127.0.0.1", "HS110(US)")]


async def test_whose_first_answers_are_lost_is_found_by_the_last_of_three_broadcasts() -> None:
    with SimulatedPlug(alias="den", fault="udp_lost:2") as plug:
        found = await find.broadcast(["127.0.0.1"], port=plug.port, seconds=0.15)
    assert [one.identity.alias for one in found] == ["den"]


async def test_whose_datagram_is_lost_is_found_by_its_address() -> None:
    with SimulatedPlug(alias="den", fault="udp_lost") as plug:
        assert await find.broadcast(["127.0.0.1"], port=plug.port, seconds=0.05) == []
        where = ipaddress.IPv4Network("127.0.0.1/32")
        found = [one async for one in find.sweep(where, port=plug.port)]
    assert [one.identity.alias for one in found] == ["den"]


@pytest.mark.parametrize(("size", "found"), [(5000, ["x" * 64]), (9000, [])])
async def test_a_datagram_longer_than_any_honest_answer_is_passed_over(
    size: int, found: list[str]
) -> None:
    with SimulatedPlug(alias="x" * size) as plug:
        heard = await find.broadcast(["127.0.0.1"], port=plug.port, seconds=0.1)
    assert [one.identity.alias for one in heard] == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8.8.8.0/24", "8.8.8.0/24 is not private; only private networks are searched."),
        ("172.0.0.0/8", "172.0.0.0/8 is not private; only private networks are searched."),
        ("10.0.0.0/8", "10.0.0.0/8 has 16777216 addresses, 4096 at most."),
        ("lan", "lan is no network; write it like 192.168.1.0/24."),
    ],
)
def test_only_small_private_networks_are_searched(text: str, why: str) -> None:
    with pytest.raises(CommandError) as caught:
        find.network(text)
    assert str(caught.value) == why


def test_the_network_of_the_post_may_be_searched() -> None:
    assert find.network("172.16.0.0/22").num_addresses == 1024
