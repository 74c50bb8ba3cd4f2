"""`why` on a file: judged afresh, with what the options say of its way here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.conftest import LOGIN, Verb, verb_of
from tests.cli.forked import shared

SAMPLES = Path(__file__).parents[1] / "samples"

#: What a letter needs at least.
LETTER = "From: ann@example.org\nSubject: !uptime\n\nhello\n"


def way(about: dict[str, Any]) -> list[str]:
    """The options that stand for the way of a sample."""
    envelope = about["envelope"]
    given = {
        "--at": about["now"],
        "--door": about["route"],
        "--mail-from": envelope["mail_from"],
        "--rcpt-to": envelope["rcpt_to"][0],
        "--peer": envelope["client_ip"],
        "--dns": SAMPLES / "dns.json",
    }
    return [str(each) for option in given.items() for each in option]


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "name",
    [
        "01_gv_2012_forwarded",
        "07_gmail_forwarding_confirmation_link",
        "09_iphone_html_only_reply",
    ],
)
def test_a_sample_of_each_kind_is_told_as_its_sidecar_says(name: str) -> None:
    about = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    about["why"].pop("with_without_arc", None)
    config, file = SAMPLES / "housecarl.yaml", SAMPLES / f"{name}.eml"
    done = shared().run("-c", config, "why", file, "--json", *way(about))
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert {key: told[key] for key in about["why"]} == about["why"]
    if told["kind"] == "sms":
        assert told["text"] == about["expect"]["command_text"]
        thread = about["expect"]["reply_thread"]
        assert told["thread"] | thread == told["thread"]
    assert ("link" in told) == (told["kind"] == "confirmation"), "no other letter has one"


@pytest.fixture
def verb(tmp_path: Path) -> Verb:
    """Verbs of a house that knows this login as ann, and bo."""
    config = tmp_path / "house.yaml"
    people = f"{{ann: {{unix: [{LOGIN}], may: [uptime]}}, bo: {{unix: [bo], may: [ping]}}}}"
    config.write_text(f"spool: spool\ndoors: {{drop: {{}}}}\npeople: {people}\n")
    return verb_of(config)


@pytest.mark.parametrize(
    ("data", "person", "verdict", "calls"),
    [
        (LETTER.encode(), "ann", "run", [["uptime"]]),
        (b"!uptime\n", "ann", "run", [["uptime"]]),
        ("!uptime\r\n".encode("utf-16"), "ann", "run", [["uptime"]]),
        (b"As: bo\n!uptime\n", "bo", "refuse", [["uptime"]]),
    ],
    ids=["a letter", "a text", "UTF-16", "as another"],
)
def test_a_file_is_judged_as_its_door_would_take_it(
    verb: Verb,
    tmp_path: Path,
    data: bytes,
    person: str,
    verdict: str,
    calls: list[list[str]],
) -> None:
    """What is put into the spool is a text of whoever owns the file, when it is no e-mail."""
    file = tmp_path / "note.txt"
    file.write_bytes(data)
    told = json.loads(verb("why", file, "--door", "drop", "--json").stdout)
    assert (told["person"], told["verdict"], told["calls"]) == (person, verdict, calls)
    assert (file.read_bytes(), (tmp_path / "spool").exists()) == (data, False), "nothing is run"


@pytest.mark.parametrize(
    ("at", "code", "said"),
    [
        ("2026-11-23T10:00:08", 0, "sent: 2026-11-23T10:00:08+00:00"),
        ("yesterday", 2, "--at: yesterday is no time such as 2026-11-23T10:00:08Z"),
    ],
)
def test_the_time_that_stands_for_now_is_utc_where_it_says_no_zone(
    verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, code: int, said: str
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    file = tmp_path / "letter.eml"
    file.write_text(LETTER)
    done = verb("why", file, "--door", "drop", "--at", at)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout
