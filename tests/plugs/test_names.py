"""Which plug a word means, and what is told when it means none."""

from __future__ import annotations

import pytest

from housecarl.plugs.names import UnknownPlug, named
from housecarl.plugs.settings import PlugAddress
from housecarl.testing.plug import SimulatedPlug


async def test_a_plug_that_does_not_answer_hides_no_other_ones_alias() -> None:
    with SimulatedPlug() as gone:
        pass
    with SimulatedPlug(alias="Floor Lamp") as plug:
        plugs = {
            "den": PlugAddress(host=gone.host, port=gone.port),
            "lamp": PlugAddress(host=plug.host, port=plug.port),
        }
        assert [one.name for one in await named(["floor lamp"], plugs)] == ["lamp"]
        with pytest.raises(UnknownPlug, match=r"^No plug attic\. Plugs: den, lamp\.$"):
            await named(["attic"], plugs)


async def test_what_two_plugs_call_themselves_means_neither() -> None:
    """Nor does a host with two plugs; a name of the configuration always means its own plug."""
    with (
        SimulatedPlug(alias="Twin") as one,
        SimulatedPlug(alias="twin", mac="50:C7:BF:01:02:04") as other,
    ):
        plugs = {
            "lamp": PlugAddress(host=one.host, port=one.port),
            "desk": PlugAddress(host=other.host, port=other.port),
        }
        for word in ("TWIN", "127.0.0.1"):
            with pytest.raises(UnknownPlug, match=rf"^{word} could be .* or .*\. Say which\.$"):
                await named([word], plugs)
        assert [one.name for one in await named(["50c7bf010204"], plugs)] == ["desk"]
        plugs["twin"] = PlugAddress(host="twin", port=one.port)
        assert [one.name for one in await named(["Twin"], plugs)] == ["twin"]


async def test_an_apostrophe_is_one_whichever_keyboard_wrote_it() -> None:
    """A text comes with straight ones; an app or an editor may have made a name with another."""
    with SimulatedPlug(alias="Bo’s desk") as plug:
        plugs = {"Ann’s lamp": PlugAddress(host=plug.host, port=plug.port)}
        for word in ("ann's lamp", "Ann’s lamp", "Bo's desk"):
            assert [one.name for one in await named([word], plugs)] == ["Ann’s lamp"]


async def test_a_long_list_of_plugs_is_cut_after_a_whole_name() -> None:
    with SimulatedPlug() as gone:
        pass
    address = PlugAddress(host=gone.host, port=gone.port)
    with pytest.raises(UnknownPlug) as caught:
        await named(["attic"], {f"heater number {number}": address for number in range(10, 20)})
    assert str(caught.value) == (
        "No plug attic. Plugs: heater number 10, heater number 11, heater number 12,"
        " heater number 13, ..."
    )
