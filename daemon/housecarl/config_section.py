"""What every section of the configuration has in common: frozen, no unknown key, may be empty."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A mapping of the configuration whose keys are its fields (or their aliases)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        """`smtp:` with only comments below is a section of defaults; YAML reads it as null."""
        if data is None:
            return {}
        if not isinstance(data, dict) or None not in data.values():
            return data
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        filled = {}
        for key, value in data.items():
            field = fields.get(key)
            if value is not None or field is None:
                filled[key] = value
            elif section_of(field) is not None:
                filled[key] = {}
            elif get_origin(field.annotation) not in (dict, list):
                filled[key] = None  # a single value that is missing is a slip, not a default
        return filled


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section a field holds (`Imap` for `Imap | None`), None for any other type."""
    if get_origin(field.annotation) in (dict, list):
        return None
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


def some(value: str) -> str:
    """A text on one line that is not empty. ValueError says so."""
    if not value.strip() or not value.isprintable():
        raise ValueError("should be one line of text")
    return value


def like(pattern: str, otherwise: str) -> AfterValidator:
    """A check that a text is like `pattern`; `otherwise` says in words what it should be."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


#: One printable line, not empty.
Line = Annotated[str, AfterValidator(some)]
#: A name that is texted as one word, and so short that what is told of it fits one SMS.
Name = Annotated[
    str,
    like(
        "[A-Za-z0-9][A-Za-z0-9_-]{0,19}",
        "cannot be texted: a letter or a digit, then letters, digits, - and _, at most 20 in all",
    ),
]
