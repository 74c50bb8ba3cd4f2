"""Combinations of settings that cannot work, each with its place in the file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from housecarl.config import Config
from housecarl.config_post import Post
from housecarl.config_words import Loc
from housecarl.location import is_loopback, split
from housecarl.secret import Secret, exposed

#: where it stands, what is wrong, and the other place that takes part in it
Clash = tuple[Loc, str, Loc]


#: Folders with files of others: a file in the spool's own is a message, and goes once it is taken.
SHARED = tuple(map(Path, ("/", "/etc", "/home", "/tmp", "/usr", "/var", "/var/lib", "/var/tmp")))


def cross(config: Config, folder: Path) -> Iterator[Clash]:
    """Every clash in a configuration whose values are each right by themselves.

    `folder` is where its file stands.
    """
    yield from _spool(config, folder)
    yield from _people(config)
    yield from _replies(config)
    yield from _smtp(config)
    yield from _imap(config)
    yield from _post(config)
    yield from _google_voice(config)
    yield from _times(config)
    yield from _secrets(config)
    yield from _watches(config)
    yield from _aliases(config)


def _spool(config: Config, folder: Path) -> Iterator[Clash]:
    at: Loc = ("spool",)
    try:
        about = config.spool.stat()
    except (FileNotFoundError, PermissionError):
        return  # it is made by a start; and who may not look cannot say
    except OSError as error:
        yield at, f"cannot be a folder: {error.strerror}", at
        return
    if not stat.S_ISDIR(about.st_mode):
        yield at, f"{config.spool} is no folder", at
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - pathlib's raises where there is none
    others = [("the folder of this file", folder), ("a home folder", home)]
    others += [("a folder of all and sundry", each) for each in SHARED]
    found = [what for what, other in others if _is(other, about)]
    # by their names: a look at one on a dead network mount would hold up each verb and each start
    found += ["a folder of modules"] if config.spool in config.modules.folders else []
    if found:
        yield at, f"is {found[0]}: each file there would be taken and removed; give it its own", at


def _is(folder: Path, about: os.stat_result) -> bool:
    """Whether that is this folder; none is that this login may not look at."""
    try:
        found = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and os.path.samestat(about, found)


def _people(config: Config) -> Iterator[Clash]:
    owners: dict[tuple[str, str], tuple[str, Loc]] = {}
    for name, person in config.people.items():
        at: Loc = ("people", name)
        marks: list[tuple[str, str, Loc]] = [("name", name.casefold(), at)]
        marks += [("phone", x, (*at, "phones", i)) for i, x in enumerate(person.phones)]
        marks += [
            ("address", x.casefold(), (*at, "addresses", i)) for i, x in enumerate(person.addresses)
        ]
        marks += [("unix login", x, (*at, "unix", i)) for i, x in enumerate(person.unix)]
        if person.login:
            marks.append(("login", person.login.user.casefold(), (*at, "login", "user")))
        if len(marks) == 1:
            yield at, "cannot be recognised; give phones, addresses, unix or login", at
        for kind, value, loc in marks:
            other, first = owners.setdefault((kind, value), (name, loc))
            if first != loc:
                whose = "named twice" if other == name else f"also {other}'s"
                yield loc, f"this {kind} is {whose}; one person only", first


def _replies(config: Config) -> Iterator[Clash]:
    """The watched mailbox as somebody's own: their answers, which come from it too, are taken."""
    imap, post = config.doors.imap, config.post
    if imap is None or post is None or imap.folder.casefold() != "inbox":
        return
    own = imap.user.casefold()
    for name, person in config.people.items():
        for n, address in enumerate(person.addresses):
            if own == post.from_.casefold() == address.casefold():
                text = "is the mailbox that the house watches, which takes each answer away as a "
                text += "message; name one that is read elsewhere, or watch another folder"
                yield ("people", name, "addresses", n), text, ("doors", "imap", "user")


def _smtp(config: Config) -> Iterator[Clash]:
    smtp, at = config.doors.smtp, ("doors", "smtp")
    if smtp is None:
        return
    if smtp.listen_tls and not smtp.certificate:
        yield (*at, "listen_tls"), "needs a certificate", (*at, "certificate")
    if smtp.listen_tls == smtp.listen:
        yield (*at, "listen_tls"), "is the same as listen", (*at, "listen")
    logins = [name for name, person in config.people.items() if person.login]
    if logins and not smtp.certificate and not is_loopback(split(smtp.listen)[0]):
        yield (
            (*at, "listen"),
            f"{logins[0]} has a login, and AUTH over a network needs a certificate",
            (*at, "certificate"),
        )
    if smtp.command > smtp.session:
        yield (*at, "command"), "is longer than the session", (*at, "session")


