from __future__ import annotations

import os
import pickle
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from housecarl import secret
from housecarl.errors import ConfigError, SecretError, SecretLater
from housecarl.secret import LARGEST, Secret, exposed

VALUE = "correct horse battery staple"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(VALUE + "\n")
    path.chmod(0o600)
    return path


def of(**names: object) -> Secret:
    return Secret.model_validate(names)


def test_a_file_is_read_without_its_last_line_end(file: Path) -> None:
    assert of(file=file).read() == VALUE
    file.write_bytes(b"two\n\n")
    assert of(file=file).read() == "two\n"
    file.write_bytes(b" kept \r\n")
    assert of(file=file).read() == " kept "


def test_the_mark_with_which_some_editors_begin_a_file_is_no_part_of_it(file: Path) -> None:
    """Nobody sees it, and the log-in would be refused."""
    file.write_bytes(b"\xef\xbb\xbfhunter2\n")
    assert of(file=file).read() == "hunter2"


def test_a_disk_that_gives_nothing_is_asked_once_and_not_waited_for_long(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try would hold a thread, and whoever tries again and again would have them all."""
    back, opened = threading.Event(), list[str]()

    def hang(path: str, flags: int) -> int:
        opened.append(path)
        back.wait(20)
        return os.open(path, flags)

    with monkeypatch.context() as patched:
        patched.setattr(secret, "_at_once", hang)
        patched.setattr(secret, "READ_SECONDS", 0.02)
        for _ in range(2):
            with pytest.raises(SecretLater, match=f"{file}: its disk gave nothing in 0.02 s"):
                of(file=file).read()
    assert len(opened) == 1
    back.set()
    assert of(file=file).read() == VALUE


def test_a_disk_that_tells_nothing_keeps_no_configuration_from_being_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every verb asks whose the file is, `person off` too."""
    file.chmod(0o644)
    back, stat = threading.Event(), Path.stat
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", lambda path: (path == file and back.wait(20)) or stat(path))
        patched.setattr(secret, "LOOK_SECONDS", 0.02)
        assert exposed(file) == {}
        back.set()


def test_several_on_a_dead_mount_take_no_longer_than_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each verb took a second for each of them; what tells is judged all the same."""
    file.chmod(0o644)
    back, stat = threading.Event(), Path.stat
    dead = [tmp_path / f"dead{number}" for number in range(40)]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", lambda path: (path in dead and back.wait(60)) or stat(path))
        patched.setattr(secret, "LOOK_SECONDS", 0.1)
        begun = time.monotonic()
        assert list(exposed(file, *dead)) == [file]
        assert time.monotonic() - begun < 2
        back.set()


def test_a_file_stands_relative_to_the_configuration(file: Path) -> None:
    secret = Secret.model_validate({"file": "secret"}, context={"folder": file.parent})
    assert secret.read() == VALUE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o610, 0o777])
def test_a_file_that_others_can_reach_is_refused_with_the_chmod(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(SecretError, match=f"run: chmod 600 {file}"):
        of(file=file).read()
    assert "chmod 600" in exposed(file)[file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_may_read_what_belongs_to_the_daemon(file: Path) -> None:
    os.chown(file, 12345, 12345)
    assert of(file=file).read() == VALUE


def test_what_belongs_to_somebody_else_is_refused_with_the_chown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He could change it."""
    if os.geteuid() == 0:
        os.chown(file, 12345, 12345)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(SecretError, match=f"belongs to another user; run: chown .USER {file}"):
        of(file=file).read()


def test_what_is_no_readable_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="does not exist; create it"):
        of(file=tmp_path / "missing").read()
    with pytest.raises(SecretError, match="[Ii]s a directory"):
        of(file=tmp_path).read()
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretError, match="not a plain file"):
        of(file=tmp_path / "pipe").read()


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "UTF-8")]
)
def test_a_file_without_a_text_in_it_is_refused(file: Path, content: bytes, why: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SecretError, match=why):
        of(file=file).read()


def test_a_file_too_large_to_be_a_secret_is_not_read(file: Path) -> None:
    file.write_bytes(b"x" * LARGEST)
    assert len(of(file=file).read()) == LARGEST
    file.write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(SecretError, match="larger than 64 KiB"):
        of(file=file).read()


def test_a_credential_is_read_where_systemd_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imap").write_text(VALUE)
    (tmp_path / "imap").chmod(0o440)  # systemd grants it to the service by an access list
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert of(credential="imap").read() == VALUE
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(SecretError, match="LoadCredential=imap:PATH"):
        of(credential="imap").read()


def test_an_environment_variable_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_TEST", VALUE)
    assert of(env="HOUSE_TEST").read() == VALUE
    monkeypatch.setenv("HOUSE_TEST", f"{VALUE}\n")
    assert of(env="HOUSE_TEST").read() == VALUE
    monkeypatch.delenv("HOUSE_TEST")
    with pytest.raises(ConfigError, match="env HOUSE_TEST: not set"):
        of(env="HOUSE_TEST").read()


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"env": "A", "credential": "b"},
        {"credential": "../etc/passwd"},
        {"credential": ".."},
        {"env": "A=B"},
        {"value": VALUE},
    ],
)
def test_a_secret_has_exactly_one_good_name(names: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        of(**names)
    assert VALUE not in str(caught.value)


def test_a_secret_written_into_the_file_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError, match="never stands in this file") as caught:
        Secret.model_validate(VALUE)
    assert VALUE not in str(caught.value)


def test_the_value_shows_nowhere(file: Path) -> None:
    secret = of(file=file)
    assert secret.read() == VALUE
    assert VALUE not in f"{secret!r} {secret} {secret.model_dump()}"
    assert VALUE.encode() not in pickle.dumps(secret)
