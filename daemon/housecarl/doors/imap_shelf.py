"""The shelf: where a message goes on the server once the spool has it safely."""

from __future__ import annotations

import imaplib
from collections.abc import Sequence
from enum import StrEnum

import structlog

from housecarl.config_doors import Imap
from housecarl.doors.imap_line import Line, plain
from housecarl.doors.imap_socket import Cut

#: What marks a message as done where it cannot be moved.
KEYWORD = "$Housecarl"

log = structlog.get_logger()


class Way(StrEnum):
    """How messages are put away."""

    MOVE = "move"
    COPY = "copy"
    FLAG = "flag"
    LEAVE = "leave"


class Shelf:
    """Puts messages of the selected folder `watched` away; `permanent` is its PERMANENTFLAGS."""

    def __init__(
        self, line: Line, settings: Imap, watched: str, permanent: Sequence[bytes]
    ) -> None:
        self._line = line
        self._flag = mark(permanent)
        self._folder = ""
        self.way = self._way(settings)
        if self.way in (Way.MOVE, Way.COPY):
            self._folder = beside(line, settings, watched)
            self._prepare(settings)

    def _way(self, settings: Imap) -> Way:
        """The best way this server knows, as far as the settings let us."""
        if settings.move != "flag" and self._line.has_capability("MOVE"):
            return Way.MOVE
        if settings.move != "flag" and self._line.has_capability("UIDPLUS"):
            return Way.COPY
        if settings.move == "move":
            raise Cut("it can neither MOVE nor UID EXPUNGE; set move: flag")
        return Way.FLAG if self._flag else Way.LEAVE

    def _prepare(self, settings: Imap) -> None:
        """Make the folder if there is none; without one, flag."""
        line = self._line
        try:
            if not line.folder_exists(self._folder):
                line.create_folder(self._folder)
                line.subscribe_folder(self._folder)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if line.folder_exists(self._folder):
                return  # subscribing is a kindness, and somebody may have been faster
            if settings.move == "move":
                raise Cut(f"folder {settings.executed}: {plain(str(error))}") from None
            log.warning("imap-flags-only", folder=settings.executed, why=plain(str(error)))
            self.way = Way.FLAG if self._flag else Way.LEAVE

    def put(self, uids: Sequence[int]) -> None:
        """Put these messages away; one that the server will not have moved stays where it is.

        Never a plain EXPUNGE: that would also take what the owner had marked as deleted.
        """
        if not uids or self.way is Way.LEAVE:
            return
        try:
            if self.way is Way.MOVE:
                self._line.move(uids, self._folder)
            elif self.way is Way.COPY:
                self._line.copy(uids, self._folder)
                self._line.add_flags(uids, [b"\\Deleted"], silent=True)
                self._line.uid_expunge(uids)
            else:
                self._line.add_flags(uids, [self._flag], silent=True)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            log.warning("imap-left-in-place", uids=list(uids), why=plain(str(error)))


def mark(permanent: Sequence[bytes]) -> str:
    """The flag that may stay on a message: our keyword, else \\Seen, else none."""
    if b"\\*" in permanent or KEYWORD.encode() in permanent:
        return KEYWORD
    return "\\Seen" if b"\\Seen" in permanent else ""


def beside(line: Line, settings: Imap, watched: str) -> str:
    """The folder of `executed` as the server names it. Raises Cut when it is the watched one.

    What is moved there would be new there, without end. The configuration cannot tell: `a.b` is
    `a/b` where the delimiter is a dot.
    """
    folder = located(line, settings.executed)
    if folder.casefold() == watched.casefold():
        raise Cut(f"folder {settings.executed} is the one that is watched")
    return folder


def located(line: Line, folder: str) -> str:
    """A folder of the settings as the server names it: its delimiter for `/`, below its prefix."""
    if folder.upper() == "INBOX":
        return "INBOX"
    prefix, delimiter = line.home() or ("", _delimiter(line))
    # a server without a hierarchy has no delimiter: the name must still be one
    name = folder.replace("/", delimiter or "-")
    return name if name.startswith(prefix) else prefix + name


def _delimiter(line: Line) -> str:
    roots = line.list_folders("", "")
    return (roots[0][1] or b"").decode("ascii", "replace") if roots else ""
