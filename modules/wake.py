"""Wake a sleeping machine, and say when it answers."""

import asyncio
import difflib
import errno
import ipaddress
import os
import re
import socket
import time
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from housecarl import Call, CommandError, Reply, Risk, command
from housecarl.config_section import Name
from housecarl.folding import apart

#: the discard port, where the packet harms nobody; sent so often because UDP may lose it
PORT, TIMES = 9, 3
#: seconds: until we give up on it, between two looks, for one answer
PATIENCE, PAUSE, ANSWER = 90.0, 2.0, 1.0
#: how many names fit one reply
SHOWN = 6


def _hardware(text: object) -> str:
    """52:54:00:12:34:56, also with hyphens; ValueError otherwise."""
    plain = str(text).replace("-", ":").lower()
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", plain):
        raise ValueError("write a hardware address like 52:54:00:12:34:56, in quotes")
    return plain


def _address(text: object) -> str:
    return str(ipaddress.ip_address(str(text)))


Address = Annotated[str, AfterValidator(_address)]


class Machine(BaseModel):
    """Its hardware address, where the packet goes, and the address to ping (none: not asked)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mac: Annotated[str, BeforeValidator(_hardware)]
    host: Address | None = None
    broadcast: Address = "255.255.255.255"
    port: int = Field(PORT, ge=1, le=65535)


class Settings(BaseModel):
    """`machines` are those that may be woken, by name; `patience` is seconds until we give up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machines: Annotated[dict[Name, Machine], AfterValidator(apart)] = Field(default_factory=dict)
    patience: float = Field(PATIENCE, gt=0, le=600)


@command(risk=lambda args: Risk.CHANGE if args.name else Risk.LOOK)
async def wake(call: Call, name: str | None = None) -> Reply:
    """Wake a sleeping machine: wake nas

    Sends the Wake-on-LAN packet, then pings until it answers and says so. Without a name it
    lists what can be woken.
    """
    machines: dict[str, Machine] = call.settings.machines
    if name is None:
        return Reply(f"To wake: {_names(machines)}.")
    name, machine = _find(machines, name)
    if machine.host and await _answers(machine.host):
        return Reply(f"{name} is awake already and answers. Nothing was sent.")
    _send(name, machine)
    if machine.host is None:
        return Reply(
            f"{name}: wake sent. Its address is not in the config, so no word when it is up."
        )
    patience: float = call.settings.patience
    call.spawn(_wait(call, name, machine.host, patience))
    return Reply(f"{name}: wake sent. I say when it answers, or after {patience:.0f} s if not.")


def _find(machines: dict[str, Machine], asked: str) -> tuple[str, Machine]:
    by_fold = {name.casefold(): name for name in machines}
    if name := by_fold.get(asked.casefold()):
        return name, machines[name]
    near = difflib.get_close_matches(asked.casefold(), by_fold, 1)
    guess = f" Did you mean {by_fold[near[0]]}?" if near else ""
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in asked[:20])
    raise CommandError(f"No machine {shown}.{guess} To wake: {_names(machines, 3)}.")


def _names(machines: dict[str, Machine], most: int = SHOWN) -> str:
    names = sorted(machines)
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more]) or "none in the config"


def _send(name: str, machine: Machine) -> None:
    """The magic packet: six times 0xff, then sixteen times the hardware address (AMD 20213)."""
    packet = b"\xff" * 6 + bytes.fromhex(machine.mac.replace(":", "")) * 16
    family = socket.AF_INET6 if ":" in machine.broadcast else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            if family == socket.AF_INET:
                out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for _ in range(TIMES):
                out.sendto(packet, (machine.broadcast, machine.port))
    except OSError as error:
        why = os.strerror(error.errno or errno.EIO).lower()
        raise CommandError(f"{name}: the wake packet could not be sent ({why}).") from error


async def _answers(host: str) -> bool | None:
    """Whether it answers one ping; None where this host may not ping."""
    from icmplib import ICMPLibError, SocketPermissionError, async_ping  # the first ping pays

    for privileged in (False, True):
        try:
            heard = await async_ping(
                host,
                1,
                timeout=ANSWER,  # pyright: ignore[reportArgumentType] - fractions are taken
                privileged=privileged,
            )
        except SocketPermissionError:
            continue
        except ICMPLibError:
            return False
        return bool(heard.is_alive)
    return None


async def _wait(call: Call, name: str, host: str, patience: float) -> None:
    started = time.monotonic()
    while (waited := time.monotonic() - started) < patience:
        heard = await _answers(host)
        if heard is None:
            text = f"{name}: ping is not allowed on this host, so no word when it is up;"
            await call.follow_up(Reply(f"{text} housecarl doctor there tells how."))
            return
        if heard:
            await call.follow_up(Reply(f"{name} is awake: it answers after {waited:.0f} s."))
            return
        await asyncio.sleep(min(PAUSE, patience))
    text = (
        f"{name}: no answer {patience:.0f} s after the wake packet. Is Wake-on-LAN on in its BIOS?"
    )
    await call.follow_up(Reply(text))
