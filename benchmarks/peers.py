"""What one would use instead of housecarl, and how each is started here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks import chain, line
from benchmarks.postfix import Postfix

#: Its port, its process, the seconds until it said 220.
Running = AbstractAsyncContextManager[tuple[int, psutil.Process, float]]


@dataclass(frozen=True)
class Peer:
    """One system: how it is started in a folder beside a smarthost's port.

    `missing` says why it cannot be measured here ("" when it can), `user` who logs in, `share` is
    the part of the messages that a slow one gets, `postfix` is what can hold mails back.
    """

    name: str
    start: Callable[[Path, int], Running]
    missing: str = ""
    user: str = ""
    answers: bool = True
    share: float = 1.0
    postfix: Postfix | None = None


def folder() -> Path:
    """A new folder that scripts of nobody may enter."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    return made


def peers(postfix: Path | None, php: Path | None) -> list[Peer]:
    """Housecarl first, then the peers; `postfix`: where it is unpacked, `php`: the program."""
    root = postfix or Path("/")
    by_python = Postfix(root, chain.IN_PYTHON, chain.PYTHON)
    by_php = Postfix(root, chain.IN_PHP, php or Path(shutil.which("php") or "php"))
    smtpd = chain.missing()
    return [
        Peer("housecarl", line.housecarl, user="ann"),
        Peer(
            "Postfix, Python script",
            by_python.running,
            missing=by_python.missing(),
            share=0.1,
            postfix=by_python,
        ),
        Peer(
            "Postfix, PHP script",
            by_php.running,
            missing=by_php.missing(),
            share=0.25,
            postfix=by_php,
        ),
        Peer("OpenSMTPD, Python script", chain.chain, missing=smtpd, share=0.1),
        Peer("bare aiosmtpd, discards", lambda _, __: line.bare_aiosmtpd(), answers=False),
    ]
