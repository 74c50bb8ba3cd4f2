from __future__ import annotations

import os
from datetime import date, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from pydantic import ValidationError

from housecarl import config_spool
from housecarl.config import Config
from housecarl.config_doors import Smtp
from housecarl.config_file import likely_spool
from housecarl.config_spool import spool_folder
from housecarl.message.form import MAX_SIZE
from housecarl.module import Risk
from housecarl.verdict import Proof

ANN = {"phones": ["+1 303 555 0123"], "may": ["*"]}
IMAP = {"host": "imap.example", "user": "u", "password": {"env": "X"}}


def config(**keys: Any) -> Config:
    return Config.model_validate(keys, context={"folder": Path("/etc/housecarl")})


def refused(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**keys)
    return str(caught.value)


def test_nothing_written_is_a_house_that_obeys_and_answers_nobody() -> None:
    empty = config()
    assert empty.people == {}
    assert [empty.doors.smtp, empty.doors.imap, empty.doors.drop, empty.post] == [None] * 4
    assert empty.trust.require is Proof.SIGNED
    assert (empty.language.symbol, empty.language.delimiter) == ("!", " ")


def test_durations_and_sizes_are_seconds_and_bytes() -> None:
    found = config(
        doors={"smtp": {"recipients": ["c@home.example"], "max_size": "64K"}},
        trust={"late": "5m"},
        commands={"plug": {"risk": "danger", "timeout": "30s"}},
    )
    assert found.doors.smtp is not None
    assert found.doors.smtp.max_size == 1 << 16
    assert found.trust.late == 300
    rule = found.commands["plug"]
    assert (rule.risk, rule.timeout, rule.late) == (Risk.DANGER, 30, None)


def test_a_section_with_nothing_below_it_is_its_defaults() -> None:
    """In YAML such a section is null; a door that is named so is on."""
    found = config(
        language=None,
        people=None,
        doors={"drop": None, "smtp": {"recipients": ["c@home.example"], "rules": None}},
        modules={"folders": None, "plug": None},
        trust=None,
        retention={"executed": None, "journal": {"age": "60d"}},
    )
    assert found.language == config().language
    assert found.doors.drop is not None
    assert found.modules.settings == {"plug": {}}
    assert found.retention.executed == config().retention.executed
    assert found.retention.journal.size == config().retention.journal.size


@pytest.mark.parametrize("modules", ["plug", ["plug"]])
def test_modules_are_a_section_with_their_names(modules: object) -> None:
    assert "modules\n  Input should be a valid dictionary" in refused(modules=modules)


@pytest.mark.parametrize(
    ("watches", "said"),
    [
        ({"strangers": {"at": "nine"}}, "'nine' is no time of the day; write 7:00 or 22:30"),
        ({"strangers": {"at": "24:00"}}, "'24:00' is no time of the day"),
        ({"hosts": {"nas": {"every": "10s"}}}, "should be 30s or longer"),
    ],
)
def test_a_watch_that_cannot_be_kept_is_refused(watches: dict[str, Any], said: str) -> None:
    assert said in refused(watches=watches)


def test_a_machine_may_be_asked_twice_a_minute() -> None:
    assert config(watches={"hosts": {"nas": {"every": "30s"}}}).watches.hosts["nas"].every == 30


def test_a_time_of_the_day_is_written_or_a_time_already() -> None:
    for at in ("9:30", time(9, 30)):
        strangers = config(watches={"strangers": {"at": at}}).watches.strangers
        assert strangers is not None
        assert strangers.at == time(9, 30)


def test_a_single_value_left_empty_is_a_slip() -> None:
    """`symbol: #` would else be a default that nobody asked for."""
    assert "language.symbol" in refused(language={"symbol": None})
    assert "units" in refused(units=None)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config().trust.late = 5


@pytest.mark.parametrize("symbol", ["!", "#", "/", "§", ".", "?"])
def test_a_symbol_is_any_one_sign(symbol: str) -> None:
    assert config(language={"symbol": symbol}).language.symbol == symbol


@pytest.mark.parametrize("symbol", ["", "##", "a", "7", "é", " ", ">", "-", '"', "'", "\t", "\n"])
def test_a_symbol_can_be_told_from_words_and_quoted_lines(symbol: str) -> None:
    assert "language.symbol" in refused(language={"symbol": symbol})


@pytest.mark.parametrize("delimiter", ["", "ab", "a", "7", '"', "\n"])
def test_a_delimiter_can_be_told_from_words(delimiter: str) -> None:
    assert "language.delimiter" in refused(language={"delimiter": delimiter})


