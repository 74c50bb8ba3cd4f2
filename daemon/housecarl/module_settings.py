"""The settings of a module: its section of the config through its own pydantic model."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from housecarl.config_words import words
from housecarl.errors import Problem

Loc = tuple[str | int, ...]
#: points at a place of the config file: (place, text) -> Problem
Locate = Callable[[Loc, str], Problem]


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome for one module: its settings, or why it has none.

    `problems` are faults of a section that was written; `unset` says what a section that is missing
    would have to hold.
    """

    settings: Any = None
    problems: tuple[Problem, ...] = ()
    unset: str = ""


def lent(module: ModuleType, section: str, sections: Mapping[str, Any]) -> Any:
    """The section of a module, with the keys its `Settings.borrows` takes from other sections.

    `borrows = {"plugs": "plug"}` fills the key `plugs` from the section of plug, unless the
    module's own section has it: what is configured once is not written twice.
    """
    own = sections.get(section)
    borrows = getattr(getattr(module, "Settings", None), "borrows", {})
    borrowed = {
        key: sections[owner][key]
        for key, owner in borrows.items()
        if isinstance(sections.get(owner), Mapping) and key in sections[owner]
    }
    if not borrowed or not isinstance(own, Mapping | None):
        return own
    return {**borrowed, **(own or {})}


def check(
    module: ModuleType,
    section: str,
    given: Any,
    locate: Locate,
    context: Mapping[str, Any] | None = None,
) -> Checked:
    """Check the section of a module; `given` is None when the config has no such section.

    `context` is pydantic's validation context: it makes files and secrets relative to the config.
    """
    model = getattr(module, "Settings", None)
    where: Loc = ("modules", section)
    if model is None:
        if not given:
            return Checked()
        return Checked(problems=(locate(where, f"module {section} has no settings"),))
    if not isinstance(given, Mapping | None):
        return Checked(problems=(locate(where, f"{section} must be a section of keys"),))
    return _validate(model, section, given, locate, context)


def _validate(
    model: Any,
    section: str,
    given: Mapping[str, Any] | None,
    locate: Locate,
    context: Mapping[str, Any] | None,
) -> Checked:
    from pydantic import ValidationError

    unknown = tuple(_unknown(model, section, given or {}, locate))
    try:
        settings = model.model_validate({} if given is None else dict(given), context=context)
    except ValidationError as error:
        found = [(tuple(one["loc"]), _text(one, model)) for one in error.errors()]
        if given is None:
            keys = ", ".join(".".join(map(str, ("modules", section, *loc))) for loc, _ in found)
            return Checked(unset=f"{section} is not set up: the config needs {keys}")
        told = (locate(("modules", section, *loc), text) for loc, text in found)
        return Checked(problems=(*unknown, *told))
    return Checked(settings=settings, problems=unknown)


def _unknown(model: Any, section: str, given: Mapping[str, Any], locate: Locate) -> list[Problem]:
    """Keys that the model would silently ignore: a typo must not go unseen."""
    fields = model.model_fields
    if model.model_config.get("extra") in ("allow", "forbid"):
        return []
    known = [*fields, *(field.alias for field in fields.values() if field.alias)]
    return [
        locate(("modules", section, key), _foreign(model, str(key), known))
        for key in given
        if key not in known
    ]


def _text(error: Any, model: Any) -> str:
    key = error["loc"][-1] if error["loc"] else ""
    if error["type"] == "missing":
        return f"required key '{key}' is missing"
    if error["type"] == "extra_forbidden":
        if len(error["loc"]) > 1:
            return f"unknown key '{key}'"
        return _foreign(model, str(key), list(model.model_fields))
    return words(error)


def _foreign(model: Any, key: str, known: list[str]) -> str:
    """What to tell about a key that is not there: its new name, else the nearest."""
    now = getattr(model, "renamed", {}).get(key)
    return f"'{key}' is now '{now}'" if now else f"unknown key '{key}'{_near(key, known)}"


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
