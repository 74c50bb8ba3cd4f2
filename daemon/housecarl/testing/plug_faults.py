"""What can be wrong with a simulated plug: each fault is a word, some with a number after it."""

from __future__ import annotations

from dataclasses import dataclass, field

#: word -> what the plug does then
KNOWN = {
    "silent": "takes connections and never answers",
    "garbage": "answers bytes that mean nothing",
    "half_reply": "sends half an answer, then closes",
    "huge_reply": "announces four gigabytes",
    "list_reply": "answers a JSON list",
    "deep_reply": "answers 100,000 opening brackets",
    "nan_reply": "reports a power that is not a number",
    "no_watts": "has a meter that tells no power, only the rest",
    "no_meter": "refuses to read its meter, though it says it has one",
    "no_days": "refuses to tell what it counted by days and by months",
    "no_today": "has no entry of today yet",
    "empty_reply": "answers length zero and closes",
    "drip_reply": "sends one byte a second",
    "rst": "resets each connection after the request",
    "lost_reply": "carries out each request; each so-manieth answer is lost, each one without it",
    "lost@switch": "sets its relay; the answer to that is lost",
    "lost@meter": "reads its meter; each answer with that in it is lost",
    "lost@download": "begins the download; the answer to that order is lost",
    "lost@flash": "begins to write; the answer to that order is lost",
    "udp_lost": "never answers a datagram, or not the first so many",
    "countdown_stays": "goes on counting down when its relay is set",
    "relay_stuck": "says yes to set_relay_state and does nothing",
    "busy": "reports that another update is running",
    "unreachable": "cannot reach any download address",
    "vanish@download": "leaves the network when so many percent are loaded",
    "fail@download": "loses the download when so many percent are loaded",
    "stall@download": "stops loading when so many percent are loaded",
    "truncate@download": "keeps so many bytes less than were sent",
    "late@flash": "answers flash_firmware so many seconds late",
    "refuse@flash": "refuses flash_firmware with this error code",
    "powerloss@flash": "loses power after this part of the flash; never comes back",
    "hang@reboot": "does not come back from the reboot",
    "badboot": "comes back with the old version",
    "imposter": "comes back as another device",
    "meter_still_bad": "keeps its wrong meter after the flash",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one plug by word; the value is the number after the colon, 0.0 without one."""

    words: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Faults:
        """Faults from `word,word:number`; ValueError names a word nobody knows."""
        words: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            word, _, number = part.partition(":")
            if word not in KNOWN:
                raise ValueError(f"no fault {word!r}; known: {', '.join(KNOWN)}")
            words[word] = float(number or 0)
        return cls(words)

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def reached(self, word: str, value: float) -> bool:
        """Whether this fault strikes at `value` or before."""
        return word in self.words and value >= self.words[word]

    def number(self, word: str) -> float:
        """The number after the colon, 0.0 when the fault is not there."""
        return self.words.get(word, 0.0)
