"""The people the house obeys: how each is recognised and what each may do."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from housecarl.config_section import Line, Section
from housecarl.contact import Address, Phone
from housecarl.secret import Secret


def as_name(text: str) -> str:
    """A name that fits a command line, a log line and the `As:` line of a dropped file.

    Raises ValueError.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,31}", text):
        raise ValueError(
            f"'{text}' is no name: a letter, then up to 31 letters, digits, dots, - and _"
        )
    return text


def _day(value: Any) -> Any:
    if not isinstance(value, date) and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        raise ValueError(f"'{value}' is no date such as 2026-12-31")
    return value


#: The name of a person, as `--as` takes it.
Name = Annotated[str, AfterValidator(as_name)]


class Login(Section):
    """SMTP AUTH of one person, offered only under TLS."""

    user: Line = Field(description="User name for SMTP AUTH.")
    hash: Secret = Field(
        description="argon2id hash of the password; `housecarl person password NAME` writes it."
    )


class Person(Section):
    """One person; nobody who is not named under `people` is ever answered."""

    phones: list[Phone] = Field(
        default=[], description="Numbers they text from, with + and the country code."
    )
    addresses: list[Address] = Field(
        default=[], description="Addresses they write from, compared exactly but for capitals."
    )
    may: list[Line] = Field(
        min_length=1, description='Commands they may use by name; "*" is every command.'
    )
    unix: list[Line] = Field(
        default=[], description="Logins of this machine whose files dropped into spool/ are theirs."
    )
    login: Login | None = Field(default=None, description="SMTP AUTH user and password hash.")
    totp: Secret | None = Field(
        default=None,
        description="Secret of their authenticator app; `housecarl person totp NAME` writes it.",
    )
    until: Annotated[date, BeforeValidator(_day)] | None = Field(
        default=None, description="Last day of their rights, in the time zone of the house."
    )
    owner: bool = Field(
        default=False, description="Told of what concerns the house: strangers, lock-outs, faults."
    )
