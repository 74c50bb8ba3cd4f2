"""The way out, tried for real: connected, secured and logged in; no mail is sent."""

from __future__ import annotations

from housecarl.doctor.finding import Finding, Trouble, skipped, well
from housecarl.doctor.mail_host import advice, look_up, unread
from housecarl.doctor.patient import Patient

#: Seconds for all of it.
WHOLE = 9.0

PART = "post"


async def examine(patient: Patient) -> list[Finding]:
    """Connect as for a reply, and say goodbye."""
    settings = patient.config.post
    if settings is None:
        return [skipped(PART, "no post in the configuration: nobody is answered by mail or text")]
    from housecarl.post.answer import ServiceFault
    from housecarl.post.smarthost import connect

    await look_up(settings.host, "post")
    untried = unread(PART, settings.password)
    bare = settings.model_copy(update={"user": None, "password": None}) if untried else settings
    try:
        dialogue = await connect(bare, WHOLE)
    except ServiceFault as error:
        raise Trouble(str(error), advice(str(error), "post")) from None
    await dialogue.quit()
    place = f"{settings.host}:{settings.port} answers, {settings.tls}"
    if untried:
        return [well(PART, place), untried]
    login = f"log-in as {settings.user}" if settings.user else "no log-in"
    return [well(PART, f"{place}, {login}; no mail was sent")]
