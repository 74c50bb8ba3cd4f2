"""A secret: where it is kept, how it is read, and that others cannot read it; never its value."""

from __future__ import annotations

import os
import re
import stat
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from housecarl.errors import SecretError, SecretLater
from housecarl.location import Location
from housecarl.thread import aside, within

#: bytes; the longest thing kept this way is a token file of an OAuth client, a few KiB
LARGEST = 64 * 1024

#: Seconds that a disk has for a secret, and to say whose a file is, which each verb asks: a network
#: mount that died would hold it up for ever, `person off` too.
READ_SECONDS, LOOK_SECONDS = 5.0, 1.0

#: part of a key that names a secret, in whatever section
NAMING = re.compile(r"pass|pasw|secret|token|hash|totp|api_?key", re.I)

#: what is wrong with a value in place of the name of a secret, whatever its key is called
INLINE = "a secret never stands in this file"

_HOW = "write {credential: NAME} (systemd), {file: PATH} or {env: NAME}"


class Secret(BaseModel):
    """Names one secret by exactly one of `credential`, `file` and `env`; holds no value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    credential: str | None = Field(
        default=None,
        description="Name of a systemd credential (LoadCredential=NAME:PATH in the unit).",
    )
    file: Location | None = Field(
        default=None, description="Path of a file that only its owner can read (chmod 600)."
    )
    env: str | None = Field(default=None, description="Name of an environment variable.")

    @model_validator(mode="before")
    @classmethod
    def _is_never_inline(cls, data: Any) -> Any:
        if not isinstance(data, dict | cls):
            raise ValueError(f"{INLINE}; {_HOW}")
        return data

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(value is not None for value in (self.credential, self.file, self.env)) != 1:
            raise ValueError(f"needs exactly one of credential, file and env; {_HOW}")
        if self.credential is not None and not re.fullmatch(r"[\w-][\w.-]*", self.credential):
            raise ValueError(f"credential takes a name, such as imap; {_HOW}")
        if self.env is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.env):
            raise ValueError(f"env takes the name of an environment variable; {_HOW}")
        return self

    def __str__(self) -> str:
        kind, name = next((k, v) for k, v in self if v is not None)
        return f"{kind} {name}"

    def read(self) -> str:
        """The secret, without its last line end.

        Raises SecretError with what to do: it is missing, empty, or others can read it.
        """
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise SecretError(str(self), "not set in the environment of this process")
        elif self.credential is not None:
            value = _read(self._credential(), str(self))
        else:
            assert self.file is not None
            value = _read(self.file, str(self), private=True)
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise SecretError(str(self), "is empty; write the secret into it")
        return value

    def _credential(self) -> Path:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise SecretError(
                str(self),
                f"systemd passed no credentials; add LoadCredential={self.credential}:PATH to the "
                "unit, or name the secret by {file: PATH}",
            )
        return Path(folder, str(self.credential))


def exposed(*files: Path) -> dict[Path, str]:
    """Those that others than their owner can read or write, each with what to do about it.

    One that is missing, in a folder we cannot look into, or on a disk that tells nothing, is not
    among them. They are looked at together, so that several on a dead mount take no longer.
    """
    looks = {file: aside(("look", file), file.stat) for file in files}
    wait(looks.values(), LOOK_SECONDS)
    told = {file: look.result() for file, look in looks.items() if _is_told(look)}
    faults = {file: _too_open(file, about.st_mode) for file, about in told.items()}
    return {file: fault for file, fault in faults.items() if fault}


def _is_told(look: Future[os.stat_result]) -> bool:
    return look.done() and look.exception() is None


def _too_open(file: Path, mode: int) -> str | None:
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"others can read or change {file}; run: chmod 600 {file}"
    return None


def _read(file: Path, name: str, *, private: bool = False) -> str:
    def read() -> bytes:
        with open(file, "rb", opener=_at_once) as stream:
            _refuse_unsafe(file, name, os.fstat(stream.fileno()), private)
            return stream.read(LARGEST + 1)

    try:
        data = within((file, name, private), read, READ_SECONDS)
    except TimeoutError:
        text = f"{file}: its disk gave nothing in {READ_SECONDS:g} s"
        raise SecretLater(name, text) from None
    except FileNotFoundError:
        raise SecretError(name, f"{file} does not exist; create it with mode 600") from None
    except OSError as error:
        raise SecretError(name, f"{file} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise SecretError(name, f"{file} is larger than {LARGEST // 1024} KiB: no secret")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SecretError(name, f"{file} is not UTF-8 text") from None


def _refuse_unsafe(file: Path, name: str, status: os.stat_result, private: bool) -> None:
    """Judge the file that was opened, not its name: what is checked is what is read."""
    if not stat.S_ISREG(status.st_mode):
        raise SecretError(name, f"{file} is not a plain file")
    if private and (fault := _too_open(file, status.st_mode)):
        raise SecretError(name, fault)
    if private and status.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        raise SecretError(name, f"{file} belongs to another user; run: chown $USER {file}")


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO would have us wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)
