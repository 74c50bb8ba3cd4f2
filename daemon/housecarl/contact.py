"""Phone numbers, mail addresses and domains in the one form in which they are compared."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

#: RFC 5321 4.5.3.1: at most 64 octets before the @, 254 in all (errata 1690)
_LOCAL_MAX = 64
_ADDRESS_MAX = 254

#: RFC 5322 dot-atom; quoted local parts are refused, since parsers do not agree on them
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def e164(text: str) -> str:
    """`"+1 303 555 0123"` -> `"+13035550123"` (ITU-T E.164). ValueError says what is wrong."""
    import phonenumbers  # 22 ms, and only a configuration with phones needs it

    if not text.lstrip().startswith("+"):
        raise ValueError(f"'{text}' needs + and the country code, such as \"+1 303 555 0123\"")
    if re.search(r"[^0-9+() ./-]", text.strip()):
        raise ValueError(f"'{text}' holds more than digits, such as \"+1 303 555 0123\"")
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        raise ValueError(f"'{text}' is no phone number: no such country code") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError(f"'{text}' has too many or too few digits for its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def domain(text: str) -> str:
    """A host or domain name in ASCII, lower case. ValueError says what is wrong."""
    if not text.isascii():
        raise ValueError(f"'{text}' is not plain ASCII; write the domain in its xn-- form")
    if not _DOMAIN.fullmatch(text):
        raise ValueError(f"'{text}' is no domain name")
    return text.lower()


def address(text: str) -> str:
    """A plain address, its domain in lower case. ValueError says what is wrong."""
    if not text.isascii():
        raise ValueError(f"'{text}' is not plain ASCII")
    local, _, host = text.rpartition("@")
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(host):
        raise ValueError(f"'{text}' is no plain address such as ann@example.org")
    if len(local) > _LOCAL_MAX or len(text) > _ADDRESS_MAX:
        raise ValueError(f"'{text[:20]}...' is too long for an address")
    return f"{local}@{host.lower()}"


#: A phone number in E.164.
Phone = Annotated[str, AfterValidator(e164)]

#: A mail address in plain ASCII, its domain in lower case.
Address = Annotated[str, AfterValidator(address)]

#: A domain name in lower-case ASCII.
Domain = Annotated[str, AfterValidator(domain)]
