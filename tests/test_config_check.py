"""Combinations that cannot work are refused, each at its place; those beside them are well."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.nobody import needs_root, nobody

from housecarl.config import Config
from housecarl.config_check import cross, secrets_within
from housecarl.secret import Secret

ANN = {"phones": ["+1 303 555 0123"], "may": ["*"]}
LOGIN = {"user": "ann", "hash": {"env": "H"}}
CERTIFICATE = {"cert": "c.pem", "key": "k.pem"}
IMAP = {"host": "imap.example", "user": "u", "password": {"env": "X"}}
POST = {"host": "smtp.example", "from": "house@gmail.com"}
OWN = {**POST, "from": "a@b.example"}
VOICE = {"google_voice": {"account": "house@gmail.com", "number": "+1 303 555 0100"}}
WRITES = {"addresses": ["a@b.example"], "may": ["*"]}


def smtp(**keys: Any) -> dict[str, Any]:
    return {"smtp": {"recipients": ["c@home.example"], **keys}}


def clashes(keys: dict[str, Any]) -> list[str]:
    folder = Path("/nowhere")
    found = Config.model_validate(keys, context={"folder": folder})
    return [f"{'.'.join(map(str, loc))}: {text}" for loc, text, _ in cross(found, folder)]


@pytest.mark.parametrize(
    ("keys", "clash"),
    [
        (
            {"people": {"ann": ANN, "bo": ANN}},
            "people.bo.phones.0: this phone is also ann's",
        ),
        (
            {"people": {"ann": WRITES, "bo": {**ANN, "addresses": ["A@b.example"]}}},
            "people.bo.addresses.0: this address is also ann's",
        ),
        (
            {"people": {"ann": {**ANN, "unix": ["x"]}, "bo": {"unix": ["y", "x"], "may": ["*"]}}},
            "people.bo.unix.1: this unix login is also ann's",
        ),
        (
            {
                "people": {
                    "ann": {"login": LOGIN, "may": ["*"]},
                    "bo": {"login": {**LOGIN, "user": "ANN"}, "may": ["*"]},
                }
            },
            "people.bo.login.user: this login is also ann's",
        ),
        (
            {"people": {"ann": {**ANN, "phones": ["+13035550123", "+1 303 555 0123"]}}},
            "people.ann.phones.1: this phone is named twice",
        ),
        ({"people": {"ann": ANN, "Ann": WRITES}}, "people.Ann: this name is also ann's"),
        ({"people": {"ann": {"may": ["*"]}}}, "people.ann: cannot be recognised"),
        (
            {"doors": smtp(listen="0.0.0.0:25"), "people": {"ann": {**ANN, "login": LOGIN}}},
            "doors.smtp.listen: ann has a login, and AUTH over a network needs a certificate",
        ),
        ({"doors": smtp(listen_tls="127.0.0.1:465")}, "doors.smtp.listen_tls: needs a certificate"),
        (
            {"doors": smtp(listen_tls="127.0.0.1:2525", certificate=CERTIFICATE)},
            "doors.smtp.listen_tls: is the same as listen",
        ),
        ({"doors": smtp(command="5m")}, "doors.smtp.command: is longer than the session"),
        (
            {"doors": {"imap": {**IMAP, "oauth": {"client_file": "c"}}}},
            "doors.imap.oauth: password and oauth both",
        ),
        ({"doors": {"imap": {"host": "h", "user": "u"}}}, "doors.imap: needs a password or oauth"),
        ({"doors": {"imap": {**IMAP, "tls": "none"}}}, "doors.imap.tls: none is for loopback"),
        (
            {"doors": {"imap": {**IMAP, "executed": "INBOX"}}},
            "doors.imap.executed: is the folder that is watched",
        ),
        (
            {"doors": {"imap": {**IMAP, "folder": "Inbox", "executed": "inbox"}}},
            "doors.imap.executed: is the folder that is watched",
        ),
        ({"post": {**POST, "user": "u"}}, "post.user: needs a password"),
        ({"post": {**POST, "password": {"env": "X"}}}, "post.password: needs a user"),
        ({"post": {**POST, "tls": "none"}}, "post.tls: none is for loopback"),
        (
            {"trust": VOICE, "post": {**POST, "from": "me@example.org"}},
            "trust.google_voice.account: Google drops replies that do not come from "
            "house@gmail.com, and post.from is me@example.org",
        ),
        (
            {"trust": VOICE, "post": {**POST, "user": "me@gmail.com", "password": {"env": "X"}}},
            "trust.google_voice.account: Google drops replies that do not come from "
            "house@gmail.com, and post.user is me@gmail.com",
        ),
        (
            {
                "doors": {"imap": {**IMAP, "user": "A@b.example"}},
                "post": OWN,
                "people": {"a": WRITES},
            },
            "people.a.addresses.0: is the mailbox that the house watches, which takes each answer",
        ),
        ({"trust": {"late": "3d"}}, "trust.late: is longer than max_age"),
        ({"trust": {"remember": "2d"}}, "trust.remember: must be longer than max_age"),
        (
            {"retention": {"journal": {"age": "7d"}}},
            "retention.journal.age: must not be shorter than trust.remember",
        ),
        (
            {"limits": {"calls_per_hour": 1}, "aliases": {"night": ["plug all off", "uptime"]}},
            "aliases.night: is 2 commands, over the 1 of an hour: it can never be texted",
        ),
    ],
)
def test_what_cannot_work_is_told_at_its_place(keys: dict[str, Any], clash: str) -> None:
    found = clashes(keys)
    assert len(found) == 1
    assert found[0].startswith(clash)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"people": {"ann": ANN, "bo": WRITES}},
        {"doors": smtp(), "people": {"ann": {**ANN, "login": LOGIN}}},
        {
            "doors": smtp(listen="0.0.0.0:25", certificate=CERTIFICATE),
            "people": {"ann": {**ANN, "login": LOGIN}},
        },
        {"doors": smtp(listen="0.0.0.0:25"), "people": {"ann": ANN}},
        {"doors": {"imap": {**IMAP, "tls": "none", "host": "127.0.0.1"}}},
        {"doors": {"imap": {**IMAP, "folder": "INBOX/house", "executed": "INBOX.house"}}},
        {"post": {**POST, "tls": "none", "host": "::1"}},
        {"trust": VOICE, "post": {**POST, "from": "House@gmail.com"}},
        {"trust": VOICE, "post": {**POST, "user": "relay", "password": {"env": "X"}}},
        {"trust": VOICE},
        {"doors": {"imap": {**IMAP, "user": "a@b.example"}}, "post": POST, "people": {"a": WRITES}},
        {
            "doors": {"imap": {**IMAP, "user": "a@b.example", "folder": "house"}},
            "post": OWN,
            "people": {"a": WRITES},
        },
        {"limits": {"calls_per_hour": 2}, "aliases": {"night": ["plug all off", "uptime"]}},
        {"limits": {"calls_per_hour": 0}, "aliases": {"night": ["plug all off", "uptime"]}},
    ],
)
def test_what_can_work_is_left_alone(keys: dict[str, Any]) -> None:
    assert clashes(keys) == []


def test_the_spool_is_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever file lies in it is taken for a message, and removed."""
    (tmp_path / "home").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "spool").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def said(spool: str) -> list[str]:
        keys = {"spool": spool, "modules": {"folders": ["mine"]}}
        config = Config.model_validate(keys, context={"folder": tmp_path})
        return [text.partition(":")[0] for _, text, _ in cross(config, tmp_path)]

    assert said("spool") == said("not/there/yet") == []
    assert said("file") == [f"{tmp_path}/file is no folder"]
    assert said("file/spool") == ["cannot be a folder"]
    assert said("x" * 300) == ["cannot be a folder"]
    assert said(".") == said("link") == ["is the folder of this file"]
    assert said("~") == ["is a home folder"]
    assert said("mine") == ["is a folder of modules"]
    assert said("/") == said("/tmp") == ["is a folder of all and sundry"]


