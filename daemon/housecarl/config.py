"""The typed configuration: every key, its default, and the reason for it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from housecarl.config_doors import Doors
from housecarl.config_people import Name, Person
from housecarl.config_post import Post
from housecarl.config_section import Line, Section
from housecarl.config_spool import spool_folder
from housecarl.config_trust import Trust
from housecarl.config_watches import Quiet, Watches
from housecarl.location import Location
from housecarl.module import NAME, House, Risk
from housecarl.quantity import DAY, HOUR, MIB, AnyDuration, Duration, Size
from housecarl.septets import MIN_BUDGET, PART, plain


def _mark(text: str) -> str:
    if len(text) != 1:
        raise ValueError("should be exactly one character")
    if text.isalnum() or text in "\"'" or not text.isprintable():
        raise ValueError(f"'{text}' cannot be told from the words of a command")
    # of ASCII only the backtick has no place in a text; to ask costs each start a table
    if (not text.isascii() or text == "`") and plain(f"a{text}b") != f"a{text}b":
        raise ValueError(f"'{text}' cannot be texted, so no reply could name a command")
    return text


def _symbol(text: str) -> str:
    if text.isspace() or text in ">-":
        raise ValueError(f"'{text}' begins lines that are no commands")
    return text


#: Where time zones were named by regions of a country before they were named by cities.
_FORMER = ("US", "Canada", "Mexico", "Brazil", "Chile")


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # not there, not a name, a folder
        import difflib  # only for a mistake

        known = available_timezones()
        if not known:
            raise ValueError("this machine has no time zones; install tzdata") from None
        near = difflib.get_close_matches(text, known, 1)
        hint = f"did you mean {near[0]}?" if near else "such as America/Denver"
        if text.partition("/")[0] in _FORMER:  # Debian 13 has taken them out of tzdata
            hint = "name its city, such as America/Denver, or install tzdata-legacy"
        raise ValueError(f"'{text}' is no time zone; {hint}") from None
    return text


def _word(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"'{text}' is no command: lower-case letters, digits, - and _, at most 32")
    return text


def _steps(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


#: The name of a command or alias.
Word = Annotated[str, AfterValidator(_word)]


class Language(Section):
    """How a command is told from other text and cut into words."""

    symbol: Annotated[str, AfterValidator(_mark), AfterValidator(_symbol)] = Field(
        default="!", description="One character that begins every command."
    )
    delimiter: Annotated[str, AfterValidator(_mark)] = Field(
        default=" ",
        description="One character between words; with a space, quotes keep words together.",
    )


class Modules(Section):
    """Where modules are found; every other key is the settings of the module of that name."""

    model_config = ConfigDict(extra="allow")

    # pydantic's own way to type the keys that are not fields
    __pydantic_extra__: dict[str, dict[str, Any]] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    folders: list[Location] = Field(
        default=[], description="Folders of your own modules, besides the shipped ones."
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_settings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            key: {} if value is None else value
            for key, value in data.items()
            if value is not None or key != "folders"
        }

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings of each module by its name, as they stand in the file."""
        return self.__pydantic_extra__


class CommandRule(Section):
    """What the house decides about one command in place of its module."""

    risk: Risk | None = Field(
        default=None,
        description="look, change or danger, whatever the arguments; the module's own.",
    )
    timeout: Duration | None = Field(default=None, description="Time limit; the module's own.")
    late: Duration | None = Field(
        default=None,
        description="Age at which a change is not run; the module's own, else trust.late.",
    )
    per_hour: int | None = Field(
        default=None,
        ge=1,
        description="How often a person may ask for it in an hour; no bound of its own.",
    )


