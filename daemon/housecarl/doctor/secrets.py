"""The secrets: each can be read by the daemon, and by nobody else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from housecarl.config_check import secrets, secrets_within
from housecarl.config_words import Loc
from housecarl.confirm import app_secret
from housecarl.doctor import access
from housecarl.doctor.finding import Finding, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.errors import Problem, SecretError, SecretLater
from housecarl.secret import LOOK_SECONDS, Secret, exposed
from housecarl.thread import within

#: Where systemd keeps the credentials of the running unit; root and its user can look.
UNIT_CREDENTIALS = Path("/run/credentials/housecarl.service")

PART = "secrets"


def lend_credentials() -> None:
    """Read the running unit's credentials as the daemon does, when this login can."""
    if "CREDENTIALS_DIRECTORY" not in os.environ and os.access(UNIT_CREDENTIALS, os.R_OK | os.X_OK):
        os.environ["CREDENTIALS_DIRECTORY"] = str(UNIT_CREDENTIALS)


def is_elsewhere(secret: Secret) -> bool:
    """Whether it is one that systemd gives to the unit, and so not to us."""
    return secret.credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ


async def examine(patient: Patient) -> list[Finding]:
    """Read each, and look at the file and the folder it is in."""
    uid, named = patient.uid(), [*every(patient)]
    # all at once: each may be on a disk that gives nothing
    looks = (asyncio.to_thread(_placed, loc, _look(loc, each, uid)) for loc, each in named)
    looked = await asyncio.gather(*looks)
    if not looked:
        return [skipped(PART, "none in the configuration")]
    sound = looked.count([])
    head = (
        [well(PART, f"{sound} of {len(looked)} can be read, by the daemon only")] if sound else []
    )
    return [*head, *(finding for findings in looked for finding in findings)]


def faults(patient: Patient) -> Iterator[tuple[Problem, bool]]:
    """What is wrong, with its place, and whether it may be so only because we are not the daemon.

    Its environment, its credentials and the files of its user are not ours to look at.
    """
    uid, named = patient.uid(), [*every(patient)]
    if not named:
        return
    with ThreadPoolExecutor(len(named)) as pool:  # as above
        looked = pool.map(lambda each: [*_seen(each[0], each[1], uid)], named)
        for (loc, _), found in zip(named, looked, strict=True):
            for text, unseen in found:
                yield patient.loaded.source.problem(loc, text), unseen


def _seen(loc: Loc, secret: Secret, uid: int) -> Iterator[tuple[str, bool]]:
    """What is wrong with one, in a line, and whether it may be so only because of who looks."""
    if os.geteuid() not in (0, uid) and _is_hidden(secret):
        yield f"{secret.file} is not for this login to read, but for {access.user(uid)}", True
        return
    unseen = is_elsewhere(secret) or secret.env is not None
    for finding in _look(loc, secret, uid):
        yield _in_a_line(finding), unseen


def _placed(loc: Loc, findings: Iterator[Finding]) -> list[Finding]:
    """With the place before the text."""
    place = ".".join(map(str, loc))
    return [each._replace(text=f"{place}: {each.text}") for each in findings]


def _in_a_line(finding: Finding) -> str:
    """What is wrong and what to do; of two things to do, that of the finding."""
    fault, mend = finding.text.partition("; ")[0], finding.mend
    return f"{fault}; run: {mend}" if mend[0].islower() else f"{fault}. {mend}"


def _is_hidden(secret: Secret) -> bool:
    """Whether its file is another user's, or in a folder that we cannot look into."""
    file = secret.file
    if file is None:
        return False
    try:
        within(("hidden", file), file.stat, LOOK_SECONDS)
        return not os.access(file, os.R_OK)
    except PermissionError:
        return True
    except OSError:
        return False


def every(patient: Patient) -> Iterator[tuple[Loc, Secret]]:
    """Every secret the configuration names, also those of modules, with its place in it."""
    yield from secrets(patient.config)
    for module in patient.config.modules.settings:
        yield from secrets_within(("modules", module), patient.settings(module))


def _look(loc: Loc, secret: Secret, uid: int) -> Iterator[Finding]:
    """What is wrong with one secret, for a daemon of this user."""
    if is_elsewhere(secret):
        mend = (
            f"systemd-run --pipe --wait -p User=housecarl -p LoadCredential={secret.credential}:"
            "PATH housecarl doctor tries it too; or run doctor as root while the daemon runs."
        )
        yield skipped(PART, f"{secret} is there only within the unit", mend)
        return
    try:
        _read(loc, secret)
    except SecretError as error:
        later = isinstance(error, SecretLater)
        mend = "Is its mount dead? Mount it anew." if later else _mend(loc, secret, uid)
        yield trouble(PART, error.problems[0].text, mend)
        return
    file = secret.file
    if file is None:
        return
    owner = file.stat().st_uid
    if owner != uid and uid != 0:
        text = f"{file} belongs to {access.user(owner)}, the daemon is {access.user(uid)}"
        yield trouble(PART, text, f"chown {access.user(uid)} {file}")
    elif not access.may_read(file, uid):
        text = f"{file} is out of reach of {access.user(uid)}, as whom the daemon runs"
        yield trouble(PART, text, f"namei -l {file}  (shows which folder is in the way)")
    if who := access.replaced_by(file, uid):
        text = f"{file} can be replaced by {who}"
        yield trouble(PART, text, f"chmod go-w {file.parent}; see whose it is with ls -ld")


def _read(loc: Loc, secret: Secret) -> None:
    """Raise SecretError when it cannot be read, or is nothing that its place can use."""
    if loc[-1] == "totp":
        app_secret(secret)
    elif loc[-2:] == ("login", "hash"):
        _read_hash(secret)
    else:
        secret.read()


def _read_hash(secret: Secret) -> None:
    from argon2 import extract_parameters

    try:
        extract_parameters(secret.read())
    except ValueError:  # argon2's own is one; what was written there instead stays untold
        raise SecretError(str(secret), "is no argon2 hash of a password") from None


def _mend(loc: Loc, secret: Secret, uid: int) -> str:
    """How a secret that cannot be read is made."""
    if secret.file is not None and exposed(secret.file):
        return f"chmod 600 {secret.file}"
    if secret.file is not None and access.written_by(secret.file, uid):
        return f"chown {access.user(uid)} {secret.file}"
    if loc[-1] == "totp":
        return f"housecarl person totp {loc[1]}"
    if loc[-2:] == ("login", "hash"):
        return f"housecarl person password {loc[1]}"
    if secret.file is not None:
        owner = f" -o {access.user(uid)}" if uid != os.geteuid() == 0 else ""
        return f"install -m 600{owner} /dev/stdin {secret.file}  (then type it, and Ctrl-D)"
    if secret.env is not None:
        return f"Set {secret.env} in the environment of the daemon, and of doctor."
    return f"systemctl edit housecarl: [Service] LoadCredential={secret.credential}:PATH"
