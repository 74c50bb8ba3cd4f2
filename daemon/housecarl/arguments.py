"""The words after a command: from a function's type hints to usage, checks and bound values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_type_hints
from zoneinfo import ZoneInfo

from housecarl.config_words import VALUE_ERROR
from housecarl.errors import BadArgument, ModuleError
from housecarl.hints import Kind, kind_of, said

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from housecarl.module import Call

#: characters of a wrong word that an error repeats: enough to see the slip, few enough for an SMS
SHOWN = 20
#: choices named in an error or in the usage; longer lists would fill the SMS
NAMED = 6

Place = Literal["word", "rest", "many", "last"]
_Parameter = inspect.Parameter


class Args(SimpleNamespace):
    """The bound arguments: `call`, and one attribute for each argument under its own name."""

    call: Call


class Argument:
    """One argument: `place` says which words it takes.

    word: one word; rest: all remaining words as one; many: each remaining word (`*names`);
    last: the last word behind a `*names` when it is one of its choices.
    """

    def __init__(self, name: str, place: Place, kind: Kind, default: Any) -> None:
        self.name = name
        self.place = place
        self.kind = kind
        self.default = default

    @property
    def required(self) -> bool:
        """Whether a call without it is wrong."""
        return self.place != "many" and self.default is _Parameter.empty

    @property
    def label(self) -> str:
        """How the usage calls it: its choices when they are few, else its name in capitals."""
        choices = self.kind.labels
        if choices and not self.kind.free and len(choices) <= NAMED:
            return "|".join(choices)
        return self.name.upper().replace("_", "-").strip("-")

    @property
    def usage(self) -> str:
        """Its part of the usage text, in brackets when it may be left out."""
        if self.place == "many":
            return f"[{self.label} ...]"
        return self.label if self.required else f"[{self.label}]"

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """The pydantic check of a free value, made when the first word needs it."""
        from pydantic import ConfigDict, TypeAdapter

        # neither "nan" nor "inf" is a number that anybody means to text
        return TypeAdapter(self.kind.hint, config=ConfigDict(allow_inf_nan=False))

    def read(self, word: str) -> Any:
        """The value of a word; raises ValueError whose text says what it must be."""
        choice = self.kind.choose(word)
        if choice is not Kind.NO_CHOICE:
            return choice
        if not self.kind.free:
            raise ValueError(f"must be {self._wanted()}")
        if self.kind.looks_like_option(word):
            raise ValueError("may not start with -")
        return self._check(word)

    def _check(self, word: str) -> Any:
        from pydantic import ValidationError

        try:
            return self.adapter.validate_strings(word)
        except ValidationError as error:
            first = error.errors()[-1]
            # of a check of the author's own, their words
            own = first["msg"].removeprefix(VALUE_ERROR) if first["type"] == "value_error" else ""
            raise ValueError(own or f"must be {self._wanted()}") from None
        except BaseException as error:  # a validator of the author's that breaks, or calls sys.exit
            from structlog import get_logger

            get_logger().warning("argument check failed", argument=self.name, error=repr(error))
            raise ValueError("cannot be checked") from error

    def prepare(self) -> None:
        """Make the check and use it once: pydantic finds some faults of a hint only then."""
        from pydantic import ValidationError

        try:
            self.adapter.validate_strings("0")
        except ValidationError:
            pass  # a word may be wrong, the hint is not
        except Exception as error:  # hooks of any type may run here
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ModuleError(
                f"argument {self.name} cannot check the word 0: {why};"
                " a check raises ValueError for what is wrong"
            ) from error

    def _wanted(self) -> str:
        """What the sender should have written: "on or off", "a whole number from 0 to 100"."""
        parts = list(self.kind.labels[:NAMED])
        if len(self.kind.labels) > NAMED:
            parts.append("...")
        if self.kind.free:
            parts.insert(0, self._told())
        return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"

    def _told(self) -> str:
        """What other words must be; a type of the author's may have no schema that tells it."""
        try:
            return said(self.adapter.json_schema())
        except Exception:  # noqa: BLE001  hooks of any type may run here
            return said({})


