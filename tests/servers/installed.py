"""A house that is installed in a machine as docs/install.md says, and who writes to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tests.doors.certificate import certificate
from tests.servers.machine import Machine

from housecarl.password import hash_password

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
PASSWORD = "correct horse battery"
SMTP_SECRET = "the smarthost's own"

CONFIG = """
house: Elm Street
people:
  ann:
    addresses: [ann@example.org]
    may: ["*"]
    unix: [ann]
    login: {user: ann, hash: {credential: ann-hash}}
doors:
  smtp:
    recipients: [cmd@home.example]
    certificate: {cert: house.pem, key: secrets/house.key}
  drop: {}
post:
  {host: 127.0.0.1, port: 2500, tls: none, user: house, password: {credential: smtp},
   from: house@home.example}
limits: {calls_per_hour: 0}
modules:
  ping: {hosts: {self: 127.0.0.1}}
  run:
    programs:
      planted: {argv: [/var/lib/housecarl/planted]}
      printed: {argv: [/usr/bin/printf, "printed well"]}
"""

#: Faster than shipped, so that nobody waits: the watchdog's 60 s, and the pause before a restart.
HASTE = "[Service]\nWatchdogSec=3\nRestartSec=100ms\n"

#: One mail by SMTP AUTH: port, password, text.
SEND = """
import smtplib, ssl, sys
from email.utils import make_msgid
port, password, text = sys.argv[1:]
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
at = {"host": "127.0.0.1", "port": int(port), "timeout": 30}
implicit = port == "465"
with smtplib.SMTP_SSL(**at, context=tls) if implicit else smtplib.SMTP(**at) as smtp:
    if not implicit:
        smtp.starttls(context=tls)
    smtp.login("ann", password)
    smtp.sendmail("ann@example.org", ["cmd@home.example"],
        f"From: ann@example.org\\r\\nTo: cmd@home.example\\r\\n"
        f"Message-ID: {make_msgid()}\\r\\n\\r\\n{text}\\r\\n")
"""


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something is true in there, where no event tells it."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


class Home:
    """The house in its machine, and the smarthost beside it."""

    def __init__(self, machine: Machine, mails: Path) -> None:
        self.machine = machine
        self.do = machine.do
        self.mails = mails
        #: what the doctor says of the unit before its first start
        self.at_first = machine.run("housecarl", "doctor", "--json", "--only", "unit").stdout
        self.seen = 0

    def sending(self, text: str, port: int = 587) -> subprocess.Popen[str]:
        """ann sends a mail from inside the network."""
        words = [sys.executable, "-c", SEND, str(port), PASSWORD, text]
        enter = self.machine.enter("net")
        return subprocess.Popen([*enter, *words], stderr=subprocess.PIPE, text=True)

    def send(self, text: str, port: int = 587) -> None:
        """The mail was taken."""
        sending = self.sending(text, port)
        _, complaint = sending.communicate(timeout=40)
        assert sending.returncode == 0, complaint

    def answer(self, seconds: float = 15.0) -> str:
        """The next mail that the house sends."""
        path = self.mails / f"{self.seen}.eml"
        until(path.exists, seconds)
        self.seen += 1
        return path.read_text()

    def ask(self, text: str, port: int = 587) -> str:
        """The answer to a mail."""
        self.send(text, port)
        return self.answer()

    def says(self, name: str) -> str:
        """A property of the service."""
        return self.do("systemctl", "show", "housecarl", "--value", "--property", name)

    def log(self) -> str:
        """What the service and systemd said of it."""
        return self.do("journalctl", "--unit=housecarl", "--output=cat", "--no-pager")

    def restarted(self, times: int) -> bool:
        """Whether it was restarted that often and is ready again."""
        return int(self.says("NRestarts")) >= times and self.says("ActiveState") == "active"


def block(with_word: str) -> str:
    """The commands of install.md that stand around this one."""
    blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", PAGE.read_text())
    found = next(each for each in blocks if with_word in each)
    # the program is there already, and there is no network to fetch one from
    fetched = re.compile(r"^\s*(apt |python3 -m venv|\S*pip install)")
    return "\n".join(line for line in found.splitlines() if not fetched.match(line))


def block_of_socket(name: str = "housecarl.socket") -> str:
    """How its ports are opened, in the shell that installed it all."""
    files = next(line for line in block("housecarl.sysusers").splitlines() if "files=" in line)
    return f"{files}\n{block(name)}"


def install(machine: Machine, tmp_path: Path) -> None:
    """Word by word what the page says; the secrets and the configuration are these here."""
    cert, key = certificate(tmp_path, timedelta(days=60))
    machine.do("sh", typed=f"set -eu\n{block('housecarl.sysusers')}")
    machine.do("useradd", "--no-create-home", "ann")
    found = re.search(r"`(\w+ [^`]*housecarl-drop[^`]*)`", PAGE.read_text())
    assert found is not None
    machine.do(*found[1].split())
    etc = machine.root / "etc" / "housecarl"
    (etc / "secrets").mkdir(mode=0o700)
    uid = int(machine.do("id", "-u", "housecarl"))
    for name, text in {
        "ann-hash": hash_password(PASSWORD),
        "smtp": SMTP_SECRET,
        "house.key": key.read_text(),
    }.items():
        (etc / "secrets" / name).write_text(text)
        (etc / "secrets" / name).chmod(0o600)
    for own in ("secrets", "secrets/house.key"):
        os.chown(etc / own, uid, -1)
    (etc / "house.pem").write_bytes(cert.read_bytes())
    (etc / "house.pem").chmod(0o644)
    (etc / "housecarl.yaml").write_text(CONFIG)
    (etc / "housecarl.yaml").chmod(0o640)
    os.chown(etc / "housecarl.yaml", -1, int(machine.do("id", "-g", "housecarl")))
    drop_in = machine.root / "etc/systemd/system/housecarl.service.d"
    drop_in.mkdir()
    loads = (f"LoadCredential={n}:/etc/housecarl/secrets/{n}\n" for n in ("ann-hash", "smtp"))
    (drop_in / "override.conf").write_text(HASTE + "".join(loads))
    machine.do("systemctl", "daemon-reload")
