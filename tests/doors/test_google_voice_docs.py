"""The configurations of docs/google-voice.md are taken as they stand there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from housecarl import config_file

PAGE = Path(__file__).parents[2] / "docs" / "google-voice.md"


def section(name: str) -> str:
    """The indented blocks of YAML below one heading."""
    text = re.split(r"(?m)^## ", PAGE.read_text())
    found = next(each for each in text if each.startswith(name))
    blocks = re.findall(r"(?m)(?:^ {4}.*\n|^\n)+", found)
    given = [textwrap.dedent(each) for each in blocks]
    return "\n".join(each for each in given if re.match(r"\s*(house|doors|trust|post):", each))


def parts(text: str) -> dict[str, str]:
    """The top-level keys with what stands below each."""
    return {each.partition(":")[0]: each for each in re.split(r"(?m)^(?=\w)", text) if each.strip()}


@pytest.mark.parametrize("way", ["5a", "5b", "OAuth"])
def test_each_way_is_a_configuration_that_is_taken(way: str, tmp_path: Path) -> None:
    whole = parts(section("5a")) | parts(section(way))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("gmail", "home.pem", "home.key", "oauth.json"):
        (secrets / name).write_text("x")
        (secrets / name).chmod(0o600)
    file = tmp_path / "housecarl.yaml"
    file.write_text("".join(whole.values()))
    config = config_file.load(file).config
    assert config.trust.google_voice is not None
    assert (config.doors.smtp if way == "5b" else config.doors.imap) is not None
