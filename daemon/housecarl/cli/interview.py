"""The questions of `init`, in order: from an asker and first guesses to the draft of a house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from housecarl.cli import guess
from housecarl.cli.draft import Draft, Server
from housecarl.cli.guess import Guesses
from housecarl.cli.questions import Asker, Check
from housecarl.config import Config
from housecarl.config_people import Name
from housecarl.config_section import Line
from housecarl.contact import Address, domain, e164
from housecarl.location import Endpoint, is_loopback, split

DOORS = {
    "mailbox": "watch a mailbox (IMAP): e-mail, and texts through Google Voice; no open port",
    "smtp": "be a mail server: e-mail and texts are forwarded here",
    "files": "only files put into spool/, by cron, scripts and `housecarl send`",
}
UNITS = {"us": "F, mph", "metric": "C, km/h"}

#: ports whose TLS begins with the first byte
_TLS_PORTS = (465, 993)

#: letters of an app password of Google, which shows it in four blocks
_APP_PASSWORD = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A draft and its secrets, by the paths at which the draft names them; None: stays as it is."""

    draft: Draft
    secrets: dict[str, str | None] = field(repr=False)


def hold(asker: Asker, here: Guesses, spool: str, kept: Callable[[str], bool]) -> Found:
    """Ask everything; `kept` tells whether a secret's file is there already."""
    return _Interview(asker, here, kept).hold(spool)


class _Interview:
    """What was said so far decides what is asked next."""

    def __init__(self, asker: Asker, here: Guesses, kept: Callable[[str], bool]) -> None:
        self._asker = asker
        self._here = here
        self._kept = kept
        self._secrets: dict[str, str | None] = {}
        self._region = ""

    def hold(self, spool: str) -> Found:
        zone = self._ask("timezone", "Time zone", self._here.timezone, _zone)
        self._region = guess.region(zone)
        units = self._asker.choose("units", "Units", UNITS, guess.units(self._region))
        house = self._ask("house", "Name of the house", self._here.house, _line)
        name = self._ask("name", "Your name, in one word", self._here.login or None, _name)
        phone, address = self._reach()
        reached = bool(phone or address)
        door = self._asker.choose("door", "Way in", DOORS, "mailbox" if reached else "files")
        by_file = door == "files" or not reached
        login = self._login(needed=not reached) if by_file else self._here.login
        ours = _apart_from(address) if door == "mailbox" else _address
        voice = self._voice(ours) if phone and door != "files" else None
        account = voice[0] if voice else ""
        if door == "mailbox" and not account:
            account = self._ask("account", "Address of the mailbox", None, ours)
        imap = self._server("imap", "Mailbox", account) if door == "mailbox" else None
        smtp = self._smtp() if door == "smtp" else None
        post, sender = self._post(account, voice is not None) if reached else (None, "")
        self._asker.close()
        who = (name, phone, address, login)
        draft = Draft(house, zone, units, spool, *who, voice, imap, smtp, post, sender)
        return Found(draft, self._secrets)

    def _reach(self) -> tuple[str, str]:
        """How whoever asks is known: their number and address, either may be empty."""
        number = "Your phone number (Enter: none)"
        phone = self._ask("phone", number, "", _optional(_phone(self._region)))
        address = self._ask("address", "Your e-mail address (Enter: none)", "", _optional(_address))
        return phone, address

    def _login(self, *, needed: bool) -> str:
        """Whose files are theirs; the only way to know somebody without number and address."""
        text = "Login of this machine whose files are yours"
        guessed = self._here.login or ("root" if needed else "")
        return self._ask("login", text, guessed, _line if needed else _optional(_line))

    def _voice(self, ours: Check) -> tuple[str, str] | None:
        text = "Google account with the house's Google Voice number (Enter: no texts)"
        account = self._ask("voice_account", text, "", _optional(ours))
        if not account:
            return None
        check = _phone(self._region or "US")
        return account, self._ask("voice_number", "Its Google Voice number", None, check)

    def _smtp(self) -> tuple[str, str]:
        listen = self._ask("smtp_listen", "Listen on", "127.0.0.1:2525", _endpoint)
        text = "Address of the house that mail is sent to"
        return listen, self._ask("smtp_recipient", text, None, _address)

    def _post(self, account: str, voice: bool) -> tuple[Server | None, str]:
        """The way out; with Google Voice the sender must be its account."""
        if not account:
            text = "Address that replies come from (Enter: no replies)"
            account = self._ask("account", text, "", _optional(_address))
        if not account:
            return None, ""
        return self._server("post", "Way out", account, fixed=voice), account

    def _server(self, kind: str, text: str, account: str, *, fixed: bool = False) -> Server:
        """A mail host and the log-in there; `fixed`: no other user than the account will do."""
        guessed = guess.hosts(account)[0 if kind == "imap" else 1]
        host, port = _split(self._ask(f"{kind}_host", f"{text}: mail host", guessed, _host))
        tls = _tls(host, port)
        if kind == "post" and tls == "none":
            question = f"{text}: user name (Enter: no log-in)"
            user = self._ask(f"{kind}_user", question, "", _optional(_line))
        elif fixed:
            user = account
        else:
            user = self._ask(f"{kind}_user", f"{text}: user name", account, _line)
        secret = self._password(kind, text, host, own=user == account) if user else ""
        return Server(host, port, tls, user, secret)

    def _password(self, kind: str, text: str, host: str, *, own: bool) -> str:
        """The path of the password's file; Gmail has one for the mailbox and the way out.

        `own`: the user is the account that both have.
        """
        google = host.endswith(".gmail.com")
        path = "secrets/gmail" if google and own else f"secrets/{kind}"
        if path in self._secrets:
            return path
        what = "app password (myaccount.google.com/apppasswords)" if google else "password"
        name = "password" if google and own else f"{kind}_password"
        check = _app_password if google else _secret
        said = self._asker.secret(name, f"{text}: {what}", check, self._kept(path))
        self._secrets[path] = said or None
        return path

    def _ask(self, name: str, text: str, guessed: str | None, check: Check) -> str:
        return self._asker.ask(name, text, guessed, check)