def test_no_folder_of_modules_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on a dead network mount would hold up every verb, `person off` too, and every start."""
    (tmp_path / "spool").mkdir()
    keys = {"spool": "spool", "modules": {"folders": ["dead"]}}
    config = Config.model_validate(keys, context={"folder": tmp_path})
    looked, stat = list[Path](), Path.stat

    def look(path: Path) -> os.stat_result:
        looked.append(path)
        return stat(path)

    monkeypatch.setattr(Path, "stat", look)
    assert list(cross(config, tmp_path)) == []
    assert tmp_path in looked and tmp_path / "dead" not in looked


@needs_root
def test_a_home_that_is_behind_a_closed_folder_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was one without a place, which a reload does not know: the daemon ended."""
    (tmp_path / "home").mkdir()
    tmp_path.chmod(0o700)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with TemporaryDirectory() as name:
        config = Config.model_validate({"spool": "spool"}, context={"folder": Path(name)})
        Path(name).chmod(0o755)
        (Path(name) / "spool").mkdir()
        with nobody():
            assert list(cross(config, Path(name))) == []


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"post": {**POST, "user": "u", "password": {"file": "FILE"}}}, "post.password"),
        ({"doors": {"imap": {**IMAP, "password": {"file": "FILE"}}}}, "doors.imap.password"),
        (
            {"doors": {"imap": {"host": "h", "user": "u", "oauth": {"client_file": "FILE"}}}},
            "doors.imap.oauth.client_file",
        ),
        ({"people": {"ann": {**ANN, "totp": {"file": "FILE"}}}}, "people.ann.totp"),
        (
            {"people": {"ann": {**ANN, "login": {"user": "a", "hash": {"file": "FILE"}}}}},
            "people.ann.login.hash",
        ),
        (
            {"doors": smtp(certificate={"cert": "c.pem", "key": "FILE"})},
            "doors.smtp.certificate.key",
        ),
    ],
)
def test_a_secret_that_others_can_read_is_refused_before_anything_starts(
    keys: dict[str, Any], place: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(0o644)
    named = _with_file(keys, str(file))
    assert clashes(named) == [f"{place}: others can read or change {file}; run: chmod 600 {file}"]
    file.chmod(0o600)
    assert clashes(named) == []


def test_a_secret_in_a_list_is_found_with_its_place() -> None:
    """As a module's settings may have it; `check` and the doctor passed over it."""
    gates = {"gates": [{"key": Secret(env="A")}, {"key": Secret(env="B")}]}
    found = [(loc, secret.env) for loc, secret in secrets_within(("modules",), gates)]
    assert found == [(("modules", "gates", n, "key"), env) for n, env in enumerate("AB")]


def _with_file(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return {key: _with_file(part, path) for key, part in value.items()}
    return path if value == "FILE" else value
