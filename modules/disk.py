"""Say how full the disks are, and how warm."""

from collections.abc import Iterable
from dataclasses import dataclass

from housecarl import Call, Reply, command

#: file systems of this machine's own disks; a dead network mount would hold the answer up
LOCAL: tuple[str, ...] = (
    "bcachefs",
    "btrfs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fuseblk",
    "hfsplus",
)
LOCAL += ("jfs", "ntfs", "ntfs3", "reiserfs", "vfat", "xfs", "zfs")
#: made with each image and always full, or too small to matter
QUIET = ("/boot", "/snap/", "/var/lib/docker/", "/efi")
#: bytes, as disk makers and df -H count them
UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"))
#: septets of one SMS, and of one mount point or sensor within it
ROOM, NAME = 160, 24


@dataclass(frozen=True, slots=True)
class Disk:
    """One file system: where it is, percent in use, bytes left for ordinary users."""

    where: str
    percent: float
    free: int


@command()
def disk(call: Call) -> Reply:
    """Say how full the disks are: disk

    The fullest first, with what is free, then the warmest sensor. Network mounts are left out.
    """
    return _said(list(_disks()), _temperatures(), call.house.units == "us")


def _said(disks: list[Disk], temperatures: list[tuple[str, float]], us: bool) -> Reply:
    disks = sorted(disks, key=lambda one: one.percent, reverse=True)
    warmest = sorted(temperatures, key=lambda one: one[1], reverse=True)
    warm = [(name, _degrees(celsius, us)) for name, celsius in warmest]
    tail = f" Warmest: {' '.join(warm[0])}." if warm else ""
    shown: list[str] = []
    for one in disks:
        part = f"{_cut(one.where)} {one.percent:.0f}% ({_bytes(one.free)} free)"
        if len(", ".join([*shown, part])) + len(", and 99 more.") + len(tail) > ROOM:
            shown.append(f"and {len(disks) - len(shown)} more")
            break
        shown.append(part)
    return Reply(
        f"{', '.join(shown) or 'No disk of its own'}.{tail}",
        rows=[(one.where, f"{one.percent:.0f}%, {_bytes(one.free)} free") for one in disks] + warm,
        bars=[(one.where, round(one.percent, 1)) for one in disks],
        unit="%",
    )


def _disks() -> Iterable[Disk]:
    """Each local file system once, under its shortest mount point; the root always."""
    import psutil  # the first call pays

    seen: set[str] = set()
    mounts = sorted(psutil.disk_partitions(all=True), key=lambda mount: len(mount.mountpoint))
    for mount in mounts:
        where = mount.mountpoint
        if where != "/" and (mount.fstype not in LOCAL or where.startswith(QUIET)):
            continue
        try:
            usage = psutil.disk_usage(where)
        except OSError:
            continue  # not for us to see, or gone since
        if usage.total and not seen & {mount.device, where}:
            seen |= {mount.device, where}
            yield Disk(where, usage.percent, usage.free)


def _temperatures() -> list[tuple[str, float]]:
    """The hottest reading of each kind of sensor, degrees Celsius, where 0 is none."""
    import psutil  # the first call pays

    found = []
    for name, sensors in psutil.sensors_temperatures().items():
        degrees = [sensor.current for sensor in sensors if sensor.current and sensor.current > 0]
        if degrees:
            found.append((_cut(_kind(name)), max(degrees)))
    return found


def _kind(sensor: str) -> str:
    cpu = {"coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal"}
    return "CPU" if sensor in cpu else "disk" if sensor in {"nvme", "drivetemp"} else sensor


def _degrees(celsius: float, us: bool) -> str:
    return f"{celsius * 9 / 5 + 32:.0f} F" if us else f"{celsius:.0f} C"


def _bytes(count: float) -> str:
    for size, unit in UNITS:
        if count >= size:
            amount = count / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return "0 MB"


def _cut(name: str) -> str:
    return name if len(name) <= NAME else f"..{name[-NAME + 2 :]}"
