"""Every setting of a shipped module is in docs/commands.md, and right in the shipped file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from tests.test_config_docs import EXAMPLE, uncommented

from housecarl import module_file
from housecarl.commands import commands_of
from housecarl.plugs.settings import PlugAddress
from housecarl.reply import MAX_CELL
from housecarl.secret import Secret
from housecarl.shipped import shipped

DOCS = Path(__file__).parents[1] / "docs"
#: Key, default and meaning of each row of the page.
ROWS = re.findall(
    r"(?m)^\| `([a-z]+\.[\w.]+)` \| (.+?) \| .+ \|$", (DOCS / "commands.md").read_text()
)
#: What a file of one's own need not show: other servers, and the clock of a simulated plug.
RARE = {"forecast", "geocoding", "second", "stations", "pace"}


def loaded(file: Path) -> ModuleType:
    """A shipped module, as the verbs load it."""
    name = module_file.private_name(file)
    return sys.modules.get(name) or module_file.load(file, name)


FILES = sorted(shipped("modules").glob("*.py"))
SETTINGS: dict[str, type[BaseModel]] = {
    file.stem: found for file in FILES if (found := getattr(loaded(file), "Settings", None))
}


def models(hint: Any) -> list[type[BaseModel]]:
    """The models within a hint, but for those that have a page of their own."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [] if hint in (Secret, PlugAddress) else [hint]
    return [model for each in get_args(hint) for model in models(each)]


def fields(model: type[BaseModel], at: str) -> Iterator[tuple[str, FieldInfo]]:
    """Each key below a section, with the keys of what is in it."""
    for name, field in model.model_fields.items():
        yield f"{at}.{name}", field
        named = ".NAME" if field.default_factory is dict else ""
        for inner in models(field.annotation):
            yield from fields(inner, f"{at}.{name}{named}")


FIELDS = {key: field for name in SETTINGS for key, field in fields(SETTINGS[name], name)}


def test_the_page_has_every_setting_and_no_other() -> None:
    assert sorted(key for key, _ in ROWS) == sorted(FIELDS)


@pytest.mark.parametrize(("key", "told"), ROWS, ids=[key for key, _ in ROWS])
def test_the_page_has_the_default_of_a_setting(key: str, told: str) -> None:
    field = FIELDS[key]
    if field.is_required() or told == "required":
        assert (field.is_required(), told) == (True, "required")
        return
    hint: Any = field.annotation
    if field.metadata:
        hint = Annotated[(hint, *field.metadata)]
    value = None if told == "-" else yaml.safe_load(told.strip("`"))
    meant = TypeAdapter(hint).validate_python(value)
    assert meant == field.get_default(call_default_factory=True)


def test_the_page_of_plugs_has_every_key_of_a_plug() -> None:
    page = (DOCS / "plugs.md").read_text()
    first = ", ".join(re.findall(r"(?m)^\| ([a-z_, ]+) \|", page)).split(", ")
    assert set(first) >= set(PlugAddress.model_fields)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_shipped_file_shows_the_settings_of_a_module_as_they_can_be_used(name: str) -> None:
    section = yaml.safe_load(uncommented(EXAMPLE.read_text()))["modules"][name]
    model = SETTINGS[name]
    model.model_validate(section, context={"folder": Path("/etc/housecarl")})
    borrowed: Mapping[str, str] = getattr(model, "borrows", {})
    assert set(section) >= set(model.model_fields) - RARE - set(borrowed)


def test_every_shipped_module_is_on_the_page() -> None:
    page = (DOCS / "commands.md").read_text()
    assert [file.stem for file in FILES if f"| `{file.stem}`" not in page] == []


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_no_help_of_a_command_is_cut(file: Path) -> None:
    for command in commands_of(loaded(file), file.stem, str(file)):
        assert len(command.long_help) <= MAX_CELL, command.name
