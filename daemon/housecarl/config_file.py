"""A configuration file: found, read, checked as a whole, pointed into when something is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from housecarl.config import Config
from housecarl.config_check import cross
from housecarl.config_keys import home, meaning, names
from housecarl.config_renamed import renamed
from housecarl.config_spool import spool_folder
from housecarl.config_text import LARGEST, Text, parse
from housecarl.config_words import Loc, near, words
from housecarl.disk import is_there
from housecarl.errors import ConfigError, NotAllowed, Problem
from housecarl.secret import INLINE, NAMING

#: where the unit of systemd looks for the configuration
SERVICE_FILE = Path("/etc/housecarl/housecarl.yaml")

#: how alike two words are (0 to 1): "usr" means "user" (0.86), "user" is not "house" (0.67)
_NEAR = 0.75

#: characters; a longer line is not quoted in a problem, the position says enough
_WIDEST = 200

#: up to where the value of a secret's key begins, unless it names a secret, as it should
_HIDDEN = re.compile(
    rf"""(?:{NAMING.pattern})\w*["']?\s*:\s*"""
    r"""(?!\s|$|\{\s*(?:file\s*:[^,{}]*|(?:credential|env)\s*:\s*["']?[\w.-]+["']?\s*)\})""",
    re.I,
)

#: the line that names the spool, in a file that may hold no YAML
_SPOOL = re.compile(r"""^spool:[ \t]+["']?([^\s"'#][^\n"'#]*?)["']?[ \t]*(?:#|$)""", re.M)


class Source(NamedTuple):
    """The text a configuration came from: turns places in it into problems an operator can read."""

    path: Path
    lines: tuple[str, ...]
    text: Text

    @property
    def context(self) -> dict[str, Any]:
        """The validation context that makes `Location` and `Secret` relative to this file."""
        return {"folder": self.path.absolute().parent}

    def problem(self, loc: Loc, text: str, *, key: bool = False) -> Problem:
        """A fault at `loc`, such as `("people", "ann", "may", 0)`; `key` points at the key."""
        mark = self.text.mark(loc, key=key)
        hidden = key and _in_secret(loc)
        where = ".".join(_part(part) for part in (loc[:-1] if hidden else loc))
        found = self._at(mark.line, mark.column, f"{where}: {text}" if where else text)
        hidden = hidden or INLINE in text or (not key and _is_alone(loc, found.excerpt))
        return found._replace(excerpt="") if hidden else found

    def broken(self) -> list[Problem]:
        """The faults of the text itself."""
        found = []
        for fault in self.text.faults:
            problem = self._at(fault.mark.line, fault.mark.column, fault.text)
            if _in_secret(fault.loc):
                text = fault.text.replace(f"'{fault.loc[-1]}'", "a key")
                problem = problem._replace(text=text, excerpt="")
            elif _is_alone(fault.loc, problem.excerpt):
                problem = problem._replace(excerpt="")
            found.append(problem)
        return found

    def _at(self, line: int, column: int, text: str) -> Problem:
        excerpt = self.lines[line] if line < len(self.lines) else ""
        return Problem(str(self.path), line + 1, column + 1, text, _shown(excerpt, column))


class Loaded(NamedTuple):
    """A configuration that passed every check, and the text it came from."""

    config: Config
    source: Source


def find(given: Path | None = None) -> Path:
    """The configuration file to use: the one given, else the first that exists.

    The order: -c FILE, $HOUSECARL_CONFIG, ./config/housecarl.yaml,
    ~/.config/housecarl/housecarl.yaml, /etc/housecarl/housecarl.yaml. Nobody named the last three:
    where this login may not look there is none. Raises ConfigError when a named one does not
    exist, or none does, and NotAllowed when the service's is all that there may be, out of sight.
    """
    named = given or os.environ.get("HOUSECARL_CONFIG")
    if named:
        if not is_there(named):
            by = "" if given else " ($HOUSECARL_CONFIG)"
            raise ConfigError(Problem(str(named), 0, 0, f"no such file{by}"))
        return Path(named)
    places = [
        Path("config/housecarl.yaml"),
        # pathlib's form raises where a service has no home
        Path(os.path.expanduser("~/.config/housecarl/housecarl.yaml")),  # noqa: PTH111
        SERVICE_FILE,
    ]
    closed = False
    for place in places:
        try:
            place.stat()
            return place
        except OSError as error:
            closed = isinstance(error, PermissionError)
    if closed:  # the service's: "not found, init writes one" would make a second house beside it
        text = f"{SERVICE_FILE.parent} is closed to this login: run it as root or the daemon's user"
        raise NotAllowed(text)
    tried = ", ".join(str(place) for place in places)
    text = f"not found in {tried}; `housecarl init` writes one, `housecarl demo` needs none"
    raise ConfigError(Problem("housecarl.yaml", 0, 0, text))


def load(path: Path | str) -> Loaded:
    """Read a configuration file. Raises ConfigError with every fault in it."""
    source, config, problems = _examine(Path(path))
    if problems or config is None:
        raise ConfigError(*problems)
    return Loaded(config, source)


def check(path: Path | str) -> list[Problem]:
    """Every fault of a configuration file, in the order of its lines; empty when it is well."""
    try:
        return _examine(Path(path))[2]
    except ConfigError as error:
        return list(error.problems)


def read(path: Path) -> Source:
    """The text of a file, parsed. Raises ConfigError when it cannot be read or is no UTF-8 text."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")) from None
    if len(data) > LARGEST:
        raise ConfigError(Problem(str(path), 0, 0, f"is larger than {LARGEST // 1024} KiB"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        fault = f"byte 0x{data[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise ConfigError(Problem(str(path), line, column, fault)) from None
    return Source(path, tuple(re.split(r"\r\n|\r|\n", text)), parse(text))


def likely_spool(path: Path) -> Path:
    """Where the spool of a configuration is, however broken the rest of its file is."""
    try:
        found = _SPOOL.search(path.read_text("utf-8-sig", errors="replace")[:LARGEST])
    except OSError:
        found = None
    if found is None:
        return _usual_spool(path)
    # pathlib's form raises where there is no such home
    return path.absolute().parent / os.path.expanduser(found[1])  # noqa: PTH111


def _usual_spool(path: Path) -> Path:
    """The spool of a configuration that does not name one."""
    return spool_folder(service=path.absolute() == SERVICE_FILE)


def _shown(line: str, column: int) -> str:
    """The line as it may be quoted: cut before a secret, empty when that leaves nothing to see."""
    if hidden := _HIDDEN.search(line):
        line = line[: hidden.end()] + "..."
    if len(line) > _WIDEST or column > len(line):
        return ""
    return "".join(c if c.isprintable() else " " for c in line)


def _examine(path: Path) -> tuple[Source, Config | None, list[Problem]]:
    source = read(path)
    problems = source.broken()
    if source.text.broken:
        return source, None, problems
    faulty = [fault.loc for fault in source.text.faults if fault.spoils]
    config, wrong = _validate(source, source.text.data)
    found = [f for f in wrong if not any(_touches(f[0], loc) for loc in faulty)]
    problems += [source.problem(loc, text, key=key) for loc, text, key in found]
    known = faulty + [loc for loc, _, _ in wrong]
    if config is None:
        config = _mended(source, wrong)
    if config is not None:
        for loc, text, other in cross(config, source.context["folder"]):
            if not any(_touches(place, bad) for place in (loc, other) for bad in known):
                problems.append(source.problem(loc, text))
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return source, None if problems else config, problems


#: where, what, and whether the key (and not the value) is meant
_Found = tuple[Loc, str, bool]


def _validate(source: Source, data: Any) -> tuple[Config | None, list[_Found]]:
    try:
        config = Config.model_validate(data, context=source.context)
    except ValidationError as error:
        return None, list(_faults(error))
    if "spool" not in config.model_fields_set:
        config = config.model_copy(update={"spool": _usual_spool(source.path)})
    return config, []


def _mended(source: Source, wrong: list[_Found]) -> Config | None:
    """The configuration without its faulty parts, so that what is left can be checked too."""
    data = source.text.data
    for _ in range(8):  # a part that is required takes what is around it along, one level a round
        for loc, _, _ in wrong:
            data = _without(data, loc)
        config, wrong = _validate(source, data)
        if config is not None:
            return config
    return None


def _without(data: Any, loc: Loc) -> Any:
    """A copy of `data` without the part at `loc`, or without what holds it when it is missing."""
    if not loc or not isinstance(data, dict):
        return None
    key, rest = str(loc[0]), loc[1:]
    copy = dict(data)
    if rest and isinstance(copy.get(key), dict):
        inner = _without(copy[key], rest)
        if inner is not None:
            copy[key] = inner
            return copy
    if key not in copy:
        return None
    del copy[key]
    return copy


def _in_secret(loc: Loc) -> bool:
    """Whether a key stands below the name of a secret, and so may be the secret itself."""
    return any(NAMING.search(str(part)) for part in loc[:-1])


def _is_alone(loc: Loc, excerpt: str) -> bool:
    """Whether a line has what stands below the name of a secret, and not the name."""
    return bool(loc and NAMING.search(str(loc[-1])) and not NAMING.search(excerpt))


def _touches(one: Loc, other: Loc) -> bool:
    """Whether one place lies within the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _part(part: str | int) -> str:
    """One part of a place; in quotes what could not be read without them."""
    text = str(part)
    return text if text and text.isprintable() else repr(text)


def _faults(error: ValidationError) -> Iterator[_Found]:
    for fault in error.errors(include_url=False):
        loc, kind = fault["loc"], fault["type"]
        if loc and loc[-1] == "[key]":
            loc = loc[:-1]
        if kind == "extra_forbidden":
            yield loc, renamed(loc) or f"unknown key{_hint(loc)}", True
        elif kind == "missing":
            yield loc, f"is missing: {meaning(loc)}".removesuffix(": "), False
        else:
            yield loc, words(fault), fault["loc"] != loc


def _hint(loc: Loc) -> str:
    """What was probably meant by an unknown key, empty when nothing is near."""
    key = str(loc[-1])
    section = home(key)
    if section is not None:
        where = f"under {section}" if section else "at the top, in no section"
        return f"; it belongs {where}"
    return near(key, names(loc[:-1]), _NEAR)
