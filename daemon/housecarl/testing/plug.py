"""A simulated smart plug on loopback, honest down to the port that closes while it reboots.

In a test: `with SimulatedPlug(alias="lamp") as plug: ... plug.port, plug.relay`. As a process:
`python -m housecarl.testing.plug --port 0`, which prints `READY <port>` and ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import Any

from housecarl.testing.plug_device import Device
from housecarl.testing.plug_faults import KNOWN, Faults
from housecarl.testing.plug_line import Line, Manner
from housecarl.testing.plug_nature import Nature


class SimulatedPlug:
    """One plug; `nature` are the fields of `Nature`, `fault` is `word,word:number` of `KNOWN`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        fault: str = "",
        keep_open: bool = False,
        zero_header: bool = False,
        segment: int = 0,
        delay: float = 0.0,
        pass_time: float = 1.0,
        **nature: Any,
    ) -> None:
        self.host = host
        self.port = port
        faults = Faults.read(fault)
        self._manner = Manner(keep_open, zero_header, segment, delay, pass_time, faults)
        self._line: Line | None = None
        self._lines = threading.Lock()
        self._stopped = False
        self.device = Device(Nature(**nature), faults, self._leave, self._come_back)

    def start(self) -> SimulatedPlug:
        """Open the port; `port` is the one taken."""
        self._open(dark=False)
        return self

    def stop(self) -> None:
        """Close the port and end everything in the background."""
        self._stopped = True
        self.device.close()
        self._close()

    def __enter__(self) -> SimulatedPlug:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def relay(self) -> bool:
        """Whether the relay is on."""
        return self.device.relay

    @property
    def sw_ver(self) -> str:
        """The firmware it runs."""
        return self.device.sw_ver

    @property
    def state(self) -> str:
        """Up, down or bricked."""
        return self.device.update.state

    @property
    def served(self) -> int:
        """Requests answered since the port was opened."""
        return self._line.served if self._line else 0

    def asked(self, member: str) -> int:
        """How often this member was asked for, e.g. `set_relay_state`."""
        return sum(name == member for _, name in self.device.asked)

    def _open(self, *, dark: bool) -> None:
        with self._lines:
            if not self._stopped:
                line = Line(self.host, self.port, self.device.answer, self._manner, dark)
                self._line, self.port = line, line.port

    def _close(self) -> None:
        with self._lines:
            line, self._line = self._line, None
            if line is not None:
                line.close()

    def _leave(self) -> None:
        self._close()
        if self.device.nature.dark:
            self._open(dark=True)

    def _come_back(self) -> None:
        self._close()
        self._open(dark=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m housecarl.testing.plug", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--alias", default="lamp")
    parser.add_argument("--model", default="HS110(US)")
    parser.add_argument("--hw", dest="hw_ver", default="1.0")
    parser.add_argument("--sw", dest="sw_ver", default="1.1.1 Build 160725 Rel.164033")
    parser.add_argument("--profile", choices=("v1", "v2", "rtl"), default="v1")
    parser.add_argument("--emeter", choices=("v1", "v2", "none"), default="v1")
    parser.add_argument("--relay", type=int, choices=(0, 1), default=1)
    parser.add_argument("--watts", type=float, default=43.0)
    parser.add_argument("--glitch", dest="glitch_watts", type=float, default=0.0)
    parser.add_argument("--scale", type=float, default=1.0, help="real seconds a second takes")
    parser.add_argument("--rate", type=int, default=0, help="download, bytes a second")
    parser.add_argument("--keep-open", action="store_true")
    parser.add_argument("--fault", default="", help=f"one or more of {', '.join(KNOWN)}")
    return parser.parse_args()


def main() -> None:
    """Run one plug until SIGTERM or SIGINT."""
    options = vars(_arguments())
    options["relay"] = bool(options["relay"])
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with SimulatedPlug(**options) as plug:
        sys.stdout.write(f"READY {plug.port}\n")
        sys.stdout.flush()
        done.wait()


if __name__ == "__main__":
    main()
