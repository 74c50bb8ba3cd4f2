"""The daemon is killed in the middle of a flash: its next start tells the verdict by itself."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from housecarl.testing.inbox import Inbox
from housecarl.testing.plug import SimulatedPlug
from housecarl.testing.plug_image import make_image

OLD, NEW = "1.1.1 Build 160725 Rel.164033", "1.2.3 Build 170508 Rel.162000"
#: real seconds a second of plug and house takes: a flash is about 1 s
PACE = 0.01
#: until something that a daemon does must have happened, in seconds
PATIENCE = 20.0

CONFIG = """
house: Elm Street
spool: spool
people: {{ann: {{addresses: [ann@example.org], may: ["*"], unix: [{login}]}}}}
doors: {{drop: {{}}}}
post: {{host: 127.0.0.1, port: {inbox}, tls: none, from: house@home.example}}
modules:
  plug: {{plugs: {{lamp: "127.0.0.1:{plug}"}}}}
  firmware: {{folder: firmware, pace: {pace}}}
"""


class House:
    """A real daemon in a process of its own, spoken to by files dropped into its spool."""

    def __init__(self, folder: Path, plug: SimulatedPlug) -> None:
        self.folder = folder
        self.plug = plug
        self.inbox = Inbox()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.inbox.start(), self._loop).result(PATIENCE)
        self._read = 0
        self._heard: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        login = pwd.getpwuid(os.getuid()).pw_name
        values = {"login": login, "inbox": self.inbox.port, "plug": plug.port, "pace": PACE}
        (folder / "housecarl.yaml").write_text(CONFIG.format(**values))
        (folder / "spool").mkdir()
        (folder / "firmware").mkdir()
        image = make_image([plug.device.nature.hw_id], NEW, 204_800)
        (folder / "firmware" / "new.bin").write_bytes(image)

    def start(self) -> None:
        config = str(self.folder / "housecarl.yaml")
        command = [sys.executable, "-m", "tests.long_up", "-q", "-c", config, "run"]
        self._process = subprocess.Popen(command)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def close(self) -> None:
        self.kill()
        asyncio.run_coroutine_threadsafe(self.inbox.stop(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def say(self, text: str) -> None:
        part = self.folder / "spool" / "note.part"
        part.write_text(text + "\n")
        part.rename(self.folder / "spool" / "note.txt")

    def hear(self) -> str:
        """The next reply, its first line; one that a crash has sent again is no news."""
        while True:
            self._read += 1
            got = self.inbox.wait(self._read, PATIENCE)[self._read - 1]
            if got.mail["Message-ID"] not in self._heard:
                self._heard.add(got.mail["Message-ID"])
                return got.text.splitlines()[0]

    def flash(self) -> None:
        """Order a flash and see it begin."""
        self.say("!firmware lamp flash")
        asked = re.search(r"!yes (\d{4})", self.hear())
        assert asked is not None
        self.say(f"!yes {asked[1]}")
        assert self.hear().startswith("Flashing lamp. Do not unplug.")

    def until(self, so: Callable[[SimulatedPlug], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not so(self.plug):
            assert time.monotonic() < end
            time.sleep(0.002)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with SimulatedPlug(scale=PACE, sw_ver=OLD, watts=3.0, rate=400_000) as plug:
        house = House(tmp_path, plug)
        house.start()
        yield house
        house.close()


HEAD = r"lamp: the flash of \d\d:\d\d was interrupted here\. "


@pytest.mark.long
def test_killed_while_the_plug_writes(house: House) -> None:
    """It went through without us; the next start says so once, and flashes nothing."""
    house.flash()
    house.until(lambda plug: plug.asked("flash_firmware") == 1)
    house.kill()
    house.start()
    assert re.fullmatch(HEAD + r"It runs 1\.2\.3 now: the flash went through\.", house.hear())
    house.say("!firmware lamp")
    assert house.hear() == "lamp HS110(US) 1.0 runs 1.2.3. No newer file is here."
    assert house.plug.asked("download_firmware") == house.plug.device.update.flashes == 1


@pytest.mark.long
def test_killed_while_the_plug_downloads(house: House) -> None:
    house.flash()
    house.until(lambda plug: plug.asked("download_firmware") == 1)
    house.kill()
    house.start()
    assert re.fullmatch(HEAD + r"It runs 1\.1\.1, working: it was NOT flashed\.", house.hear())
    assert house.plug.asked("download_firmware") == 1 and house.plug.device.update.flashes == 0


@pytest.mark.long
def test_a_plug_that_is_gone_after_it_is_told_as_unknown_and_asked_again(house: House) -> None:
    house.flash()
    house.until(lambda plug: plug.asked("flash_firmware") == 1)
    house.kill()
    house.plug.stop()
    house.start()
    unknown = r"It does not answer\. Do not unplug it for 5 min, then check it\."
    assert re.fullmatch(HEAD + unknown, house.hear())
    house.say("!firmware lamp")
    assert re.fullmatch(HEAD + unknown, house.hear())
