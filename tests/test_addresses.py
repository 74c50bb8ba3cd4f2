"""The addresses of a machine: none where there is no such name, no answer where nobody tells."""

from __future__ import annotations

import socket

import pytest

from housecarl import addresses


async def test_an_address_is_its_own() -> None:
    assert await addresses.of("127.0.0.1", 5.0) == ("127.0.0.1",)


async def test_what_can_be_no_name_has_none() -> None:
    assert await addresses.of("a" * 300, 5.0) == ()


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_FAIL])
async def test_a_name_that_dns_does_not_know_has_none(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", failing(code))
    assert await addresses.of("nas.lan", 5.0) == ()


async def test_while_no_name_server_is_reached_nobody_knows_whether_there_is_such_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", failing(socket.EAI_AGAIN))
    with pytest.raises(TimeoutError):
        await addresses.of("nas.lan", 5.0)


def failing(code: int) -> object:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "no")

    return look_up