class Arguments(NamedTuple):
    """The arguments of one command in the order of its function."""

    arguments: tuple[Argument, ...]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Arguments:
        """Read them from the signature; raises ModuleError when one cannot be texted."""
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].kind not in _POSITIONAL:
            raise ModuleError(f"{function.__name__}: the first parameter must be the call")
        try:
            hints = get_type_hints(function, include_extras=True)
        except Exception as error:  # a hint may run any code of the module
            raise ModuleError(f"{function.__name__}: a type hint fails: {error}") from error
        if _can_be_texted(hints.get(parameters[0].name)):
            what = f"the first parameter must be the call, before {parameters[0].name}"
            raise ModuleError(f"{function.__name__}: {what}")
        arguments = tuple(
            _argument(parameter, hints.get(parameter.name, str)) for parameter in parameters[1:]
        )
        _check_order(function.__name__, arguments)
        return cls(arguments)

    def usage(self, name: str, delimiter: str = " ") -> str:
        """How to write it: "plug NAME [on|off]"."""
        return delimiter.join([name, *(argument.usage for argument in self.arguments)])

    def bind(self, call: Call) -> Args:
        """Check the words of a call; raises BadArgument with the usage."""
        bound: dict[str, Any] = {}
        words = list(call.args)
        for argument in reversed(self._placed("last")):
            taken = words and argument.kind.choose(words[-1]) is not Kind.NO_CHOICE
            bound[argument.name] = self._one(call, argument, words.pop() if taken else "")
        for argument in self._placed("word"):
            bound[argument.name] = self._one(call, argument, words.pop(0) if words else "")
        for argument in self._placed("rest"):
            bound[argument.name] = self._one(call, argument, " ".join(words))
            words = []
        for argument in self._placed("many"):
            bound[argument.name] = tuple(self._value(call, argument, word) for word in words)
            words = []
        if words:
            raise self._bad(call, f"{_shown(' '.join(words))} is too much")
        return Args(call=call, **bound)

    def spread(self, args: Args) -> tuple[list[Any], dict[str, Any]]:
        """The bound values as the function takes them, without the call: positional, by keyword."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for argument in self.arguments:
            value = getattr(args, argument.name)
            if argument.place == "many":
                positional.extend(value)
            elif argument.place == "last":
                named[argument.name] = value
            else:
                positional.append(value)
        return positional, named

    def prepare(self) -> None:
        """Make every check now, so that a hint which pydantic cannot use is found at load."""
        for argument in self.arguments:
            if argument.kind.free:
                argument.prepare()

    def _placed(self, place: Place) -> list[Argument]:
        return [argument for argument in self.arguments if argument.place == place]

    def _one(self, call: Call, argument: Argument, word: str) -> Any:
        if word:
            return self._value(call, argument, word)
        if argument.required:
            raise self._bad(call, f"{argument.label} is missing")
        return argument.default

    def _value(self, call: Call, argument: Argument, word: str) -> Any:
        try:
            value = argument.read(word)
            if isinstance(value, datetime) and value.tzinfo is None:
                return value.replace(tzinfo=ZoneInfo(call.house.timezone))
            return value
        except ValueError as error:
            raise self._bad(call, f"{argument.name} {error}, not {_shown(word)}") from None

    def _bad(self, call: Call, text: str) -> BadArgument:
        usage = self.usage(call.name, call.house.delimiter)
        return BadArgument(f"{call.name}: {text}. Use: {usage}")


_POSITIONAL = (_Parameter.POSITIONAL_ONLY, _Parameter.POSITIONAL_OR_KEYWORD)


def _can_be_texted(hint: Any) -> bool:
    """Whether a hint is that of an argument."""
    try:
        return hint is not None and bool(kind_of(hint))
    except TypeError:
        return False


def _argument(parameter: inspect.Parameter, hint: Any) -> Argument:
    try:
        kind = kind_of(hint)
    except TypeError as error:
        raise ModuleError(f"argument {parameter.name}: {error}") from None
    if kind.rest and parameter.kind is _Parameter.KEYWORD_ONLY:
        raise ModuleError(f"argument {parameter.name}: Rest cannot follow *names")
    return Argument(parameter.name, _place(parameter, kind), kind, parameter.default)


def _place(parameter: inspect.Parameter, kind: Kind) -> Place:
    if parameter.kind is _Parameter.VAR_POSITIONAL:
        return "many"
    if parameter.kind is _Parameter.VAR_KEYWORD:
        raise ModuleError(f"argument **{parameter.name} cannot be texted")
    if parameter.kind is _Parameter.KEYWORD_ONLY:
        if kind.free:
            raise ModuleError(
                f"argument {parameter.name}: behind *names only Literal, Enum or bool can be told"
                " from the names"
            )
        return "last"
    return "rest" if kind.rest else "word"


def _check_order(name: str, arguments: tuple[Argument, ...]) -> None:
    """Refuse what no text could fill without doubt."""
    places = [argument.place for argument in arguments]
    if "rest" in places and places[-1] != "rest":
        raise ModuleError(f"{name}: the Rest argument must be the last one")
    if "last" in places and "many" not in places:
        raise ModuleError(f"{name}: arguments behind a bare * cannot be texted")
    if any(argument.name == "call" for argument in arguments):
        raise ModuleError(f"{name}: only the first parameter may be named call")


def _shown(word: str) -> str:
    return word if len(word) <= SHOWN else word[: SHOWN - 3] + "..."
