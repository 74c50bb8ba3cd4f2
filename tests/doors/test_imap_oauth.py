"""XOAUTH2: tokens from an endpoint on loopback, handed to a mailbox."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from structlog.testing import capture_logs
from tests.doors.imap_peer import Ledger, letter, settings, watching
from tests.doors.imap_server import ImapServer, serving
from tests.nobody import NOBODY, needs_root

from housecarl.doors import imap_oauth
from housecarl.doors.imap_line import Refused
from housecarl.doors.imap_oauth import token
from housecarl.doors.imap_socket import Cut
from housecarl.testing.house import free_port


@dataclass
class Endpoint:
    """Gives out what a test puts here, without HTTP at status 0; keeps what it was asked."""

    url: str = ""
    status: int = 200
    answer: Any = field(default_factory=lambda: {"access_token": "fresh"})
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@contextmanager
def answering(context: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """An endpoint on loopback, by TLS where there is a context for it."""
    given = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given.asked.append(parse_qs(body))
            answer = given.answer
            if given.status:
                self.send_response(given.status)
                self.send_header("Location", given.url)
                self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        given.url = f"http://127.0.0.1:{server.server_port}/token"
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            given.url = f"https://localhost:{server.server_port}/token"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield given
        server.shutdown()
        thread.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with answering() as given:
        yield given


def client_file(folder: Path, **more: object) -> Path:
    file = folder / "oauth.json"
    given = {"client_id": "id", "client_secret": "hush", "refresh_token": "old"}
    file.write_text(json.dumps(given | more))
    file.chmod(0o600)
    return file


async def test_a_mailbox_is_opened_by_a_token(endpoint: Endpoint, tmp_path: Path) -> None:
    file = client_file(tmp_path, token_uri=endpoint.url)
    ledger, server = Ledger(), ImapServer()
    async with serving(server):
        given = settings(server.port, "ann", password=None, oauth={"client_file": file})
        async with watching(ledger, given):
            await ledger.ready()
            await server.append(letter(1))
            await ledger.holds(1)
    said = [line for line in server.heard if not line.startswith("AUTHENTICATE")]
    assert base64.b64encode(b"user=ann\1auth=Bearer fresh\1\1").decode() in said
    assert endpoint.asked == [
        {
            "client_id": ["id"],
            "client_secret": ["hush"],
            "refresh_token": ["old"],
            "grant_type": ["refresh_token"],
        }
    ]


async def test_a_stop_is_quick_while_the_endpoint_says_nothing(tmp_path: Path) -> None:
    ledger, asked = Ledger(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
        file = client_file(tmp_path, token_uri=url)
        given = settings(1, "ann", password=None, oauth={"client_file": file})
        async with watching(ledger, given) as door:
            await asyncio.wait_for(asked.wait(), 10)
            began = time.monotonic()
            await door.stop()
            assert time.monotonic() - began < 10
            assert door._thread is not None
            assert not door._thread.is_alive()
    assert not ledger.said


def test_an_endpoint_is_asked_by_tls_and_must_be_who_it_says(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with answering(context) as endpoint:
        file = client_file(tmp_path, token_uri=endpoint.url)
        with pytest.raises(Cut, match="certificate verify failed"):
            token(file, "imap.gmail.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
        assert token(file, "imap.gmail.com") == "fresh"
    assert len(endpoint.asked) == 1


def test_a_new_refresh_token_is_kept_for_its_owner_only(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.answer = {"access_token": "fresh", "refresh_token": "new"}
    file = client_file(tmp_path, token_uri=endpoint.url)
    assert token(file, "imap.gmail.com") == "fresh"
    assert json.loads(file.read_text())["refresh_token"] == "new"
    assert json.loads(file.read_text())["client_secret"] == "hush"
    assert file.stat().st_mode & 0o777 == 0o600


@needs_root
def test_a_refresh_token_that_root_keeps_is_the_daemons_still(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    """`doctor` as root asks for one too; the daemon could not log in any more with root's file."""
    endpoint.answer = {"access_token": "fresh", "refresh_token": "new"}
    file = client_file(tmp_path, token_uri=endpoint.url)
    os.chown(file, NOBODY, NOBODY)
    assert token(file, "imap.gmail.com") == "fresh"
    assert json.loads(file.read_text())["refresh_token"] == "new"
    about = file.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (NOBODY, NOBODY, 0o600)


def test_a_refresh_token_that_cannot_be_kept_costs_no_mail(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    """It is told, and the access token serves: the old refresh token works on for a while."""
    endpoint.answer = {"access_token": "fresh", "refresh_token": "new"}
    file = client_file(tmp_path, token_uri=endpoint.url)
    (tmp_path / ".oauth.json.part").mkdir()
    with capture_logs() as logs:
        assert token(file, "imap.gmail.com") == "fresh"
    assert [(entry["event"], entry["file"]) for entry in logs] == [
        ("imap-token-not-kept", str(file))
    ]
    assert json.loads(file.read_text())["refresh_token"] == "old"


def test_googles_own_file_is_understood(endpoint: Endpoint, tmp_path: Path) -> None:
    inner = {"client_id": "id", "client_secret": "hush", "token_uri": endpoint.url}
    file = tmp_path / "oauth.json"
    file.write_text(json.dumps({"installed": inner, "refresh_token": "old"}))
    file.chmod(0o600)
    assert token(file, "imap.gmail.com") == "fresh"


@pytest.mark.parametrize(
    ("status", "answer", "fault", "text"),
    [
        (400, {"error": "invalid_grant"}, Refused, "invalid_grant; grant access again"),
        (503, "busy", Cut, "HTTP 503"),
        (302, {}, Cut, "HTTP 302"),
        (200, ["odd"], Cut, "no access token"),
        (200, b"<html>", Cut, "no access token: the answer is no JSON"),
        (200, b"[" * 60_000, Cut, "no access token: the answer is no JSON"),
        (0, b"SSH-2.0\r\n", Cut, "no access token: the answer is no HTTP"),
        (200, {"access_token": "a\1auth=b"}, Cut, "no access token"),
    ],
)
def test_what_the_endpoint_may_answer(
    status: int,
    answer: object,
    fault: type[Exception],
    text: str,
    endpoint: Endpoint,
    tmp_path: Path,
) -> None:
    """A refusal asks for a new grant, anything else is tried again; no redirect is followed."""
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(fault, match=text):
        token(client_file(tmp_path, token_uri=endpoint.url), "imap.gmail.com")
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("more", "mode", "text"),
    [
        ({}, 0o644, "chmod 600"),
        ({"refresh_token": ""}, 0o600, "needs client_id and refresh_token"),
        ({"token_uri": "http://example.org/token"}, 0o600, "must begin with https"),
    ],
)
def test_a_client_file_that_cannot_be_used(
    more: dict[str, str], mode: int, text: str, tmp_path: Path
) -> None:
    file = client_file(tmp_path, **more)
    file.chmod(mode)
    with pytest.raises(Refused, match=text):
        token(file, "imap.gmail.com")


@pytest.mark.parametrize(
    ("held", "text"), [(None, "create it with mode 600"), ("id: x", "is no JSON")]
)
def test_a_client_file_that_says_nothing(held: str | None, text: str, tmp_path: Path) -> None:
    file = client_file(tmp_path)
    if held is None:
        file.unlink()
    else:
        file.write_text(held)
    with pytest.raises(Refused, match=text):
        token(file, "imap.gmail.com")


def test_an_endpoint_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    file = client_file(tmp_path, token_uri=f"http://127.0.0.1:{free_port()}/token")
    with pytest.raises(Cut, match="no access token: .*refused"):
        token(file, "imap.gmail.com")


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("scheme", "begins", "drips"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b" "),
        ("http", b"HTTP/1.1 200 OK\r\nServer: a", b"a"),
        ("https", b"\x16\x03\x03\x3f\xff\x02\0\x3f\xfb", b"\0"),
    ],
    ids=["body", "head", "handshake"],
)
def test_an_endpoint_that_drips_is_left_when_the_time_is_over(
    scheme: str, begins: bytes, drips: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for the whole answer, however often a little of it comes."""
    monkeypatch.setattr(imap_oauth, "SECONDS", 0.5)
    dripped, over = 0, threading.Event()

    def drip(listening: socket.socket) -> None:
        nonlocal dripped
        client, _ = listening.accept()
        with client:
            client.recv(65536)
            client.sendall(begins)
            try:
                while not over.wait(0.01) and dripped < 500:
                    client.sendall(drips)
                    dripped += 1
            except OSError:
                pass  # we were left

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/token"
        with pytest.raises(Cut, match="no access token: not answered within 0.5 s"):
            token(client_file(tmp_path, token_uri=url), "imap.gmail.com")
        over.set()
        thread.join(10)
    assert 0 < dripped < 500
