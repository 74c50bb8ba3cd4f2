"""XOAUTH2: an access token in place of a password, fetched with the refresh token of a file."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import structlog

from housecarl.doors.imap_line import Refused, plain
from housecarl.doors.imap_socket import Cut, Opening
from housecarl.errors import SecretError
from housecarl.location import is_loopback
from housecarl.secret import Secret

#: Where tokens of the two large providers come from; `token_uri` of the file comes first.
GOOGLE = "https://oauth2.googleapis.com/token"
MICROSOFT = "https://login.microsoftonline.com/common/oauth2/v2.0/token"

#: Seconds for all of it; only addresses that take no connection may each take as long.
SECONDS = 15.0

#: Bytes of an answer; one is about 2 KiB.
MAX_BYTES = 64 * 1024

_KEYS = ("client_id", "client_secret", "refresh_token")

log = structlog.get_logger()


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the refresh token goes where the file says, or nowhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Plain(HTTPConnection):
    """A connection that `opening` can cut, from its TLS handshake on."""

    opening: Opening

    def connect(self) -> None:
        super().connect()
        # a second handle on the same socket: TLS takes the first for itself
        self.opening.hold(self.sock.dup())


class _Tls(HTTPSConnection, _Plain):
    """The same: below its TLS is the connection that `opening` can cut."""


class _Web(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Connections that `opening` can cut, in place of those that urllib makes."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self._opening = opening

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(self._made, _Plain), req)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(self._made, _Tls), req)

    def _made(self, kind: type[_Plain], host: str, /, **more: Any) -> _Plain:
        made = kind(host, **more)
        made.opening = self._opening
        return made


def token(file: Path, host: str, opening: Opening | None = None) -> str:
    """A fresh access token for `host`; raises Cut (try again), Refused (ask for a new grant).

    `opening` can cut it from another thread, as it cuts the mailbox's own connection.

    `file` is JSON with client_id, refresh_token, and client_secret or token_uri where the provider
    needs them (RFC 6749 6); Google wraps its client file into "installed", which is understood.
    """
    given = _client(file)
    fields = {name: given[name] for name in _KEYS if given.get(name)}
    fields["grant_type"] = "refresh_token"
    answer = _ask(_endpoint(given, host), fields, opening or Opening())
    access = answer.get("access_token")
    if not isinstance(access, str) or not access.isascii() or not access.isprintable():
        raise Cut("the token endpoint gave no access token")
    fresh = answer.get("refresh_token")
    if isinstance(fresh, str) and fresh != given["refresh_token"]:
        _keep(file, fresh)
    return access


def _client(file: Path) -> dict[str, Any]:
    """What the client file holds. Raises Refused with what to do."""
    try:
        given = json.loads(Secret(file=file).read())
    except SecretError as error:
        raise Refused(str(error)) from None
    except ValueError:
        raise Refused(f"{file} is no JSON") from None
    if isinstance(given, dict) and isinstance(given.get("installed"), dict):
        given = {**given["installed"], **given}
    if not isinstance(given, dict) or not all(given.get(k) for k in ("client_id", "refresh_token")):
        raise Refused(f"{file} needs client_id and refresh_token")
    return given


def _endpoint(given: dict[str, Any], host: str) -> str:
    """Where tokens come from: https, or plain on this machine only. Raises Refused."""
    usual = GOOGLE if host.endswith(("gmail.com", "google.com", "googlemail.com")) else MICROSOFT
    url = str(given.get("token_uri") or usual)
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url
    raise Refused("token_uri of the client file must begin with https://")


def _ask(url: str, fields: dict[str, str], opening: Opening) -> dict[str, Any]:
    """What the endpoint answers, all of it within SECONDS. Raises Refused, Cut."""
    timer = threading.Timer(SECONDS, opening.cut)
    timer.daemon = True
    timer.start()
    try:
        return _answer(url, fields, opening)
    except Cut:
        if opening.is_cut:
            raise Cut(f"no access token: not answered within {SECONDS:g} s") from None
        raise
    finally:
        timer.cancel()
        if opening.socket is not None:
            opening.socket.close()


def _answer(url: str, fields: dict[str, str], opening: Opening) -> dict[str, Any]:
    body = urllib.parse.urlencode(fields).encode()
    opener = urllib.request.build_opener(_Straight, _Web(opening))
    try:
        with opener.open(urllib.request.Request(url, body), timeout=SECONDS) as reply:
            answer = json.loads(reply.read(MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            _refuse(error)
    except OSError as error:
        why = getattr(error, "reason", error)
        raise Cut(f"no access token: {plain(getattr(why, 'strerror', None) or str(why))}") from None
    except HTTPException:
        raise Cut("no access token: the answer is no HTTP") from None
    except (ValueError, RecursionError):
        raise Cut("no access token: the answer is no JSON") from None
    return answer if isinstance(answer, dict) else {}


def _refuse(error: urllib.error.HTTPError) -> NoReturn:
    """Raise what a refusal means: 400 and 401 are for good (RFC 6749 5.2), others pass."""
    try:
        word = plain(str(json.loads(error.read(MAX_BYTES))["error"]))
    except (OSError, ValueError, KeyError, TypeError):
        word = f"HTTP {error.code}"
    if error.code in (400, 401):
        raise Refused(f"no access token: {word}; grant access again")
    raise Cut(f"no access token: {word}")


def _keep(file: Path, fresh: str) -> None:
    """Write the refresh token that replaces ours; the old one works on for a while."""
    from housecarl import private_file

    try:
        given = json.loads(file.read_bytes())
        private_file.write(file, json.dumps({**given, "refresh_token": fresh}, indent=1))
    except (OSError, ValueError) as error:
        log.warning("imap-token-not-kept", file=str(file), why=str(error))
