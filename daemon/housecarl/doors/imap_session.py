"""One session with the mail host: from the log-in until the connection ends."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NoReturn

import structlog
from imapclient import SocketTimeout

from housecarl.config_doors import Imap
from housecarl.doors.imap_bridge import Bridge
from housecarl.doors.imap_concern import Concern
from housecarl.doors.imap_line import Line, Refused, plain
from housecarl.doors.imap_lookout import LOOKS, Lookout
from housecarl.doors.imap_oauth import token
from housecarl.doors.imap_owed import Owed
from housecarl.doors.imap_patience import Patience
from housecarl.doors.imap_progress import Progress, dated, first, key_of, restored
from housecarl.doors.imap_section import ABOUT, WHOLE, content
from housecarl.doors.imap_shelf import KEYWORD, Shelf, located
from housecarl.doors.imap_socket import Cut, Opening
from housecarl.errors import SecretError, StorageError
from housecarl.message.form import MAX_SIZE
from housecarl.message.stamp import Stamp

#: Headers asked for at once: about 100 KiB of answer.
HEADERS = 200

#: Whole messages in memory at once; at most 5 MiB with the largest.
BODIES = 20

#: Done with, or never sent: nothing to read.
_PASSED = frozenset((b"\\Deleted", b"\\Draft", KEYWORD.encode()))

log = structlog.get_logger()


class Session:
    """Takes what concerns us out of one folder; `run` returns only by an exception."""

    def __init__(
        self,
        settings: Imap,
        concern: Concern,
        bridge: Bridge,
        patience: Patience,
        ready: Callable[[str], bool],
        left: str,
    ) -> None:
        self._settings = settings
        self._concern = concern
        self._bridge = bridge
        self._patience = patience
        self._ready = ready
        self._key = key_of(settings)
        #: what to tell of a message that nobody will look at again, too large or lost: also what
        #: the former session has left
        self.left = left
        self._refused: set[int] = set()
        self.opening = Opening()
        self.is_ready = False

    def run(self) -> NoReturn:
        """Log in and watch. Raises Refused, and what `faults` turns into Cut."""
        limits = SocketTimeout(connect=self._patience.connect, read=self._patience.read)
        settings = self._settings
        password, access = self._proof()
        self._line = Line(settings, limits, self.opening)
        try:
            self._line.enter(settings.user, password, access)
            self._open_folder()
            self._watch()
        finally:
            self._line.shutdown()

    def _proof(self) -> tuple[str, str | None]:
        """(password, access token or None); read anew each time. Raises Refused, Cut."""
        settings = self._settings
        if settings.oauth is not None:
            return "", token(settings.oauth.client_file, settings.host, self.opening)
        assert settings.password is not None, "the configuration has one or the other"
        try:
            return settings.password.read(), None
        except SecretError as error:
            raise Refused(str(error)) from None

    def _open_folder(self) -> None:
        """Select the folder, make sure of the shelf, and find out where we were."""
        watched = located(self._line, self._settings.folder)
        state = self._line.select_folder(watched)
        self._shelf = Shelf(self._line, self._settings, watched, state.get(b"PERMANENTFLAGS", ()))
        self._validity = int(state.get(b"UIDVALIDITY", 0))
        next_uid = int(state.get(b"UIDNEXT", 0)) or self._highest() + 1
        try:
            known = restored(self._bridge.recall(self._key))
            if known is None:
                now = self._bridge.now()
                known = first(self._validity, next_uid, now, all_old=self._settings.all_old)
                self._bridge.keep(self._key, known.stored())
        except StorageError as error:
            raise Cut(f"the journal cannot be used: {error}") from None
        self._progress = known
        # A server restored from a copy may count anew without saying so.
        self._is_renumbered = known.validity != self._validity or next_uid <= known.last
        owed = {} if self._is_renumbered else known.owed
        self._owed = Owed(owed, self._patience.again, self._settings.poll)
        self._next = next_uid

    def _highest(self) -> int:
        """The highest UID, from a server that does not tell the next one."""
        return max(self._line.search("UID *"), default=0)

    def _watch(self) -> NoReturn:
        """Take what is new, then wait for more, for ever."""
        lookout = Lookout(self._line, self._settings, self._bridge, self._patience)
        is_busy = True
        while True:
            last = self._progress.last
            is_done = self._take_all()
            found = self._progress.last > last
            if is_done:  # each time anew: what was left there may not have been told yet
                self.is_ready = self._ready(self._text())
            if not self.is_ready or not is_done:
                wait = self._patience.again
            elif is_busy:
                # some servers never tell, in IDLE, of what came just before it
                wait = self._patience.brief
            else:
                wait = min(self._settings.poll, self._owed.wait())
            is_busy = lookout.wait(wait, found=found) or found

    def _text(self) -> str:
        return f"{self._settings.folder} of {self._settings.host} is watched{self.left}"

    def _take_all(self) -> bool:
        """Take what is new until the server tells of nothing more; as `_take_new` says.

        What came while we looked was told amid other answers, and IDLE would not repeat it.
        """
        fruitless = 0
        while fruitless < LOOKS:
            last = self._progress.last
            self._line.forget()
            if not self._take_new():
                return False
            if not self._line.heard():
                break
            fruitless = 0 if self._progress.last > last else fruitless + 1
        self._line.forget()
        return True

    def _take_new(self) -> bool:
        """Take what is owed and all that came; False when the spool would not take something."""
        if self._is_renumbered:
            criteria: Any = ["SINCE", self._progress.since()]
            found = sorted(self._line.search(criteria))
        else:
            last = self._progress.last
            # `n:*` always names the last message, whatever its number
            found = sorted(u for u in self._line.search(f"UID {last + 1}:*") if u > last)
        new = [uid for uid in found if uid not in self._owed.tries]
        # what is owed comes in chunks of its own: one refusal costs a command for each of a chunk
        for uids, is_owed in ((self._owed.due(), True), (new, False)):
            for some in chunks(uids, HEADERS):
                if not self._take_some(some, is_owed=is_owed):
                    return False
        if self._is_renumbered:
            last = max([self._next - 1, *found])
            self._keep(self._progress._replace(validity=self._validity, last=0), last)
            self._is_renumbered = False
        return True

    def _take_some(self, uids: Sequence[int], *, is_owed: bool) -> bool:
        """Take what is ours of these, then note how far we are; False when one must wait."""
        note = partial(self._note, uids, is_owed=is_owed)
        self._refused.clear()
        about = self._fetched(uids, ABOUT)
        ours = [uid for uid in uids if uid in about and self._is_wanted(uid, about[uid])]
        for some in chunks(ours, BODIES):
            waits = self._take(some, about)
            if waits is not None:
                note(waits - 1)
                return False
            note(some[-1])
        note(uids[-1])
        return True

    def _note(self, uids: Sequence[int], last: int, *, is_owed: bool) -> None:
        """Remember that of these all up to `last` are read, but for what was refused.

        What is owed says nothing of what lies between, which may wait for room in the spool. While
        the numbers are new, only the end of it counts.
        """
        self._owed.settle(uid for uid in uids if uid <= last and uid not in self._refused)
        known = self._progress
        reach = known.last if is_owed else last
        if not self._is_renumbered and (reach > known.last or self._owed.tries != known.owed):
            self._keep(known, reach)

    def _keep(self, progress: Progress, last: int) -> None:
        """Remember that; when it fails the next one will do, a message read twice is known."""
        self._progress = progress.moved(last, self._owed.tries, self._bridge.now())
        try:
            self._bridge.keep(self._key, self._progress.stored())
        except StorageError as error:
            log.warning("imap-not-kept", why=str(error))

    def _fetched(self, uids: Sequence[int], items: Sequence[str]) -> dict[int, dict[bytes, Any]]:
        """What the server says of these; what was expunged is missing.

        One message that it cannot read must not keep us from the others: then ask for each alone,
        and for that one again later.
        """
        try:
            return self._given(uids, self._line.fetch(uids, items))
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if len(uids) > 1:
                one_by_one = [self._fetched([uid], items) for uid in uids]
                return {uid: item for each in one_by_one for uid, item in each.items()}
            self._put_off(uids[0], plain(str(error)))
            return {}

    def _given(
        self, uids: Sequence[int], answers: Mapping[int, dict[bytes, Any]]
    ) -> dict[int, dict[bytes, Any]]:
        """Those that came with what was asked for; one that came without is asked for again."""
        came = [uid for uid in uids if uid in answers]
        for uid in came:
            if content(answers[uid]) is None:
                self._put_off(uid, "it came without its content")
        return {uid: answers[uid] for uid in came if uid not in self._refused}

    def _put_off(self, uid: int, why: str) -> None:
        """Ask for a refused message again another time, and tell of one that is given up."""
        self._refused.add(uid)
        is_first = uid not in self._owed.tries
        again = self._owed.refuse(uid)
        if is_first or not again:
            log.warning("imap-unreadable", uid=uid, again=again, why=why)
        if not again:
            self.left = "; a message that it would not give was left there"

    def _is_wanted(self, uid: int, about: dict[bytes, Any]) -> bool:
        """Whether a message concerns us and may be fetched."""
        if _PASSED.intersection(about.get(b"FLAGS", ())):
            return False
        if self._is_renumbered and self._progress.is_before_us(dated(about.get(b"INTERNALDATE"))):
            return False
        if not self._concern.is_ours(content(about) or b""):
            return False
        return self._fits(uid, int(about.get(b"RFC822.SIZE", 0)))

    def _fits(self, uid: int, size: int) -> bool:
        """Whether a message is no larger than what is ever read; tells of one that is."""
        if size > MAX_SIZE:
            log.warning("imap-too-large", uid=uid, bytes=size, at_most=MAX_SIZE)
            kib = f"{size // 1024} KiB was left there, {MAX_SIZE // 1024} at most"
            self.left = f"; a message of {kib}"
            return False
        return True

    def _take(self, uids: Sequence[int], about: dict[int, dict[bytes, Any]]) -> int | None:
        """Fetch these whole, store them, put away what is safe; the first one that must wait."""
        whole = self._fetched(uids, WHOLE)
        letters = []
        for uid in uids:
            raw = content(whole.get(uid, {}))
            if raw and self._fits(uid, len(raw)):
                letters.append((uid, raw, self._stamp(uid, dated(about[uid].get(b"INTERNALDATE")))))
        safe = self._bridge.deliver([(raw, stamp) for _, raw, stamp in letters])
        stored = [letter[0] for letter, is_safe in zip(letters, safe, strict=True) if is_safe]
        self._shelf.put(stored)
        return next((uid for uid, _, _ in letters if uid not in stored), None)

    def _stamp(self, uid: int, internal: datetime | None) -> Stamp:
        return Stamp(
            door="imap",
            arrived=self._bridge.now(),
            peer=self._settings.host,
            tls="" if self._settings.tls == "none" else "yes",
            imap=f"{self._validity}.{uid}",
            internal="" if internal is None else internal.isoformat(),
        )


def chunks(uids: Sequence[int], size: int) -> Iterator[list[int]]:
    """The numbers in order, `size` at a time."""
    rest = iter(uids)
    while some := list(islice(rest, size)):
        yield some
