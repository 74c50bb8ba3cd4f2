"""The settings of a module: its section of the config through its own pydantic model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from housecarl.config_words import Loc, model_in, near, words
from housecarl.errors import Problem

#: points at a place of the config file: (place, text) -> Problem
Locate = Callable[[Loc, str], Problem]


class Checked(NamedTuple):
    """The outcome for one module: its settings, or why it has none.

    `problems` are faults of a section that was written; `unset` says what a section that is missing
    would have to hold.
    """

    settings: Any = None
    problems: tuple[Problem, ...] = ()
    unset: str = ""


def check(
    module: ModuleType,
    section: str,
    sections: Mapping[str, Any],
    locate: Locate,
    context: Mapping[str, Any] | None = None,
) -> Checked:
    """Check the section of a module, with the keys its `Settings.borrows` takes from others.

    `borrows = {"plugs": "plug"}` fills the key `plugs` from the section of plug, unless the
    module's own section has it: what is configured once is not written twice, and its faults stand
    where it is. `context` is pydantic's validation context: it makes files and secrets relative to
    the config. Raises TypeError when `Settings` is no pydantic model, and whatever its code raises.
    """
    model = getattr(module, "Settings", None)
    given = sections.get(section)
    where: Loc = ("modules", section)
    if model is None:
        if not given:
            return Checked()
        return Checked(problems=(locate(where, f"module {section} has no settings"),))
    _check_model(model)
    if not isinstance(given, Mapping | None):
        return Checked(problems=(locate(where, f"{section} must be a section of keys"),))
    owners = _owners(model, given or {}, sections)
    borrowed = {key: sections[owner][key] for key, owner in owners.items()}

    def at_home(loc: Loc, text: str) -> Problem:
        owner = owners.get(str(loc[2]), section) if len(loc) > 2 else section
        return locate(("modules", owner, *loc[2:]), text)

    whole = {**borrowed, **(given or {})} if borrowed else given
    return _validate(model, section, whole, at_home, context)


def _check_model(model: Any) -> None:
    from pydantic import BaseModel

    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError("Settings is no pydantic model")


def _owners(model: Any, given: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, str]:
    """The keys that a module borrows, and the section each is taken from."""
    return {
        key: owner
        for key, owner in getattr(model, "borrows", {}).items()
        if key not in given and isinstance(sections.get(owner), Mapping) and key in sections[owner]
    }


def _validate(
    model: Any,
    section: str,
    given: Mapping[str, Any] | None,
    locate: Locate,
    context: Mapping[str, Any] | None,
) -> Checked:
    from pydantic import ValidationError

    place: Loc = ("modules", section)
    try:
        settings = model.model_validate({} if given is None else dict(given), context=context)
    except ValidationError as error:
        found = [(_place(one["loc"]), _text(one, model)) for one in error.errors()]
        if given is None:
            keys = ", ".join(".".join(map(str, ("modules", section, *loc))) for loc, _ in found)
            return Checked(unset=f"{section} is not set up: the config needs {keys}")
        found = [*_unknown(model, given), *found]
        return Checked(problems=tuple(locate((*place, *loc), text) for loc, text in found))
    unknown = _unknown_below(settings, given or {})
    return Checked(settings, tuple(locate((*place, *loc), text) for loc, text in unknown))


def _place(loc: Loc) -> Loc:
    """Where a fault stands; that of a name is where what has the name is."""
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def _unknown(model: Any, given: Mapping[str, Any]) -> list[tuple[Loc, str]]:
    """Keys that the model would silently ignore: a typo must not go unseen."""
    if model.model_config.get("extra") in ("allow", "forbid"):
        return []
    known = list(_keys(model))
    return [((key,), _foreign(model, str(key), known)) for key in given if key not in known]


def _unknown_below(value: Any, given: Any) -> Iterator[tuple[Loc, str]]:
    """Such keys of a model, and of those in it: `value` is what was made of `given`."""
    from pydantic import BaseModel, RootModel

    if isinstance(value, RootModel):  # it stands for what is in it
        value = value.root
    parts: Iterable[tuple[Any, Any, Any]] = ()
    if isinstance(value, BaseModel) and isinstance(given, Mapping):
        yield from _unknown(type(value), given)
        named = _keys(type(value)).items()
        parts = [(key, getattr(value, name), given[key]) for key, name in named if key in given]
    elif isinstance(value, Mapping) and isinstance(given, Mapping):
        parts = [(key, value[key], given[key]) for key in given if key in value]
    elif isinstance(value, list | tuple) and isinstance(given, list):
        parts = [(number, *pair) for number, pair in enumerate(zip(value, given, strict=False))]
    for key, part, of in parts:
        if not _is_remade(part, of):
            for loc, text in _unknown_below(part, of):
                yield (key, *loc), text


def _is_remade(value: Any, given: Any) -> bool:
    """Whether a check of a module's own made a model of other keys, so that it knows these."""
    from pydantic import BaseModel, RootModel

    if not isinstance(value, BaseModel) or not isinstance(given, Mapping):
        return False
    if isinstance(value, RootModel):
        return False
    told = {name for key, name in _keys(type(value)).items() if key in given}
    return not value.model_fields_set <= told | (value.model_extra or {}).keys()


def _keys(model: Any) -> dict[str, str]:
    """Every key that a model reads, and the field that it is for: its name, or its alias."""
    by_name = any(model.model_config.get(key) for key in ("populate_by_name", "validate_by_name"))
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        aliases = getattr(field.validation_alias, "choices", [field.validation_alias])
        firsts = [getattr(alias, "path", [alias])[0] for alias in aliases]
        own = [name] if by_name or field.validation_alias is None else []
        found |= {key: name for key in (*own, *firsts) if isinstance(key, str)}
    return found


def _text(error: Any, model: Any) -> str:
    key = error["loc"][-1] if error["loc"] else ""
    if error["type"] == "missing":
        return f"required key '{key}' is missing"
    if error["type"] == "extra_forbidden":
        inner = _within(model, error["loc"][:-1])
        return _foreign(inner, str(key), list(_keys(inner)))
    return words(error)


def _within(model: Any, loc: Loc) -> Any:
    """The model that reads the section at `loc` of a module's own, as far as it can be told."""
    for part in loc:
        if field := _keys(model).get(str(part)):
            model = model_in(model.model_fields[field].annotation) or model
    return model


def _foreign(model: Any, key: str, known: list[str]) -> str:
    """What to tell about a key that is not there: its new name, else the nearest."""
    now = getattr(model, "renamed", {}).get(key)
    return f"'{key}' is now '{now}'" if now else f"unknown key '{key}'{near(key, known)}"
