"""The first configuration of a house: what was answered, as YAML with comments."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from housecarl import config_text

#: the column at which the comment beside a value begins
_ASIDE = 36

#: texts that need no quotes wherever they stand, unless they are a number or a constant
_PLAIN = re.compile(r"[A-Za-z/.][A-Za-z0-9 /_.@+-]*[A-Za-z0-9_]|[A-Za-z]")


class Server(NamedTuple):
    """A mail host: `secret` is the path of the password's file, empty when there is no log-in."""

    host: str
    port: int | None = None
    tls: str | None = None
    user: str = ""
    secret: str = ""


class Draft(NamedTuple):
    """All that is known of a new house; an empty text is a thing that is not there.

    `voice` is the Google account and its number, `smtp` where to listen and the house's address,
    `sender` the From of every reply.
    """

    house: str
    timezone: str
    units: str
    spool: str
    name: str
    phone: str = ""
    address: str = ""
    login: str = ""
    voice: tuple[str, str] | None = None
    imap: Server | None = None
    smtp: tuple[str, str] | None = None
    post: Server | None = None
    sender: str = ""

    def text(self) -> str:
        """The YAML file."""
        parts = (
            self._head(),
            self._people(),
            self._doors(),
            self._trust(),
            self._post(),
            self._rest(),
        )
        return "\n".join("\n".join(part) + "\n" for part in parts)

    def _head(self) -> list[str]:
        beside = "" if self.spool.startswith(("/", "~")) else ", relative to this file"
        return [
            "# Whom this house obeys, and how it answers; written by `housecarl init`.",
            "#",
            "# `man housecarl.yaml` explains every key. After a change run",
            "# `housecarl check`, then reload the daemon. No secret stands here: {file: PATH} is a",
            "# file with mode 600, {credential: NAME} a credential of systemd.",
            "",
            _line("", "house", self.house, "what replies and the log call it"),
            _line("", "timezone", self.timezone),
            _line("", "units", self.units, "us (F, mph) or metric (C, km/h)"),
            _line("", "spool", self.spool, f"where messages live{beside}"),
        ]

    def _people(self) -> list[str]:
        lines = ["# Whom the house obeys. Nobody else is ever answered.", "people:"]
        lines.append(f"  {self.name}:")
        if self.phone:
            lines.append(_list("    ", "phones", self.phone, "numbers they text from"))
        if self.address:
            lines.append(_list("    ", "addresses", self.address, "addresses they write from"))
        if self.login:
            lines.append(
                _list("    ", "unix", self.login, "whose files put into spool/ are theirs")
            )
        return [
            *lines,
            _list("    ", "may", "*", 'commands by name; "*" is every command'),
            _line("    ", "owner", "true", "told of strangers, lock-outs and faults"),
            "# Somebody who may less, until the end of a day:",
            '#  bo: {phones: ["+1 303 555 0199"], may: [plug, weather, help], until: 2030-12-31}',
        ]

    def _doors(self) -> list[str]:
        lines = ["# The ways in. Each is off unless it is named.", "doors:"]
        if self.imap:
            lines += [
                "  # A mailbox that is watched. Only what concerns the house is fetched and moved.",
                "  imap:",
                *_server("    ", self.imap),
            ]
        if self.smtp:
            lines += [
                "  # Mail and forwarded texts by SMTP.",
                "  smtp:",
                _line("    ", "listen", self.smtp[0], "port 25 comes from housecarl.socket"),
                _list("    ", "recipients", self.smtp[1], "any other address gets 550"),
                "#    certificate: {cert: secrets/house.pem, key: secrets/house.key}",
            ]
        lines.append(
            "  # Files put into spool/, also by `housecarl send`: their owner says who it is."
        )
        return [*lines, "  drop: {}"]

    def _trust(self) -> list[str]:
        lines = ["# What counts as proof of the sender.", "trust:"]
        if self.voice:
            lines += [
                "  google_voice:",
                _line(
                    "    ", "account", self.voice[0], "replies leave from it, or Google drops them"
                ),
                _line("    ", "number", self.voice[1], "its Google Voice number"),
            ]
        if self.imap and self.imap.host == "imap.gmail.com":
            why = "whose verdict on mail to believe"
            lines.append(_line("  ", "authserv_id", "mx.google.com", why))
        lines.append(_comment("#  late: 15m", "a change this old is not run"))
        return lines

    def _post(self) -> list[str]:
        if not self.post:
            return ["# The way out. Without it replies stand in the journal only.", "#post:"]
        return [
            "# The way out: the mail host that takes the replies.",
            "post:",
            *_server("  ", self.post),
            _line("  ", "from", self.sender, "From of every reply"),
        ]

    def _rest(self) -> list[str]:
        return [
            "# What there is to command; `housecarl module new NAME` writes a command of your own.",
            "modules:",
            "#  plug: {plugs: {lamp: 192.168.1.41}}   # `housecarl plugs find` shows them",
            "#  ping: {hosts: {nas: 192.168.1.20}}",
            "#  weather: {place: Denver}",
        ]


def scalar(value: str) -> str:
    """A text as YAML that reads back as the same text."""
    if _PLAIN.fullmatch(value) and config_text.scalar(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _server(indent: str, server: Server) -> list[str]:
    lines = [_line(indent, "host", server.host)]
    if server.port:
        lines.append(f"{indent}port: {server.port}")
    if server.tls:
        why = "this machine only" if server.tls == "none" else ""
        lines.append(_line(indent, "tls", server.tls, why))
    if server.user:
        lines.append(_line(indent, "user", server.user))
        lines.append(f"{indent}password: {{file: {scalar(server.secret)}}}")
    return lines


def _line(indent: str, key: str, value: str, why: str = "") -> str:
    text = value if value == "true" else scalar(value)
    return _comment(f"{indent}{key}: {text}", why)


def _list(indent: str, key: str, value: str, why: str) -> str:
    return _comment(f"{indent}{key}: [{scalar(value)}]", why)


def _comment(text: str, why: str) -> str:
    return f"{text:{_ASIDE}} # {why}" if why else text
