"""Postfix that hands each mail to a script by pipe(8), in a folder of its own.

It needs no installation: an unpacked package will do, and nothing outside the folder is written.
Settings are Postfix's own defaults where they bear on speed.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks.chain import write_script
from benchmarks.line import free_port, greeted

MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
import_environment = LD_LIBRARY_PATH MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C
mail_owner = {owner}
setgid_group = {group}
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = home.example
mydestination = home.example
mynetworks = 127.0.0.0/8
local_transport = run:
local_recipient_maps =
alias_maps =
disable_dns_lookups = yes
smtpd_relay_restrictions = permit_mynetworks, reject
run_destination_recipient_limit = 1
{more}
"""

MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
run unix - n n - - pipe
  user=nobody argv={script}
"""

#: The folders of a queue: who owns them ("" is root) and their mode.
QUEUE = (
    *((name, "owner", 0o700) for name in "active bounce corrupt defer deferred flush".split()),
    *((name, "owner", 0o700) for name in "hold incoming private saved trace".split()),
    ("maildrop", "group", 0o730),
    ("public", "group", 0o710),
    ("pid", "", 0o755),
)


def first(names: tuple[str, ...], known: set[str]) -> str:
    """The first of some names that this machine knows."""
    return next(name for name in names if name in known)


@dataclass(frozen=True)
class Postfix:
    """Postfix below `root` ("/" when it is installed), a script's text and what runs it."""

    root: Path
    script: str
    program: Path

    def missing(self) -> str:
        """Why it cannot be measured here; "" when it can."""
        if not (self.root / "usr/lib/postfix/sbin/master").exists():
            return "Postfix is neither installed nor unpacked where --postfix says"
        if not self.program.exists():
            return f"{self.program.name} is neither installed nor where --php says"
        return "" if os.geteuid() == 0 else "Postfix wants root"

    def environment(self, folder: Path) -> dict[str, str]:
        """What an unpacked Postfix needs to find its libraries and its configuration."""
        libraries = str(self.root / "usr/lib/postfix")
        return {**os.environ, "LD_LIBRARY_PATH": libraries, "MAIL_CONFIG": str(folder / "etc")}

    def write(self, folder: Path, sink: int, port: int, more: str = "") -> None:
        """Configuration, script, and an empty queue where there is none."""
        # The package's users, or two that every Debian has and nothing uses.
        owner = first(("postfix", "uucp"), {each.pw_name for each in pwd.getpwall()})
        group = first(("postdrop", "games"), {each.gr_name for each in grp.getgrall()})
        script = write_script(folder, sink, self.script, self.program)
        etc, queue = folder / "etc", folder / "queue"
        for place in (etc, queue, folder / "data"):
            place.mkdir(exist_ok=True)
        os.chown(folder / "data", pwd.getpwnam(owner).pw_uid, -1)
        words = {"folder": folder, "root": self.root if self.root != Path("/") else ""}
        (etc / "main.cf").write_text(MAIN.format(owner=owner, group=group, more=more, **words))
        (etc / "master.cf").write_text(MASTER.format(port=port, script=script))
        # Postfix waits until a main.cf is two seconds old, which is no part of its start.
        past = time.time() - 60
        os.utime(etc / "main.cf", (past, past))
        for name, whose, mode in QUEUE:
            (queue / name).mkdir(exist_ok=True)
            (queue / name).chmod(mode)
            uid = pwd.getpwnam(owner).pw_uid if whose else 0
            os.chown(queue / name, uid, grp.getgrnam(group).gr_gid if whose == "group" else -1)

    @asynccontextmanager
    async def running(
        self, folder: Path, sink: int, more: str = ""
    ) -> AsyncIterator[tuple[int, psutil.Process, float]]:
        """Its port, its master process, the seconds until it said 220."""
        port = free_port()
        self.write(folder, sink, port, more)
        master = self.root / "usr/lib/postfix/sbin/master"
        began = time.perf_counter()
        # It ends with us, whatever ends us; in a group of its own, which it ends as a whole.
        process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", master, "-c", folder / "etc", "-d"),
            env=self.environment(folder),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await asyncio.wait_for(greeted(port, process), 20)
            yield port, psutil.Process(process.pid), time.perf_counter() - began
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 20)

    async def flush(self, folder: Path) -> None:
        """Try all that is deferred now."""
        postqueue = self.root / "usr/sbin/postqueue"
        process = await asyncio.create_subprocess_exec(
            *(postqueue, "-c", folder / "etc", "-f"), env=self.environment(folder)
        )
        if await process.wait():
            raise RuntimeError("postqueue could not flush")
