"""A mail host that does not take us: whether its name is known, and what usually helps."""

from __future__ import annotations

import re

from housecarl import addresses
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble
from housecarl.doctor.secrets import is_elsewhere
from housecarl.errors import SecretError
from housecarl.secret import Secret

#: Seconds a name may take; what is slower than this is a resolver that is down.
LOOK_UP_SECONDS = 5.0

_CERTIFICATE = re.compile(r"certificate", re.I)
_LOG_IN = re.compile(r"\b53[0-9]\b|log-in|AUTH|password|credential", re.I)


async def look_up(host: str, section: str) -> None:
    """Raise Trouble when the host's name leads nowhere."""
    try:
        found = await addresses.of(host, LOOK_UP_SECONDS)
    except TimeoutError:
        text = f"{host}: DNS gives no answer"
        raise Trouble(text, "See the line of dns; is this machine on the network?") from None
    if not found:
        mend = f"Is {section}.host spelt right? Is this machine on the network?"
        raise Trouble(f"{host}: there is no host of this name", mend)


def unread(part: str, secret: Secret | None) -> Finding | None:
    """Why the log-in cannot be tried from here; None when the password can be read."""
    if secret is None:
        return None
    if is_elsewhere(secret):
        text = f"log-in not tried: {secret} is there only within the unit"
        return skipped(part, text, "See the line of secrets.")
    try:
        secret.read()
    except SecretError as error:
        text = f"log-in not tried: {error.problems[0].text}"
        return trouble(part, text, "See the line of secrets.")
    return None


def advice(fault: str, section: str) -> str:
    """What usually helps against a fault, in the keys of the configuration."""
    if _CERTIFICATE.search(fault):
        return (
            f"Use the name in the certificate as {section}.host; one of your own goes into "
            f"{section}.ca; a clock that is wrong does it too."
        )
    if _LOG_IN.search(fault):
        return (
            f"Check {section}.user and its password. Gmail wants an app password, without blanks: "
            "myaccount.google.com/apppasswords."
        )
    return f"Check {section}.host, port and tls; does a firewall keep this port shut?"
