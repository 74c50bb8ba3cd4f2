"""Words are checked by the type hints, and what is wrong is said in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema, no_info_plain_validator_function

from housecarl.arguments import Arguments
from housecarl.errors import BadArgument, ModuleError
from housecarl.module import Call, House, Rest

OnOff = Literal["on", "off"]


class Mode(Enum):
    ECO = "eco"
    FULL = "full"


def even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


def refuse(number: int) -> int:
    raise ValueError


class Colour:
    """What pydantic has no schema for, and whose check raises something else than ValueError."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return no_info_plain_validator_function(cls.read)

    @classmethod
    def read(cls, word: str) -> Colour:
        if word == "blue":
            raise PydanticCustomError("value_error", "is sold out")
        assert word != "red"
        return cls()


def plug(call: Call, name: str, state: OnOff | None = None) -> None: ...
def several(call: Call, *names: str, state: OnOff | None = None) -> None: ...
def dim(call: Call, level: Annotated[int, Field(ge=0, le=100)], mode: Mode = Mode.ECO) -> None: ...
def note(call: Call, days: int | Literal["all"], text: Rest = "") -> None: ...
def fast(call: Call, how: bool) -> None: ...
def warm(call: Call, degrees: float) -> None: ...
def wake(call: Call, at: time) -> None: ...
def pair(call: Call, count: Annotated[int, AfterValidator(even)]) -> None: ...
def pay(call: Call, cents: Annotated[int, Field(ge=1, le=12345678)]) -> None: ...
def mute(call: Call, count: Annotated[int, AfterValidator(refuse)]) -> None: ...
def paint(call: Call, colour: Colour) -> None: ...
def code(call: Call, word: Annotated[str, Field(pattern="^-?[a-z]+$")]) -> None: ...
def many(call: Call, *levels: int) -> None: ...
def broken(call: Call, word: Annotated[str, AfterValidator({}.__getitem__)]) -> None: ...
def number(call: Call, gear: Literal[1, 2, 3]) -> None: ...
def room(
    call: Call, name: Literal["hall", "attic", "bath", "den", "loft", "shed", "yard"]
) -> None: ...
def level(call: Call, how: Literal["all"] | Annotated[int, Field(ge=1)]) -> None: ...
def nick(call: Call, name: Annotated[str, Field(max_length=4)]) -> None: ...
def untyped(call, word): ...  # type: ignore[no-untyped-def]


def bind(function: Callable[..., Any], text: str) -> dict[str, Any]:
    args = Arguments.of(function).bind(Call(function.__name__, tuple(text.split())))
    found = dict(vars(args))
    assert found.pop("call").name == function.__name__
    return found


@pytest.mark.parametrize(
    ("function", "text", "bound"),
    [
        (plug, "lamp", {"name": "lamp", "state": None}),
        (plug, "Lamp ON", {"name": "Lamp", "state": "on"}),
        (several, "", {"names": (), "state": None}),
        (several, "lamp heater", {"names": ("lamp", "heater"), "state": None}),
        (several, "lamp heater Off", {"names": ("lamp", "heater"), "state": "off"}),
        (dim, "40", {"level": 40, "mode": Mode.ECO}),
        (dim, "40 Full", {"level": 40, "mode": Mode.FULL}),
        (note, "ALL milk and eggs", {"days": "all", "text": "milk and eggs"}),
        (note, "3", {"days": 3, "text": ""}),
        (note, "3 -33.9 151.2", {"days": 3, "text": "-33.9 151.2"}),
        (fast, "yes", {"how": True}),
        (fast, "OFF", {"how": False}),
        (warm, "-4.5", {"degrees": -4.5}),
        (wake, "22:30", {"at": time(22, 30)}),
        (pair, "4", {"count": 4}),
        (code, "-abc", {"word": "-abc"}),
        (many, "1 -2 3", {"levels": (1, -2, 3)}),
        (number, "2", {"gear": 2}),
        (untyped, "x", {"word": "x"}),
    ],
)
def test_words_become_values(
    function: Callable[..., Any], text: str, bound: dict[str, Any]
) -> None:
    assert bound == bind(function, text)


