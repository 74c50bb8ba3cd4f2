"""A machine of its own: systemd as PID 1 in a container, on a loopback that nobody else has."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path

TOP = Path(__file__).parents[2]

#: Seconds for a boot; 1 to 11 are usual.
BOOT_SECONDS = 40.0

#: Seconds for one command inside.
COMMAND_SECONDS = 20.0

#: Services that every boot starts, and that have nothing to do in there.
MASKED = "dbus.service systemd-logind.service getty.target"

#: Files of a system without any user, beside what the program needs.
FILES = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "shadow": "root:*:19000::::::\n",
    "gshadow": "root:*::\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
    # none would be a first boot, which enables every service of the host
    "machine-id": "0123456789abcdef0123456789abcdef\n",
}


class NoMachine(Exception):
    """Why no machine can be booted here."""


class Machine:
    """A container that is made of the host's own /usr, read-only; `boot`, and `end` whatever came.

    `root` is its root folder, seen from outside. The program is in /opt/housecarl as a virtual
    environment would hold it; nothing else of housecarl is installed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._lock: int | None = None

    def boot(self) -> None:
        """Return once systemd says that it is up; raises NoMachine with the reason."""
        _see_that_it_can()
        # the container's cgroups have a fixed name: one machine at a time
        self._lock = os.open(Path(tempfile.gettempdir(), "housecarl-machine.lock"), os.O_CREAT)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        binds = self._furnish()
        address = self.root.parent / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(str(address))
            told.settimeout(BOOT_SECONDS)
            self._process = subprocess.Popen(
                [
                    # it shuts down by itself when the tests are killed
                    *"setpriv --pdeathsig TERM".split(),
                    *f"systemd-nspawn --quiet --directory={self.root} --boot --private-network "
                    "--register=no --keep-unit --notify-ready=yes --console=pipe "
                    "--machine=housecarl --link-journal=no --bind-ro=/usr "
                    "--tmpfs=/usr/local:mode=755".split(),
                    *binds,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "NOTIFY_SOCKET": str(address)},
            )
            try:
                self._wait_for(told)
            except TimeoutError:
                raise NoMachine(f"no boot within {BOOT_SECONDS:.0f} s: {self._last()}") from None
        self.do("mkdir", "/usr/local/bin")
        self.do(
            "ldconfig", "/opt/housecarl/python/lib"
        )  # where a Python of its own has its library

    def _wait_for(self, told: socket.socket) -> None:
        """Until READY=1; nspawn says the leader's number before."""
        while True:
            lines = (line.partition("=") for line in told.recv(4096).decode().splitlines())
            news = {name: value for name, _, value in lines}
            self._leader = int(news.get("X_NSPAWN_LEADER_PID", self._leader))
            if news.get("READY") == "1":
                return
            if "EXIT_STATUS" in news or "ERRNO" in news:
                raise NoMachine(f"systemd-nspawn ended: {self._last()}")

    def _last(self) -> str:
        """The end of what systemd-nspawn said, which is ended for it."""
        process = self._process
        if process is None or process.stdout is None:
            return "it was not started"
        self._kill()
        return process.stdout.read().decode(errors="replace").strip()[-300:] or "it said nothing"

    def end(self) -> None:
        """Everything in it ends with its PID 1."""
        self._kill()
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        if self._lock is not None:
            os.close(self._lock)

    def _kill(self) -> None:
        if self._process is None:
            return
        if self._leader:
            with suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGKILL)
        else:
            self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def enter(self, *what: str) -> list[str]:
        """The words that enter it: all of it, or just its namespaces of these kinds (net)."""
        kinds = [f"--{kind}" for kind in what] or ["--all"]
        return ["nsenter", f"--target={self._leader}", *kinds, "--"]

    def run(
        self, *words: str | Path, typed: str = "", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """A command inside, as root."""
        return subprocess.run(
            [*self.enter(), "/usr/bin/env", "-i", PATH, *map(str, words)],
            input=typed,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def do(self, *words: str | Path, typed: str = "", seconds: float = COMMAND_SECONDS) -> str:
        """What a command inside says; it must go well."""
        done = self.run(*words, typed=typed, seconds=seconds)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def _furnish(self) -> list[str]:
        """A root folder that boots, with the program; the binds that it takes."""
        for name in "usr etc/systemd/system var run tmp proc sys dev root home srv opt".split():
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib32", "lib64"):
            if (here := Path("/", name)).is_symlink():
                (self.root / name).symlink_to(here.readlink())
        for name, text in FILES.items():
            (self.root / "etc" / name).write_text(text)
        for name in ("os-release", "ld.so.cache", "ld.so.conf", "localtime", "login.defs"):
            with suppress(FileNotFoundError):
                shutil.copy(Path("/etc", name), self.root / "etc" / name)
        units = self.root / "etc/systemd/system"
        (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
        for name in MASKED.split():
            (units / name).symlink_to("/dev/null")
        return self._install_program(self.root / "opt/housecarl")

    def _install_program(self, home: Path) -> list[str]:
        """What `python3 -m venv` and `pip install` would leave in /opt/housecarl."""
        site = home / sysconfig.get_path("purelib", vars={"base": "", "platbase": ""}).lstrip("/")
        build = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
        for source, target in build["targets"]["wheel"]["sources"].items():
            shutil.copytree(TOP / source, site / target)
        for name in ("deps", "python/lib"):
            (home / name).mkdir(parents=True)
        (site / "deps.pth").write_text("/opt/housecarl/deps\n")
        binds = [f"--bind-ro={sysconfig.get_path('purelib')}:/opt/housecarl/deps"]
        base, python = Path(sys.base_prefix), f"python3.{sys.version_info.minor}"
        inside = base / "bin" / python
        if base != Path("/usr"):
            binds.append(f"--bind-ro={base}:/opt/housecarl/python")
            inside = Path("/opt/housecarl/python/bin", python)
        (home / "pyvenv.cfg").write_text(f"home = {inside.parent}\n")
        (home / "bin").mkdir()
        for name in ("python", "python3"):
            (home / "bin" / name).symlink_to(inside)
        script = home / "bin" / "housecarl"
        script.write_text(
            "#!/opt/housecarl/bin/python\nimport sys\nfrom housecarl.cli import main\n"
            "sys.exit(main())\n"
        )
        script.chmod(0o755)
        return binds


#: The only variable that commands inside have.
PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin"


def _see_that_it_can() -> None:
    """What a boot needs of the host, each with its name."""
    if os.geteuid() != 0:
        raise NoMachine("systemd-nspawn needs root")
    if not Path("/lib").is_symlink():
        raise NoMachine("this system's /lib is not in /usr")
    if not Path("/usr/lib/systemd/systemd").exists():
        raise NoMachine("there is no systemd in /usr")
    for program in ("systemd-nspawn", "nsenter"):
        if shutil.which(program) is None:
            raise NoMachine(f"{program} is not installed")