def _rule(kind: Any) -> Check:
    """The check that the configuration itself makes of such a value."""
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(kind)

    def check(said: str) -> str:
        said = said.strip()
        try:
            adapter.validate_python(said)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise ValueError(str(fault.get("ctx", {}).get("error", fault["msg"]))) from None
        return said

    return check


_line = _rule(Line)
_name = _rule(Name)
_address = _rule(Address)
_endpoint = _rule(Endpoint)
_zone = _rule(Annotated[str, *Config.model_fields["timezone"].metadata])


def _phone(region: str) -> Check:
    """A number with + and the country code, or as it is dialled in `region`."""

    def check(said: str) -> str:
        import phonenumbers

        if not said.strip().startswith("+") and region:
            try:
                number = phonenumbers.parse(said, region)
            except phonenumbers.NumberParseException:
                raise ValueError(f"'{said}' is no phone number") from None
            form = phonenumbers.PhoneNumberFormat.INTERNATIONAL
            said = phonenumbers.format_number(number, form)
        e164(said)
        return said.strip()

    return check


def _apart_from(own: str) -> Check:
    """The address of a mailbox that is not the one in which whoever asks reads the answers."""

    def check(said: str) -> str:
        if own and said.strip().casefold() == own.casefold():
            raise ValueError("that is your own: the house would take away the answers to you there")
        return _address(said)

    return check


def _app_password(said: str) -> str:
    """16 letters without the blanks between them; Gmail takes no other password."""
    letters = "".join(said.split())
    if len(letters) != _APP_PASSWORD:
        raise ValueError(f"an app password has {_APP_PASSWORD} letters; the account's will not do")
    return letters


def _secret(said: str) -> str:
    """What a file of UTF-8 can hold on one line."""
    if not said.isprintable():
        raise ValueError("a password has letters, digits and signs, in UTF-8")
    return said.strip()


def _optional(check: Check) -> Check:
    return lambda said: check(said) if said.strip() else ""


def _host(said: str) -> str:
    """HOST, or HOST:PORT where the port is not the usual one."""
    host, _ = _split(said.strip())
    return said.strip() if is_loopback(host) or domain(host) else ""


def _split(said: str) -> tuple[str, int | None]:
    return split(said) if ":" in said else (said, None)


def _tls(host: str, port: int | None) -> str | None:
    """What a port says about TLS; None leaves the default of the section."""
    if port in _TLS_PORTS:
        return "tls"
    if is_loopback(host):
        return "none"
    return "starttls" if port else None