@pytest.mark.parametrize(
    ("function", "text", "said"),
    [
        (plug, "", "plug: NAME is missing. Use: plug NAME [on|off]"),
        (plug, "lamp onn", "plug: state must be on or off, not onn. Use: plug NAME [on|off]"),
        (plug, "lamp on now please", "plug: now please is too much. Use: plug NAME [on|off]"),
        (plug, "-f on", "plug: name may not start with -, not -f. Use: plug NAME [on|off]"),
        (plug, "--help", "plug: name may not start with -, not --help. Use: plug NAME [on|off]"),
        (
            dim,
            "400",
            "dim: level must be a whole number from 0 to 100, not 400. Use: dim LEVEL [eco|full]",
        ),
        (dim, "4 x", "dim: mode must be eco or full, not x. Use: dim LEVEL [eco|full]"),
        (note, "some", "note: days must be a whole number or all, not some. Use: note DAYS [TEXT]"),
        (note, "1 -rf /", "note: text may not start with -, not -rf /. Use: note DAYS [TEXT]"),
        (fast, "maybe", "fast: how must be on or off, not maybe. Use: fast on|off"),
        (warm, "nan", "warm: degrees must be a number, not nan. Use: warm DEGREES"),
        (warm, "9e999", "warm: degrees must be a number, not 9e999. Use: warm DEGREES"),
        (wake, "later", "wake: at must be a time like 22:30, not later. Use: wake AT"),
        (pair, "3", "pair: count must be even, not 3. Use: pair COUNT"),
        (many, "1 x", "many: levels must be a whole number, not x. Use: many [LEVELS ...]"),
        (number, "4", "number: gear must be 1, 2 or 3, not 4. Use: number 1|2|3"),
        (
            room,
            "den2",
            "room: name must be hall, attic, bath, den, loft, shed or ..., not den2."
            " Use: room NAME",
        ),
        (
            level,
            "0",
            "level: how must be a whole number at least 1 or all, not 0. Use: level HOW",
        ),
        (
            nick,
            "lamps",
            "nick: name must be text of at most 4 characters, not lamps. Use: nick NAME",
        ),
        (
            several,
            "a -b",
            "several: names may not start with -, not -b. Use: several [NAMES ...] [on|off]",
        ),
        (
            pay,
            "0",
            "pay: cents must be a whole number from 1 to 12345678, not 0. Use: pay CENTS",
        ),
        (mute, "x", "mute: count must be a whole number, not x. Use: mute COUNT"),
        (mute, "1", "mute: count must be a whole number, not 1. Use: mute COUNT"),
        (paint, "red", "paint: colour must be valid, not red. Use: paint COLOUR"),
        (paint, "blue", "paint: colour is sold out, not blue. Use: paint COLOUR"),
        (
            warm,
            "9" * 400,
            "warm: degrees must be a number, not 99999999999999999.... Use: warm DEGREES",
        ),
    ],
)
def test_a_wrong_word_is_named_with_the_usage(
    function: Callable[..., Any], text: str, said: str
) -> None:
    with pytest.raises(BadArgument) as caught:
        bind(function, text)
    assert said == str(caught.value)


def test_the_usage_is_written_as_this_house_writes_commands() -> None:
    house = House(symbol="#", delimiter="|")
    with pytest.raises(BadArgument, match=r"Use: paint\|COLOUR$"):
        Arguments.of(paint).bind(Call("paint", ("blue",), house=house))


def test_a_date_and_time_is_by_the_clocks_of_the_house() -> None:
    """As a person means it, whatever the machine's own zone; one with a zone keeps it."""

    def remind(call: Call, at: datetime) -> None: ...

    house = House(timezone="America/Denver")
    at = [
        Arguments.of(remind).bind(Call("remind", (word,), house=house)).at.isoformat()
        for word in ("2026-12-31T22:30", "2026-07-31T22:30", "2026-12-31T22:30Z")
    ]
    assert at == [
        "2026-12-31T22:30:00-07:00",
        "2026-07-31T22:30:00-06:00",
        "2026-12-31T22:30:00+00:00",
    ]


def test_bound_values_reach_the_function_as_it_takes_them() -> None:
    arguments = Arguments.of(several)
    args = arguments.bind(Call("several", ("lamp", "heater", "on")))
    assert arguments.spread(args) == (["lamp", "heater"], {"state": "on"})
    arguments = Arguments.of(dim)
    assert arguments.spread(arguments.bind(Call("dim", ("40",)))) == ([40, Mode.ECO], {})


def no_call() -> None: ...
def call_forgotten(who: str) -> None: ...
def keywords(call: Call, **rest: str) -> None: ...
def bare(call: Call, *, word: OnOff = "on") -> None: ...
def trailing(call: Call, *names: str, other: str = "") -> None: ...
def rest_first(call: Call, text: Rest, name: str) -> None: ...
def rest_behind(call: Call, *names: str, text: Rest = "") -> None: ...
def call_twice(first: Call, call: str) -> None: ...
def path(call: Call, file: Path) -> None: ...
def anything(call: Call, what: Any) -> None: ...
def listed(call: Call, what: list[str]) -> None: ...
def model(call: Call, what: BaseModel) -> None: ...
def raw(call: Call, what: bytes) -> None: ...
def unknown(call: Call, what: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    "function",
    [
        no_call,
        call_forgotten,
        keywords,
        bare,
        trailing,
        rest_first,
        rest_behind,
        call_twice,
        path,
        anything,
        listed,
        model,
        raw,
        unknown,
    ],
)
def test_what_no_text_can_fill_is_refused_when_the_module_loads(
    function: Callable[..., Any],
) -> None:
    with pytest.raises(ModuleError):
        Arguments.of(function)


def test_a_path_is_refused_with_the_reason() -> None:
    with pytest.raises(ModuleError, match="file.*could name any file"):
        Arguments.of(path)


def test_why_an_argument_is_refused_is_said() -> None:
    with pytest.raises(ModuleError, match=r"argument text: Rest cannot follow \*names"):
        Arguments.of(rest_behind)
    with pytest.raises(ModuleError, match="call_twice: only the first parameter may be named call"):
        Arguments.of(call_twice)


def test_a_check_that_breaks_is_a_wrong_argument_not_a_crash() -> None:
    with pytest.raises(BadArgument, match="broken: word cannot be checked, not x"):
        bind(broken, "x")


def test_a_hint_that_pydantic_cannot_use_is_found_by_prepare() -> None:
    def wrong(call: Call, word: Annotated[int, Field(pattern="x")]) -> None: ...

    wrong.__annotations__["word"] = Annotated[int, Field(pattern="x")]
    Arguments.of(plug).prepare()
    Arguments.of(dim).prepare()
    arguments = Arguments.of(wrong)
    with pytest.raises(ModuleError, match="argument word"):
        arguments.prepare()
