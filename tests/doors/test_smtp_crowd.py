"""Who gets into the SMTP door when many want to."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.doors.smtp_peer import Peer, auth_plain, has_left, secured, serving

from housecarl.doors.smtp_crowd import FILES, TRIES, Crowd, Rate, counted, places
from housecarl.doors.smtp_settings import MAX_ADDRESSES
from housecarl.doors.smtp_standing import (
    FRUITLESS_SECONDS,
    PROVEN_SECONDS,
    Standing,
    Standings,
)


async def test_a_full_door_says_421() -> None:
    """200 peers come at once, and none of the 50 that got a place has had it for long."""
    async with serving(grace=60.0) as served:
        others = await asyncio.gather(*(served.peer(greet=False) for _ in range(200)))
        banners = [(await other.reply())[:3] for other in others]
        assert (banners.count("220"), banners.count("421")) == (50, 150)
        assert len(served.door._desk.crowd.guests) == 50


async def test_at_a_full_door_an_honest_peer_is_served_soon() -> None:
    """50 peers that bring nothing hold all places, and each only until somebody else comes."""
    async with serving(grace=0.2) as served:
        others = await asyncio.gather(*(served.peer(greet=False) for _ in range(50)))
        assert {(await other.reply())[:3] for other in others} == {"220"}
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
    standing = Standing.FRUITLESS
    excused = False

    def __init__(self, address: str, since: float = 0.0) -> None:
        self.address = address
        self.since = since
        self.gone = False

    def make_room(self) -> None:
        self.gone = True

    def finish(self, reply: str) -> None:
        self.gone = True


def comes(crowd: Crowd, guest: Guest) -> bool:
    """Whether it got in."""
    if not crowd.admit(guest.address):
        return False
    crowd.enter(guest)
    return True


def test_one_address_has_so_many_places_and_loopback_any() -> None:
    crowd = Crowd(connections=50, per_address=2, rate=0, grace=1.0)
    assert [comes(crowd, Guest("192.0.2.1")) for _ in range(3)] == [True, True, False]
    assert comes(crowd, Guest("192.0.2.2"))
    assert all(comes(crowd, Guest("")) for _ in range(10))


def test_the_one_that_has_brought_nothing_for_longest_makes_room() -> None:
    crowd = Crowd(connections=2, per_address=5, rate=0, grace=1.0, now=lambda: 10.0)
    old, older, fresh = Guest("", since=8.0), Guest("", since=7.0), Guest("", since=9.9)
    assert comes(crowd, old) and comes(crowd, older)
    assert comes(crowd, fresh)
    assert (older.gone, old.gone) == (True, False)
    assert comes(crowd, Guest("", since=10.0)) and old.gone
    assert not comes(crowd, Guest("", since=10.0)), "both are within their grace"


def test_an_address_that_comes_too_often_drives_nobody_out() -> None:
    crowd = Crowd(connections=2, per_address=5, rate=1, grace=0.0, now=lambda: 10.0)
    assert comes(crowd, Guest("a"))
    stays = Guest("b")
    assert comes(crowd, stays)
    assert not comes(crowd, Guest("a"))
    assert not stays.gone


def test_whose_last_session_brought_nothing_gives_way_to_others_at_once() -> None:
    """And has to wait ten times as long until one of them gives way to it."""
    now = [0.0]
    crowd = Crowd(connections=1, per_address=5, rate=0, grace=1.0, now=lambda: now[0])
    crowd.enter(first := Guest("flood"))
    crowd.leave(first)
    assert comes(crowd, again := Guest("flood"))
    assert comes(crowd, other := Guest("honest")) and again.gone
    now[0] = 9.9
    assert not comes(crowd, Guest("flood", since=now[0])) and not other.gone
    now[0] = 10.0
    assert comes(crowd, Guest("flood", since=now[0])) and other.gone


def test_who_has_brought_a_message_is_as_welcome_as_one_never_seen() -> None:
    """Though there was a session before that brought nothing."""
    now = [0.0]
    crowd = Crowd(connections=1, per_address=5, rate=0, grace=1.0, now=lambda: now[0])
    crowd.enter(before := Guest("a"))
    crowd.leave(before)
    guest = Guest("a")
    guest.standing = Standing.UNKNOWN
    crowd.enter(guest)
    assert not comes(crowd, Guest("b")), "it is within its grace"
    crowd.leave(guest)
    assert comes(crowd, later := Guest("a"))
    assert not comes(crowd, Guest("b")) and not later.gone


def test_where_somebody_logged_in_lately_goes_before_who_was_never_seen() -> None:
    """Whoever has thousands of addresses that were never seen finds the owner's place taken."""
    crowd = Crowd(connections=1, per_address=5, rate=0, grace=1.0, now=lambda: 0.0)
    home = Guest("home")
    home.standing = Standing.PROVEN
    crowd.enter(home)
    crowd.leave(home)
    assert comes(crowd, stranger := Guest("never seen"))
    assert comes(crowd, Guest("home")) and stranger.gone


