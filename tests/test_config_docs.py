"""Every key and default in docs/config.md and config/housecarl.yaml is the program's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel

from housecarl import config_spool
from housecarl.config_file import check, load
from housecarl.config_keys import Key, keys
from housecarl.config_show import schema
from housecarl.config_text import parse, scalar
from housecarl.secret import Secret
from housecarl.shipped import shipped

PAGE = Path(__file__).parents[1] / "docs" / "config.md"
EXAMPLE = shipped("config") / "housecarl.yaml"


def row(key: Key) -> str:
    """The line of one key in the table of docs/config.md."""
    default = key.default if key.default in ("required", "-") else f"`{key.default}`"
    return f"| `{key.path}` | {default} | {key.meaning} |"


def uncommented(text: str) -> str:
    """The example with every key set: a `#` directly before a key, or before its indentation."""
    return re.sub(r"^#(?=[a-z]|  +[a-z-])", "", text, flags=re.M)


def at(data: Any, path: str) -> Any:
    """The value at `people.NAME.may`, NAME being the name that comes first."""
    for part in path.replace("[]", ".[]").split("."):
        if part == "[]":
            data = data[0]
        elif part == "NAME":
            data = next(iter(data.values()))
        else:
            data = data[part]
    return data


def test_the_page_lists_every_key_with_its_default_and_nothing_else() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| `[a-z]", line)]
    assert rows == [row(key) for key in keys()]


def test_the_page_and_the_example_name_every_place_of_the_spool_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places that the program looks at, each when those before it are not there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    said = [f"$STATE_DIRECTORY{str(config_spool.spool_folder()).removeprefix(str(tmp_path))}"]
    monkeypatch.delenv("STATE_DIRECTORY")
    said += [f"{config_spool.spool_folder().relative_to(PAGE.parents[1])}/ of a checkout"]
    monkeypatch.setattr(config_spool, "__file__", str(tmp_path / "a/b/c/config.py"))
    said += [f"{config_spool.SERVICE_SPOOL} where it is ours"]
    monkeypatch.setattr(config_spool, "SERVICE_SPOOL", tmp_path / "none")
    said += [str(config_spool.spool_folder()).replace(str(tmp_path / "home"), "~")]
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith("| `spool` "))
    assert row.endswith(f" | Where messages live: {', else '.join(said)}. |")
    comment = re.search(r"(?m)^#spool: .*# default: (.*\n(?:#  .*\n)*)", EXAMPLE.read_text())
    assert comment is not None
    assert re.sub(r"\s+#?\s*#?\s*", " ", comment[1]).strip() == ", else ".join(said)


def test_every_example_on_the_page_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block)
        assert check(file) == []


def test_the_shipped_file_loads_as_it_is_and_obeys_nobody() -> None:
    config = load(EXAMPLE).config
    assert config.people == {}
    assert (config.doors.smtp, config.doors.imap, config.doors.drop) == (None, None, None)


def test_the_shipped_file_is_right_in_every_line(tmp_path: Path) -> None:
    """With every key set only the one real choice is left to make: password or OAuth."""
    file = tmp_path / "all.yaml"
    file.write_text(uncommented(EXAMPLE.read_text()))
    found = [problem.text for problem in check(file)]
    assert found == ["doors.imap.oauth: password and oauth both; keep one"]


@pytest.mark.parametrize("key", list(keys()), ids=lambda key: key.path)
def test_the_shipped_file_shows_each_key_with_its_default(key: Key) -> None:
    value = at(parse(uncommented(EXAMPLE.read_text())).data, key.path)
    if key.default not in ("required", "-", "[]", "{}") and "[]" not in key.path:
        assert value == scalar(key.default.strip('"'))


def test_the_schema_knows_every_key_and_the_ways_to_name_a_secret() -> None:
    text = json.dumps(schema())
    for key in keys():
        assert f'"{key.path.split(".")[-1]}":' in text
    assert '"credential":' in text
    assert schema()["additionalProperties"] is False


class Lamp(BaseModel):
    """A section that is checked as a whole."""

    fault: str = ""
    key: Annotated[Secret, AfterValidator(lambda secret: secret)] | None = None


class Lamps(BaseModel):
    """Several of them."""

    lamps: dict[str, Annotated[Lamp, AfterValidator(lambda lamp: lamp)]] = {}


def test_a_section_with_a_check_of_its_own_is_told_like_any_other() -> None:
    """A secret is one key, whatever looks at it: where it stands is told once for all."""
    told = [key.path for key in keys(Lamps)]
    assert told == ["lamps", "lamps.NAME.fault", "lamps.NAME.key"]
