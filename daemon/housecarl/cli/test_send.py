"""`test-send`: one reply to a person by their own way."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.config_post import Post
    from housecarl.journal.replies import Outgoing

#: Seconds to connect and log in, and for the answer to the mail.
CONNECT_SECONDS, ANSWER_SECONDS = 15.0, 60.0

#: Exit code: try again later.
LATER = 75


@click.command("test-send")
@click.argument("person")
@click.pass_context
def verb(ctx: click.Context, person: str) -> None:
    """Send PERSON one reply the way the house would answer them, and say what the server answers.

    It goes out at once, past the journal; a daemon may run beside it.
    """
    from housecarl.cli import configuration
    from housecarl.doctor import lend_credentials
    from housecarl.errors import ConfigError, HousecarlError, PostLater, PostRefused

    loaded = configuration.load(ctx.obj)
    config = loaded.config
    if person not in config.people:
        raise click.UsageError(configuration.stranger(person, loaded))
    if config.post is None:
        text = "is missing: without it nobody is answered"
        raise ConfigError(loaded.source.problem(("post",), text))
    lend_credentials()
    out = _sealed(loaded, person)
    try:
        answer = asyncio.run(_send(config.post, out))
    except PostRefused as error:
        raise HousecarlError(f"{config.post.host} refused it for good: {error}") from error
    except PostLater as error:
        click.echo(f"{config.post.host} does not take it now: {error}", err=True)
        ctx.exit(LATER)
    click.echo(f"{config.post.host} took the reply to {person} {_shown(out)}: {answer}")


def _sealed(loaded: Loaded, person: str) -> Outgoing:
    """The reply, addressed; raises HousecarlError when there is no way, NotAllowed when off."""
    from housecarl.cli import journal
    from housecarl.envelope import Answer, Envelopes, Way
    from housecarl.errors import HousecarlError, NotAllowed
    from housecarl.journal import people
    from housecarl.module import Reply
    from housecarl.reply import Renderer

    config = loaded.config
    limits = config.limits
    envelopes = Envelopes(
        config, Renderer(symbol=config.language.symbol, budget=limits.reply_septets)
    )

    def known(conn: sqlite3.Connection) -> Way:
        if person in people.off(conn):
            raise NotAllowed(f"{person} is switched off: `housecarl person on {person}`")
        return envelopes.way_back(conn, person)

    addresses = config.people[person].addresses
    way = Way(addresses[0] if addresses else None)
    if journal.may_read(config.spool):
        way = journal.read(loaded, known)
    if way.address is None:
        raise HousecarlError(
            f"there is no way to {person} yet: they text the house once, or get an address under "
            f"people.{person}.addresses"
        )
    reply = Reply(f"{config.house}: a test. Replies reach you this way.")
    answer = Answer(person, [reply], part=f"test-{secrets.token_hex(8)}")
    return envelopes.seal(answer, way, time.time()).out


async def _send(settings: Post, out: Outgoing) -> str:
    """Hand it in. Raises Unreachable, PostLater and PostRefused with what the server says."""
    from housecarl.errors import Unreachable
    from housecarl.post.answer import ServiceFault, brief
    from housecarl.post.dialogue import Dropped
    from housecarl.post.smarthost import connect

    assert out.address is not None
    try:
        dialogue = await connect(settings, CONNECT_SECONDS)
    except ServiceFault as error:
        raise Unreachable(f"post: {error}") from error
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await dialogue.hand_in(settings.from_, out.address, out.mail)
    except (Dropped, TimeoutError) as error:
        why = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
        raise Unreachable(f"{settings.host}: {why}; it may have been sent") from error
    finally:
        await dialogue.quit()
    return brief(str(answer))


def _shown(out: Outgoing) -> str:
    """Where it goes; no address of a text, which holds a number."""
    from housecarl.envelope import Way

    return "as a text" if Way(out.address).texted else f"at {out.address}"
