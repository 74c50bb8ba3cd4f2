"""A type hint as the words of a text can fill it: its choices, and what else is free."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from housecarl.module import RestMark

#: types a word can become, by name so that none is imported for the question
_FREE = frozenset(
    {"builtins.str", "builtins.int", "builtins.float", "decimal.Decimal", "uuid.UUID"}
    | {f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta")}
    | {f"ipaddress.IPv{n}{what}" for n in "46" for what in ("Address", "Network")}
)
_BOOL = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
#: what a program would take for an option: a dash, but not a negative number or a lone dash
_OPTION = re.compile(r"-(?=[^\d\s.])|-\.(?!\d)")


class _NoChoice:
    """The answer of `choose` when a word is none of the choices; None may be a choice."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one argument may be.

    `choices` are folded words and their values, `labels` the words the usage shows. `free` says
    that other words go through pydantic with `hint`. `text` marks plain text for which the author
    gave no pattern.
    """

    NO_CHOICE: ClassVar[_NoChoice] = _NoChoice()

    hint: Any
    choices: Mapping[str, Any]
    labels: tuple[str, ...] = ()
    free: bool = False
    rest: bool = False
    text: bool = False

    def choose(self, word: str) -> Any:
        """The value of a choice, whatever its capitals; `NO_CHOICE` when it is none."""
        return self.choices.get(word.casefold(), self.NO_CHOICE)

    def looks_like_option(self, word: str) -> bool:
        """Whether a program that got this text as a word would read it as an option."""
        return self.text and _OPTION.match(word) is not None


def kind_of(hint: Any) -> Kind:
    """What a hint lets people write; raises TypeError when it cannot be texted."""
    choices: dict[str, Any] = {}
    labels: list[str] = []
    free: list[type] = []
    for member in _members(hint):
        if (found := _choices(member)) is not None:
            choices |= {str(word).casefold(): value for word, value in found.items()}
            labels += ["on", "off"] if member is bool else map(str, found)
        elif member is not types.NoneType:
            free.append(_free(member))
    marks = list(_marks(hint))
    patterned = any(getattr(mark, "pattern", None) is not None for mark in marks)
    return Kind(
        hint=hint,
        choices=choices,
        labels=tuple(labels),
        free=bool(free),
        rest=any(isinstance(mark, RestMark) for mark in marks),
        text=str in free and not patterned,
    )


def said(schema: Mapping[str, Any]) -> str:
    """A JSON schema in the words of a text message: "a whole number from 0 to 100"."""
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null" and "enum" not in option and "const" not in option:
            return said(option)
    name = _SAID.get(schema.get("format", ""), _SAID.get(schema.get("type", ""), "valid"))
    low, high = _bound(schema, "minimum", "above"), _bound(schema, "maximum", "below")
    if "minimum" in schema and "maximum" in schema:
        return f"{name} from {_number(schema['minimum'])} to {_number(schema['maximum'])}"
    if "maxLength" in schema and schema.get("type") == "string":
        return f"{name} of at most {schema['maxLength']} characters"
    return " ".join(part for part in (name, low, high) if part)


_SAID = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "date": "a date like 2026-12-31",
    "time": "a time like 22:30",
    "date-time": "a date and time like 2026-12-31T22:30",
    "duration": "a time span like 00:30:00",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
}


def _bound(schema: Mapping[str, Any], key: str, exclusive: str) -> str:
    if key in schema:
        return f"{'at least' if key == 'minimum' else 'at most'} {_number(schema[key])}"
    bound = schema.get(f"exclusive{key.capitalize()}")
    return f"{exclusive} {_number(bound)}" if bound is not None else ""


def _number(bound: float) -> str:
    """A bound as it is; `g` alone would round a large one to six digits."""
    return str(bound) if isinstance(bound, int) else f"{bound:.15g}"


def _members(hint: Any) -> Iterator[Any]:
    """The plain types of a hint: unions, Annotated and `type X = ...` taken apart."""
    hint = _named(hint)
    if get_origin(hint) is Annotated:
        yield from _members(get_args(hint)[0])
    elif get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _members(part)
    else:
        yield hint


def _marks(hint: Any) -> Iterator[Any]:
    """Everything that Annotated says anywhere in a hint."""
    hint = _named(hint)
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        for mark in marks:
            yield mark
            yield from getattr(mark, "metadata", ())  # what pydantic's Field keeps inside
        yield from _marks(base)
    elif get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _marks(part)


def _named(hint: Any) -> Any:
    """What a `type X = ...` of Python 3.12 stands for."""
    return hint.__value__ if type(hint).__name__ == "TypeAliasType" else hint


def _is_pydantic(member: type) -> bool:
    return member.__module__.startswith("pydantic.")


def _choices(member: Any) -> dict[Any, Any] | None:
    if member is bool:
        return dict(_BOOL)
    if get_origin(member) is Literal:
        return {choice: choice for choice in get_args(member)}
    if isinstance(member, type) and issubclass(member, Enum):
        return {choice.value: choice for choice in member}
    return None


def _free(member: Any) -> type:
    """A type that pydantic makes from a word; TypeError for all that a text must not hold."""
    name = getattr(member, "__name__", str(member))
    if not isinstance(member, type):
        raise TypeError(f"{name} cannot be texted")
    if hasattr(member, "__fspath__"):
        raise TypeError(
            f"{name} cannot be texted: it could name any file; use Literal, or look the word up in"
            " the settings"
        )
    known = f"{member.__module__}.{member.__qualname__}" in _FREE
    # types that say themselves how pydantic makes them from a word; whole models do not
    custom = hasattr(member, "__get_pydantic_core_schema__") or _is_pydantic(member)
    if hasattr(member, "model_fields") or not (known or custom):
        raise TypeError(
            f"{name} cannot be texted; use str, int, float, bool, Literal, Enum, date, time or Rest"
        )
    return member
