"""How the simulated plug takes firmware: the real download, every way it fails, the flash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import check_image, make_image, version_of

from .plug_client import ask

HW_ID = "60FF6B258734EA6880E186F8C96DDC61"
OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.6 Build 200727 Rel.121701"
IMAGE = make_image([HW_ID], NEW, 120_000)


class Source(BaseHTTPRequestHandler):
    """Serves whatever the path says is wrong."""

    body: bytes = IMAGE

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        status = {"404": 404, "302": 302}.get(kind, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/good")
        if kind != "nolength":
            self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        body = self.body[: len(self.body) // 2] if kind == "cut" else self.body
        try:
            if kind == "slow":
                for start in range(0, len(body), 1000):
                    self.wfile.write(body[start : start + 1000])
                    time.sleep(0.02)
            else:
                self.wfile.write(body)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], str]]:
    """Serve these bytes; the address in front of the path."""
    with ExitStack() as stack:

        def start(body: bytes = IMAGE) -> str:
            handler = type("Body", (Source,), {"body": body})
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_address[1]}"

        yield start


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.003)


def downloaded(plug: SimulatedPlug, url: str) -> dict[str, Any]:
    """Order a download and wait for its end; the state then."""
    assert ask(plug.port, "system", "download_firmware", {"url": url}) == {"err_code": 0}
    until(lambda: not plug.device.update.active)
    return ask(plug.port, "system", "get_download_state")


@pytest.mark.long
def test_a_good_flash_from_download_to_reboot(serve: Callable[[bytes], str]) -> None:
    with SimulatedPlug(sw_ver=OLD, scale=0.01) as plug:
        state = downloaded(plug, serve(IMAGE) + "/good")
        assert state == {"ratio": 100, "reboot_time": 20, "flash_time": 66, "err_code": 0}
        assert ask(plug.port, "system", "flash_firmware") == {"err_code": 0}
        assert ask(plug.port, "system", "get_sysinfo")["updating"] == 1
        assert ask(plug.port, "system", "flash_firmware") == {"err_code": 0}, "said yes before"
        assert plug.device.update.flashes == 1
        refused = {"err_code": -3, "err_msg": "invalid argument"}
        assert ask(plug.port, "system", "reboot", {"delay": 1}) == refused
        until(lambda: plug.state == "down")
        with pytest.raises(ConnectionError):
            ask(plug.port, "system", "get_sysinfo")
        until(lambda: plug.state == "up" and plug.sw_ver == NEW)
        until(lambda: plug._line is not None)
        assert ask(plug.port, "system", "get_download_state")["err_code"] == -7
        assert ask(plug.port, "system", "get_sysinfo")["sw_ver"] == NEW


def test_a_reboot_leaves_the_network_and_comes_back_as_it_was() -> None:
    with SimulatedPlug(sw_ver=OLD, scale=0.005, relay_after_boot="off") as plug:
        first = plug._line
        assert ask(plug.port, "system", "reboot", {"delay": 1}) == {"err_code": 0}
        until(lambda: plug._line not in (first, None))
        assert ask(plug.port, "system", "get_sysinfo")["relay_state"] == 0
        assert plug.sw_ver == OLD and plug.device.update.flashes == 0


def test_one_that_is_stopped_while_it_writes_has_not_written(
    serve: Callable[[bytes], str],
) -> None:
    with SimulatedPlug(sw_ver=OLD) as plug:
        downloaded(plug, serve(IMAGE) + "/good")
        ask(plug.port, "system", "flash_firmware")
    until(lambda: not any("_flash" in one.name for one in threading.enumerate()))
    assert (plug.sw_ver, plug.state, plug.device.update.flashes) == (OLD, "up", 1)


@pytest.mark.parametrize("path", ["/404", "/302", "/cut"])
def test_a_download_that_fails_says_so_only_afterwards(
    serve: Callable[[bytes], str], path: str
) -> None:
    page = b"<html>sorry</html>" * 10_000
    with SimulatedPlug(sw_ver=OLD) as plug:
        assert downloaded(plug, serve(page) + path)["err_code"] == -7
        assert ask(plug.port, "system", "flash_firmware")["err_code"] != 0
        assert plug.sw_ver == OLD and plug.device.update.flashes == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "https://127.0.0.1/x", "ftp://x/y", "x"])
def test_an_address_it_cannot_fetch_from_fails_afterwards(url: str) -> None:
    with SimulatedPlug() as plug:
        assert downloaded(plug, url)["err_code"] == -7
        assert ask(plug.port, "system", "flash_firmware")["err_code"] == -5


def test_too_big_for_its_buffer(serve: Callable[[bytes], str]) -> None:
    with SimulatedPlug() as plug:
        assert downloaded(plug, serve(make_image([HW_ID], NEW, 4_194_305)) + "/x")["err_code"] == -7


def test_a_slow_server_is_over_the_limit(serve: Callable[[bytes], str]) -> None:
    with SimulatedPlug(scale=0.001) as plug:
        assert downloaded(plug, serve(IMAGE) + "/slow")["err_code"] == -7


def test_without_a_length_there_is_no_progress(serve: Callable[[bytes], str]) -> None:
    with SimulatedPlug() as plug:
        assert downloaded(plug, serve(IMAGE) + "/nolength")["ratio"] == 100


def flipped(image: bytes) -> bytes:
    return image[:-5] + bytes([image[-5] ^ 1]) + image[-4:]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (IMAGE[:-1], -19),
        (flipped(IMAGE), -19),
        (make_image(["A" * 32], NEW, 120_000), -19),
        (b"<html>not found</html>" * 10_000, -19),
        (make_image([HW_ID], NEW, 4_100_000), -20),
    ],
    ids=["truncated", "one bit", "other hardware", "a page", "too big for the flash"],
)
def test_a_bad_file_is_found_at_the_flash(
    serve: Callable[[bytes], str], body: bytes, code: int
) -> None:
    with SimulatedPlug(sw_ver=OLD) as plug:
        assert downloaded(plug, serve(body) + "/x")["ratio"] == 100
        assert ask(plug.port, "system", "flash_firmware")["err_code"] == code
        assert plug.sw_ver == OLD and plug.device.update.flashes == 0


def test_a_second_download_ends_the_first(serve: Callable[[bytes], str]) -> None:
    with SimulatedPlug() as plug:
        base = serve(IMAGE)
        ask(plug.port, "system", "download_firmware", {"url": base + "/slow"})
        assert downloaded(plug, base + "/good")["ratio"] == 100
        assert plug.device.update.image == IMAGE


@pytest.mark.parametrize(("profile", "code"), [("v2", -7), ("rtl", -2)])
def test_later_hardware_flashes_by_itself(
    serve: Callable[[bytes], str], profile: str, code: int
) -> None:
    with SimulatedPlug(sw_ver=OLD, scale=0.002, profile=profile) as plug:
        assert ask(plug.port, "system", "flash_firmware")["err_code"] == code
        ask(plug.port, "system", "download_firmware", {"url": serve(IMAGE) + "/good"})
        until(lambda: plug.sw_ver == NEW and plug.state == "up")
        assert plug.device.update.flashes == 1


@pytest.mark.parametrize("size", [120_000, 524_456, 3_998_400])
def test_an_image_carries_its_signature_ids_and_version(size: int) -> None:
    for readable in (True, False):
        image = make_image([HW_ID, "B" * 32], NEW, size, readable=readable)
        assert len(image) == size and version_of(image) == NEW
        assert (NEW.encode() in image) is readable
    assert check_image(image, HW_ID) is None and check_image(image, "B" * 32) is None
    assert check_image(image, "C" * 32) == (-19, "Firmware validate fail")
    assert check_image(b"", HW_ID) == (-5, "not enough memory")
