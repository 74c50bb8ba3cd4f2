"""The inbox of the tests: a mail server that can be away for a while."""

from __future__ import annotations

import asyncio

import pytest

from housecarl.testing.inbox import Inbox


async def test_stopped_twice_it_is_stopped_and_comes_back_at_its_port() -> None:
    inbox = Inbox()
    await inbox.start()
    port = inbox.port
    await inbox.stop()
    await inbox.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await inbox.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert (await reader.readline()).startswith(b"220 ")
    writer.close()
    await writer.wait_closed()
    await inbox.stop()
