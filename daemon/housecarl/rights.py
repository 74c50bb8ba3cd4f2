"""Person x command x proof -> run, ask for a code, refuse."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from housecarl.module import Risk
from housecarl.verdict import Proof

#: Age in seconds from which a change is not carried out (15 min: as long as one still waits).
LATE_SECONDS = 15 * 60.0

#: The answer to who sent a mail without a Message-ID and without a signature that we could check.
NO_KEY = (
    "Not done: this mail has no Message-ID, so I cannot tell it from a repeat. "
    "Send it from another program."
)

Word = Literal["run", "confirm", "refuse"]

#: The proof table: what each proof is good for, by risk; a claimed sender may do nothing.
TABLE: dict[Proof, dict[Risk, Word]] = {
    Proof.CLAIMED: {Risk.LOOK: "refuse", Risk.CHANGE: "refuse", Risk.DANGER: "refuse"},
    Proof.CARRIER: {Risk.LOOK: "run", Risk.CHANGE: "run", Risk.DANGER: "confirm"},
    Proof.SIGNED: {Risk.LOOK: "run", Risk.CHANGE: "run", Risk.DANGER: "confirm"},
    Proof.LOCAL: {Risk.LOOK: "run", Risk.CHANGE: "run", Risk.DANGER: "confirm"},
}


class Decision(NamedTuple):
    """What becomes of one call; `reason` is a stable word, `text` the sender's sentence."""

    word: Word
    risk: Risk
    reason: str | None = None
    text: str = ""


class Request(NamedTuple):
    """One call as rights see it; `sent` None means that no trusted time is known.

    `late` is the age in seconds at which this command is refused, `alone` whether the call is the
    only one of its message.
    """

    name: str
    risk: Risk
    proof: Proof
    sent: datetime | None
    now: datetime
    late: float = LATE_SECONDS
    alone: bool = True


def may_use(may: tuple[str, ...] | list[str], name: str, *, builtin: bool) -> bool:
    """Whether a `may` list covers a command; the built-in ones are everybody's."""
    return builtin or "*" in may or name in may


def decide(request: Request, timezone: ZoneInfo) -> Decision:
    """What becomes of a call that the person may use in principle."""
    word = TABLE[request.proof][request.risk]
    if word == "refuse":
        return Decision("refuse", request.risk, "no-proof", "I cannot tell that this is you.")
    if request.risk is Risk.LOOK:
        return Decision(word, request.risk)
    if request.sent is None:
        text = (
            f"{request.name}: I cannot tell when this was sent, so it was not done. Text it again."
        )
        return Decision("refuse", request.risk, "no-time", text)
    age = (request.now - request.sent).total_seconds()
    if age >= request.late:
        text = f"{request.name}: {too_old(request.sent, request.now, timezone)}"
        return Decision("refuse", request.risk, "late", text)
    if request.risk is Risk.DANGER and not request.alone:
        text = f"{request.name} must stand alone in its message. Nothing was done."
        return Decision("refuse", request.risk, "not-alone", text)
    return Decision(word, request.risk)


def too_old(sent: datetime | None, now: datetime, timezone: ZoneInfo) -> str:
    """The sentence for a message that is not carried out because of its age."""
    if sent is None or sent > now:
        return "Not done: I cannot tell when it was sent. Text it again if you still want it."
    local = sent.astimezone(timezone)
    day = "" if local.date() == now.astimezone(timezone).date() else f"{local:%d %b} "
    age = span((now - sent).total_seconds())
    return (
        f"Not done: sent {day}{local:%H:%M}, reached me {age} late. "
        "Text it again if you still want it."
    )


def span(seconds: float) -> str:
    """A duration in its two largest units at most: 40 s, 16 min, 3 h 5 min, 2 d 4 h."""
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
