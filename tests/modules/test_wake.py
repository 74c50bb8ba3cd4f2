"""Behaviour of the wake command: a real UDP socket is the sleeping machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from housecarl import CommandError, Risk
from housecarl.module import SPEC

from .conftest import Commands, sms

MAC = "52:54:00:12:34:56"


@pytest.fixture
def card() -> Iterator[socket.socket]:
    """The network card of a sleeping machine, on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


@pytest.fixture
def wake(load: Callable[[str], Commands], card: socket.socket) -> Commands:
    commands = load("wake")
    there = {"mac": MAC.upper().replace(":", "-"), "broadcast": "127.0.0.1"}
    there["port"] = card.getsockname()[1]
    commands.set(
        machines={
            "nas": {**there, "host": "127.0.0.1"},
            "tv": there,
            "pc": {**there, "host": "::"},
        },
        patience=0.01,
    )
    return commands


async def test_the_magic_packet_arrives(wake: Commands, card: socket.socket) -> None:
    assert (await wake.text("wake", "TV")).startswith("tv: wake sent. Its address is not in")
    packet = card.recv(200)
    assert packet == b"\xff" * 6 + bytes.fromhex("525400123456") * 16
    assert not wake.hand.work


async def test_an_awake_machine_is_left_alone_and_said_so(
    wake: Commands, card: socket.socket
) -> None:
    """Where this host may not ping, the packet goes out and the second message says why."""
    text = await wake.text("wake", "nas")
    if wake.hand.work:
        assert text == "nas: wake sent. I say when it answers, or after 0 s if not."
        assert "ping is not allowed" in sms(await wake.hand.later())
    else:
        assert text == "nas is awake already and answers. Nothing was sent."
        card.settimeout(0)
        with pytest.raises(BlockingIOError):
            card.recv(200)


async def test_the_second_message_says_when_it_answers(
    wake: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is asleep at the first look and up at the third."""
    answers = iter([False, False, True])

    async def look(host: str) -> bool:
        return next(answers)

    monkeypatch.setattr(wake.module, "_answers", look)
    monkeypatch.setattr(wake.module, "PAUSE", 0.001)
    wake.settings = wake.settings.model_copy(update={"patience": 90.0})
    assert await wake.text("wake", "nas") == (
        "nas: wake sent. I say when it answers, or after 90 s if not."
    )
    assert sms(await wake.hand.later()) == "nas is awake: it answers after 0 s."


@pytest.mark.parametrize(
    ("heard", "said"),
    [(False, "no answer 0 s after the wake packet"), (None, "ping is not allowed on this host")],
)
async def test_the_second_message_tells_the_truth(
    wake: Commands, monkeypatch: pytest.MonkeyPatch, heard: bool | None, said: str
) -> None:
    async def look(host: str) -> bool | None:
        return heard

    monkeypatch.setattr(wake.module, "_answers", look)
    await wake.run("wake", "nas")
    assert said in sms(await wake.hand.later())


async def test_without_a_name_it_only_lists(wake: Commands) -> None:
    assert await wake.text("wake") == "To wake: nas, pc, tv."
    risk = getattr(wake.module.wake, SPEC).risk
    assert risk(SimpleNamespace(name=None)) is Risk.LOOK
    assert risk(SimpleNamespace(name="nas")) is Risk.CHANGE


async def test_a_typo_gets_one_suggestion_in_one_sms(wake: Commands) -> None:
    with pytest.raises(
        CommandError, match=r"No machine nass\. Did you mean nas\? To wake: nas, pc"
    ):
        await wake.run("wake", "nass")
    many = {f"machine-{n:012}": {"mac": MAC} for n in range(40)}
    wake.set(machines=many)
    sms(await wake.run("wake"))
    with pytest.raises(CommandError) as caught:
        await wake.run("wake", "machine-00000000000" + "°" * 50)
    assert len(str(caught.value)) <= 160 and "37 more" in str(caught.value)


async def test_a_packet_that_cannot_leave_is_said_so(wake: Commands) -> None:
    """Broadcast in the clothes of IPv6: the kernel refuses it."""
    wake.set(machines={"nas": {"mac": MAC, "broadcast": "::ffff:255.255.255.255"}})
    with pytest.raises(CommandError, match=r"nas: the wake packet could not be sent \(.+\)\."):
        await wake.run("wake", "nas")


@pytest.mark.parametrize(
    "wrong",
    [{"mac": "52:54:00:12:34"}, {"mac": MAC, "host": "-f"}, {"mac": MAC, "broadcast": "all"}],
)
def test_settings_are_checked(wake: Commands, wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        wake.set(machines={"nas": wrong})


def test_two_machines_that_are_the_same_in_a_text_are_refused(wake: Commands) -> None:
    with pytest.raises(ValidationError, match="nas and NAS are the same in a text"):
        wake.set(machines={name: {"mac": MAC} for name in ("nas", "NAS")})
