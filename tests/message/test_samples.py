"""Every recorded message is read as its sidecar says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from housecarl.message import Kind, Message, read

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.eml"))

KINDS = {
    "gv_sms": Kind.SMS,
    "gv_group_or_mms": Kind.GROUP,
    "email": Kind.MAIL,
    "gmail_forwarding_confirmation": Kind.CONFIRMATION,
}
#: what is decided later than reading, or said of it in words only
LATER = frozenset(
    "auth commands command_normalised decision reply_must_be_sent_as reply_note".split()
)


def first_line(message: Message) -> str | None:
    return next((line for line in message.text.splitlines() if line.startswith("!")), None)


def said(message: Message, key: str) -> object:
    """What the message says under the sidecar's name for it."""
    facts = message.facts
    return {
        "kind": message.kind,
        "sender_number": message.sender if message.kind is Kind.SMS else None,
        "sender_address": message.sender,
        "sender_name": facts.get("name"),
        "gv_number": facts.get("gv_number"),
        "command_text": first_line(message),
        "reply_address": message.reply_to,
        "account": facts.get("account"),
        "code": facts.get("code"),
        "confirm_link": facts.get("link"),
    }[key]


def test_the_samples_are_there() -> None:
    assert len(NAMES) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_read_as_told(name: str) -> None:
    told: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())["expect"]
    message = read((SAMPLES / f"{name}.eml").read_bytes())
    for key, wanted in told.items():
        if key == "reply_thread":
            assert {each: getattr(message.thread, each) for each in wanted} == wanted
        elif key == "never_use_link":
            assert wanted not in repr(message)
        elif key not in LATER:
            assert said(message, key) == (KINDS[wanted] if key == "kind" else wanted), key
