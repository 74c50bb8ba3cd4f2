"""The inside of a simulated plug: its state, and the answer to each request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from housecarl.testing.plug_faults import Faults
from housecarl.testing.plug_meter import Meter
from housecarl.testing.plug_nature import Nature
from housecarl.testing.plug_protocol import compact, first_object
from housecarl.testing.plug_update import INVALID, Update

Args = dict[str, Any]
Member = Callable[[Args], Args]

#: bytes an alias may have
ALIAS_LIMIT = 127
#: the order or question whose answer a fault loses
LOST = {
    "lost@switch": "set_relay_state",
    "lost@meter": "get_realtime",
    "lost@download": "download_firmware",
    "lost@flash": "flash_firmware",
}


class Device:
    """One plug; `leave` and `come_back` are called when it goes off and onto the network."""

    def __init__(
        self,
        nature: Nature,
        faults: Faults,
        leave: Callable[[], None],
        come_back: Callable[[], None],
    ) -> None:
        self.nature = nature
        self.faults = faults
        self.alias = nature.alias
        self.sw_ver = nature.sw_ver
        self.mac = nature.mac
        self.relay = nature.relay
        self.led_off = False
        #: every (module, member) asked for, in order
        self.asked: list[tuple[str, str]] = []
        self._answers = 0
        self._on_since = time.monotonic()
        self._lock = threading.RLock()
        self._countdown: dict[str, Any] | None = None
        self._timer: threading.Timer | None = None
        self.meter = Meter(nature, lambda: self.relay)
        self.update = Update(nature, faults, leave, self._booted, come_back)
        self._modules = self._members()

    def _members(self) -> dict[str, dict[str, Member]]:
        rules: Args = {"rule_list": [], "version": 2, "enable": 0}
        modules: dict[str, dict[str, Member]] = {
            "system": {
                "get_sysinfo": lambda _: self.sysinfo(),
                "set_relay_state": self._set_relay_state,
                "set_led_off": self._set_led_off,
                "set_dev_alias": self._set_dev_alias,
                "reboot": self.update.reboot,
                "reset": self.update.reboot,
                **self.update.members(),
            },
            "time": {
                "get_time": lambda _: _wall_clock(),
                "get_timezone": lambda _: {"index": 39},
            },
            "schedule": {
                "get_rules": lambda _: dict(rules),
                "get_next_action": lambda _: {"type": -1},
                "get_daystat": lambda _: {"day_list": []},
                "get_monthstat": lambda _: {"month_list": []},
            },
            "anti_theft": {"get_rules": lambda _: dict(rules)},
            "count_down": {
                "get_rules": lambda _: {"rule_list": [self._countdown] if self._countdown else []},
                "add_rule": self._count_down,
                "delete_all_rules": lambda _: self._cancel_countdown(),
            },
            "cnCloud": {
                "get_info": lambda _: {"binded": 0, "cld_connection": 0, "username": ""},
                "get_intl_fw_list": lambda _: {"fw_list": []},
            },
        }
        if self.nature.emeter != "none":
            modules["emeter"] = self.meter.members(self.faults)
        return modules

    def answer(self, plain: bytes) -> bytes | None:
        """The answer to one request; None when the plug closes without one."""
        request = first_object(plain)
        if request is None:
            return None
        reply: dict[str, Any] = {}
        for module, members in request.items():
            if module == "context":
                continue
            table = self._modules.get(module)
            if table is None:
                reply[module] = {"err_code": -1, "err_msg": "module not support"}
            elif isinstance(members, dict):
                reply[module] = {
                    name: self._member(module, table.get(name), name, args)
                    for name, args in members.items()
                }
        return compact(reply) if reply and not self._lost(reply) else None

    def _lost(self, reply: dict[str, Any]) -> bool:
        """Whether this answer never leaves the plug, though the request was carried out."""
        self._answers += 1
        every = int(self.faults.number("lost_reply")) or 1
        if "lost_reply" in self.faults and self._answers % every == 0:
            return True
        orders = {member for fault, member in LOST.items() if fault in self.faults}
        return any(orders & members.keys() for members in reply.values())

    def _member(self, module: str, member: Member | None, name: str, args: Any) -> Args:
        self.asked.append((module, name))
        if member is None:
            return {"err_code": -2, "err_msg": "member not support"}
        with self._lock:
            result = member(args if isinstance(args, dict) else {})
        result.setdefault("err_code", 0)
        return result

    def sysinfo(self) -> Args:
        """What `get_sysinfo` answers; later hardware names some fields differently."""
        nature = self.nature
        info: Args = {
            "sw_ver": self.sw_ver,
            "hw_ver": nature.hw_ver,
            "model": nature.model,
            "deviceId": "8006" + nature.mac.replace(":", "").ljust(36, "0"),
            "hwId": nature.hw_id,
            "oemId": nature.oem_id,
            "mac": self.mac,
            "alias": self.alias,
            "dev_name": "Wi-Fi Smart Plug With Energy Monitoring",
            "icon_hash": "",
            "relay_state": int(self.relay),
            "on_time": self._on_time(),
            "active_mode": "count_down" if self._countdown else "none",
            "feature": "TIM" if nature.emeter == "none" else "TIM:ENE",
            "updating": int(self.update.visible or "busy" in self.faults),
            "rssi": nature.rssi,
            "led_off": int(self.led_off),
        }
        if nature.profile == "rtl":
            info |= {"mic_type": "IOT.SMARTPLUGSWITCH", "latitude_i": 0, "longitude_i": 0}
            info |= {"status": "new", "next_action": {"type": -1}}
        else:
            info |= {"type": "IOT.SMARTPLUGSWITCH", "latitude": 0, "longitude": 0, "fwId": "0" * 32}
        return info

    def _booted(self, version: str | None) -> None:
        """What a boot leaves of the state: the relay as its option says, nothing in RAM."""
        if "imposter" in self.faults:
            self.mac = "50:C7:BF:FF:FF:FF"
        if version and "badboot" not in self.faults:
            self.sw_ver = version
            if "meter_still_bad" not in self.faults:
                self.meter.glitch_watts = 0.0
        after = self.nature.relay_after_boot
        with self._lock:
            self.relay = self.relay if after == "keep" else after == "on"
            self._on_since = time.monotonic()

    def close(self) -> None:
        """Stop what may still run in the background."""
        if self._timer is not None:
            self._timer.cancel()
        self.update.close()

    def _on_time(self) -> int:
        if not self.relay:
            return 0
        return int((time.monotonic() - self._on_since) / self.nature.scale)

    def _switch(self, on: bool) -> None:
        if on != self.relay:
            self.meter.settle()
            self._on_since = time.monotonic()
        self.relay = on

    def _set_relay_state(self, args: Args) -> Args:
        state = args.get("state")
        if isinstance(state, bool) or not isinstance(state, (int, float)):
            return dict(INVALID)
        if "countdown_stays" not in self.faults:
            self._cancel_countdown()
        if "relay_stuck" not in self.faults:
            self._switch(bool(state))
        return {}

    def _set_led_off(self, args: Args) -> Args:
        self.led_off = bool(args.get("off"))
        return {}

    def _set_dev_alias(self, args: Args) -> Args:
        alias = args.get("alias")
        if not isinstance(alias, str):
            return dict(INVALID)
        if len(alias.encode()) > ALIAS_LIMIT:
            return {"err_code": -41, "err_msg": "string is too long"}
        self.alias = alias
        return {}

    def _count_down(self, args: Args) -> Args:
        if self._countdown is not None:
            return {"err_code": -10, "err_msg": "table is full"}
        delay, act = args.get("delay"), args.get("act")
        if not isinstance(delay, int) or act not in (0, 1):
            return dict(INVALID)
        self._countdown = {**args, "id": "A" * 32, "remain": delay}
        self._timer = threading.Timer(delay * self.nature.scale, self._counted_down, (bool(act),))
        self._timer.daemon = True
        self._timer.start()
        return {"id": "A" * 32}

    def _counted_down(self, on: bool) -> None:
        with self._lock:
            if self._countdown is not None:
                self._countdown = None
                self._switch(on)

    def _cancel_countdown(self) -> Args:
        self._countdown = None
        if self._timer is not None:
            self._timer.cancel()
        return {}


def _wall_clock() -> Args:
    now = time.localtime()
    return {
        "year": now.tm_year,
        "month": now.tm_mon,
        "mday": now.tm_mday,
        "wday": (now.tm_wday + 1) % 7,
        "hour": now.tm_hour,
        "min": now.tm_min,
        "sec": now.tm_sec,
    }
