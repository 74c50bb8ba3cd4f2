"""How a simulated plug takes new firmware: a real download, a real check, the flash, the reboot."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from housecarl.testing.plug_faults import Faults
from housecarl.testing.plug_image import DOWNLOAD_BUFFER, check_image, version_of
from housecarl.testing.plug_nature import Nature

Args = dict[str, Any]

INVALID: Args = {"err_code": -3, "err_msg": "invalid argument"}
#: bytes a download address may have
URL_LIMIT = 511
#: bytes the plug's machine takes before it reads them; few, as in a plug
WINDOW = 16 * 1024
#: bytes read at once; small enough for many steps of progress
CHUNK = 8192


class Update:
    """Download, flash and reboot of one device; `boot` gets the version that was flashed, if any.

    `active`: a download runs; `done`: one ended well; `flashing`: being written; `state` is up,
    down or bricked; `log` says what the plug itself would log.
    """

    def __init__(
        self,
        nature: Nature,
        faults: Faults,
        leave: Callable[[], None],
        boot: Callable[[str | None], None],
        come_back: Callable[[], None],
    ) -> None:
        self._nature = nature
        self._faults = faults
        self._leave = leave
        self._boot = boot
        self._come_back = come_back
        self._stopped = threading.Event()
        self._generation = 0
        self.active = False
        self.done = False
        self.ratio = 0
        self.image = b""
        self.flashing = False
        self.state = "up"
        self.log: list[str] = []
        #: how often writing the flash began
        self.flashes = 0

    @property
    def visible(self) -> bool:
        """Whether `get_sysinfo` says `updating`."""
        return bool(self.active and self.ratio) or self.flashing

    def members(self) -> dict[str, Callable[[Args], Args]]:
        """What the plug's `system` module understands of updates."""
        members: dict[str, Callable[[Args], Args]] = {
            "download_firmware": self._start_download,
            "get_download_state": lambda _: self._download_state(),
        }
        if self._nature.profile != "rtl":
            members["flash_firmware"] = lambda _: self._flash_firmware()
        return members

    def close(self) -> None:
        """End all waiting."""
        self._stopped.set()

    def reboot(self, args: Args) -> Args:
        """`reboot`: refused while an update runs; answers, then the port closes."""
        delay = args.get("delay")
        if self.visible or not isinstance(delay, int):
            return dict(INVALID)
        self._background(self._reboot, delay, None)
        return {}

    # download

    def _start_download(self, args: Args) -> Args:
        url = args.get("url")
        if self.flashing or not isinstance(url, str) or len(url.encode()) > URL_LIMIT:
            return dict(INVALID)
        self._generation += 1
        self.active, self.done, self.ratio, self.image = True, False, 0, b""
        self._background(self._download, url, self._generation)
        return {}

    def _download_state(self) -> Args:
        if not (self.active or self.done):
            return {"err_code": -7, "err_msg": "unknown error"}
        nature = self._nature
        state: Args = {"ratio": self.ratio, "reboot_time": nature.reboot_time}
        return state | {"flash_time": nature.flash_time}

    def _download(self, url: str, generation: int) -> None:
        try:
            image, status = self._fetch(url, generation)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.log.append(f"download failed: {type(error).__name__} {error}")
            image, status = b"", 0
        if self._generation != generation or self.state != "up":
            return
        self.log.append(f"download fw response_code == {status}, {len(image)} bytes")
        lost = int(self._faults.number("truncate@download"))
        self.image = image[:-lost] if lost else image
        good = 200 <= status < 300
        if good:
            self.ratio = 100
        self.done, self.active = good, False
        if good and self._nature.profile != "v1":
            self._flash_firmware_by_itself()

    def _fetch(self, url: str, generation: int) -> tuple[bytes, int]:
        """Body and status of a plain GET with curl's rules; OSError when it fails."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise OSError("only http: the authority of https is pinned")
        if "unreachable" in self._faults:
            raise OSError("no route")
        limit = self._nature.download_limit * self._nature.scale
        end = time.monotonic() + limit
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=limit)
        connection.sock = _connected(parts.hostname, parts.port or 80, limit)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.putrequest("GET", path, skip_accept_encoding=True)
            connection.putheader("Accept", "*/*")
            connection.endheaders()
            response = connection.getresponse()
            return self._body(response, generation, end), response.status
        finally:
            connection.close()

    def _body(self, response: http.client.HTTPResponse, generation: int, end: float) -> bytes:
        total = int(response.headers.get("Content-Length") or 0)
        body = bytearray()
        while piece := response.read(CHUNK):
            body += piece
            if self._generation != generation or self._stopped.is_set():
                raise OSError("cancelled")
            if len(body) > DOWNLOAD_BUFFER:
                raise OSError("curl 23: the buffer is full")
            self._loaded(len(body) * 100 // total if total else 0, end)
            if self._nature.rate and len(body) != total:
                self._stopped.wait(len(piece) / self._nature.rate)
            if time.monotonic() > end:
                raise TimeoutError("curl 28")
        if total and len(body) < total:
            raise OSError("curl 18: transfer closed with outstanding data")
        return bytes(body)

    def _loaded(self, ratio: int, end: float) -> None:
        """Note the progress; what goes wrong at this point of a download goes wrong here."""
        self.ratio = ratio
        faults = self._faults
        if faults.reached("vanish@download", ratio):
            self._go_down()
            raise OSError("left the network")
        if faults.reached("fail@download", ratio):
            raise OSError("curl 56: connection lost")
        if faults.reached("stall@download", ratio):
            self._stopped.wait(max(0.0, end - time.monotonic()))

    # flash

    def _flash_firmware(self) -> Args:
        nature, faults = self._nature, self._faults
        if nature.profile == "v2":
            # the text is real, the number is assumed
            return {"err_code": -7, "err_msg": "auto flash, do not support flash_firmware"}
        self._stopped.wait(faults.number("late@flash") * nature.scale)
        if self.flashing:
            return {}
        if "refuse@flash" in faults:
            return {"err_code": int(faults.number("refuse@flash")), "err_msg": "refused"}
        wrong = check_image(self.image, nature.hw_id, nature.key)
        if wrong is not None:
            self.log.append(wrong[1])
            return {"err_code": wrong[0], "err_msg": wrong[1]}
        self._begin()
        return {}

    def _flash_firmware_by_itself(self) -> None:
        """v2 and later: the download was the order to flash; a bad image is dropped silently."""
        wrong = check_image(self.image, self._nature.hw_id, self._nature.key)
        if wrong is not None:
            self.log.append(wrong[1])
            self.done = False
            return
        self._begin()

    def _begin(self) -> None:
        self.flashing = True
        self.flashes += 1
        self._background(self._flash, self.image)

    def _flash(self, image: bytes) -> None:
        flash_time = self._nature.flash_time
        if "powerloss@flash" in self._faults:
            self._wait(flash_time * self._faults.number("powerloss@flash"))
            self._go_down()
            self.state = "bricked"
            self.log.append("power lost while flashing")
        elif not self._wait(flash_time):
            self._reboot(1, version_of(image))

    def _reboot(self, delay: int, version: str | None) -> None:
        self._wait(delay)
        hangs = "hang@reboot" in self._faults
        self._go_down()
        if hangs or self._wait(self._nature.reboot_time):
            return
        self._boot(version)
        self.state = "up"
        self._come_back()

    def _go_down(self) -> None:
        """Off the network; all that was in RAM is gone."""
        self.state = "down"
        self._leave()
        self.flashing = self.active = self.done = False
        self.ratio, self.image = 0, b""

    def _wait(self, seconds: float) -> bool:
        """Wait simulated seconds; True when the plug is being stopped."""
        return self._stopped.wait(seconds * self._nature.scale)

    def _background(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()


def _connected(host: str, port: int, limit: float) -> socket.socket:
    """A connection whose other end cannot send far ahead."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        sock.settimeout(limit)
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    return sock
