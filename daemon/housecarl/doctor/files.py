"""The files and folders the configuration names that are no secret: there, and readable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from housecarl.config import Config
from housecarl.config_words import Loc
from housecarl.doctor import access
from housecarl.doctor.finding import Trouble
from housecarl.doctor.patient import Patient
from housecarl.errors import Problem


def faults(patient: Patient) -> Iterator[tuple[Problem, bool]]:
    """What is wrong, with its place, and whether it may be so for this login and no other."""
    uid, lost = patient.uid(), patient.registry.lost
    foreign = os.geteuid() not in (0, uid)
    named: dict[Loc, Path] = {
        ("modules", "folders", n): folder.absolute()
        for n, folder in enumerate(patient.config.modules.folders)
    }
    for loc, path in (named | certificates(patient.config)).items():
        # of a folder as the registry found it, in time: a dead network mount would hold us up
        why = lost.get(str(path), "") if loc in named else _gone(path)
        if not why and not foreign and (closed := unread(path, uid)):
            why = f"{closed.text}; {closed.mend}"
        if why:
            yield patient.loaded.source.problem(loc, why), foreign and loc in named


def certificates(config: Config) -> dict[Loc, Path]:
    """The certificate that we show and the authorities that we trust, by their places."""
    smtp, imap, post = config.doors.smtp, config.doors.imap, config.post
    shown = smtp.certificate.cert if smtp and smtp.certificate else None
    files: dict[Loc, Path | None] = {
        ("doors", "smtp", "certificate", "cert"): shown,
        ("doors", "imap", "ca"): imap.ca if imap else None,
        ("post", "ca"): post.ca if post else None,
    }
    return {loc: file for loc, file in files.items() if file is not None}


def unread(path: Path, uid: int) -> Trouble | None:
    """What keeps the daemon's user from reading it; None when nothing does."""
    if access.may_read(path, uid):
        return None
    if gone := _gone(path):
        return Trouble(gone, "Put it there, or change the configuration.")
    text = f"{path} cannot be read by {access.user(uid)}"
    return Trouble(text, f"`namei -l {path}` shows what bars it")


def _gone(file: Path) -> str:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return f"{file} does not exist"
    except OSError:
        pass  # a folder that we may not look into
    return ""