def _imap(config: Config) -> Iterator[Clash]:
    imap, at = config.doors.imap, ("doors", "imap")
    if imap is None:
        return
    if imap.password and imap.oauth:
        yield (*at, "oauth"), "password and oauth both; keep one", (*at, "password")
    if not imap.password and not imap.oauth:
        yield at, "needs a password or oauth", (*at, "password")
    if imap.tls == "none" and not is_loopback(imap.host):
        yield (*at, "tls"), "none is for loopback only; use tls", (*at, "host")
    # INBOX has no capitals (RFC 3501 5.1), and to some servers no folder has
    if imap.executed.casefold() == imap.folder.casefold():
        yield (*at, "executed"), "is the folder that is watched", (*at, "folder")


def _post(config: Config) -> Iterator[Clash]:
    post, at = config.post, ("post",)
    if post is None:
        return
    if post.user and not post.password:
        yield (*at, "user"), "needs a password", (*at, "password")
    if post.password and not post.user:
        yield (*at, "password"), "needs a user", (*at, "user")
    if post.tls == "none" and not is_loopback(post.host):
        yield (*at, "tls"), "none is for loopback only; use starttls or tls", (*at, "host")


def _google_voice(config: Config) -> Iterator[Clash]:
    voice, post = config.trust.google_voice, config.post
    if voice is None or post is None:
        return
    at: Loc = ("trust", "google_voice", "account")
    for key, value in _senders(post):
        if value.casefold() != voice.account.casefold():
            yield (
                at,
                f"Google drops replies that do not come from {voice.account}, "
                f"and post.{key} is {value}",
                ("post", key),
            )
            return


def _senders(post: Post) -> Iterator[tuple[str, str]]:
    """Who Google sees a reply come from; a user name without @ is some other host's affair."""
    yield "from", post.from_
    if post.user and "@" in post.user:
        yield "user", post.user


def _times(config: Config) -> Iterator[Clash]:
    trust, at = config.trust, ("trust",)
    if trust.late > trust.max_age:
        yield (*at, "late"), "is longer than max_age; nothing that old is run", (*at, "max_age")
    if trust.remember <= trust.max_age:
        yield (
            (*at, "remember"),
            "must be longer than max_age, or a message could run twice",
            (*at, "max_age"),
        )
    if config.retention.journal.age < trust.remember:
        yield (
            ("retention", "journal", "age"),
            "must not be shorter than trust.remember, or a message could run twice",
            (*at, "remember"),
        )


def _watches(config: Config) -> Iterator[Clash]:
    watches = config.watches
    if watches.mailbox and not config.doors.imap:
        yield ("watches", "mailbox"), "there is no mailbox to watch", ("doors", "imap")
    if watches.post and not config.post:
        yield ("watches", "post"), "there is no post to watch", ("post",)
    if watches.certificate and not (config.doors.smtp and config.doors.smtp.certificate):
        at: Loc = ("watches", "certificate")
        yield at, "there is no certificate to watch", ("doors", "smtp", "certificate")
    for module, key, names in (
        ("ping", "hosts", [name for name, host in watches.hosts.items() if not host.address]),
        ("plug", "plugs", list(watches.plugs)),
    ):
        known = config.modules.settings.get(module, {}).get(key)
        place: Loc = ("modules", module, key)
        for name in names:
            if not isinstance(known, dict) or name not in known:
                yield ("watches", key, name), f"modules.{module}.{key} has no {name}", place


def _aliases(config: Config) -> Iterator[Clash]:
    """A scene beyond the limit is never run, whenever it is texted."""
    most = config.limits.calls_per_hour
    for name, lines in config.aliases.items():
        if 0 < most < len(lines):
            text = f"is {len(lines)} commands, over the {most} of an hour: it can never be texted"
            yield ("aliases", name), text, ("limits", "calls_per_hour")


def _secrets(config: Config) -> Iterator[Clash]:
    files = [(loc, secret.file) for loc, secret in secrets(config) if secret.file is not None]
    faults = exposed(*(file for _, file in files))
    for loc, file in files:
        if file in faults:
            yield loc, faults[file], loc


def secrets(config: Config) -> Iterator[tuple[Loc, Secret]]:
    """Every secret that a configuration names outside of its modules, with its place in it."""
    for section in ("people", "doors", "post"):
        yield from secrets_within((section,), getattr(config, section))
    smtp, imap = config.doors.smtp, config.doors.imap
    if smtp is not None and smtp.certificate is not None:
        yield ("doors", "smtp", "certificate", "key"), Secret(file=smtp.certificate.key)
    if imap is not None and imap.oauth is not None:
        yield ("doors", "imap", "oauth", "client_file"), Secret(file=imap.oauth.client_file)


def secrets_within(place: Loc, value: Any) -> Iterator[tuple[Loc, Secret]]:
    """The secrets in a part of a configuration, however deep."""
    if isinstance(value, Secret):
        yield place, value
        return
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, BaseModel):
        parts = value
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for key, inner in parts:
        yield from secrets_within((*place, key), inner)