@pytest.mark.parametrize("mark", ["`", "\u2192", "\uff01", "\u00b0", "\U0001f600"])
def test_a_mark_that_no_text_can_name_is_refused(mark: str) -> None:
    """A reply would tell people to write another one, or none at all."""
    for key in ("symbol", "delimiter"):
        assert "cannot be texted" in refused(language={key: mark})


def test_a_time_zone_that_does_not_exist_gets_a_suggestion() -> None:
    assert config(timezone="America/Denver").timezone == "America/Denver"
    assert "did you mean America/Denver?" in refused(timezone="America/Dever")
    for wrong in ("", "../../etc/passwd", "America", "Mars/Olympus"):
        assert "is no time zone" in refused(timezone=wrong)


def test_a_former_name_of_a_time_zone_is_told_as_that(tmp_path: Path) -> None:
    """It worked until the system was upgraded; the nearest name was one of an island."""
    (tmp_path / "Pacific").mkdir()
    (tmp_path / "Pacific" / "Yap").write_bytes(b"TZif2")
    reset_tzpath(to=[str(tmp_path)])
    ZoneInfo.clear_cache()
    try:
        assert "install tzdata-legacy" in refused(timezone="US/Pacific")
    finally:
        reset_tzpath()


def test_a_machine_without_time_zones_says_what_is_missing() -> None:
    """The default is none there either; every verb ended with a trace."""
    reset_tzpath(to=[])
    ZoneInfo.clear_cache()
    try:
        for keys in ({}, {"timezone": "America/Denver"}):
            assert "this machine has no time zones; install tzdata" in refused(**keys)
    finally:
        reset_tzpath()
        ZoneInfo.clear_cache()


def test_a_person_has_one_form_of_each_number_and_address() -> None:
    ann = config(
        people={
            "ann": {
                "phones": ["+1 (303) 555-0123"],
                "addresses": ["Ann@Example.ORG"],
                "may": ["plug"],
                "until": "2026-12-31",
                "login": {"user": "ann", "hash": {"file": "secrets/ann.hash"}},
            }
        }
    ).people["ann"]
    assert ann.phones == ["+13035550123"]
    assert ann.addresses == ["Ann@example.org"]
    assert ann.until == date(2026, 12, 31)
    assert ann.login is not None
    assert ann.login.hash.file == Path("/etc/housecarl/secrets/ann.hash")


@pytest.mark.parametrize(
    "until", ["tomorrow", "2026-13-01", "2026-12-31T10:00", 1767139200, 20261231]
)
def test_until_is_a_day(until: object) -> None:
    assert "until" in refused(people={"ann": {**ANN, "until": until}})


@pytest.mark.parametrize("name", ["", "ann b", "-ann", "änn", "a" * 33, "ann\n", "*", "7up"])
def test_a_name_fits_a_command_line_and_a_log(name: str) -> None:
    assert "is no name" in refused(people={name: ANN})


def test_a_person_may_something() -> None:
    assert "may" in refused(people={"ann": {"phones": ["+1 303 555 0123"]}})
    assert "may" in refused(people={"ann": {**ANN, "may": []}})


def test_a_from_line_alone_is_never_proof_enough() -> None:
    assert "claimed would obey anybody" in refused(trust={"require": "claimed"})
    assert config(trust={"require": "local"}).trust.require is Proof.LOCAL


def test_names_that_python_keeps_for_itself_are_written_plainly() -> None:
    found = config(
        post={"host": "h", "from": "house@example.org"},
        doors={"smtp": {"recipients": ["c@home.example"], "rules": [{"from": "*@a.example"}]}},
    )
    assert found.post is not None
    assert found.post.from_ == "house@example.org"
    assert found.doors.smtp is not None
    assert (found.doors.smtp.rules[0].from_, found.doors.smtp.rules[0].subject) == (
        "*@a.example",
        "*",
    )


@pytest.mark.parametrize(
    "smtp",
    [
        {},
        {"recipients": []},
        {"recipients": ["c@home.example"], "listen": "2525"},
        {"recipients": ["c@home.example"], "connections": 0},
        {"recipients": ["c@home.example"], "max_size": 262144},
        {"recipients": ["c@home.example"], "max_size": 0},
        {"recipients": ["c@home.example"], "rate": -1},
        {"recipients": ["c@home.example"], "lisen": "127.0.0.1:25"},
    ],
)
def test_an_smtp_door_that_cannot_work_is_refused(smtp: dict[str, Any]) -> None:
    assert "doors.smtp" in refused(doors={"smtp": smtp})


