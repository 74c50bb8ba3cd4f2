"""Newer plugs: what python-kasa gives becomes the same answers; its errors become one sentence.

There is no server of their protocol to be had, so a stand-in takes the place of python-kasa's
device, in the session as it is kept after the handshake. How one is found is tested with an older
plug, at the one port that python-kasa knows.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from housecarl import addresses
from housecarl.plugs import energy, names, tapo, wire
from housecarl.plugs.settings import PORT, PlugAddress
from housecarl.plugs.tapo import PlugLocked
from housecarl.plugs.wire import PlugError, PlugSilent
from housecarl.secret import Secret
from housecarl.testing.plug import SimulatedPlug

ADDRESS = PlugAddress(
    host="192.0.2.1", user="ann@example.org", password=Secret(env="TAPO_PASSWORD")
)
#: an address on loopback that is this process's own, as the port cannot be chosen
OWN = f"127.9.{os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"


class StandIn:
    """What we use of a connected python-kasa device."""

    model, mac, alias, rssi = "P110(US)", "aa:bb:cc:01:02:03", "den", -50
    hw_info = {"hw_ver": "1.0", "sw_ver": "1.3.0 Build 230905 Rel.152200"}

    def __init__(self) -> None:
        self.is_on = False
        self.error: Exception | None = None
        self.closed = 0
        self.modules: dict[str, Any] = {
            "Energy": SimpleNamespace(
                current_consumption=43.2,
                current=0.37,
                voltage=121.0,
                consumption_today=0.31,
                consumption_this_month=5.2,
            )
        }

    async def update(self) -> None:
        if self.error is not None:
            raise self.error

    async def turn_on(self) -> None:
        self.is_on = True

    async def turn_off(self) -> None:
        await asyncio.sleep(60)

    async def disconnect(self) -> None:
        self.closed += 1


@pytest.fixture
async def plug() -> Any:
    await wire.load()
    stand_in = StandIn()
    loop = asyncio.get_running_loop()
    session = tapo.Session(stand_in, loop, loop.call_later(tapo.IDLE_CLOSE, lambda: None))
    tapo._sessions[(ADDRESS.host, "ann@example.org")] = session
    yield stand_in
    await tapo._close((ADDRESS.host, "ann@example.org"))


@pytest.fixture
def device() -> Iterator[tapo.NewDevice]:
    made = names.device("den", ADDRESS, 0.2)
    assert isinstance(made, tapo.NewDevice)
    yield made


async def test_an_answer_that_python_kasa_breaks_over_is_an_error_of_that_plug(
    plug: StandIn, device: tapo.NewDevice
) -> None:
    """`plugs list` and `doctor` go on with the others."""
    plug.rssi = "far"  # type: ignore[assignment]
    for asked in (device.identity(), device.look(date(2026, 1, 2))):
        with pytest.raises(PlugError, match=r"^den gives an answer that makes no sense\.$"):
            await asked


async def test_it_answers_the_same_questions(plug: StandIn, device: tapo.NewDevice) -> None:
    await device.switch(True)
    look = await device.look(date(2026, 1, 2))
    assert look.identity.on and look.identity.version == "1.3.0"
    assert look.reading is not None and look.reading.watts == 43.2
    assert look.today_kwh == 0.31
    assert len(await device.readings(2, pause=0.0)) == 2
    assert (await energy.history(device, date(2026, 1, 2))).month == 5.2
    assert not await device.count_down(60, False)
    assert await device.stop_counting(), "what never counts cannot go on counting"


async def test_without_a_meter_nothing_is_measured(plug: StandIn, device: tapo.NewDevice) -> None:
    plug.modules = {}
    assert (await device.look(date(2026, 1, 2))).reading is None
    assert await device.readings(2, pause=0.0) == []
    assert await device.month_kwh() is None


async def test_a_number_that_no_meter_can_mean_is_told_as_none(
    plug: StandIn, device: tapo.NewDevice
) -> None:
    """JSON has integers of any length, and over some python-kasa itself breaks."""

    class Reckoned(SimpleNamespace):
        @property
        def current_consumption(self) -> float:
            return 10**400 / 1000

    told = {"current": 0.37, "voltage": 121.0, "consumption_today": 0.31}
    for odd in (SimpleNamespace(current_consumption=10**400, **told), Reckoned(**told)):
        plug.modules["Energy"] = odd
        reading = (await device.look(date(2026, 1, 2))).reading
        assert reading is not None and reading.watts is not None and math.isnan(reading.watts)
    for energy_told in (-1.0, math.inf):
        plug.modules["Energy"].consumption_today = energy_told
        assert (await device.look(date(2026, 1, 2))).today_kwh is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("AuthenticationError", "den does not take our user and password."),
        ("KasaException", "den gives an answer that makes no sense."),
    ],
)
async def test_its_errors_are_one_sentence_and_end_the_session(
    plug: StandIn, device: tapo.NewDevice, error: str, told: str
) -> None:
    from kasa import exceptions

    plug.error = getattr(exceptions, error)("no")
    with pytest.raises(PlugError) as caught:
        await device.identity()
    assert str(caught.value) == told
    assert plug.closed == 1


async def test_a_silent_one_is_told_in_time(plug: StandIn, device: tapo.NewDevice) -> None:
    with pytest.raises(PlugError, match=r"^den does not answer\.$") as caught:
        await device.switch(False)
    assert caught.value.sent


async def _silent(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_question_for_which_no_time_is_named_has_that_of_the_plug(
    plug: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plug, "update", _silent)
    with pytest.raises(PlugSilent, match=r"^den does not answer\.$"):
        async with asyncio.timeout(5):
            await names.device("den", ADDRESS, 0.05).identity()


async def test_the_time_that_is_named_is_for_all_steps_of_a_question(plug: StandIn) -> None:
    """Its firmware is asked last, and says nothing."""
    plug.modules["Firmware"] = SimpleNamespace(get_update_state=_silent)
    with pytest.raises(PlugSilent, match=r"^den does not answer\.$"):
        async with asyncio.timeout(5):
            await names.device("den", ADDRESS, 60.0).identity(seconds=0.05)


async def test_of_one_that_was_just_connected_the_parts_are_read_before_its_firmware_is_asked(
    plug: StandIn, device: tapo.NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be refused as one that tells nothing of its firmware."""
    plug.modules = {}

    async def update() -> None:
        plug.modules = {"Firmware": SimpleNamespace(newest="1.3.1")}

    async def newest(firmware: Any) -> str:
        return str(firmware.newest)

    monkeypatch.setattr(plug, "update", update)
    assert await device.with_firmware(newest) == "1.3.1"


