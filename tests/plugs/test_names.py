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
