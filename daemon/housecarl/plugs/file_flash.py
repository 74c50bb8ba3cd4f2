"""A flash with a file of ours, which the plug fetches from us over the LAN."""

from __future__ import annotations

from housecarl.plugs import download
from housecarl.plugs.download import NotFlashed, Pace
from housecarl.plugs.flash import DOWNLOADED, Flash, Progress
from housecarl.plugs.flash_log import FlashLog
from housecarl.plugs.image import ImageError
from housecarl.plugs.preflight import Ready
from housecarl.plugs.serve import served


class FileFlash(Flash):
    """Flash one plug of the Kasa generation."""

    def __init__(self, ready: Ready, flash_log: FlashLog, pace: Pace, progress: Progress) -> None:
        super().__init__(ready, flash_log, pace, progress)
        self._file = ready

    async def _download(self) -> download.Times:
        """Serve the file and let the plug fetch it; from hardware 2 on, this is the commit."""
        ready = self._file
        await self._log.step("serve")
        try:
            async with served(ready.data, ready.ours, ready.peer) as serving:
                await self._is_there()
                await self._log.step("commit" if ready.auto else "download")
                await download.start(ready.device, serving.url)
                watch = download.Watch(ready.device, serving, ready.auto, self._pace)
                times = await watch.until_loaded(
                    lambda ratio: self._progress(ratio / 100 * DOWNLOADED, f"downloading {ratio}%")
                )
        except ImageError as error:
            raise NotFlashed(str(error).removesuffix(".")) from None
        if not ready.auto:
            await self._log.step("downloaded")
        return times
