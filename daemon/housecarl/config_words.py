"""What is wrong with a value, in the words of somebody who edits a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel

#: A path of keys and list positions.
Loc = tuple[str | int, ...]

#: what pydantic puts before the text of a ValueError; some types raise a kind of their own by that
#: name, which has no error inside (`EmailStr`)
VALUE_ERROR = "Value error, "

#: pydantic's kinds of faults that have words of ours
_WORDS = {
    "model_type": "should be a section of keys",
    "dict_type": "should be a section of keys",
    "list_type": "should be a list: [one, two]",
    "too_short": "is empty; name at least one",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "bool_parsing": "should be true or false",
}


def words(fault: Any) -> str:
    """A fault as pydantic tells it, without the value: it may be a secret."""
    kind = fault["type"]
    if kind == "value_error":
        return str(fault["msg"]).removeprefix(VALUE_ERROR)
    if fault["input"] is None:
        return "has no value; give one (a # needs quotes), or put # before the key"
    if kind == "string_type" and not isinstance(fault["input"], dict | list):
        return "needs quotes around it, to be text"
    if kind in _WORDS:
        return _WORDS[kind]
    text: str = fault["msg"].removeprefix("Input ")
    return text[:1].lower() + text[1:]


def near(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """What was probably meant by a word that is none of the known ones, "" when none is near.

    `likeness` is how much of both must be the same, 0 to 1.
    """
    import difflib  # only for a mistake

    found = difflib.get_close_matches(word, list(known), 1, likeness)
    return f"; did you mean '{found[0]}'?" if found else ""


def model_in(kind: Any) -> type[BaseModel] | None:
    """The model somewhere in a type: `Person` of `dict[str, Person]`, `Imap` of `Imap | None`."""
    if isinstance(kind, type) and hasattr(kind, "model_fields"):
        return kind
    return next(filter(None, map(model_in, get_args(kind))), None)
