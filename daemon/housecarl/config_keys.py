"""Every key a configuration may hold: its path, its type, its default and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from housecarl.config import Config
from housecarl.config_words import Loc, model_in
from housecarl.secret import Secret

#: what a reader sees in place of a name they choose, or of one of several
_ANY = "NAME"
_EACH = "[]"


class Key(NamedTuple):
    """One key: `people.NAME.phones`; `default` is YAML text, `required` for one that has none."""

    path: str
    default: str
    meaning: str


def keys(model: type[BaseModel] = Config, above: str = "") -> Iterator[Key]:
    """Every key of a model, sections before what they hold, in the order of the file."""
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        yield Key(path, _default(field), field.description or "")
        inner = model_in(field.annotation)
        if inner is not None and inner is not Secret:
            holder = get_origin(field.annotation)
            step = f".{_ANY}" if holder is dict else _EACH if holder is list else ""
            yield from keys(inner, f"{path}{step}.")


def names(loc: Loc) -> list[str]:
    """The keys that may stand in the section at `loc`."""
    return [field.alias or name for name, field in _section(loc).model_fields.items()]


def meaning(loc: Loc) -> str:
    """The description of the key at `loc`, empty when there is none."""
    for name, field in _section(loc[:-1]).model_fields.items():
        if loc[-1] in (field.alias, name):
            return field.description or ""
    return ""


def home(key: str) -> str | None:
    """The one section that holds `key`, "" for the top level; None when none or several do."""
    parts = [each.path.rpartition(".") for each in keys()]
    found = [section for section, _, last in parts if last == key]
    return found[0] if len(found) == 1 else None


def _section(loc: Loc) -> type[BaseModel]:
    """The model that reads the section at `loc`, as far as it can be told."""
    model: type[BaseModel] = Config
    for part in loc:
        for name, field in model.model_fields.items():
            if part in (field.alias, name):
                model = model_in(field.annotation) or model
                break
    return model


def _default(field: FieldInfo) -> str:
    """The default as it would be written, `-` for none and for a section of defaults."""
    if field.is_required():
        return "required"
    if field.default_factory or field.default is None or isinstance(field.default, BaseModel):
        return "-"
    return _written(field.default, field)


def _written(value: Any, field: FieldInfo) -> str:
    for mark in field.metadata:
        write = getattr(mark, "func", None)
        if hasattr(mark, "when_used") and write is not None:  # Duration, Size
            return str(write(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not value.isalnum():
        return f'"{value}"'
    return "{}" if value == {} else "[]" if value == [] else str(value)
