"""What the tests of the doors share: a certificate, and a door that knows Ann's password."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import argon2
import pytest
from tests.doors.certificate import certificate
from tests.doors.smtp_peer import Served, serving

from housecarl.doors import imap_line


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """Each try of the mailbox door reads the system's list of authorities: the same list."""
    read = imap_line.trusted
    system = cache(lambda: read(None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imap_line, "trusted", lambda ca: system() if ca is None else read(ca))
        yield


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key, made now."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def trusting(pair: tuple[Path, Path]) -> ssl.SSLContext:
    """A client's side, which trusts that certificate."""
    return ssl.create_default_context(cafile=pair[0])


@pytest.fixture(scope="session")
def logins() -> dict[str, tuple[str, str]]:
    """Ann's password is "correct horse"; to check it costs next to nothing."""
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return {"ann-user": ("ann", hasher.hash("correct horse"))}


@pytest.fixture(scope="session")
def costly() -> dict[str, tuple[str, str]]:
    """The same, and what a check costs is what it costs in a house."""
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    return {"ann-user": ("ann", hasher.hash("correct horse"))}


@pytest.fixture
async def served(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]]
) -> AsyncIterator[Served]:
    """A door with both kinds of TLS, Ann's login, and a rule nothing passes."""
    async with serving(
        logins,
        cert=pair[0],
        key=pair[1],
        listen_tls="127.0.0.1:0",
        rules=(("nobody@nowhere.example", "*"),),
    ) as door:
        yield door
