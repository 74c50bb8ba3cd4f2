"""A lost phone is switched off in the house that runs, whatever its file says by now."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import HOUSECARL, Verb, verb_of

from housecarl.testing.house import TestHouse


def obeys_bo(house: TestHouse) -> bool:
    """Whether the daemon answers bo, once it has seen what was written into its journal."""
    house.do(house.daemon.house.refresh())  # type: ignore[union-attr]
    house.drop("As: bo\n!uptime\n")
    house.until(lambda: not (house.spool / "note.txt").exists())
    house.settle()
    return house.log()[-1].endswith("bo uptime: executed")


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("  bo:", "  eve:"), "newer.yaml, which knows ann, eve\n"),
        (("house:", "hose:"), "note: the former configuration goes on, the file is broken: "),
        (("house:", "house: ["), "note: the former configuration goes on, the file is broken: "),
    ],
    ids=["named no more", "a fault", "no YAML"],
)
def test_whom_the_daemon_obeys_still_is_switched_off_and_on(
    house: TestHouse, change: tuple[str, str], said: str
) -> None:
    newer = house.folder / "newer.yaml"
    newer.write_text((house.folder / "housecarl.yaml").read_text().replace(*change))
    verb = verb_of(newer)
    done = verb("person", "off", "bo")
    assert (done.returncode, said in done.stderr) == (0, True), done.stderr
    assert done.stdout == "bo is off. `housecarl person on bo` switches them on again.\n"
    assert not obeys_bo(house)
    done = verb("person", "on", "bo")
    assert (done.returncode, done.stdout, said in done.stderr) == (0, "bo is on.\n", True)
    assert obeys_bo(house)


@pytest.mark.long
def test_who_was_switched_off_is_listed_also_when_the_file_names_them_no_more(
    house: TestHouse, verb: Verb
) -> None:
    """Under another name they are obeyed: the switch is kept by name."""
    verb("person", "off", "eve")
    *_, last = verb("person", "list").stdout.splitlines()
    assert last.startswith("eve: no longer in the configuration; OFF since 2")
    verb("person", "on", "eve")
    assert "eve" not in verb("person", "list").stdout


@pytest.mark.long
def test_a_switch_that_no_daemon_hears_now_is_told(house: TestHouse) -> None:
    """One may run on the spool that the file named before, and obey them still."""
    newer, spool = house.folder / "moved.yaml", house.folder / "moved"
    text = (house.folder / "housecarl.yaml").read_text()
    newer.write_text(text.replace("spool: spool", "spool: moved"))
    done = verb_of(newer)("person", "off", "bo")
    assert (done.returncode, done.stdout[:10]) == (0, "bo is off.")
    assert done.stderr == f"note: no daemon serves {spool} now; it holds once one does\n"
    assert obeys_bo(house)


@pytest.mark.parametrize("word", ["on", "off"])
def test_what_cannot_be_a_person_is_a_usage_error(verb: Verb, word: str) -> None:
    done = verb("person", word, "+13035550199")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'+13035550199' is no name: a letter, then up to 31 letters" in done.stderr


def test_a_broken_file_of_no_house_that_runs_is_told(tmp_path: Path) -> None:
    """Where its spool is would be a guess."""
    config = tmp_path / "house.yaml"
    config.write_text("spool: spool\nhose: Elm\n")
    (tmp_path / "spool").mkdir()
    done = verb_of(config)("person", "off", "ann")
    assert (done.returncode, "hose: unknown key" in done.stderr) == (78, True)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("words", [("person", "password", "ann"), ("person", "totp", "ann")])
@pytest.mark.long
def test_a_closed_input_is_an_empty_one(house: TestHouse, words: tuple[str, ...]) -> None:
    """As some schedulers start a program."""
    close = ("sh", "-c", 'exec "$0" "$@" <&-', HOUSECARL, "-c", house.folder / "housecarl.yaml")
    done = subprocess.run([*close, *words], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
