"""A private Dovecot on loopback: any user, the password "right", mail in a folder of its own."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from housecarl.testing.house import free_port

PASSWORD = "right"

_CONFIG = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
protocols = imap
listen = 127.0.0.1
mail_location = maildir:{root}/mail/%u:LAYOUT=fs
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
disable_plaintext_auth = no
mail_fsync = never
imap_idle_notify_interval = 2 mins
mail_max_userip_connections = 50
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
{more}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {port_tls}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """One server; `root` must be short and reachable for the user it runs as."""

    def __init__(self, root: Path, pair: tuple[Path, Path], more: str = "") -> None:
        self.root = root
        self.port, self.port_tls = free_port(), free_port()
        # Dovecot refuses to keep mail as root.
        user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        (root / "mail").mkdir()
        if os.getuid() == 0:
            os.chown(root / "mail", user.pw_uid, user.pw_gid)
            root.chmod(0o755)
        self.config = root / "dovecot.conf"
        self.config.write_text(
            _CONFIG.format(
                root=root,
                user=user.pw_name,
                group=group_of(user.pw_gid),
                cert=pair[0],
                key=pair[1],
                port=self.port,
                port_tls=self.port_tls,
                password=PASSWORD,
                more=more,
            )
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.config)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=5):
                    return
            except (OSError, IMAPClient.Error):
                time.sleep(0.02)
        raise RuntimeError((self.root / "log").read_text()[-2000:])

    def send(self, number: signal.Signals) -> None:
        """To the master and every process it started."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process is None:
            return
        self.send(signal.SIGCONT)
        self.send(number)
        self.process.wait(10)
        self.process = None
        shutil.rmtree(self.root / "run", ignore_errors=True)
        # the locks of the dead; Dovecot would wait minutes for them
        for lock in (self.root / "mail").rglob("*.lock"):
            lock.unlink()

    def client(self, user: str) -> Any:
        """A mail program of that user, logged in."""
        client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
        client.login(user, PASSWORD)
        return client

    def renumber(self, user: str) -> None:
        """Count the inbox anew, from another UIDVALIDITY, as after a restored copy."""
        home = self.root / "mail" / user
        for index in home.glob("dovecot.index*"):
            index.unlink()
        numbers = home / "dovecot-uidlist"
        head, _, rows = numbers.read_text().partition("\n")
        validity = re.search(r" V(\d+)", head)
        assert validity is not None
        head = head.replace(validity[0], f" V{int(validity[1]) + 1}")
        numbers.write_text(f"{head}\n{rows}")


def group_of(gid: int) -> str:
    import grp

    return grp.getgrgid(gid).gr_name


@contextmanager
def mailbox(pair: tuple[Path, Path]) -> Iterator[Dovecot]:
    """A server that runs; its folder must be short, and open to its user."""
    root = Path(tempfile.mkdtemp(prefix="dv"))
    server = Dovecot(root, pair)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
