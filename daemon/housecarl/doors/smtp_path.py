"""The arguments of MAIL and RCPT: one path in angle brackets, then parameters (RFC 5321 4.1.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

#: RFC 5321 4.5.3.1.3: a path has at most 256 octets with its brackets.
MAX_ADDRESS = 254

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_LITERAL = r"\[[A-Za-z0-9:.-]+\]"
_ARGUMENT = re.compile(
    r"(?P<keyword>FROM|TO):[ ]?"
    rf"<(?P<address>(?:(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})"
    rf"@(?:{_LABEL}(?:\.{_LABEL})*|{_LITERAL}))?)>"
    r"(?P<parameters>(?:[ ]+[A-Za-z0-9][A-Za-z0-9-]*(?:=[!-<>-~]+)?)*)",
    re.IGNORECASE,
)
_SIZE = re.compile(r"[0-9]{1,20}", re.ASCII)


class Path(NamedTuple):
    """An address ("" is the null sender `<>`) and its parameters with upper-case names."""

    address: str
    parameters: dict[str, str]


def read(keyword: str, argument: str) -> Path | None:
    """The argument of MAIL (`FROM`) or RCPT (`TO`); None when it does not follow the grammar.

    Source routes, which RFC 5321 has servers ignore, are not taken: no honest peer sends them.
    """
    found = _ARGUMENT.fullmatch(argument)
    if found is None or found["keyword"].upper() != keyword:
        return None
    address = found["address"]
    if len(address) > MAX_ADDRESS:
        return None
    pairs = [word.partition("=") for word in found["parameters"].split()]
    parameters = {name.upper(): value for name, _, value in pairs}
    return Path(address, parameters) if len(parameters) == len(pairs) else None


def refuse_parameters(parameters: dict[str, str], max_size: int) -> str:
    """The reply to parameters of MAIL that cannot be met; "" when all can.

    SIZE is RFC 1870, BODY RFC 6152, AUTH RFC 4954 (whose value says nothing to us).
    """
    for name, value in parameters.items():
        if name == "SIZE":
            if not _SIZE.fullmatch(value):
                return "501 5.5.4 SIZE is a number"
            if int(value) > max_size:
                return "552 5.3.4 Message too big"
        elif name == "BODY":
            if value.upper() not in ("7BIT", "8BITMIME"):
                return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        elif name != "AUTH" or not value:
            return "555 5.5.4 Parameter not known"
    return ""
