"""A certificate that is renewed on the disk while the house lives."""

from __future__ import annotations

import os
import smtplib
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.doors.certificate import certificate

import housecarl.reload
from housecarl.journal import JOURNAL
from housecarl.testing.house import TestHouse

pytestmark = pytest.mark.long(after=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    cert, key = certificate(tmp_path)
    smtp = {"certificate": {"cert": str(cert), "key": str(key)}}
    with TestHouse(tmp_path, doors={"smtp": smtp}) as house:
        yield house


def served(house: TestHouse) -> str:
    """The certificate that whoever writes is shown."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(*house.smtp, timeout=10) as smtp:
        smtp.starttls(context=tls)
        assert isinstance(smtp.sock, ssl.SSLSocket)
        shown = smtp.sock.getpeercert(binary_form=True)
        assert shown is not None
        return ssl.DER_cert_to_PEM_cert(shown)


def condition(house: TestHouse) -> tuple[int, str]:
    """What `status` says of the configuration."""
    with closing(sqlite3.connect(house.spool / JOURNAL)) as conn:
        found = conn.execute("SELECT ok, text FROM conditions WHERE name = 'config'").fetchone()
    return int(found[0]), str(found[1])


def reload(house: TestHouse) -> None:
    """As SIGHUP does."""
    assert (running := house.daemon) is not None

    async def do() -> None:
        running.ready.clear()
        running.reload()

    house.do(do())


def test_a_renewed_certificate_is_taken_by_a_reload_and_half_of_one_changes_nothing(
    house: TestHouse, tmp_path: Path
) -> None:
    """Written file by file, a certificate and its key are no pair for a moment."""
    former = served(house)
    (tmp_path / "renewed").mkdir()
    cert, key = certificate(tmp_path / "renewed", timedelta(days=90))
    (tmp_path / "cert.pem").write_bytes(cert.read_bytes())
    reload(house)
    house.until(lambda: not condition(house)[0])
    assert "no pair" in condition(house)[1]
    assert served(house) == former
    (tmp_path / "key.pem").write_bytes(key.read_bytes())
    reload(house)
    house.until(lambda: bool(condition(house)[0]) and house.daemon.ready.is_set())  # type: ignore[union-attr]
    assert served(house) == cert.read_text()


def on_a_slow_disk(path: Path) -> None:
    """Make a file one that gives nothing until the test does."""
    path.unlink()
    os.mkfifo(path)


def test_the_house_answers_while_a_reload_waits_for_a_slow_disk(
    house: TestHouse, tmp_path: Path
) -> None:
    on_a_slow_disk(tmp_path / "cert.pem")
    reload(house)
    with (tmp_path / "cert.pem").open("w") as slow:  # open once the reload reads it
        phone = house.phone()
        phone.text("!uptime")
        assert phone.reply.startswith("Elm Street up ")
        slow.write("no certificate")
    house.until(lambda: not condition(house)[0])


def test_a_reload_asked_for_while_one_reads_is_done_too(house: TestHouse, tmp_path: Path) -> None:
    """The first may have read what the second was asked for too early."""
    cert = tmp_path / "cert.pem"
    good = cert.read_bytes()
    on_a_slow_disk(cert)
    reload(house)
    with cert.open("w") as slow:
        (tmp_path / "renewed.pem").write_bytes(good)
        (tmp_path / "renewed.pem").rename(cert)
        reload(house)
        slow.write("no certificate")
    house.until(lambda: bool(condition(house)[0]) and house.daemon.ready.is_set())  # type: ignore[union-attr]


def test_a_reload_from_a_disk_that_hangs_is_refused(
    house: TestHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former configuration goes on, and the house can be stopped."""
    monkeypatch.setattr(housecarl.reload, "READ_SECONDS", 0.05)
    former = served(house)
    on_a_slow_disk(tmp_path / "cert.pem")
    reload(house)
    house.until(lambda: not condition(house)[0])
    assert "gave nothing in 0.05 s" in condition(house)[1]
    assert served(house) == former
    house.stop()
    (tmp_path / "cert.pem").open("w").close()
