from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests import cost
from tests.nobody import needs_root, nobody

from housecarl import config_file, config_spool
from housecarl.config_file import check, find, likely_spool, load
from housecarl.config_keys import keys
from housecarl.config_renamed import RENAMED, Renamed
from housecarl.config_show import dump
from housecarl.errors import ConfigError, NotAllowed
from housecarl.location import Location
from housecarl.module_settings import check as check_section
from housecarl.secret import Secret

Write = Callable[[str], Path]

#: the example that the contract with the users gives, every section in it
WHOLE = """\
house: Elm Street
timezone: America/Denver
units: us
spool: ../spool

language: {symbol: "!", delimiter: " "}

people:
  ann:
    phones: ["+1 303 555 0123"]
    addresses: [ann@example.org]
    may: ["*"]
    unix: [ann]
    login: {user: ann, hash: {file: secrets/ann.hash}}
    totp: {file: secrets/ann.totp}
  bo:  {phones: ["+1 303 555 0199"], may: [plug, weather, help], until: 2026-12-31}

doors:
  imap: {host: imap.gmail.com, user: house@gmail.com, password: {credential: imap}}
  smtp: {listen: "127.0.0.1:2525", recipients: [cmd@home.example], max_size: 256K}
  drop: {}

trust:
  google_voice: {account: house@gmail.com, number: "+1 303 555 0100"}
  resolver: ["127.0.0.1:53"]

post: {host: h.example, user: house@gmail.com, password: {credential: smtp}, from: house@gmail.com}

modules:
  folders: [/etc/housecarl/modules]
  plug: {plugs: {lamp: 192.168.1.41, heater: {host: 192.168.1.40, max_watts: 1875}}, off: on}
  sky: {api_key: hunter2, pin: 0123, password: {file: sky.key}}

commands: {plug: {risk: danger, timeout: 30s, late: 5m}}
aliases: {night: [plug all off, plug porch on]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str) -> Path:
        path = tmp_path / "house.yaml"
        path.write_text(text, newline="")
        return path

    return _write


def told(path: Path) -> list[str]:
    return [f"{p.line}:{p.column}: {p.text}" for p in check(path)]


def test_the_whole_example_is_well(write: Write, tmp_path: Path) -> None:
    config = load(write(WHOLE)).config
    assert config.spool == tmp_path.parent / "spool"
    assert config.people["bo"].phones == ["+13035550199"]
    assert config.modules.settings["plug"]["off"] == "on"
    assert config.modules.settings["sky"]["pin"] == "0123"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "doors:\ntrust:\n  # late: 5m\n"])
def test_an_empty_file_and_empty_sections_are_defaults(write: Write, text: str) -> None:
    assert load(write(text)).config.trust.late == 900


def test_every_fault_is_told_at_once_in_the_order_of_the_lines(write: Write) -> None:
    path = write(
        "house: 42\n"
        "symbol: '#'\n"
        "people:\n"
        "  ann: {phones: ['303 555 0123'], may: ['*']}\n"
        "  bo:\n"
        "    adresses: [bo@example.org]\n"
        "    unix: [bo]\n"
        "    may: [plug]\n"
        "  cy: {unix: [bo], may: [plug]}\n"
        "  cy: {unix: [cy], may: [plug]}\n"
        "doors:\n"
        "  smtp:\n"
        "trust: {require: maybe}\n"
        "limits: {lines: many}\n"
        "post: {host: h.example, from: a@b.example, tls: none}\n"
        "zzz: 1\n"
    )
    assert told(path) == [
        "1:8: house: needs quotes around it, to be text",
        "2:1: symbol: unknown key; it belongs under language",
        "4:18: people.ann.phones.0: '303 555 0123' needs + and the country code, "
        'such as "+1 303 555 0123"',
        "6:5: people.bo.adresses: unknown key; did you mean 'addresses'?",
        "9:15: people.cy.unix.0: this unix login is also bo's; one person only",
        "10:3: 'cy' stands here a second time (first on line 9)",
        "12:8: doors.smtp.recipients: is missing: Addresses that are the house's; "
        "any other gets 550.",
        "13:18: trust.require: should be 'claimed', 'carrier', 'signed' or 'local'",
        "14:17: limits.lines: should be a whole number",
        "15:49: post.tls: none is for loopback only; use starttls or tls",
        "16:1: zzz: unknown key",
    ]


def test_a_fault_quotes_its_line_with_a_caret(write: Write) -> None:
    path = write("trust:\n  lat: 5m\n")
    assert str(check(path)[0]) == (
        f"{path}:2:3: trust.lat: unknown key; did you mean 'late'?\n      lat: 5m\n      ^"
    )


@pytest.mark.parametrize(
    ("old", "now", "text", "said"),
    [
        (
            "people.NAME.phone",
            "people.NAME.phones",
            "people: {ann: {phone: x, may: [plug], unix: [ann]}}\n",
            "1:16: people.ann.phone: is now people.ann.phones (0.2)",
        ),
        (
            "trust.forwarders[].name",
            "trust.forwarders[].domain",
            "trust:\n  forwarders:\n  - {domain: a.example}\n  - {name: x, domain: b.example}\n",
            "4:6: trust.forwarders.1.name: is now trust.forwarders[].domain (0.2)",
        ),
        ("wartime", "quiet", "wartime: {}\n", "1:1: wartime: is now quiet (0.2)"),
    ],
)
def test_a_key_that_was_renamed_is_named_with_its_new_name(
    write: Write, monkeypatch: pytest.MonkeyPatch, old: str, now: str, text: str, said: str
) -> None:
    monkeypatch.setitem(RENAMED, old, Renamed(now, "0.2"))
    path = write(text)
    assert told(path) == [said]
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "people: {ann: {fone: x, may: [plug], unix: [ann]}}\n",
            "1:16: people.ann.fone: unknown key",
        ),
        ("fone: x\n", "1:1: fone: unknown key"),
    ],
)
def test_a_key_that_was_never_renamed_is_unknown_beside_those_that_were(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setitem(RENAMED, "people.NAME.phone", Renamed("people.NAME.phones", "0.2"))
    monkeypatch.setitem(RENAMED, "house", Renamed("name", "0.2"))
    assert [line[: len(said)] for line in told(write(text))] == [said]


def test_what_was_renamed_is_gone_and_its_new_name_is_there() -> None:
    known = {key.path for key in keys()}
    assert [old for old, new in RENAMED.items() if old in known or new.now not in known] == []


def test_one_fault_does_not_bring_others_along(write: Write) -> None:
    """What depends on a faulty part is not judged: no second message for one slip."""
    path = write(
        "people: {ann: {phones: [nonsense], may: ['*']}}\n"
        "trust: {google_voice: {account: house@gmail.com, number: '+13035550100'}}\n"
        "post: {host: smtp.gmail.com, from: nonsense}\n"
    )
    assert [line.split(" ")[1] for line in told(path)] == ["people.ann.phones.0:", "post.from:"]


def test_a_faulty_part_is_not_missed_by_what_needs_it(write: Write) -> None:
    """The user needs a password, and one is there: only it is wrong."""
    path = write("post: {host: h.example, from: a@b.example, user: u, password: {env: 1x}}\n")
    assert [line.partition(";")[0] for line in told(path)] == [
        "1:63: post.password: env takes the name of an environment variable"
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("delimiter: x\n", "unknown key; it belongs under language"),
        ("trust: {timezone: UTC}\n", "unknown key; it belongs at the top, in no section"),
        ("user: ann\n", "unknown key"),  # three sections have one: no guess
        ("limits: {line: 2}\n", "unknown key; did you mean 'lines'?"),
        ("quiet: {from_: 22:00}\n", "unknown key; did you mean 'from'?"),
    ],
)
def test_a_key_in_the_wrong_place_is_sent_home(write: Write, text: str, hint: str) -> None:
    assert told(write(text))[0].endswith(f": {hint}")


def test_load_raises_what_check_tells(write: Write) -> None:
    path = write("a: 1\nb: 2\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert list(caught.value.problems) == check(path)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "told_first"),
    [
        ("language: {symbol: }\n", "1:20: language.symbol: has no value; give one"),
        ("language:\n  symbol: #\n", "2:10: language.symbol: has no value; give one"),
        ("house: true\n", "1:8: house: needs quotes around it, to be text"),
        ("people: [ann]\n", "1:9: people: should be a section of keys"),
        ("people: {ann: yes}\n", "1:15: people.ann: should be a section of keys"),
        ("people: {ann b: {may: [x], unix: [y]}}\n", "1:10: people.ann b: 'ann b' is no name"),
        ("people: {ann: {may: plug, unix: [x]}}\n", "1:21: people.ann.may: should be a list"),
        ("people: {ann: {may: [], unix: [x]}}\n", "1:21: people.ann.may: is empty"),
        ("- a\n", "1:1: should be a section of keys"),
        ("just words\n", "1:1: should be a section of keys"),
        ("trust: {late: 15}\n", "1:15: trust.late: 15 of what? Give a unit: 15s"),
        ("house:\tElm\n units: us\n", "2:7: "),
        (
            "people: {ann: {may: [x], totp: {fiel: x}}}\n",
            "1:33: people.ann.totp: unknown key; did you mean 'file'?",
        ),
    ],
)
def test_a_slip_is_told_in_words_that_mend_it(write: Write, text: str, told_first: str) -> None:
    assert told(write(text))[0].startswith(told_first)


@pytest.mark.parametrize(
    "text",
    [
        "post: {password: hunter2}\n",
        "post:\n  password: hunter2\n",
        "post:\n  password:\n    hunter2\n",
        "post:\n  password: !hunter2\n",
        "post:\n  password: *hunter2\n",
        'post:\n  "password" : "hunter2\n',
        "doors: {imap: {pasword: hunter2}}\n",
        "people: {ann: {login: {user: a, hash: hunter2}, totp: hunter2, may: [x]}}\n",
        "modules:\n  sky: {api_key: hunter2, api_key: hunter2}\n",
        "post: {password: {value: hunter2}}\n",
        "post: {password: {hunter2: x}}\n",
        "post: {password: {file: x, hunter2: y}}\n",
        "post:\n  password:\n    hunter2: x\n",
        "post:\n  password:\n    hunter2: x: y\n",
        "post:\n  password: {file: x, hunter2: y, hunter2: z}\n",
        "modules: {folders: []}\npost:\n  password:\n    ? hunter2\n    : x\n",
        "post: {password: {env: 'hunter2!'}}\n",
    ],
)
def test_a_secret_written_into_the_file_is_never_repeated(write: Write, text: str) -> None:
    problems = check(write(text))
    assert problems
    assert "hunter2" not in "\n".join(map(str, problems))


def test_a_byte_order_mark_and_windows_line_ends_are_forgiven(write: Write) -> None:
    path = write("\ufeffhouse: Elm\r\nunits: metric\r\nzzz: 1\r\n")
    assert told(path) == ["3:1: zzz: unknown key"]


def test_what_is_no_utf_8_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"units: us\nhouse: caf\xe9\n")
    assert told(path) == ["2:11: byte 0xE9 is not UTF-8; save the file as UTF-8"]


def test_a_file_that_cannot_be_read_or_is_too_large_is_told(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in str(check(tmp_path / "none.yaml")[0])
    assert "cannot be read: Is a directory" in str(check(tmp_path)[0])
    large = tmp_path / "large.yaml"
    large.write_text("#" * (256 * 1024 + 1))
    assert "larger than 256 KiB" in str(check(large)[0])


def test_a_control_character_never_reaches_the_terminal(write: Write) -> None:
    problems = check(write("house: a\x1b[2Jb\n"))
    assert "U+001B" in problems[0].text
    assert "\x1b" not in str(problems[0])


def test_a_later_check_can_point_into_the_file(write: Write) -> None:
    source = load(write(WHOLE)).source
    problem = source.problem(("people", "bo", "may", 1), "no command weather")
    assert (problem.line, problem.text) == (16, "people.bo.may.1: no command weather")
    assert problem.excerpt[problem.column - 1 :].startswith("weather")


def test_a_name_that_could_not_be_read_as_it_is_stands_in_quotes(write: Write) -> None:
    source = load(write(WHOLE)).source
    told = str(source.problem(("modules", "plug", "plugs", "two\nlines", "host"), "odd"))
    assert ": modules.plug.plugs.'two\\nlines'.host: odd\n" in told
    assert ": modules.plug.plugs.'': odd\n" in str(
        source.problem(("modules", "plug", "plugs", ""), "odd")
    )


def test_the_files_of_a_module_are_found_beside_the_configuration(write: Write) -> None:
    class Settings(BaseModel):
        key: Secret
        log: Location

    sections = {"sky": {"key": {"file": "k"}, "log": "l"}}
    source = load(write(yaml.safe_dump({"modules": sections}))).source
    module = ModuleType("sky")
    module.__dict__["Settings"] = Settings
    settings = check_section(module, "sky", sections, source.problem, source.context).settings
    assert settings.log == source.path.parent / "l"
    assert settings.key.file == source.path.parent / "k"
    del sections["sky"]["log"]
    wrong = check_section(module, "sky", sections, source.problem, source.context).problems
    assert [each.text for each in wrong] == ["modules.sky.log: required key 'log' is missing"]


def test_what_is_printed_loads_to_the_same_and_shows_no_secret(write: Write) -> None:
    config = load(write(WHOLE)).config
    shown = dump(config)
    assert "hunter2" not in shown
    assert "{file" in shown or "file: " in shown
    again = load(write(shown.replace("api_key: '...'", "api_key: hunter2"))).config
    assert again == config


def test_what_is_printed_shows_nothing_below_the_name_of_a_secret_but_where_it_is(
    write: Write,
) -> None:
    nas = "{passwords: {ann: hunter2}, tokens: [hunter2, {a: hunter2}, {env: NAS}], port: 22}"
    shown = dump(load(write(f"modules: {{nas: {nas}}}\n")).config)
    told = yaml.safe_load(shown)["modules"]["nas"]
    assert told == {"passwords": "...", "tokens": ["...", "...", {"env": "NAS"}], "port": 22}


def test_the_file_is_looked_for_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOUSECARL_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="`housecarl init` writes one"):
        find()
    own = tmp_path / "home/.config/housecarl/housecarl.yaml"
    here, named, given_ = Path("config/housecarl.yaml"), tmp_path / "n.yaml", tmp_path / "g.yaml"
    for path in (own, here, named, given_):
        path.parent.mkdir(parents=True, exist_ok=True)
    own.touch()
    assert find() == own
    here.touch()
    assert find() == here
    monkeypatch.setenv("HOUSECARL_CONFIG", str(named))
    with pytest.raises(ConfigError, match=r"no such file \(\$HOUSECARL_CONFIG\)"):
        find()
    named.touch()
    assert find() == named
    with pytest.raises(ConfigError, match="g.yaml: no such file$"):
        find(given_)
    given_.touch()
    assert find(given_) == given_


@needs_root
def test_who_may_not_look_into_the_services_folder_is_not_told_to_make_a_second_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "etc" / "housecarl.yaml"
    place.parent.mkdir(mode=0o700)
    place.touch()
    monkeypatch.setattr(config_file, "SERVICE_FILE", place)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("HOUSECARL_CONFIG", raising=False)
    monkeypatch.chdir("/")
    assert find() == place
    with nobody(), pytest.raises(NotAllowed, match=f"{place.parent} is closed to this login: run"):
        find()


def test_the_services_configuration_has_the_services_spool_for_every_login(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may read it and drop files would look for the daemon in a folder of their own."""
    (tmp_path / "spool").mkdir()
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(config_spool, "__file__", str(tmp_path / "a" / "b" / "config.py"))
    monkeypatch.setattr(config_spool, "SERVICE_SPOOL", tmp_path / "spool")
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    path = write("house: Elm\n")
    assert load(path).config.spool != tmp_path / "spool"
    monkeypatch.setattr(config_file, "SERVICE_FILE", path)
    assert load(path).config.spool == likely_spool(path) == tmp_path / "spool"


def test_the_spool_of_a_broken_file_is_found_also_where_an_editor_began_it_with_a_mark(
    write: Write, tmp_path: Path
) -> None:
    assert likely_spool(write("\ufeffspool: kept\npeople: [\n")) == tmp_path / "kept"


def test_a_large_house_is_checked_in_a_blink(write: Write) -> None:
    """200 people; the bound is ten times what it takes."""
    people = "".join(
        f"  p{n}: {{phones: ['+1 303 555 {n:04d}'], addresses: [p{n}@example.org], may: [plug]}}\n"
        for n in range(200)
    )
    path = write("people:\n" + people)
    with cost.at_most(0.5):
        assert check(path) == []


words = st.sampled_from(
    ["people", "ann", "phones", "may", "doors", "smtp", "imap", "trust", "post", "password", "file"]
    + [
        "modules",
        "late",
        "5m",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
    ]
    + ["#", "!", "&a", "*a", "? ", "|", ">", "~", "1", "\t", "%", "@", "---", "\0", "\\0", ", "]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words, max_size=40).map("".join))
def test_no_text_breaks_the_check(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(text, newline="")
    for problem in check(path):
        assert problem.line >= 1
        assert problem.text