def test_who_is_turned_away_and_tries_on_and_on_is_no_longer_as_good_as_others() -> None:
    """It gives way before one that has been there for longer."""
    now = [0.0]
    crowd = Crowd(connections=2, per_address=5, rate=0, grace=1.0, now=lambda: now[0])
    assert comes(crowd, patient := Guest("b")) and comes(crowd, bot := Guest("a", since=0.5))
    assert [crowd.admit("a") for _ in range(TRIES)] == [False] * TRIES
    assert not crowd.admit("c")
    assert not crowd.admit("a")
    now[0] = 1.0
    assert comes(crowd, Guest("c", since=1.0))
    assert bot.gone and not patient.gone


def test_who_is_driven_out_once_is_still_as_welcome_as_others_but_not_twice() -> None:
    """A session that was slow because we are is an honest one's, that of a flood comes again."""
    now = [0.0]
    crowd = Crowd(connections=1, per_address=5, rate=0, grace=1.0, now=lambda: now[0])
    for at, welcome in ((1.0, True), (3.0, False)):
        assert comes(crowd, slow := Guest("a", since=at - 1.0))
        now[0] = at
        assert comes(crowd, other := Guest("b", since=at)) and slow.gone
        assert crowd.is_fruitless("a") is not welcome
        now[0] = at + 1.0
        other.standing = Standing.UNKNOWN
        crowd.leave(other)


def test_what_is_our_own_doing_leaves_an_address_as_it_was() -> None:
    """Neither worse nor better."""
    crowd = Crowd(connections=1, per_address=5, rate=0, grace=1.0, now=lambda: 0.0)
    for doubted in (False, True):
        guest = Guest("a")
        guest.excused = True
        crowd.enter(guest)
        crowd.leave(guest)
        assert crowd.is_fruitless("a") is doubted
        crowd.distrust("a")


def test_an_address_that_is_distrusted_gives_way_to_others_until_it_brings_something() -> None:
    crowd = Crowd(connections=1, per_address=5, rate=0, grace=1.0, now=lambda: 0.0)
    crowd.distrust("a")
    assert comes(crowd, guest := Guest("a")) and crowd.is_fruitless("a")
    guest.standing = Standing.UNKNOWN
    crowd.leave(guest)
    assert not crowd.is_fruitless("a")


def test_a_standing_is_remembered_for_a_while_and_for_a_bounded_number_of_addresses() -> None:
    now = [0.0]
    standings = Standings(lambda: now[0])
    for number in range(5000):
        standings.note(str(number), Standing.FRUITLESS)
        standings.note(f"there {number}", Standing.PROVEN)
        if number % 1000 == 0:
            standings.note("home", Standing.PROVEN)
    standings.note("", Standing.FRUITLESS)
    assert standings.of("0") is standings.of("") is Standing.UNKNOWN
    assert standings.of("4999") is Standing.FRUITLESS
    assert standings.of("there 0") is Standing.UNKNOWN
    standings.note("home", Standing.FRUITLESS)
    now[0] = FRUITLESS_SECONDS
    assert standings.of("4999") is Standing.UNKNOWN
    assert standings.of("home") is Standing.PROVEN
    now[0] = PROVEN_SECONDS
    assert standings.of("home") is Standing.UNKNOWN
    assert len(standings._fruitless) == MAX_ADDRESSES


