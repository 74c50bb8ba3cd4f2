"""`demo`: the real daemon in a made-up house, texted by real SMTP on loopback."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from housecarl.testing.house import TestHouse
    from housecarl.testing.phone import Phone

#: What the made-up person texts, and why it is worth seeing.
SCRIPT = (
    ("!help", "what can I text?"),
    ("!plug lamp on", "a change: carried out once, and the plug is asked whether it is so"),
    ("!plug lmap on", "a slip: one suggestion, nothing is done"),
    ("!uptime", "a look"),
)


#: A terminal that is closed, and `kill`: they end a program at once, and would leave its folder.
ENDS = (signal.SIGHUP, signal.SIGTERM)


@click.command("demo")
def verb() -> None:
    """Text a made-up house on this machine and watch what it does.

    The real daemon, a simulated plug and a made-up Google Voice, all on loopback. No configuration,
    no network, and nothing is left behind. On a terminal it goes on as a prompt where you are the
    phone.
    """
    from housecarl.logs import set_up
    from housecarl.testing.house import TestHouse
    from housecarl.testing.plug import SimulatedPlug

    set_up("warning")
    for number in ENDS:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(number, _leave)
    with (
        tempfile.TemporaryDirectory(prefix="housecarl-") as folder,
        SimulatedPlug(alias="lamp", relay=False) as plug,
    ):
        modules = {
            "plug": {"plugs": {"lamp": {"host": plug.host, "port": plug.port}}},
            "ping": {"hosts": {"here": "127.0.0.1"}},
        }
        with TestHouse(Path(folder), modules=modules) as house:
            phone = house.phone()
            _tour(house, phone)
            if sys.stdin.isatty() and sys.stdout.isatty():
                _prompt(phone)


def _leave(number: int, _: object) -> NoReturn:
    """Take the house down, which a second signal does not cut short; end as the shell has it."""
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _tour(house: TestHouse, phone: Phone) -> None:
    from housecarl import service
    from housecarl.testing.phone import Phone

    click.echo(f"{house.config()['house']}, a made-up house. Ann texts it from {_short(phone)}.\n")
    for text, why in SCRIPT:
        _say("ann", text, why)
        phone.text(text)
        _say("house", phone.wait())
    _say("stranger", "!plug lamp off", "from another number: silence")
    Phone(house, "+13035550666").text("!plug lamp off")
    house.settle()
    click.echo("\nEach message is one file; its folder says what became of it:\n")
    for path in sorted(house.spool.rglob("*.eml")):
        click.echo(f"    {path.relative_to(house.spool)}")
    click.echo("\nThe journal remembers why:\n")
    for line in house.log():
        click.echo(f"    {line}")
    click.echo(f"\nNothing of this stays. To set up your own house: {service.program()} init")


def _prompt(phone: Phone) -> None:
    """The user is the phone until an empty line or Ctrl-D."""
    click.echo(
        "\nNow you are the phone. Text something, for example !plug lamp; Enter alone ends.\n"
    )
    while text := _ask():
        phone.text(text)
        try:
            _say("house", phone.wait(seconds=30.0 if text.lstrip().startswith("!") else 1.0))
        except TimeoutError:
            click.echo("    house     (silence: no command in it)")


def _ask() -> str:
    try:
        typed = click.prompt("    you", default="", show_default=False, prompt_suffix="       ")
    except click.Abort:
        click.echo()
        return ""
    return str(typed).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _say(who: str, text: str, why: str = "") -> None:
    colour = {"house": "green", "stranger": "red"}.get(who, "cyan")
    note = click.style(f"   ({why})", dim=True) if why else ""
    click.echo(f"    {click.style(f'{who:9}', fg=colour)} {text}{note}")


def _short(phone: Phone) -> str:
    """A number as it is shown: its end is enough to know it by."""
    return f"...{phone.number[-4:]}"
