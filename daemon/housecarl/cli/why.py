"""`why`: every decision about one message, with its reason."""

from __future__ import annotations

import asyncio
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    import sqlite3

    from housecarl.config_file import Loaded
    from housecarl.judge import Case
    from housecarl.message import Stamp
    from housecarl.trust import Resolver

#: Bytes of a file that are read: more than any door takes, so that its size is refused as theirs.
LARGEST = 1 << 20


class Circumstances(NamedTuple):
    """What a door and a clock would have said about a file that is judged afresh."""

    at: datetime | None
    dns: Path | None
    door: str | None
    mail_from: str | None
    rcpt_to: str | None
    peer: str | None


@click.command("why")
@click.argument("message")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--at", metavar="TIME", help="The time that stands for now: 2026-11-23T10:00:08Z.")
@click.option(
    "--dns",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON that stands for the whole DNS.",
)
@click.option("--mail-from", metavar="ADDRESS", help="Envelope sender that a door would have seen.")
@click.option(
    "--rcpt-to", metavar="ADDRESS", help="Envelope recipient that a door would have seen."
)
@click.option("--peer", metavar="IP", help="Address of the client that a door would have seen.")
@click.option("--door", type=click.Choice(["smtp", "imap", "drop"]), help="The door it came by.")
@click.pass_context
def verb(
    ctx: click.Context,
    message: str,
    as_json: bool,
    at: str | None,
    dns: Path | None,
    mail_from: str | None,
    rcpt_to: str | None,
    peer: str | None,
    door: str | None,
) -> None:
    """Tell every decision about MESSAGE: the id of a message that was handled, or a file.

    A file is judged afresh: read, trust, syntax and rights; nothing is run or written.
    """
    from housecarl.cli import configuration

    loaded = configuration.load(ctx.obj)
    path = Path(message)
    is_id = re.fullmatch(r"[0-9a-fA-F]{4,16}", message)
    # pathlib's form raises in a folder that this login may not look into
    if is_id and not os.path.isfile(path):  # noqa: PTH113
        told = _recall(loaded, message.casefold())
    elif _is_file(path):
        how = Circumstances(_time(at), dns, door, mail_from, rcpt_to, peer)
        told = asyncio.run(_judge(loaded, path, how))
    else:
        raise click.UsageError(f"{message}: no such file, and no id (4 to 16 hex digits)")
    click.echo(json.dumps(told, indent=2) if as_json else _told(told))


def _is_file(path: Path) -> bool:
    """Whether a plain file is there; raises PermissionError where this login may not look."""
    from housecarl.disk import is_there

    return is_there(path) and path.is_file()


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at: {text} is no time such as 2026-11-23T10:00:08Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def _judge(loaded: Loaded, path: Path, how: Circumstances) -> dict[str, Any]:
    """Steps 4 to 7 of the worker on a file, with what is known of its way here."""
    from housecarl.message.stamp import split
    from housecarl.rehearsal import make_judge

    with path.open("rb") as file:
        stored = file.read(LARGEST)
    inside = path.resolve().is_relative_to(loaded.config.spool.resolve())
    stamp, raw = split(stored) if inside else (None, stored)
    resolver = _answers(how.dns) if how.dns else None
    now = how.at or (stamp.arrived if stamp else datetime.now(UTC))
    if stamp is None and how.door == "drop":
        stamp, raw = _dropped(path, stored, now)
    judge = await make_judge(loaded, resolver)
    return told_of(await judge.judge("", raw, _stamp(stamp, how, now), now))


def _dropped(path: Path, stored: bytes, now: datetime) -> tuple[Stamp, bytes]:
    """The file as its door takes it: of whoever owns it, `As: PERSON` before a text or not."""
    from housecarl.doors import drop_text
    from housecarl.message import Stamp

    as_person, raw = drop_text.read(stored)
    uid = str(path.stat().st_uid)
    return Stamp(door="drop", arrived=now, uid=uid, as_person=as_person), raw