async def test_who_comes_back_and_brings_nothing_makes_room_for_who_is_new() -> None:
    """At once, however many of them there are and however often they try."""
    async with serving(connections=3, per_address=3, rate=0, grace=60.0) as served:
        for _ in range(2):
            bots = [await served.peer(greet=False, source="127.0.0.2") for _ in range(3)]
            assert [(await bot.reply())[:3] for bot in bots] == ["220"] * 3
            for bot in bots:
                bot.writer.write_eof()
                await bot.ended()
        bots = [await served.peer(greet=False, source="127.0.0.2") for _ in range(3)]
        assert [(await bot.reply())[:3] for bot in bots] == ["220"] * 3
        honest = [await served.peer(source="127.0.0.3") for _ in range(3)]
        for each in honest:
            assert (await each.message()).startswith("250 ")
        assert [(await bot.reply())[:3] for bot in bots] == ["421"] * 3
        another = await served.peer(greet=False, source="127.0.0.2")
        assert (await another.reply()).startswith("421 ")


async def test_who_has_brought_a_message_is_not_driven_out_by_who_is_new() -> None:
    async with serving(connections=1, grace=60.0) as served:
        peer = await served.peer(source="127.0.0.2")
        assert (await peer.message()).startswith("250 ")
        await has_left(served, peer)
        again = await served.peer(source="127.0.0.2")
        other = await served.peer(greet=False, source="127.0.0.3")
        assert (await other.reply()).startswith("421 ")
        assert (await again.message()).startswith("250 ")


async def test_who_logged_in_before_gets_a_place_of_who_was_never_seen(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with serving(logins, **under_tls, connections=1, grace=60.0) as served:
        async with secured(served, trusting, "tls", "127.0.0.2") as peer:
            assert (await peer.say(auth_plain("", "ann-user", "correct horse")))[:3] == "235"
            await has_left(served, peer)
        stranger = await served.peer(source="127.0.0.3")
        async with secured(served, trusting, "tls", "127.0.0.2") as peer:
            assert (await peer.message()).startswith("250 ")
            await has_left(served, peer)
        assert (await stranger.reply()).startswith("421 ")


async def test_where_somebody_is_logged_in_a_second_connection_is_as_welcome(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with (
        serving(logins, **under_tls, connections=2, grace=60.0) as served,
        secured(served, trusting, "tls", "127.0.0.2") as peer,
    ):
        assert (await peer.say(auth_plain("", "ann-user", "correct horse")))[:3] == "235"
        stranger = await served.peer(source="127.0.0.3")
        async with secured(served, trusting, "tls", "127.0.0.2") as second:
            assert (await second.message()).startswith("250 ")
        assert (await stranger.reply()).startswith("421 ")


async def test_who_must_leave_before_the_session_began_is_cut() -> None:
    """Both came between two looks at the socket: the second drives the first out."""
    async with serving(connections=1, grace=0.0) as served:
        sockets = [socket.create_connection(served.door.address) for _ in range(2)]
        peers = [Peer(*await asyncio.open_connection(sock=each)) for each in sockets]
        served.peers += peers
        assert await peers[0].ended() == b""
        assert (await peers[1].reply()).startswith("220 ")
        assert len(served.door._desk.crowd.guests) == 1


def test_connections_leave_the_rest_of_the_house_its_files() -> None:
    """Else whoever fills the door would keep the spool from opening any, and a full one full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES + 100, hard))
    try:
        with capture_logs() as logs:
            assert places(100) == 100
            assert not logs
            assert places(101) == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [(each["wanted"], each["has"]) for each in logs] == [(101, 100)]


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


async def test_the_rate_of_one_address_bounds_its_messages() -> None:
    async with serving(rate=2) as served:
        peer = await served.peer(source="127.0.0.2")  # one connection, one message
        assert (await peer.message()).startswith("250 ")
        assert (await peer.say("MAIL FROM:<a@b.example>")).startswith("421 ")
        another = await served.peer(greet=False, source="127.0.0.2")
        assert (await another.reply()).startswith("421 ")


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
