"""What a simulated plug is: model, versions, load, meter and manners, fixed when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from housecarl.testing.plug_image import TEST_KEY, Key


@dataclass(frozen=True, slots=True)
class Nature:
    """Everything that can be chosen about a plug; the default is the HS110 of 2016."""

    alias: str = "lamp"
    model: str = "HS110(US)"
    hw_ver: str = "1.0"
    sw_ver: str = "1.1.1 Build 160725 Rel.164033"
    hw_id: str = "60FF6B258734EA6880E186F8C96DDC61"
    oem_id: str = "FFF22CFF774A0B89F7624BFC6F50D5DE"
    mac: str = "50:C7:BF:01:02:03"
    rssi: int = -52
    #: v1 needs flash_firmware; v2 and rtl flash by themselves after a good download
    profile: Literal["v1", "v2", "rtl"] = "v1"
    #: v1 counts in A V W kWh, v2 in mA mV mW Wh
    emeter: Literal["v1", "v2", "none"] = "v1"
    relay: bool = True
    volts: float = 121.3
    #: what the thing in the socket draws while the relay is on
    watts: float = 43.0
    power_factor: float = 0.97
    today_kwh: float = 0.31
    total_kwh: float = 55.139
    #: not 0: what the broken meter reports instead, relay on or off
    glitch_watts: float = 0.0
    #: (number of the reading counted from 0, watts) for single glitches
    glitches: tuple[tuple[int, float], ...] = ()
    #: real seconds a simulated second takes
    scale: float = 1.0
    #: simulated seconds
    flash_time: int = 66
    reboot_time: int = 20
    download_limit: float = 300.0
    #: bytes a (real) second of the download; 0 = as fast as it comes
    rate: int = 0
    #: while it reboots, connects succeed and nothing answers, as when it has left the Wi-Fi
    dark: bool = False
    relay_after_boot: Literal["keep", "on", "off"] = "keep"
    key: Key = TEST_KEY
