"""Which way firmware goes onto a plug: a file from here, or what the vendor's cloud has."""

from __future__ import annotations

from housecarl.plugs import cloud, preflight
from housecarl.plugs.cloud import CloudReady
from housecarl.plugs.cloud_flash import CloudFlash
from housecarl.plugs.device import Device
from housecarl.plugs.download import Pace
from housecarl.plugs.file_flash import FileFlash
from housecarl.plugs.flash import Flash, Progress
from housecarl.plugs.flash_log import FlashLog
from housecarl.plugs.preflight import Ready, Rules
from housecarl.plugs.tapo import NewDevice


async def prepare(device: Device, rules: Rules, file: str | None = None) -> Ready | CloudReady:
    """Every check before a flash. Raises NotReady with the first fault, PlugError, ImageError."""
    if isinstance(device, NewDevice):
        return await cloud.prepare(device, rules, file)
    return await preflight.prepare(device, rules, file)


def flash(ready: Ready | CloudReady, flash_log: FlashLog, pace: Pace, progress: Progress) -> Flash:
    """The flash that was prepared, to be run once; the log must be claimed."""
    if isinstance(ready, CloudReady):
        return CloudFlash(ready, flash_log, pace, progress)
    return FileFlash(ready, flash_log, pace, progress)
