"""One file, one path, one address: nothing else is served, and every byte is counted."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from housecarl.plugs import place, serve
from housecarl.plugs.image import ImageError
from housecarl.plugs.serve import served

DATA = bytes(range(256)) * 1000


async def get(url: str, method: str = "GET") -> tuple[int, bytes, str | None]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as got:
        return got.status, await got.read(), got.headers.get("Content-Length")


async def test_the_plug_gets_every_byte_with_its_length() -> None:
    async with served(DATA, "127.0.0.1", "127.0.0.1") as serving:
        assert serving.sent == 0, "our own look does not count"
        assert await get(serving.url) == (200, DATA, str(len(DATA)))
        assert serving.sent == serving.size == len(DATA)
        assert (await get(serving.url, "HEAD"))[::2] == (200, str(len(DATA)))


async def test_another_path_or_method_gets_nothing() -> None:
    async with served(DATA, "127.0.0.1", "127.0.0.1") as serving:
        root = serving.url.rpartition("/")[0]
        assert (await get(f"{root}/"))[0] == 404
        assert (await get(f"{root}/firmware.bin"))[0] == 404
        assert (await get(serving.url, "POST"))[0] == 405
        assert serving.refused == 3 and serving.sent == 0


async def test_another_address_gets_nothing() -> None:
    async with served(DATA, "127.0.0.1", "192.0.2.9") as serving:
        assert (await get(serving.url))[0] == 404
        assert serving.sent == 0


async def test_each_time_another_path_and_closed_afterwards() -> None:
    async with served(DATA, "127.0.0.1", "127.0.0.1") as first:
        pass
    async with served(DATA, "127.0.0.1", "127.0.0.1") as second:
        assert first.url.rpartition("/")[2] != second.url.rpartition("/")[2]
    with pytest.raises(aiohttp.ClientConnectionError):
        await get(first.url)


async def test_an_address_that_is_not_ours_cannot_be_served_on() -> None:
    with pytest.raises(ImageError, match=r"^the file cannot be served on 192\.0\.2\.9\.$"):
        async with served(DATA, "192.0.2.9", "192.0.2.10"):
            pass


async def test_a_file_that_cannot_be_fetched_from_here_is_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serve, "SELF_TEST", 1e-6)
    with pytest.raises(ImageError, match=r"^the file cannot be fetched from its address here"):
        async with served(DATA, "127.0.0.1", "127.0.0.1"):
            pass


@pytest.mark.allow_hosts("127.1.0.1")
async def test_an_address_in_another_network_than_the_plugs_is_not_guessed() -> None:
    with pytest.raises(ImageError) as caught:
        await serve.own_address("127.1.0.1")
    assert str(caught.value) == (
        "it may not reach 127.0.0.1; set serve_on in the config of firmware."
    )
    assert await serve.own_address("127.1.0.1", "10.0.0.5") == ("127.1.0.1", "10.0.0.5")


async def test_our_address_is_the_one_towards_the_plug() -> None:
    assert await serve.own_address("127.0.0.1") == ("127.0.0.1", "127.0.0.1")
    assert await serve.own_address("127.0.0.1", "10.0.0.5") == ("127.0.0.1", "10.0.0.5")


async def test_a_plug_without_an_ipv4_address_is_said_to_have_none() -> None:
    """An image is served by IPv4 only, and a plug may be configured by another address."""
    with pytest.raises(ImageError, match=r"^no IPv4 address of it is known\.$"):
        await serve.own_address("fe80::1")


async def test_a_name_that_dns_has_no_answer_for_is_asked_where_it_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20))
    monkeypatch.setattr(place, "LOOKUP_SECONDS", 0.02)
    asyncio.get_running_loop().set_default_executor(pool := ThreadPoolExecutor(1))
    with pool:
        try:
            with pytest.raises(ImageError):
                await asyncio.wait_for(serve.own_address("slow.lan"), 5.0)
        finally:
            over.set()
