"""Who gets into the SMTP door when many want to."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from tests.doors.smtp_peer import Peer, secured, serving

from housecarl.doors.smtp_crowd import Crowd, Rate, counted


async def test_a_full_door_says_421_and_an_honest_peer_is_served_soon() -> None:
    """200 peers that bring nothing hold 50 places, and each only until somebody else comes."""
    async with serving(grace=0.2) as served:
        others = await asyncio.gather(*(served.peer(greet=False) for _ in range(200)))
        banners = [(await other.reply())[:3] for other in others]
        assert banners.count("220") + banners.count("421") == 200
        assert banners.count("421") >= 50
        assert len(served.door._desk.crowd.guests) == 50
        async with asyncio.timeout(1.0):
            while True:
                honest = await served.peer(greet=False)
                if (await honest.reply()).startswith("220 "):
                    break
                await asyncio.sleep(0.02)
            await honest.say("EHLO x")
            assert (await honest.message()).startswith("250 ")
        assert len(served.door._desk.crowd.guests) == 50


async def test_a_full_door_says_nothing_to_who_wants_tls_first(
    pair: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    """It could not read a 421 before the handshake, so the connection just ends."""
    async with (
        serving(cert=pair[0], key=pair[1], listen_tls="127.0.0.1:0", connections=1) as served,
        secured(served, trusting, "tls") as first,
    ):
        other = Peer(*await asyncio.open_connection(*served.door.address_tls))
        served.peers.append(other)
        assert await other.ended() == b""
        assert (await first.message()).startswith("250 ")


async def test_who_is_being_served_makes_no_room() -> None:
    async with serving(connections=1, grace=0.0) as served:
        peer, safe = await served.peer_being_stored()
        other = await served.peer(greet=False)
        assert (await other.reply()).startswith("421 ")
        safe.set()
        assert (await peer.reply()).startswith("250 ")


class Guest:
    """A session of the crowd that only counts."""

    keeps_its_place = False

    def __init__(self, address: str, since: float = 0.0) -> None:
        self.address = address
        self.since = since
        self.gone = False

    def make_room(self) -> None:
        self.gone = True

    def finish(self, reply: str) -> None:
        self.gone = True


def test_one_address_has_so_many_places_and_loopback_any() -> None:
    crowd = Crowd(connections=50, per_address=2, rate=0, grace=1.0)
    assert [crowd.enter(Guest("192.0.2.1")) for _ in range(3)] == [True, True, False]
    assert crowd.enter(Guest("192.0.2.2"))
    assert all(crowd.enter(Guest("")) for _ in range(10))


def test_the_one_that_has_brought_nothing_for_longest_makes_room() -> None:
    crowd = Crowd(connections=2, per_address=5, rate=0, grace=1.0, now=lambda: 10.0)
    old, older, fresh = Guest("", since=8.0), Guest("", since=7.0), Guest("", since=9.9)
    assert crowd.enter(old) and crowd.enter(older)
    assert crowd.enter(fresh)
    assert (older.gone, old.gone) == (True, False)
    assert crowd.enter(Guest("", since=10.0)) and old.gone
    assert not crowd.enter(Guest("", since=10.0)), "both are within their grace"


def test_a_rate_fills_up_again() -> None:
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    assert [rate.spend("a") for _ in range(61)] == [True] * 60 + [False]
    assert rate.spend("b")
    now[0] = 1.0
    assert rate.spend("a") and not rate.spend("a")


def test_a_rate_remembers_a_bounded_number_of_addresses() -> None:
    rate = Rate(1, lambda: 0.0)
    for number in range(5000):
        rate.spend(str(number))
    assert len(rate._buckets) == 4096


async def test_the_rate_of_one_address_bounds_its_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loopback is exempt, so this peer is counted as if it were far away."""
    monkeypatch.setattr("housecarl.doors.smtp_connection.counted", lambda host: "192.0.2.1")
    async with serving(rate=2) as served:
        peer = await served.peer()  # one connection, one message
        assert (await peer.message()).startswith("250 ")
        assert (await peer.say("MAIL FROM:<a@b.example>")).startswith("421 ")
        assert (await (await served.peer(greet=False)).reply()).startswith("421 ")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", ""),
        ("127.9.9.9", "127.9.9.9"),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_a_peer_is_counted_by(host: str, address: str) -> None:
    assert counted(host) == address
