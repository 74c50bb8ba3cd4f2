"""The way out, tried for real: connected, secured and logged in; no mail is sent."""

from __future__ import annotations

from housecarl.config_post import Post
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.mail_host import advice, look_up
from housecarl.doctor.patient import Patient
from housecarl.errors import SecretError

#: Seconds for all of it.
WHOLE = 9.0

PART = "post"


async def examine(patient: Patient) -> list[Finding]:
    """Connect as for a reply, and say goodbye."""
    settings = patient.config.post
    if settings is None:
        return [skipped(PART, "no post in the configuration: nobody is answered by mail or text")]
    from housecarl.post.dialogue import ServiceFault
    from housecarl.post.smarthost import connect

    await look_up(settings.host, "post")
    unread = _unread(settings)
    bare = settings.model_copy(update={"user": None, "password": None}) if unread else settings
    try:
        dialogue = await connect(bare, WHOLE)
    except ServiceFault as error:
        raise Trouble(str(error), advice(str(error), "post")) from None
    await dialogue.quit()
    place = f"{settings.host}:{settings.port} answers, {settings.tls}"
    if unread:
        return [well(PART, place), trouble(PART, unread, "See the line of secrets.")]
    login = f"log-in as {settings.user}" if settings.user else "no log-in"
    return [well(PART, f"{place}, {login}; no mail was sent")]


def _unread(settings: Post) -> str:
    """Why the password cannot be read; "" when it can, or none is needed."""
    try:
        if settings.password is not None:
            settings.password.read()
    except SecretError as error:
        return f"log-in not tried: {error}"
    return ""
