"""The smarthost of the config: how a connection to it is opened, secured and logged in."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING

from housecarl.config_post import Post as Settings
from housecarl.errors import SecretError
from housecarl.post.answer import ServiceFault, brief
from housecarl.post.dialogue import Dialogue, take_over

if TYPE_CHECKING:
    from aiosmtplib import SMTP

#: What OpenSSL, by its version, makes of a greeting in plain text; and what to do about it.
_SAID_PLAIN = ("wrong version number", "packet length too long", "record layer failure")
PLAIN_HINT = " (with tls: tls the port is 465, with 587 it is tls: starttls)"

#: Our name in EHLO: an address literal, as mail programs send, tells no host name to the world.
EHLO_NAME = "[127.0.0.1]"


async def connect(settings: Settings, seconds: float) -> Dialogue:
    """A connection ready for mail within `seconds`; certificates are always verified.

    Raises ServiceFault with what the operator should read: unreachable, a bad certificate, a wrong
    password, a secret that cannot be read.
    """
    from aiosmtplib import SMTP, SMTPException

    client: SMTP | None = None
    try:
        async with asyncio.timeout(seconds):
            context = await asyncio.to_thread(_context, settings)
            client = SMTP(
                hostname=settings.host,
                port=settings.port,
                use_tls=settings.tls == "tls",
                start_tls=settings.tls == "starttls",
                tls_context=context,
                local_hostname=EHLO_NAME,
                timeout=None,
            )
            await client.connect()
            await _log_in(client, settings)
            return _dialogue(client)
    except TimeoutError:
        _abort(client)
        raise ServiceFault(f"{settings.host} did not answer within {seconds:g} s") from None
    except SecretError as error:
        _abort(client)
        raise ServiceFault(f"{error.problems[0].file}: {error.problems[0].text}") from error
    except (SMTPException, OSError, ValueError) as error:
        _abort(client)
        raise ServiceFault(f"{settings.host}: {_words(error)}") from error
    except asyncio.CancelledError:
        _abort(client)
        raise


def _context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 at least, verified against the system's authorities or the configured ones."""
    if settings.tls == "none":
        return None
    return ssl.create_default_context(cafile=settings.ca)


async def _log_in(client: SMTP, settings: Settings) -> None:
    """EHLO, then one try of AUTH: trying every method would count as so many wrong passwords."""
    from aiosmtplib import SMTPException, SMTPHeloError

    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except SMTPHeloError:
            await client.helo()
    if settings.user is None:
        return
    password = await asyncio.to_thread(settings.password.read) if settings.password else ""
    methods = client.supported_auth_methods
    if "plain" in methods:
        await client.auth_plain(settings.user, password)
    elif "login" in methods:
        await client.auth_login(settings.user, password)
    else:
        raise SMTPException("it offers neither AUTH PLAIN nor AUTH LOGIN")


def _dialogue(client: SMTP) -> Dialogue:
    if client.transport is None:
        raise ServiceFault("it closed the connection")
    return take_over(client.transport, pipelining=client.supports_extension("pipelining"))


def _abort(client: SMTP | None) -> None:
    """Close hard: a peer that does not read must not hold the socket."""
    if client is not None:
        if isinstance(client.transport, asyncio.Transport):
            client.transport.abort()
        client.close()


def _words(error: Exception) -> str:
    """One line about a failed connection: the cause, without the library's words around it."""
    cause = error if hasattr(error, "code") else error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):  # its number is OpenSSL's, not the system's
        reason = (cause.reason or str(cause)).replace("_", " ").lower()
        return f"TLS failed: {reason}{PLAIN_HINT if reason in _SAID_PLAIN else ''}"
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    code = getattr(cause, "code", None)
    text = str(getattr(cause, "message", None) or cause)
    if "EOF" in text or "Connection lost" in text or not text:
        return "it closed the connection"
    return brief(f"{code} {text}" if code and code > 0 else text)
