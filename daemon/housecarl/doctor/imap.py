"""The mailbox, tried for real: TLS, log-in, folder, what the server can do, and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from housecarl.config_doors import Imap
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.mail_host import advice, look_up, unread
from housecarl.doctor.patient import Patient
from housecarl.journal import values
from housecarl.memory import IMAP
from housecarl.thread import in_thread

if TYPE_CHECKING:
    from housecarl.doors.imap_line import Line
    from housecarl.doors.imap_socket import Opening

#: Seconds to connect, and of silence within an answer.
CONNECT, READ = 5.0, 8.0

#: Seconds for all of it.
WHOLE = 9.5

#: How far a server's clock may be ahead of ours.
AHEAD = timedelta(minutes=5)

PART = "imap"

#: (password, access token)
Proof = tuple[str, str | None]


async def examine(patient: Patient) -> list[Finding]:
    """Look at the mailbox; nothing in it is changed, and no mail is read."""
    door = patient.config.doors.imap
    if door is None:
        return [skipped(PART, "no mailbox in the configuration")]
    from housecarl.doors.imap_progress import key_of, restored
    from housecarl.doors.imap_socket import Opening

    await look_up(door.host, "doors.imap")
    progress = restored(patient.read(lambda conn: values.get(conn, IMAP, key_of(door))))
    last = None if progress is None else progress.last
    opening, found = Opening(), list[Finding]()
    try:
        await in_thread(partial(_look, door, opening, last, found), WHOLE)
    finally:
        opening.cut()
    return found


def _look(door: Imap, opening: Opening, last: int | None, found: list[Finding]) -> None:
    """One session, in a thread; raises Trouble."""
    from housecarl.doors.imap_bridge import Stopped
    from housecarl.doors.imap_line import Refused, faults
    from housecarl.doors.imap_socket import Cut

    proof = _proof(door, found)
    try:
        faults(partial(_session, door, proof, opening, last, found))
    except Stopped:
        return
    except (Cut, Refused) as error:
        text = str(error)
        raise Trouble(f"{door.host}: {text}", advice(text, "doors.imap")) from None


def _session(
    door: Imap, proof: Proof | None, opening: Opening, last: int | None, found: list[Finding]
) -> NoReturn:
    """Connect, log in, look; ends with Stopped when all is seen."""
    from imapclient import SocketTimeout

    from housecarl.doors.imap_bridge import Stopped
    from housecarl.doors.imap_line import Line

    line = Line(door, SocketTimeout(connect=CONNECT, read=READ), opening)
    try:
        if proof is None:
            found.insert(0, well(PART, f"{door.host}:{door.port} answers, {door.tls}"))
        else:
            line.enter(door.user, *proof)
            _look_inside(line, door, last, found)
    finally:
        line.shutdown()
    raise Stopped


def _proof(door: Imap, found: list[Finding]) -> Proof | None:
    """None when only the daemon can read the password, or it is not there; raises Trouble."""
    if door.oauth is not None:
        return "", _granted(door.oauth.client_file, door.host)
    assert door.password is not None  # the configuration has one of the two
    if (why := unread(PART, door.password)) is not None:
        found.append(why)
        return None
    return door.password.read(), None


def _granted(file: Path, host: str) -> str:
    """An access token; raises Trouble, which is about the grant and not about the mail host."""
    from housecarl.doors.imap_line import Refused
    from housecarl.doors.imap_oauth import token
    from housecarl.doors.imap_socket import Cut

    try:
        return token(file, host)
    except Refused as error:
        mend = (
            "Mend doors.imap.oauth.client_file, or grant access anew and put the new token there."
        )
        raise Trouble(f"{host}: {error}", mend) from None
    except Cut as error:
        mend = "Is this machine on the internet? See the line of dns; else try again in 15 min."
        raise Trouble(f"{host}: {error}", mend) from None


def _look_inside(line: Line, door: Imap, last: int | None, found: list[Finding]) -> None:
    from housecarl.doors.imap_shelf import located

    folder = located(line, door.folder)
    if folder != "INBOX" and not line.folder_exists(folder):
        mend = "Name one that is there as doors.imap.folder; Gmail's own begin with [Gmail]/."
        found.append(trouble(PART, f"{door.host}: there is no folder {door.folder}", mend))
        return
    line.forget()
    state = line.select_folder(folder, readonly=True)
    words = [f"{door.tls}, log-in, {door.folder} with {_mails(line, state, last)}"]
    words += _abilities(line, door, folder, found)
    found.insert(0, well(PART, f"{door.host}: {', '.join(words)}"))
    _tell_clock(line, state, found)


def _mails(line: Line, state: dict[bytes, Any], last: int | None) -> str:
    """How much lies there, and how much of it the daemon has not looked at yet."""
    count = int(state.get(b"EXISTS", 0))
    text = f"{count} message{'' if count == 1 else 's'}"
    if last is None or not count:
        return text
    new = sum(uid > last for uid in line.search(f"UID {last + 1}:*"))
    return f"{text} ({new} not looked at yet)"


def _abilities(line: Line, door: Imap, folder: str, found: list[Finding]) -> Sequence[str]:
    """IDLE, tried; and how messages will be put away."""
    from housecarl.doors.imap_shelf import beside
    from housecarl.doors.imap_socket import Cut

    told = []
    if line.has_capability("IDLE"):
        line.forget()
        line.wait_for_news(0.0)
        told.append("IDLE")
    else:
        told.append("no IDLE (looked at every 30 s)")
    way = next((each for each in ("MOVE", "UIDPLUS") if line.has_capability(each)), None)
    if door.move != "flag" and way is not None:
        try:
            there = line.folder_exists(beside(line, door, folder))
        except Cut as error:
            mend = "Name another folder as doors.imap.executed."
            found.append(trouble(PART, f"{door.host}: {error}", mend))
        else:
            told.append(f"{way} to {door.executed}{'' if there else ' (made at the start)'}")
    elif door.move == "move":
        mend = "Set doors.imap.move: flag"
        found.append(trouble(PART, f"{door.host} can neither MOVE nor UID EXPUNGE", mend))
    else:
        told.append("messages are flagged, not moved")
    return told


def _tell_clock(line: Line, state: dict[bytes, Any], found: list[Finding]) -> None:
    """The newest message cannot have come in the future; only the clocks can differ."""
    from housecarl.doors.imap_progress import dated

    if not state.get(b"EXISTS"):
        return
    newest = max(line.search("UID *"), default=0)
    told = line.fetch([newest], ["INTERNALDATE"]).get(newest, {}).get(b"INTERNALDATE")
    came = dated(told if isinstance(told, datetime) else None)
    if came is not None and came - datetime.now(UTC) > AHEAD:
        minutes = (came - datetime.now(UTC)).total_seconds() / 60
        text = f"the server's clock is {minutes:.0f} min ahead of ours"
        found.append(trouble(PART, text, "See the line of clock: one of the two is wrong."))
