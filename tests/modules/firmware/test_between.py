"""What stands between the plug and our file, and two flashes at a time: the verdicts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from housecarl import CommandError
from housecarl.plugs import file_flash
from housecarl.plugs.serve import Serving, served
from housecarl.testing.plug import SimulatedPlug

from ..conftest import Commands
from .conftest import NEW, OLD, SIZE, Make, flash

#: answers one request in the place of our server; `body` is what ours would have sent
Between = Callable[[asyncio.StreamWriter, str, bytes], Awaitable[None]]

STILL = "Still on 1.1.1, working."
NOT_FETCHED = f"lamp NOT flashed: the plug could not fetch the file from here. {STILL}"
FLASHED = (
    r"lamp flashed: 1\.1\.1 > 1\.2\.3 in \d+ s\. It was on and is on again\. Meter now reads 61 W\."
)


async def redirect(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    plug.write(f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())


async def portal(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    """The page of a hotspot that wants a password."""
    page = b"<html>" * 20
    plug.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))


async def unmeasured(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    plug.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)


async def cut(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    """Without a length, half a file looks like a whole one."""
    plug.write(b"HTTP/1.0 200 OK\r\n\r\n" + body[: SIZE // 2])


async def slow(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    """Some bytes now and then, so that it never stands still, and never ends in time."""
    plug.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    for start in range(0, len(body), 8192):
        plug.write(body[start : start + 8192])
        await plug.drain()
        await asyncio.sleep(0.1)


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[Between], None]:
    """Let the plugs fetch from something that stands before our own server."""

    def stand(between: Between) -> None:
        @asynccontextmanager
        async def passed(data: bytes, ours: str, plug: str) -> AsyncIterator[Serving]:
            async with served(data, ours, plug) as serving, _standing(between, serving):
                yield serving

        monkeypatch.setattr(file_flash, "served", passed)

    return stand


@asynccontextmanager
async def _standing(between: Between, serving: Serving) -> AsyncIterator[None]:
    url = serving.url

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"" if between in (redirect, portal) else await _fetched(url)
        try:
            await between(writer, url, body)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    serving.url = f"http://{host}:{port}/file.bin"
    try:
        yield
    finally:
        server.close()


async def _fetched(url: str) -> bytes:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url) as got:
        return await got.read()


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (redirect, NOT_FETCHED),
        (portal, f"lamp NOT flashed: the plug fetched 0 of {SIZE} bytes. {STILL}"),
        (
            cut,
            f"lamp NOT flashed: the plug refused the file: Firmware validate fail (-19). {STILL}",
        ),
        (slow, f"lamp NOT flashed: download stopped at {{}}% (timed out). {STILL}"),
    ],
    ids=["302", "html", "cut without a length", "slow"],
)
async def test_what_does_not_bring_the_file_is_told_and_nothing_is_written(
    house: Commands,
    make: Make,
    through: Callable[[Between], None],
    between: Between,
    expected: str,
) -> None:
    plug = make()
    through(between)
    verdict = await flash(house)
    percent = (re.findall(r"(\d+)%", verdict) or ["0"])[0]
    assert verdict == expected.format(percent)
    assert (plug.state, plug.sw_ver, plug.relay) == ("up", OLD, True)
    assert plug.asked("download_firmware") == 1 and plug.device.update.flashes == 0


async def test_without_a_length_it_is_flashed_all_the_same(
    house: Commands, make: Make, through: Callable[[Between], None]
) -> None:
    plug = make()
    through(unmeasured)
    assert re.fullmatch(FLASHED, await flash(house))
    assert (plug.state, plug.sw_ver, plug.relay) == ("up", NEW, True)
    assert plug.device.update.flashes == 1


@pytest.mark.parametrize(
    ("given", "made"), [("http:", "https:"), (".bin", ".bad")], ids=["https", "404"]
)
async def test_an_address_that_gives_no_file_is_told(
    house: Commands, make: Make, monkeypatch: pytest.MonkeyPatch, given: str, made: str
) -> None:
    @asynccontextmanager
    async def spoilt(data: bytes, ours: str, plug: str) -> AsyncIterator[Serving]:
        async with served(data, ours, plug) as serving:
            serving.url = serving.url.replace(given, made)
            yield serving

    plug = make()
    monkeypatch.setattr(file_flash, "served", spoilt)
    assert await flash(house) == NOT_FETCHED
    assert (plug.state, plug.sw_ver, plug.relay) == ("up", OLD, True)
    assert (plug.asked("download_firmware"), plug.asked("flash_firmware")) == (1, 0)


async def test_a_lost_datagram_does_no_harm(house: Commands, make: Make) -> None:
    """A flash speaks TCP only."""
    plug = make(fault="udp_lost")
    assert re.fullmatch(FLASHED, await flash(house))
    assert (plug.state, plug.sw_ver, plug.relay) == ("up", NEW, True)


@pytest.fixture
def fan(house: Commands, make: Make) -> Any:
    """A second plug, which takes the same file; the first is lamp."""
    with SimulatedPlug(sw_ver=OLD, mac="50:C7:BF:01:02:04") as plug:

        def both() -> tuple[SimulatedPlug, SimulatedPlug]:
            lamp = make()
            plugs = {name: vars(one) for name, one in house.settings.plugs.items()}
            plugs["fan"] = {"host": plug.host, "port": plug.port}
            house.set(**dict(house.settings) | {"plugs": plugs})
            return lamp, plug

        yield both


async def test_a_second_plug_waits_for_the_first(house: Commands, fan: Any) -> None:
    """One flash at a time over all; whoever asks for another is told which one runs."""
    lamp, other = fan()
    await house.text("firmware", "lamp", "flash")
    for words in (("fan", "flash"), ("lamp", "flash")):
        with pytest.raises(CommandError) as caught:
            await house.run("firmware", *words)
        assert str(caught.value) == "lamp is being flashed to 1.2.3. Do not unplug."
    assert re.fullmatch(FLASHED, (await house.hand.later()).text)
    assert (lamp.sw_ver, other.sw_ver, other.state) == (NEW, OLD, "up")
    assert lamp.device.update.flashes == 1 and other.device.asked == []


async def test_two_asked_for_at_the_same_time_are_not_both_begun(house: Commands, fan: Any) -> None:
    lamp, other = fan()
    orders = (house.text("firmware", name, "flash") for name in ("lamp", "fan"))
    begun, refused = await asyncio.gather(*orders, return_exceptions=True)
    assert begun == "Flashing lamp. Do not unplug. Result in about 3 min."
    assert isinstance(refused, CommandError)
    assert str(refused) == "Another flash is running. One at a time."
    assert re.fullmatch(FLASHED, (await house.hand.later()).text)
    assert (lamp.sw_ver, other.sw_ver, other.relay) == (NEW, OLD, True)
    assert other.asked("download_firmware") == 0