def _answers(path: Path) -> Resolver:
    """What stands for the whole DNS."""
    from housecarl.trust import Answers

    try:
        return Answers.load(path)
    except OSError as error:
        raise click.UsageError(f"--dns: {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        text = 'is no JSON such as {"k._domainkey.example.org": {"TXT": ["v=DKIM1; ..."]}}'
        raise click.UsageError(f"--dns: {path} {text}") from None


def _stamp(stamp: Stamp | None, how: Circumstances, now: datetime) -> Stamp | None:
    """The stamp that is known, else the one that the options stand for."""
    from housecarl.message import Stamp

    if stamp is None and how.door is None and how.mail_from is None and how.rcpt_to is None:
        return None
    base = stamp or Stamp(door=how.door or "smtp", arrived=now)
    return base._replace(
        mail_from=base.mail_from if how.mail_from is None else how.mail_from,
        rcpt_to=base.rcpt_to if how.rcpt_to is None else how.rcpt_to,
        peer=base.peer if how.peer is None else how.peer,
    )


def told_of(case: Case) -> dict[str, Any]:
    """The object that `why FILE --json` prints."""
    message, verdict = case.message, case.verdict
    told: dict[str, Any] = {
        "kind": message.kind.value,
        "person": verdict.person,
        "sender": verdict.sender or message.sender,
        "proof": verdict.proof.value,
        "verdict": case.word,
        "reason": case.reason,
        "calls": [call.words for call in case.calls],
        "reply_to": message.reply_to,
        "sent": verdict.sent.isoformat() if verdict.sent else None,
        "age_s": (case.now - verdict.sent).total_seconds() if verdict.sent else None,
        "checks": dict(verdict.checks),
    }
    if message.kind.value == "sms":
        told["text"] = message.text
        told["thread"] = {
            "subject": message.thread.subject,
            "in_reply_to": message.thread.in_reply_to,
            "references": list(message.thread.references),
        }
    if message.kind.value == "confirmation":
        told |= {name: message.facts.get(name) for name in ("account", "code", "link")}
    return told


def _recall(loaded: Loaded, identity: str) -> dict[str, Any]:
    """What was recorded about a message when it was handled."""
    from housecarl.cli import journal

    return journal.read(loaded, lambda conn: _recorded(conn, identity))


def _recorded(conn: sqlite3.Connection, identity: str) -> dict[str, Any]:
    from housecarl.errors import HousecarlError
    from housecarl.journal import receipts, replies, runs

    receipt = receipts.find(conn, identity)
    if receipt is None:
        raise HousecarlError(f"no message {identity} in the journal")
    sent = None if receipt.sent is None else datetime.fromtimestamp(receipt.sent, UTC)
    return {
        "id": receipt.id,
        "kind": receipt.kind,
        "person": receipt.person,
        "sender": receipt.sender,
        "proof": receipt.proof,
        "verdict": receipt.verdict,
        "reason": receipt.reason,
        "calls": [list(call) for call in receipt.calls],
        "reply_to": receipt.reply_to,
        "sent": sent.isoformat() if sent else None,
        "age_s": receipt.arrived - receipt.sent if receipt.sent else None,
        "checks": dict(receipt.checks),
        "door": receipt.door,
        "state": receipt.state,
        "file": receipt.file,
        "runs": [
            {"words": list(r.words), "outcome": r.outcome, "text": r.text, "detail": r.detail}
            for r in runs.of(conn, receipt.id)
        ],
        "replies": [
            {"to": r["address"], "state": r["state"], "text": r["text"], "error": r["error"]}
            for r in replies.of(conn, receipt.id)
        ],
    }


def _told(told: dict[str, Any]) -> str:
    """The same for a person: one line for each decision."""
    lines = []
    for key, value in told.items():
        if key == "checks":
            lines += [f"  check {name}: {result}" for name, result in value.items()]
        elif key == "calls":
            lines += [f"call: {' '.join(words)}" for words in value] or ["call: none"]
        elif key in ("runs", "replies"):
            one = "run" if key == "runs" else "reply"
            lines += [f"{one}: {_flat(each)}" for each in value]
        elif value is not None:
            lines.append(f"{key}: {_flat(value)}")
    return "\n".join(lines)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(each)}" for name, each in value.items() if each)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