def test_the_door_takes_no_larger_message_than_is_read() -> None:
    """Else the sender hears 250, and then nothing."""
    largest = config(doors={"smtp": {"recipients": ["c@home.example"], "max_size": "256K"}})
    assert largest.doors.smtp is not None
    assert largest.doors.smtp.max_size == MAX_SIZE == Smtp(recipients=["c@home.example"]).max_size
    found = refused(doors={"smtp": {"recipients": ["c@home.example"], "max_size": "257K"}})
    assert "is more than 256K, and no larger message is ever read" in found


@pytest.mark.parametrize("change", [{"port": 0}, {"tls": "ssl"}, {"move": "copy"}, {"host": ""}])
def test_a_mailbox_that_cannot_work_is_refused(change: dict[str, Any]) -> None:
    assert "doors.imap" in refused(doors={"imap": {**IMAP, **change}})


def test_a_value_with_a_line_end_never_gets_in() -> None:
    """Such a value would end up in an IMAP command or a mail header."""
    for key in ("host", "user", "folder", "executed"):
        assert key in refused(doors={"imap": {**IMAP, key: "a\r\nb"}})
    assert "house" in refused(house="a\nSubject: b")


def test_settings_of_modules_are_kept_as_they_stand() -> None:
    found = config(modules={"plug": {"plugs": {"lamp": "192.168.1.41"}}, "folders": ["mine"]})
    assert found.modules.settings == {"plug": {"plugs": {"lamp": "192.168.1.41"}}}
    assert found.modules.folders == [Path("/etc/housecarl/mine")]
    assert "modules.plug" in refused(modules={"plug": 5})


def test_an_alias_is_one_command_or_several() -> None:
    found = config(aliases={"night": ["plug all off", "plug porch on"], "tea": "plug kettle on"})
    assert found.aliases["tea"] == ["plug kettle on"]
    assert len(found.aliases["night"]) == 2
    assert "aliases.night" in refused(aliases={"night": []})
    assert "is no command" in refused(aliases={"Good night": ["x"]})


def test_the_spool_is_where_systemd_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/housecarl:/var/lib/other")
    assert config().spool == Path("/var/lib/housecarl/spool")
    assert config(spool="../spool").spool == Path("/etc/spool")


def test_without_systemd_the_spool_is_the_checkouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert spool_folder() == Path(__file__).parents[1] / "spool"


def test_a_configuration_that_cannot_be_read_has_the_usual_spool(tmp_path: Path) -> None:
    """So `status` of a house whose file is gone still finds its daemon."""
    assert likely_spool(tmp_path / "none.yaml") == spool_folder()
    (tmp_path / "house.yaml").write_text("spool: kept\n")
    assert likely_spool(tmp_path / "house.yaml") == tmp_path / "kept"


def test_a_login_without_a_home_has_the_services_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's uid without a name; no trace, and a place that can be shown."""
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config_spool, "__file__", str(tmp_path / "a" / "b" / "config.py"))
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert spool_folder() == config_spool.SERVICE_SPOOL
    (tmp_path / "house.yaml").write_text("spool: ~nobody-of-this-name/spool\nhouse: [\n")
    assert likely_spool(tmp_path / "house.yaml") == tmp_path / "~nobody-of-this-name/spool"


@pytest.mark.parametrize("login", [0, 990])
def test_the_services_spool_is_for_root_and_the_service_alone(
    login: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verb of root finds the daemon's spool; another login has a house of its own."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(config_spool, "__file__", str(tmp_path / "a" / "b" / "config.py"))
    monkeypatch.setattr(config_spool, "SERVICE_SPOOL", tmp_path / "spool")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = tmp_path / "state" / "housecarl" / "spool"
    monkeypatch.setattr(os, "geteuid", lambda: login)
    assert spool_folder() == own  # no service here
    (tmp_path / "spool").mkdir()
    assert spool_folder() == (tmp_path / "spool" if login == 0 else own)


def test_a_relative_state_folder_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each folder that a verb is called in would have a spool of its own."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(config_spool, "__file__", str(tmp_path / "a" / "b" / "config.py"))
    monkeypatch.setattr(config_spool, "SERVICE_SPOOL", tmp_path / "none")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert spool_folder() == tmp_path / "home/.local/state/housecarl/spool"
