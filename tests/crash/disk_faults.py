"""A disk that fails or dawdles for one daemon: the shim, and the page that steers it."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path

SHIM = Path(__file__).with_name("shim.c")

#: struct page of shim.c: what it counts, and what it is told.
_COUNTED = struct.Struct("2l")
_TOLD = struct.Struct("5l")
_SIZE = _COUNTED.size + _TOLD.size

#: For ever, until the fault is taken away.
ALWAYS = (1 << 62) - 1


class DiskFaults:
    """Faults below one folder, of every daemon that is started with `env`."""

    def __init__(self, folder: Path, scope: Path) -> None:
        library, page = folder / "shim.so", folder / "faults"
        if not library.exists():
            command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-o", str(library), str(SHIM)]
            subprocess.run([*command, "-ldl"], check=True, capture_output=True)
        page.write_bytes(bytes(_SIZE))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _SIZE)
        self.env = {
            "LD_PRELOAD": str(library),
            "HOUSECARL_FAULTS": str(page),
            "HOUSECARL_SCOPE": str(scope),
        }

    @property
    def count(self) -> int:
        """The calls so far."""
        return int(_COUNTED.unpack_from(self._page)[0])

    @property
    def failed(self) -> int:
        """The calls that failed so far."""
        return int(_COUNTED.unpack_from(self._page)[1])

    def begin(self) -> None:
        """Count from one again, with no fault."""
        self._page[:] = bytes(_SIZE)

    def fail(self, error: int, first: int, last: int = ALWAYS, *, reads: bool = False) -> None:
        """Let the calls from `first` to `last` fail; they are counted from one."""
        self._tell(first, last, error, 0, reads)

    def delay(self, seconds: float) -> None:
        """Let each call take that long."""
        self._tell(0, 0, 0, int(seconds * 1e6), 0)

    def mend(self) -> None:
        """Take the fault away."""
        self._tell(0, 0, 0, 0, 0)

    def _tell(self, *values: int) -> None:
        _TOLD.pack_into(self._page, _COUNTED.size, *values)