class Limits(Section):
    """Bounds that keep one person, or one mistake, from flooding the house or Google."""

    reply_septets: int = Field(
        default=PART,
        ge=MIN_BUDGET,
        le=1530,
        description="Longest SMS reply in GSM-7 septets; 160 is one SMS.",
    )
    lines: int = Field(
        default=5, ge=1, le=20, description="Command lines in one message; with more, none is run."
    )
    calls_per_hour: int = Field(
        default=60, ge=0, description="Commands a person may run in an hour; 0 is no bound."
    )
    texts_per_hour: int = Field(
        default=10,
        ge=0,
        description="SMS sent in an hour; Google flags numbers that script. 0: no bound.",
    )
    texts_per_day: int = Field(
        default=60, ge=0, description="SMS sent in a day, likewise. 0: no bound."
    )

    @property
    def texts(self) -> list[tuple[int, float]]:
        """The bounds of texts: at most so many in so many seconds."""
        bounds = (self.texts_per_hour, HOUR), (self.texts_per_day, DAY)
        return [(most, seconds) for most, seconds in bounds if most]


class Keep(Section):
    """How long and how much of one folder is kept; what is over either goes, oldest first."""

    age: AnyDuration = Field(default=90 * DAY, description="Older ones go; a season to look back.")
    size: Size = Field(
        default=256 * MIB, description="Beyond this the oldest go; small beside any disk."
    )


class KeepJournal(Keep):
    """How long and how much the journal remembers."""

    age: Duration = Field(
        default=400 * DAY, description="Older entries go; last year can be compared."
    )
    size: Size = Field(default=1024 * MIB, description="Beyond this the oldest entries go.")


class Retention(Section):
    """What is kept of the past, so that the house needs no broom."""

    executed: Keep = Field(default=Keep(), description="Messages whose commands were carried out.")
    refused: Keep = Field(
        default=Keep(), description="Messages of strangers, repeats, and the late."
    )
    failed: Keep = Field(
        default=Keep(), description="Messages that broke us, kept for a person to see."
    )
    journal: KeepJournal = Field(
        default=KeepJournal(), description="Entries, readings and old replies."
    )


class Config(Section):
    """The whole configuration; `config_file.load` reads one from a file."""

    house: Line = Field(default="house", description="What replies and the log call it.")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC",
        validate_default=True,  # a machine may have no time zones at all
        description="Time zone of the house, such as America/Denver.",
    )
    units: Literal["us", "metric"] = Field(
        default="us", description="us (F, mph) or metric (C, km/h)."
    )
    spool: Location = Field(
        default_factory=spool_folder,
        description="Where messages live: $STATE_DIRECTORY/spool, else spool/ of a checkout, else "
        "/var/lib/housecarl/spool where it is ours, else ~/.local/state/housecarl/spool.",
    )
    language: Language = Field(default=Language(), description="What a command looks like.")
    people: dict[Name, Person] = Field(
        default={}, description="Whom the house obeys, by name; nobody else is ever answered."
    )
    doors: Doors = Field(default=Doors(), description="The ways in.")
    trust: Trust = Field(default=Trust(), description="What counts as proof of the sender.")
    post: Post | None = Field(
        default=None, description="The way out; without it nobody is answered."
    )
    modules: Modules = Field(default=Modules(), description="Folders and settings of modules.")
    commands: dict[Word, CommandRule] = Field(
        default={}, description="What the house decides about a command in place of its module."
    )
    aliases: dict[Word, Annotated[list[Line], BeforeValidator(_steps), Field(min_length=1)]] = (
        Field({}, description="Words of your own for one or several commands, without the symbol.")
    )
    limits: Limits = Field(default=Limits(), description="Bounds against floods.")
    watches: Watches = Field(default=Watches(), description="What the owners are told unasked.")
    quiet: Quiet | None = Field(
        default=None, description="When the house does not speak first; none is never."
    )
    retention: Retention = Field(default=Retention(), description="What is kept of the past.")

    def ended(self, person: str, at: datetime) -> bool:
        """Whether the last day of somebody's rights is over by a time."""
        until = self.people[person].until
        return until is not None and at.astimezone(ZoneInfo(self.timezone)).date() > until

    def time_limit(self, command: str, own: float) -> float:
        """Seconds for a command: the house's, else its `own`, which are the module's."""
        rule = self.commands.get(command)
        return own if rule is None or rule.timeout is None else rule.timeout

    @property
    def facts(self) -> House:
        """What commands may know of the house."""
        language = self.language
        return House(self.house, self.timezone, self.units, language.symbol, language.delimiter)
