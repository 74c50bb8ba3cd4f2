"""The simulated plug speaks as the first hardware version does, seen from raw sockets."""

from __future__ import annotations

import ast
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from housecarl.testing import plug_line, plug_protocol
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_faults import KNOWN, Faults

from .plug_client import ask, ask_udp, connect, crypt, everything, frame

SYSINFO: dict[str, Any] = {"system": {"get_sysinfo": {}}}


@pytest.fixture
def plug() -> Iterator[SimulatedPlug]:
    with SimulatedPlug(pass_time=0.05) as simulated:
        yield simulated


def test_one_request_a_connection_then_it_closes(plug: SimulatedPlug) -> None:
    with connect(plug.port) as sock:
        sock.sendall(frame(SYSINFO) + frame(SYSINFO))
        data = everything(sock)
    assert struct.unpack(">I", data[:4])[0] == len(data) - 4
    assert plug.asked("get_sysinfo") == 1


def test_the_next_connection_waits_until_the_first_is_served(plug: SimulatedPlug) -> None:
    with connect(plug.port) as first, connect(plug.port) as second:
        second.sendall(frame(SYSINFO))
        second.settimeout(0.05)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.sendall(frame(SYSINFO))
        assert everything(first)
        second.settimeout(3)
        assert everything(second)


def test_an_idle_client_is_dropped_after_five_passes(plug: SimulatedPlug) -> None:
    with connect(plug.port) as sock:
        assert everything(sock) == b""


def test_a_request_in_many_pieces_is_dropped(plug: SimulatedPlug) -> None:
    wire = frame({"system": {"set_relay_state": {"state": 0}}})
    with connect(plug.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(wire[:2])
        assert everything(sock) == b"", "the header must come whole"
    assert plug.relay


@pytest.mark.parametrize("request_", [b"no json", b"[1]", b"", b"{", b'{"system": "get_sysinfo"}'])
def test_what_is_no_object_gets_no_answer(plug: SimulatedPlug, request_: bytes) -> None:
    with connect(plug.port) as sock:
        sock.sendall(frame(request_))
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(crypt(request_), ("127.0.0.1", plug.port))
        udp.sendto(crypt(b'{"system": {"set_led_off": {"off": 1}}}'), ("127.0.0.1", plug.port))
        udp.settimeout(3)
        assert b"set_led_off" in crypt(udp.recv(65536), reading=True), "the first to be answered"


def test_for_whom_it_is_asked_is_passed_over(plug: SimulatedPlug) -> None:
    """Its children are named in `context`; this one has none."""
    with connect(plug.port) as sock:
        sock.sendall(frame({"context": {"child_ids": ["00"]}, **SYSINFO}))
        answer = json.loads(crypt(everything(sock)[4:], reading=True))
    assert list(answer) == ["system"]


@pytest.mark.parametrize(
    ("module", "member", "args", "answer"),
    [
        ("nosuch", "x", {}, {"err_code": -1, "err_msg": "module not support"}),
        ("system", "nosuch", {}, {"err_code": -2, "err_msg": "member not support"}),
        ("system", "set_relay_state", {}, {"err_code": -3, "err_msg": "invalid argument"}),
        ("system", "set_relay_state", {"state": True}, {"err_code": -3}),
        ("system", "set_relay_state", {"state": 7}, {"err_code": 0}),
        ("system", "set_dev_alias", {"alias": "x" * 128}, {"err_code": -41}),
        ("system", "set_dev_alias", {"alias": "den"}, {"err_code": 0}),
        ("system", "set_dev_alias", {"alias": 7}, {"err_code": -3}),
        ("system", "reboot", {"delay": "soon"}, {"err_code": -3}),
        ("system", "get_download_state", None, {"err_code": -7, "err_msg": "unknown error"}),
        ("system", "flash_firmware", {}, {"err_code": -5, "err_msg": "not enough memory"}),
        ("system", "download_firmware", {}, {"err_code": -3}),
        ("schedule", "get_next_action", None, {"type": -1, "err_code": 0}),
        ("count_down", "add_rule", {"delay": 60, "act": 0}, {"err_code": 0}),
        ("count_down", "add_rule", {"delay": "60", "act": 0}, {"err_code": -3}),
        ("count_down", "add_rule", {"delay": 60, "act": 2}, {"err_code": -3}),
        ("emeter", "get_daystat", {"year": 1999, "month": 1}, {"day_list": [], "err_code": 0}),
        ("emeter", "get_monthstat", {"year": 1999}, {"month_list": [], "err_code": 0}),
    ],
)
def test_members_answer_as_the_firmware_does(
    plug: SimulatedPlug, module: str, member: str, args: Any, answer: dict[str, Any]
) -> None:
    said = ask(plug.port, module, member, args)
    assert {key: said.get(key) for key in answer} == answer


def test_the_countdown_table_holds_one_rule(plug: SimulatedPlug) -> None:
    rule = {"delay": 60, "act": 0, "enable": 1}
    assert ask(plug.port, "count_down", "add_rule", rule)["err_code"] == 0
    assert ask(plug.port, "count_down", "add_rule", rule)["err_code"] == -10
    ask(plug.port, "system", "set_relay_state", {"state": 1})
    assert ask(plug.port, "count_down", "get_rules")["rule_list"] == [], "switching cancels it"


def test_a_countdown_that_ends_just_as_it_is_cancelled_switches_nothing(
    plug: SimulatedPlug,
) -> None:
    ask(plug.port, "count_down", "add_rule", {"delay": 60, "act": 0, "enable": 1})
    timer = plug.device._timer
    assert timer is not None
    ask(plug.port, "system", "set_relay_state", {"state": 1})
    timer.function(*timer.args)
    assert plug.relay


def test_udp_has_no_header(plug: SimulatedPlug) -> None:
    assert ask_udp(plug.port, SYSINFO)["system"]["get_sysinfo"]["model"] == "HS110(US)"


def test_a_lost_datagram_gets_no_answer() -> None:
    with SimulatedPlug(fault="udp_lost") as plug, pytest.raises(TimeoutError):
        ask_udp(plug.port, SYSINFO)


def test_a_lost_answer_is_lost_after_the_request_was_carried_out() -> None:
    order = {"system": {"set_relay_state": {"state": 0}}}
    with SimulatedPlug(fault="lost_reply:2") as plug:
        for state, answered in ((0, True), (1, False), (0, True)):
            order["system"]["set_relay_state"]["state"] = state
            with connect(plug.port) as sock:
                sock.sendall(frame(order))
                assert bool(everything(sock)) is answered
            assert plug.relay is bool(state)


def test_a_dripping_answer_comes_whole_to_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plug_line, "DRIP", 0.001)
    with SimulatedPlug(fault="drip_reply") as plug, connect(plug.port) as sock:
        sock.sendall(frame(SYSINFO))
        pieces = []
        while piece := sock.recv(65536):
            pieces.append(piece)
    assert b"".join(pieces) == frame(b'{"system":{"get_sysinfo":{"err_code":0}}}')
    assert len(pieces) > 1


