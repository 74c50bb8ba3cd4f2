"""A conversation with programs of others: swaks texts, OpenSMTPD takes the reply."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from tests.doors.certificate import certificate

from housecarl.password import hash_password
from housecarl.testing.house import free_port

pytestmark = [pytest.mark.long, pytest.mark.server("swaks", "smtpd")]

PASSWORD = "correct horse battery"

SMARTHOST = """
listen on 127.0.0.1 port {port}
table everybody {{ "@" = "nobody" }}
action "keep" maildir "{folder}" virtual <everybody>
match from any for any action "keep"
"""

HOUSE = """
house: Elm Street
spool: spool
people:
  ann:
    addresses: [ann@example.org]
    may: ["*"]
    unix: [{login}]
    login: {{user: ann, hash: {{file: ann.hash}}}}
doors:
  smtp:
    listen: "127.0.0.1:{port}"
    recipients: [cmd@home.example]
    certificate: {{cert: cert.pem, key: key.pem}}
  drop: {{}}
post: {{host: 127.0.0.1, port: {smarthost}, tls: none, from: house@home.example}}
"""


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers on a port."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError(port)


def ended(process: subprocess.Popen[bytes]) -> int:
    """Stop a server as systemd does; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


@pytest.fixture
def smarthost() -> Iterator[tuple[int, Path]]:
    """OpenSMTPD that keeps everything in a maildir; it delivers as nobody, so it needs root.

    Not below pytest's own folder: each start of pytest closes that to everybody but its owner.
    """
    if os.geteuid() != 0:
        pytest.skip("OpenSMTPD wants root")
    folder = Path(tempfile.mkdtemp(prefix="smarthost-"))
    folder.chmod(0o755)
    mails = folder / "mails"
    mails.mkdir()
    shutil.chown(mails, "nobody")
    port = free_port()
    config = folder / "smtpd.conf"
    config.write_text(SMARTHOST.format(port=port, folder=mails))
    log = (folder / "log").open("wb")
    process = subprocess.Popen(["smtpd", "-d", "-f", config], stdout=log, stderr=log)
    try:
        listening(port, process)
        yield port, mails
    finally:
        ended(process)
        log.close()
        shutil.rmtree(folder)


@pytest.fixture
def house(smarthost: tuple[int, Path], tmp_path: Path) -> Iterator[int]:
    """`housecarl run` as a process of its own; the port of its SMTP door."""
    certificate(tmp_path)
    (tmp_path / "ann.hash").write_text(hash_password(PASSWORD))
    for name in ("ann.hash", "key.pem"):
        (tmp_path / name).chmod(0o600)
    port = free_port()
    login = pwd.getpwuid(os.getuid()).pw_name
    config = tmp_path / "housecarl.yaml"
    config.write_text(HOUSE.format(port=port, smarthost=smarthost[0], login=login))
    process = subprocess.Popen(
        [Path(sys.executable).with_name("housecarl"), "-c", config, "run"],
        stderr=subprocess.PIPE,
    )
    try:
        listening(port, process)
        yield port
    finally:
        assert ended(process) == 0
        assert process.stderr is not None
        process.stderr.close()


def delivered(folder: Path, start: str) -> str:
    """The recipient of a mail with a text that starts so, once OpenSMTPD has delivered it.

    Its queue is the machine's and may hold older mail, which does not count.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in sorted(folder.glob("new/*")):
            mail = message_from_bytes(path.read_bytes(), policy=default)
            body = mail.get_body(("plain",))
            if body is not None and str(body.get_content()).startswith(start):
                return str(mail["To"])
        time.sleep(0.02)  # another program's folder: nothing tells us of a new file
    raise TimeoutError(start)


def swaks(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    """One message by swaks; its dialogue is in stdout."""
    return subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{port}", "--from", "ann@example.org"]
        + ["--to", "cmd@home.example", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_swaks_texts_with_a_password_and_opensmtpd_takes_the_reply(
    house: int, smarthost: tuple[int, Path]
) -> None:
    auth = ["--tls", "--auth", "PLAIN", "--auth-user", "ann", "--auth-password", PASSWORD]
    done = swaks(house, *auth, "--body", "!uptime")
    assert done.returncode == 0, done.stdout
    assert delivered(smarthost[1], "Elm Street up ") == "ann@example.org"


def test_a_copied_file_is_answered_to_the_address_of_its_owner(
    house: int, smarthost: tuple[int, Path], tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("!help uptime\n")
    subprocess.run(["cp", note, tmp_path / "spool"], check=True, timeout=10)
    assert delivered(smarthost[1], "uptime - ") == "ann@example.org"


def test_swaks_is_refused_without_a_right_password_tls_or_recipient(house: int) -> None:
    auth = ["--auth", "PLAIN", "--auth-user", "ann", "--auth-password"]
    assert swaks(house, "--tls", *auth, "wrong").returncode == 28
    assert swaks(house, *auth, PASSWORD).returncode == 28
    assert swaks(house, "--to", "other@home.example").returncode == 24
