"""A configuration that is read again while the house goes by the former one."""

from __future__ import annotations

from pathlib import Path

from housecarl import config_file
from housecarl.config_file import Loaded
from housecarl.doors.smtp import tls
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.errors import Unreachable
from housecarl.thread import in_thread

#: Seconds that the disk has for all files together: a stop waits for them.
READ_SECONDS = 15.0


async def read_again(path: Path) -> Loaded:
    """Off the loop, with its certificate looked at too: a renewal may be half written.

    Raises ConfigError, and Unreachable for a disk that hangs.
    """
    try:
        return await in_thread(lambda: _read(path), READ_SECONDS)
    except TimeoutError:
        text = f"{path}: its disk, or that of a file it names, gave nothing in {READ_SECONDS:g} s"
        raise Unreachable(text) from None


def _read(path: Path) -> Loaded:
    loaded = config_file.load(path)
    if loaded.config.doors.smtp is not None:
        tls(SmtpSettings.of(loaded.config.doors.smtp))
    return loaded
