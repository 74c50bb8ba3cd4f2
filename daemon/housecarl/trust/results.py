"""What a mail host says it checked (Authentication-Results, RFC 8601): which one to believe."""

from __future__ import annotations

import re
from typing import Any

from housecarl.trust.dkim import parents
from housecarl.trust.original import Field, Original
from housecarl.trust.tags import Unsound

#: One field, in bytes: Gmail's stay below 2 KiB.
MAX_FIELD = 8192

#: Brackets and results in one field: the parser recurses on nested comments.
MAX_COMMENTS = 64
MAX_RESULTS = 32

_AR = b"authentication-results"
_CONTENT = (b"dkim-signature", b"from", b"to", b"subject")


def own(original: Original, host: str) -> Field:
    """The one field our own mail host wrote, by its place; Unsound when it cannot be told.

    It is the topmost of all, names the host exactly, and stands below the host's own topmost
    Received and above everything the sender wrote. Another one of the same name lower down was
    not taken out by the host, so neither is worth anything.
    """
    places = [i for i, each in enumerate(original.fields) if each.key == _AR]
    if not places:
        raise Unsound("results-none")
    by_host = re.compile(rf"\bby\s+{re.escape(host)}(?![A-Za-z0-9.-])", re.I)
    received = (i for i, each in enumerate(original.fields) if each.key == b"received")
    trace = next((i for i in received if by_host.search(original.fields[i].text)), None)
    content = next((i for i, each in enumerate(original.fields) if each.key in _CONTENT), 0)
    if trace is None or not trace < places[0] < content:
        raise Unsound("results-place")
    names = [_server(original.fields[i]) for i in places]
    if names[0] != host.lower() or host.lower() in names[1:]:
        raise Unsound("results-host")
    return original.fields[places[0]]


def check(text: str, domain: str) -> None:
    """Unsound unless the text of the field says that DKIM and DMARC of this From domain passed."""
    dkim = dmarc = 0
    for each in _parsed(text):
        method, result = each.method.lower(), each.result.lower()
        properties = {
            (p.type.lower(), p.name.lower()): str(p.value).lower() for p in each.properties
        }
        if method == "dkim" and result == "pass":
            named = properties.get(("header", "d")) or properties.get(("header", "i"), "")
            dkim += named.rpartition("@")[2] in parents(domain)
        elif method == "dmarc":
            dmarc += 1
            if result != "pass" or properties.get(("header", "from")) not in parents(domain):
                raise Unsound("results-dmarc")
    if dmarc != 1:
        raise Unsound("results-dmarc")
    if not dkim:
        raise Unsound("results-dkim")


def _server(field: Field) -> str:
    """The host that a field names, which is its first word."""
    return re.split(r"[\s;(]", field.text, maxsplit=1)[0].lower()


def _parsed(text: str) -> list[Any]:
    import authres

    if len(text) > MAX_FIELD or text.count("(") > MAX_COMMENTS or not text.isascii():
        raise Unsound("results-form")
    try:
        found = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {text}").results
    except (authres.AuthResError, RecursionError, ValueError, LookupError, TypeError) as fault:
        raise Unsound("results-form") from fault
    if len(found) > MAX_RESULTS:
        raise Unsound("results-form")
    return [each for each in found if isinstance(each, authres.AuthenticationResult)]
