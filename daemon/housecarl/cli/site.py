"""Where the files of a new house go, and whose they are."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from housecarl import config_file, private_file
from housecarl.config_spool import SERVICE_SPOOL, state_home
from housecarl.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Site:
    """The configuration, the spool as the configuration names it, and the daemon's user.

    `owner` is (uid, gid) of the user of the installed service, None for whoever runs this.
    """

    config: Path
    spool: str
    owner: tuple[int, int] | None = None

    @classmethod
    def of(cls, given: Path | None) -> Site:
        """The file that -c or the environment names; else root's or one's own usual place."""
        home = Path(os.path.expanduser("~/.config/housecarl/housecarl.yaml"))  # noqa: PTH111 - raises where there is no home
        named = given or os.environ.get("HOUSECARL_CONFIG")
        if not named and os.geteuid() != 0 and not home.is_absolute():
            raise NotAllowed("this login has no home folder: name a file with -c FILE")
        path = Path(named) if named else config_file.SERVICE_FILE if os.geteuid() == 0 else home
        path = path.absolute()
        if path == config_file.SERVICE_FILE:
            return cls(path, str(SERVICE_SPOOL), _daemon())
        if path == home:
            return cls(path, f"{state_home()}/housecarl/spool")
        return cls(path, "../spool" if path.parent.name == "config" else "spool")

    @property
    def old(self) -> Path:
        """Where a configuration that is there will stay: NAME.old, which is never written over."""
        names = (f"{self.config.name}.old{number}" for number in chain([""], count(2)))
        return next(path for name in names if not (path := self.config.with_name(name)).exists())

    def refuse_closed(self) -> None:
        """Raise NotAllowed where nothing can be written, before anybody answers for nothing."""
        folder = self.config.parent
        while not os.path.isdir(folder):  # noqa: PTH112 - pathlib's form raises where one may not look
            folder = folder.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            text = f"{folder}: this login may not write there; name another place with -c FILE"
            raise NotAllowed(text)

    def has(self, name: str) -> bool:
        """Whether a file that the configuration would name is there already."""
        return (self.config.parent / name).is_file()

    def write_secret(self, name: str, value: str | None) -> Path:
        """Write a secret for the daemon's eyes only; None: the one that is there. The path."""
        path = self._folder() / name
        if value is not None:
            private_file.write(path, value + "\n")
        self._hand_over(path.parent)
        private_file.close_to_others(path, self.owner)
        return path

    def write_config(self, text: str) -> None:
        """Put the configuration in its place; one that was there stays beside it as `old`."""
        self._folder()
        if self.config.exists():
            private_file.write(self.old, self.config.read_bytes())
        private_file.write(self.config, text)
        self._show(self.config, 0o640)

    def make_spool(self) -> Path:
        """Make the spool's folder when it is missing; the path."""
        spool = Path(os.path.normpath(Path(self.config.parent, Path(self.spool).expanduser())))
        if not spool.is_dir():
            spool.mkdir(mode=0o700, parents=True)
            self._hand_over(spool)
        return spool

    def _folder(self) -> Path:
        """The configuration's folder, made when it is missing."""
        folder = self.config.parent
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True)
            self._show(folder, 0o750)
        return folder

    def _show(self, path: Path, mode: int) -> None:
        """The service may read this and not change it."""
        if self.owner is not None:
            os.chown(path, -1, self.owner[1])
            path.chmod(mode)

    def _hand_over(self, folder: Path) -> None:
        """This is the service's own: it may write here, and nobody else may read."""
        if self.owner is not None:
            os.chown(folder, *self.owner, follow_symlinks=False)


def _daemon() -> tuple[int, int] | None:
    """The user of the installed service; None when there is none, or we may not give to it."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("housecarl")
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid
