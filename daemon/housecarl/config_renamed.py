"""Keys that were called otherwise before: their old name is answered with the new one."""

from __future__ import annotations

from typing import NamedTuple

from housecarl.config_words import Loc

#: What stands in a path for a name that the reader chose, as in config_keys.
_ANY = "NAME"


class Renamed(NamedTuple):
    """What a key is called now, and the version of housecarl that renamed it."""

    now: str
    since: str


#: Old path -> new one, as `people.NAME.phone` -> `people.NAME.phones`; an entry stays for good.
#: No released housecarl has renamed a key yet. A module's own settings: `Settings.renamed`.
RENAMED: dict[str, Renamed] = {}


def renamed(loc: Loc) -> str | None:
    """What to tell about the key at `loc` if it was renamed: `is now people.ann.phones (0.2)`."""
    for old, new in RENAMED.items():
        names = _names(old, loc)
        if names is not None:
            path = new.now
            for name in names:
                path = path.replace(_ANY, name, 1)
            return f"is now {path} ({new.since})"
    return None


def _names(path: str, loc: Loc) -> list[str] | None:
    """What the reader's names in `path` are if `loc` is such a place; None when it is not."""
    parts = path.replace("[]", ".0").split(".")
    if len(parts) != len(loc):
        return None
    names = []
    for part, found in zip(parts, loc, strict=True):
        if part == _ANY:
            names.append(str(found))
        elif part != str(found) and not (part == "0" and isinstance(found, int)):
            return None
    return names
