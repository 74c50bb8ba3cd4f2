"""How plugs are written in the configuration."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from housecarl.plugs.settings import Plugs

UNTEXTABLE = "cannot be texted: take out commas, double quotes and a - in front"


def test_a_bare_text_is_a_host_with_perhaps_a_port() -> None:
    plugs = TypeAdapter(Plugs).validate_python(
        {"lamp": "192.168.1.41", "den": "den.lan:9998", "heater": {"host": "h", "max_watts": 1875}}
    )
    assert [(one.host, one.port) for one in plugs.values()] == [
        ("192.168.1.41", 9999),
        ("den.lan", 9998),
        ("h", 9999),
    ]
    assert plugs["heater"].max_watts == 1875


@pytest.mark.parametrize(
    "wrong",
    [
        {"lamp": {}},
        {"lamp": {"host": "h", "prot": 1}},
        {"lamp": {"host": "h", "port": 70000}},
        {"lamp": {"host": "h", "password": "inline"}},
        {"lamp": {"host": "h", "user": "ann"}},
        {"two\nlines": "h"},
        {"": "h"},
        {"lamp": "not a host!"},
        {"lamp": ""},
        {"lamp": "[fe80::1]:9999"},
        {"lamp": {"host": "-x"}},
    ],
)
def test_what_cannot_work_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Plugs).validate_python(wrong)


@pytest.mark.parametrize("again", ["192.168.1.41", {"host": "192.168.1.41", "max_watts": 1875}])
def test_two_names_for_one_plug_are_refused(again: object) -> None:
    """While it is flashed under the one it would be switched under the other."""
    told = r"lamp and light are one plug, 192\.168\.1\.41:9999: keep one of the names"
    with pytest.raises(ValidationError, match=told):
        TypeAdapter(Plugs).validate_python({"lamp": "192.168.1.41:9999", "light": again})


@pytest.mark.parametrize(
    ("plugs", "told"),
    [
        ({"lamp": "a", "LAMP": "b"}, "lamp and LAMP are the same in a text; rename one of them"),
        (
            {"Ann's": "a", "Ann’s": "b"},
            "Ann's and Ann’s are the same in a text; rename one of them",
        ),
        ({"All": "a"}, "'All' means every plug; call this one something else"),
        ({"Off": "a"}, "'Off' means to switch; call this one something else"),
        ({"big, lamp": "a"}, UNTEXTABLE),
        ({'the "lamp"': "a"}, UNTEXTABLE),
        ({"the “lamp”": "a"}, UNTEXTABLE),
        ({"-x": "a"}, UNTEXTABLE),
        ({"–x": "a"}, UNTEXTABLE),
    ],
)
def test_a_name_that_cannot_be_meant_in_a_text_is_refused(plugs: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        TypeAdapter(Plugs).validate_python(plugs)


def test_names_of_several_words_and_hosts_of_every_kind_are_taken() -> None:
    names = ["living room", "bo's lamp", "Lämpchen", "desk-lamp", "7", "office"]
    hosts = ["192.168.1.41", "fe80::1", "fe80::1%eth0", "smart_plug", "lämpchen.lan", "plug.lan."]
    plugs = TypeAdapter(Plugs).validate_python(dict(zip(names, hosts, strict=True)))
    assert [(name, one.host) for name, one in plugs.items()] == list(zip(names, hosts, strict=True))
