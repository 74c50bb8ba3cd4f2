"""Which of our people a proven number, address, login or uid belongs to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from housecarl.message.stamp import Stamp

#: Domains in which Google ignores dots, and what follows a plus, in the local part.
_GMAIL = ("gmail.com", "googlemail.com")


class Known(Protocol):
    """What is needed of a person: E.164 numbers, plain addresses, logins of this machine."""

    @property
    def phones(self) -> list[str]: ...  # noqa: D102  the class says it
    @property
    def addresses(self) -> list[str]: ...  # noqa: D102
    @property
    def unix(self) -> list[str]: ...  # noqa: D102


class People:
    """Our people, found by what proves them; nobody is found by a name they chose themselves."""

    def __init__(self, people: Mapping[str, Known]) -> None:
        self._people = people
        self._phones = {phone: name for name, each in people.items() for phone in each.phones}
        self._addresses = {
            plain(address): name for name, each in people.items() for address in each.addresses
        }

    def by_number(self, number: str | None) -> str | None:
        """The person who texts from this E.164 number."""
        return self._phones.get(number or "")

    def by_address(self, address: str | None) -> str | None:
        """The person who writes from exactly this address; capitals do not matter."""
        return self._addresses.get(plain(address or ""))

    def by_name(self, name: str) -> str | None:
        """The name itself when there is such a person."""
        return name if name in self._people else None

    def by_owner(self, stamp: Stamp) -> str | None:
        """The person a dropped file speaks for, by the uid that owns it.

        Root and our own uid may name anybody; any other uid speaks for a person that lists its
        login, and must say for whom when several do.
        """
        if not stamp.uid.isdecimal():
            return None
        if stamp.as_person and int(stamp.uid) in (0, os.geteuid()):
            return self.by_name(stamp.as_person)
        login = _login(int(stamp.uid))
        own = [name for name, each in self._people.items() if login in each.unix]
        if stamp.as_person:
            return stamp.as_person if stamp.as_person in own else None
        return own[0] if len(own) == 1 else None


def plain(address: str) -> str:
    """The one form in which addresses are compared: ASCII capitals folded, nothing else."""
    return address.lower() if address.isascii() else address


def same_mailbox(one: str, other: str) -> bool:
    """Whether two addresses are one Google account: Gmail ignores dots and capitals."""
    return _mailbox(one) == _mailbox(other)


def _mailbox(address: str) -> str:
    local, _, domain = plain(address).rpartition("@")
    if domain in _GMAIL:
        return local.partition("+")[0].replace(".", "") + "@gmail.com"
    return f"{local}@{domain}"


def _login(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