def test_a_huge_answer_ends_after_64_mib_of_the_announced_four_gigabytes() -> None:
    buffer, size = bytearray(1 << 20), 0
    with SimulatedPlug(fault="huge_reply") as plug, connect(plug.port) as sock:
        sock.sendall(frame(SYSINFO))
        while count := sock.recv_into(buffer):
            size += count
    assert size == 4 + (64 << 20)


def test_a_port_that_stays_taken_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plug_line, "TRIES", 2)
    with SimulatedPlug() as first, pytest.raises(OSError, match="in use"):
        SimulatedPlug(port=first.port).start()


def test_a_plug_that_was_stopped_stays_so_even_when_its_reboot_ends_just_then() -> None:
    with SimulatedPlug() as plug:
        port = plug.port
    plug.device.update._come_back()
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_many_requests_on_one_connection_when_it_keeps_it_open() -> None:
    with SimulatedPlug(keep_open=True) as plug, connect(plug.port) as sock:
        for _ in range(3):
            sock.sendall(frame(SYSINFO))
            (length,) = struct.unpack(">I", sock.recv(4))
            data = b""
            while len(data) < length:
                data += sock.recv(length - len(data))
            assert json.loads(crypt(data, reading=True))["system"]["get_sysinfo"]["err_code"] == 0


def test_later_hardware_names_its_fields_differently() -> None:
    with SimulatedPlug(profile="rtl", emeter="v2", hw_ver="4.0") as plug:
        info = ask(plug.port, "system", "get_sysinfo")
        power = ask(plug.port, "emeter", "get_realtime")
    assert "mic_type" in info and "type" not in info and "latitude_i" in info
    assert set(power) == {"current_ma", "voltage_mv", "power_mw", "total_wh", "err_code"}


def test_two_independent_ciphers_agree() -> None:
    plain = json.dumps(SYSINFO).encode() * 20
    assert plug_protocol.framed(plain) == frame(plain)
    assert plug_protocol.decrypt(crypt(plain)) == plain
    assert plug_protocol.decrypt(b"") == b""


def test_a_fault_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault 'moody'"):
        Faults.read("moody")
    assert Faults.read("silent, fail@download:43").number("fail@download") == 43
    assert all(text for text in KNOWN.values())


def test_as_a_process_it_says_its_port_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "housecarl.testing.plug", "--alias", "den", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, port = process.stdout.readline().split()
        assert word == "READY"
        assert ask(int(port), "system", "get_sysinfo")["alias"] == "den"
        process.terminate()
        assert process.wait(5) == 0


def test_the_simulator_uses_nothing_of_the_daemon() -> None:
    """Else a mistake of the daemon would be repeated and never seen."""
    folder = Path(plug_protocol.__file__).parent
    for path in folder.glob("plug*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("housecarl"):
                assert (node.module or "").startswith("housecarl.testing.plug"), path.name
