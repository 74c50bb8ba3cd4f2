"""A newer plug as python-kasa sees it behind its encryption: real methods, a cloud, an update.

There is no server of the encrypted protocol to be had, so python-kasa's own device and protocol
talk to this through a transport that takes what would be encrypted. Time in it runs `scale` times
as fast.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from typing import Any

from kasa import Credentials, DeviceConfig
from kasa.exceptions import _ConnectionError
from kasa.protocols import SmartProtocol
from kasa.smart import SmartDevice
from kasa.transports.basetransport import BaseTransport

#: what a method of a device is that does not exist
UNKNOWN_METHOD = -1002
#: what this plug answers to an order it does not take now
REFUSED = -1008
#: seconds that a download, the writing and the reboot take; the last two are announced
DOWNLOAD, WRITE, REBOOT = 20.0, 12.0, 8.0
COMPONENTS = {"device": 2, "firmware": 2, "cloud_connect": 1, "energy_monitoring": 2}


class SmartPlug:
    """The state of one P110; `fault` is what goes wrong with its update."""

    def __init__(
        self,
        *,
        scale: float,
        sw_ver: str,
        offered: str | None,
        fault: str = "",
        watts: float = 43.0,
        **info: Any,
    ) -> None:
        self.scale, self.sw_ver, self.offered, self.fault = scale, sw_ver, offered, fault
        self.watts = watts
        self.on = True
        self.info = {"device_id": "80" * 20, "mac": "AA-BB-CC-01-02-03", "rssi": -50, **info}
        self.asked: list[str] = []
        self.ordered = asyncio.Event()
        #: when the order to update came
        self._ordered: float | None = None

    def connected(self) -> SmartDevice:
        """python-kasa's device, new as after a discovery."""
        config = DeviceConfig("192.0.2.1", credentials=Credentials("ann", "secret"))
        protocol = SmartProtocol(transport=Wire(config, self))
        return SmartDevice("192.0.2.1", config=config, protocol=protocol)

    @property
    def reachable(self) -> bool:
        """Whether it answers now; an update that is over takes effect here."""
        phase, _ = self._phase()
        if phase != "up" or self._ordered is None:
            return phase != "reboot"
        self._ordered = None
        if self.fault == "badboot":
            return True
        if self.fault not in ("fail", "idle", "never"):
            self.sw_ver = str(self.offered)
            self.on = self.fault != "off" and self.on
        if self.fault == "imposter":
            self.info["device_id"] = "81" * 20
        return True

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer to one method, with its error code."""
        self.asked.append(method)
        ask = getattr(self, f"_{method}", None)
        result = UNKNOWN_METHOD if ask is None else ask(params)
        if isinstance(result, int):
            return {"error_code": result}
        return {"error_code": 0, "result": result}

    def _phase(self) -> tuple[str, float]:
        """What the update does now, and the share of the download that is done."""
        if self._ordered is None:
            return "up", 0.0
        if self.fault == "swift":
            return "up", 1.0
        spent = (time.monotonic() - self._ordered) / self.scale
        share = min(1.0, spent / DOWNLOAD)
        if self.fault == "never":
            return "idle", 0.0
        if share < 1.0 or self.fault == "hang":
            if self.fault in ("fail", "idle") and share >= 0.5:
                return self.fault, share
            if self.fault == "vanish" and share >= 0.5:
                return "reboot", share
            return "download", min(share, 0.4) if self.fault == "hang" else share
        if spent < DOWNLOAD + WRITE or self.fault == "writes":
            return "write", 1.0
        if spent < DOWNLOAD + WRITE + REBOOT or self.fault in ("bricked", "vanish"):
            return "reboot", 1.0
        return "up", 1.0

    def _component_nego(self, _: Any) -> dict[str, Any]:
        meterless = self.fault == "meterless" and self.sw_ver == self.offered
        names = COMPONENTS.keys() - ({"energy_monitoring"} if meterless else set())
        return {"component_list": [{"id": each, "ver_code": COMPONENTS[each]} for each in names]}

    def _get_device_info(self, _: Any) -> dict[str, Any]:
        return {
            "type": "SMART.TAPOPLUG",
            "model": "P110",
            "hw_ver": "1.0",
            "fw_ver": self.sw_ver,
            "nickname": b64encode(b"den").decode(),
            "specs": "US",
            "device_on": self.on,
            "region": "America/Denver",
            **self.info,
        }

    def _get_connect_cloud_state(self, _: Any) -> dict[str, Any]:
        return {"status": 1 if self.fault == "offline" else 0}

    def _get_auto_update_info(self, _: Any) -> dict[str, Any]:
        return {"enable": True, "random_range": 120, "time": 180}

    def _get_latest_fw(self, _: Any) -> dict[str, Any] | int:
        if self.fault == "cloudless":
            return -1
        if self.offered is None or self.offered == self.sw_ver:
            return {"type": 0, "need_to_upgrade": False, "fw_ver": self.sw_ver, "fw_size": 0}
        return {
            "type": 2,
            "need_to_upgrade": True,
            "fw_ver": self.offered,
            "fw_size": 786_432,
            "release_date": "2024-06-21",
            "release_note": "Better.",
            "oem_id": "60" * 16,
            "hw_id": "70" * 16,
        }

    def _fw_download(self, _: Any) -> dict[str, Any] | int:
        if self.fault == "refuse" or self._ordered is not None:
            return REFUSED
        self._ordered = time.monotonic()
        self.ordered.set()
        return {}

    def _get_fw_download_state(self, _: Any) -> dict[str, Any]:
        phase, share = self._phase()
        status = {"download": 2, "write": 3, "fail": -3}.get(phase, 0)
        return {
            "status": 2 if self.fault == "busy" else status,
            "download_progress": int(share * 100) if status in (2, 3) else 0,
            "upgrade_time": int(WRITE),
            "reboot_time": int(REBOOT),
            "auto_upgrade": False,
        }

    def _get_energy_usage(self, _: Any) -> dict[str, Any]:
        return {"today_energy": 310, "month_energy": 5200, "current_power": self._milliwatts}

    def _get_current_power(self, _: Any) -> dict[str, Any]:
        return {"current_power": round(self._milliwatts / 1000)}

    def _get_emeter_data(self, _: Any) -> dict[str, Any]:
        milliamperes = round(self._milliwatts / 121.0)
        return {"current_ma": milliamperes, "voltage_mv": 121_000, "power_mw": self._milliwatts}

    def _get_emeter_vgain_igain(self, _: Any) -> dict[str, Any] | int:
        return UNKNOWN_METHOD if self.fault == "odd meter" else {"vgain": 125_000, "igain": 11_000}

    @property
    def _milliwatts(self) -> int:
        return int(self.watts * 1000) if self.on else 0

    def _set_device_info(self, params: dict[str, Any]) -> dict[str, Any]:
        self.on = params["device_on"]
        return {}


class Wire(BaseTransport):
    """Takes a request of python-kasa to the plug, as its encryption would."""

    def __init__(self, config: DeviceConfig, plug: SmartPlug) -> None:
        super().__init__(config=config)
        self._plug = plug

    @property
    def default_port(self) -> int:
        return 80

    @property
    def credentials_hash(self) -> str | None:
        return None

    async def send(self, request: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        if not self._plug.reachable:
            raise _ConnectionError("no route")
        asked = json.loads(request)
        if asked["method"] != "multipleRequest":
            answer = self._plug.answer(asked["method"], asked.get("params", {}))
            if self._plug.fault == "lost" and asked["method"] == "fw_download":
                raise _ConnectionError("the answer is lost")
            return answer
        answers = []
        for one in asked["params"]["requests"]:
            answer = self._plug.answer(one["method"], one.get("params", {}))
            answers.append({"method": one["method"], **answer})
        return {"error_code": 0, "result": {"responses": answers}}

    async def close(self) -> None:
        pass

    async def reset(self) -> None:
        pass