async def test_who_ask_at_the_same_time_share_a_session(
    device: tapo.NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two would be closed by nobody, and by its timer the other while it is in use."""
    made = list[StandIn]()

    async def connect(_: tapo.NewDevice) -> StandIn:
        await asyncio.sleep(0)  # the handshake, in which the others come
        made.append(StandIn())
        return made[-1]

    monkeypatch.setattr(tapo.NewDevice, "_connect", connect)
    await asyncio.gather(device.look(date(2026, 1, 2)), device.identity(), device.identity())
    assert [stand_in.closed for stand_in in made] == [0]
    await tapo.close()
    assert [stand_in.closed for stand_in in made] == [1]


@pytest.fixture
async def den(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tapo.NewDevice]:
    """A device that nobody has connected to yet; python-kasa rests less between its attempts."""
    await wire.load()
    from kasa.httpclient import HttpClient

    monkeypatch.setattr(HttpClient, "WAIT_BETWEEN_REQUESTS_ON_OSERROR", 0.0)
    monkeypatch.setenv("TAPO_PASSWORD", "secret")
    monkeypatch.setattr(tapo, "DISCOVERY", 0.05)
    made = names.device("den", ADDRESS.model_copy(update={"host": OWN}), 5.0)
    assert isinstance(made, tapo.NewDevice)
    yield made
    await tapo.close()


@pytest.mark.allow_hosts(OWN)
@pytest.mark.parametrize(("fault", "patience"), [("", 2), ("udp_lost", 0.05)])
async def test_it_is_found_by_a_datagram_or_else_by_trying_each_protocol(
    den: tapo.NewDevice, monkeypatch: pytest.MonkeyPatch, fault: str, patience: float
) -> None:
    from kasa import Discover

    accounts, connect = list[tuple[str, str]](), Discover.try_connect_all

    async def noted(host: str, *, credentials: Any) -> Any:
        accounts.append((credentials.username, credentials.password))
        return await connect(host, credentials=credentials)

    monkeypatch.setattr(Discover, "try_connect_all", noted)
    monkeypatch.setattr(tapo, "DISCOVERY", patience)
    with SimulatedPlug(host=OWN, port=PORT, alias="Floor Lamp", fault=fault) as plug:
        assert (await den.identity()).alias == "Floor Lamp"
        await den.switch(False)
        assert not plug.relay
    assert accounts == ([("ann@example.org", "secret")] if fault else [])


@pytest.mark.allow_hosts(OWN)
@pytest.mark.parametrize("seconds", [5.0, 0.06])
async def test_who_speaks_no_protocol_of_them_may_not_know_our_user(
    den: tapo.NewDevice, seconds: float
) -> None:
    """The same is told when there is no time to try them all."""
    with pytest.raises(PlugSilent) as caught:
        await den.identity(seconds=seconds)
    assert str(caught.value) == "den does not answer, or not to this user and password."
    assert not caught.value.sent


async def test_without_its_password_nobody_is_asked(
    den: tapo.NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAPO_PASSWORD")
    with pytest.raises(PlugLocked, match=r"^den cannot be asked: its password cannot be read\.$"):
        await den.switch(True)


async def test_a_name_that_dns_does_not_know_is_told(
    den: tapo.NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "_asked", lambda _: ())
    lost = names.device("den", ADDRESS.model_copy(update={"host": "den.home.example"}))
    with pytest.raises(PlugSilent, match=r"^den cannot be reached\.$") as caught:
        await lost.switch(True)
    assert not caught.value.sent
