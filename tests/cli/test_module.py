"""`module`: what its author is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.conftest import Verb, verb_of
from tests.cli.forked import shared

from housecarl import cli
from housecarl.errors import HousecarlError


@pytest.fixture
def author(tmp_path: Path) -> Verb:
    """Verbs of somebody with a folder of modules of their own."""
    (tmp_path / "mine").mkdir()
    config = tmp_path / "housecarl.yaml"
    config.write_text("spool: spool\nmodules: {folders: [mine]}\n")
    return verb_of(config)


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("uptime", "of the shipped uptime.py"),
        ("plug", "of the shipped plug.py"),  # which is off here: it has no plugs
        ("p", "of the shipped plug.py"),
        ("stop", "of the shipped run.py"),
        ("help", "that is built in"),
        ("ring", "of MINE/bell.py"),
    ],
)
def test_a_new_module_of_a_name_that_is_taken_is_refused(
    author: Verb, tmp_path: Path, name: str, where: str
) -> None:
    mine = tmp_path / "mine"
    (mine / "bell.py").write_text(
        "from housecarl import Call, command\n\n\n@command()\nasync def ring(call: Call) -> str:\n"
        '    """Ring."""\n    return "Rang."\n'
    )
    done = author("module", "new", name)
    where = where.replace("MINE", str(mine))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{name} is a command {where} already; take another name\n"
    assert [path.name for path in mine.glob("*.py")] == ["bell.py"]


def test_a_new_module_in_a_folder_of_the_house_is_live_at_once(
    author: Verb, tmp_path: Path
) -> None:
    """Said only of such a folder, whether --folder names it or not."""
    said = "Text !{} Ann once the daemon has seen it; `housecarl module test {}`."
    for name, words in (("bell", ()), ("gong", ("--folder", str(tmp_path / "mine")))):
        done = author("module", "new", name, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == said.format(name, name)


def test_a_new_module_needs_a_folder_of_your_own_or_a_named_one(tmp_path: Path) -> None:
    config = tmp_path / "housecarl.yaml"
    config.write_text("spool: spool\n")
    done = verb_of(config)("module", "new", "bell")
    assert (done.returncode, done.stdout) == (2, "")
    assert "name a --folder, or one of your own under `modules.folders`" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["housecarl.yaml"]


def test_a_module_is_written_before_there_is_a_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a folder it needs no configuration; one that is named must be there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HOUSECARL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    words = ("module", "new", "bell", "--folder", "mine")
    done = verb_of(tmp_path / "none.yaml")(*words)
    assert (done.returncode, "none.yaml: no such file" in done.stderr) == (78, True)
    assert not (tmp_path / "mine").exists()
    done = shared().run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f"No daemon looks there yet: name {tmp_path}/mine under `modules.folders`, reload, "
        "then text !bell Ann; `housecarl module test bell --folder mine`."
    )
    assert sorted(path.name for path in (tmp_path / "mine").glob("*.py")) == [
        "bell.py",
        "test_bell.py",
    ]
    done = shared().run("module", "new", "bell")
    assert (done.returncode, "`housecarl init` writes one" in done.stderr) == (78, True)


@pytest.mark.parametrize(
    ("folders", "words", "said"),
    [
        ("[mine]", ("bell",), "no test_bell.py in MINE"),
        ("[mine]", (), "no test_*.py in MINE"),
        ("[]", ("bell",), "no test_bell.py in folders of your own: `modules.folders` names none"),
    ],
)
def test_a_test_that_is_not_there_is_told_with_where_it_was_looked_for(
    author: Verb, tmp_path: Path, folders: str, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "housecarl.yaml").write_text(f"modules: {{folders: {folders}}}\n")
    done = author("module", "test", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == said.replace("MINE", f"{tmp_path}/mine") + "\n"


@pytest.mark.long
def test_a_module_that_is_called_like_a_part_of_python_is_tested_too(
    author: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder stood first where Python looks, and `email.py` broke every test in it."""
    monkeypatch.chdir(tmp_path / "mine")
    assert author("module", "new", "email").returncode == 0
    done = author("module", "test", "email")
    assert done.returncode == 0, done.stdout


def test_without_pytest_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)  # as the interpreter notes what is not there
    done = CliRunner().invoke(cli.housecarl, ["module", "test", "--folder", str(tmp_path)])
    assert isinstance(done.exception, HousecarlError)
    assert str(done.exception) == (
        f"pytest is not installed: {sys.executable} -m pip install pytest"
    )


def test_a_new_module_is_texted_as_the_house_is(author: Verb, tmp_path: Path) -> None:
    (tmp_path / "housecarl.yaml").write_text(
        "modules: {folders: [mine]}\nlanguage: {symbol: '#', delimiter: '/'}\n"
    )
    assert "Text #bell/Ann once" in author("module", "new", "bell").stdout


def test_a_folder_that_is_none_is_named(author: Verb, tmp_path: Path) -> None:
    (tmp_path / "mine").rmdir()
    done = author("module", "list")
    told = f"broken: {tmp_path}/mine is not there; make it, or change modules.folders\n"
    assert (done.returncode, told in done.stdout) == (1, True)


def test_a_broken_module_is_named_once(author: Verb, tmp_path: Path) -> None:
    (tmp_path / "mine" / "bad.py").write_text("import nothing_of_this_name\n")
    done = author("module", "list")
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count("nothing_of_this_name") == 1


@pytest.mark.long(after=2)
@pytest.mark.parametrize("word", ["new", "test"])
@pytest.mark.parametrize("name", ["**", "../bell", ""])
def test_what_cannot_be_the_name_of_a_module_is_a_sentence(
    author: Verb, word: str, name: str
) -> None:
    done = author("module", word, name)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{name!r} is no name for a module: a-z, ")


def test_no_secret_of_an_app_is_made_without_a_terminal(tmp_path: Path) -> None:
    config = tmp_path / "housecarl.yaml"
    ann = '{addresses: [ann@example.org], may: ["*"]}'
    config.write_text(f"spool: spool\npeople: {{ann: {ann}}}\n")
    done = verb_of(config)("person", "totp", "ann")
    assert (done.returncode, "needs a terminal" in done.stderr) == (2, True)
    assert "secret=" not in done.stdout
