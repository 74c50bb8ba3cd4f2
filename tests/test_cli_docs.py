"""The verbs, options and keys that the pages and manuals tell of are the program's."""

from __future__ import annotations

import inspect
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from housecarl.cli import EXIT_CODES, housecarl, manual
from housecarl.cli.roff import Page
from housecarl.config_keys import keys

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "cli.md").read_text()
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]

#: Each verb of the page: its usage, and all that is said about it.
SECTIONS = dict(re.findall(r"(?ms)^### `(.*?)`$(.*?)(?=^##|\Z)", PAGE))

LEAVES = {
    manual.usage(context): context
    for context in manual.verbs()
    if not isinstance(context.command, click.Group)
}


def row(names: str, text: str) -> str:
    """The line of one option in docs/cli.md."""
    return f"- `{names}`: {' '.join(text.split())}"


def examples(text: str) -> list[list[str]]:
    """The command lines of a page, in words, without a redirection."""
    lines = re.findall(r"(?m)^    (housecarl .*)$", text)
    return [shlex.split(line.partition(" > ")[0]) for line in lines]


def resolve(words: list[str]) -> click.Context:
    """The verb that a command line means, every word of it understood. Raises UsageError."""
    context = housecarl.make_context("housecarl", words[1:])
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.fixture(scope="module")
def man(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The manual pages as files, by name."""
    folder = str(tmp_path_factory.mktemp("man"))
    command = [sys.executable, "-m", "housecarl.cli.manual", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return {path.name: path for path in map(Path, done.stdout.splitlines())}


def test_the_page_has_every_verb_and_no_other() -> None:
    assert sorted(SECTIONS) == sorted(LEAVES)


@pytest.mark.parametrize("usage", sorted(LEAVES))
def test_the_page_has_every_option_of_a_verb_as_help_says_it(usage: str) -> None:
    rows = re.findall(r"(?m)^- `-.*$", SECTIONS[usage])
    assert rows == [row(names, text) for names, text in manual.options(LEAVES[usage])]


@pytest.mark.parametrize("usage", sorted(LEAVES))
def test_a_verb_has_an_example_that_the_program_understands(usage: str) -> None:
    found = examples(SECTIONS[usage])
    assert found
    for words in found:
        assert resolve(words).command is LEAVES[usage].command


def test_the_page_has_every_exit_code() -> None:
    codes = dict(re.findall(r"(?m)^\| (\d+) \| (.*) \|$", PAGE))
    assert {int(code) for code in codes} == {0, 2, *(code for _, code in EXIT_CODES)}
    told = " ".join(inspect.cleandoc(housecarl.help or "").split())
    assert ", ".join(f"{code} {meaning}" for code, meaning in codes.items()) in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_and_option_that_a_page_names_exists(page: Path) -> None:
    known = {context.command_path: context.command for context in manual.verbs()}
    for mention in re.findall(
        r"`(housecarl [a-z-][^`]*)`|^    (housecarl [a-z].*)$", page.read_text(), re.M
    ):
        words = re.findall(r"\S+", "".join(mention).partition(" > ")[0])
        path = words.pop(0)
        while words and words[0] == "-c":
            words = words[2:]
        while words and f"{path} {words[0]}" in known:
            path = f"{path} {words.pop(0)}"
        assert path != "housecarl" or words == [], mention
        flags = {flag for param in known[path].params for flag in param.opts}
        assert {word for word in words if re.match("--?[a-z]", word)} <= flags, mention


@pytest.mark.parametrize("words", [[], ["one", "two"]])
def test_the_manuals_are_written_into_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """With none, or with more than one, it is said how to call it, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["manual", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(manual.__file__), run_name="__main__")
    assert ended.value.code == "python -m housecarl.cli.manual FOLDER"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.server("man")
@pytest.mark.long
def test_the_manual_of_the_program_has_every_verb_and_option(man: dict[str, Path]) -> None:
    text = rendered(man["housecarl.1"])
    for context in manual.verbs():
        assert manual.usage(context) in text
        for names, meaning in manual.options(context):
            assert names in text
            assert " ".join(meaning.split()) in text


@pytest.mark.long
@pytest.mark.server("man")
def test_the_manual_of_the_configuration_has_every_key_and_default(man: dict[str, Path]) -> None:
    text = rendered(man["housecarl.yaml.5"])
    for key in keys():
        beside = {"required": " (required)", "-": ""}.get(key.default, f" (default: {key.default})")
        assert f" {key.path}{beside} {key.meaning}".replace("`", "") in text, key.path


@pytest.mark.server("man")
@pytest.mark.parametrize("name", ["housecarl.1", "housecarl.yaml.5"])
def test_the_manual_pages_are_valid_and_found_by_their_name(
    man: dict[str, Path], name: str
) -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", man[name]],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    title, _, section = name.rpartition(".")
    found = subprocess.run(
        ["man", "-M", man[name].parents[1], "--where", section, title],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert found.stdout.strip() == str(man[name])


@pytest.mark.server("man")
def test_a_manual_page_shows_every_character_as_it_was_written(tmp_path: Path) -> None:
    page = Page("odd", 7, "1.0", "what roff would take for its own")
    page.prose(".TH at the start\n\n'quoted' a\\b ~ ^ - \"c\" `code-x` 20 °C")
    page.tagged("'tag", ".text", '"aside"')
    page.example(".literal\n'literal\n  \\fBset in")
    file = tmp_path / "odd.7"
    file.write_text(page.text, "ascii")
    text = rendered(file)
    assert ".TH at the start 'quoted' a\\b ~ ^ - \"c\" code-x 20 °C" in text
    assert "'tag \"aside\" .text .literal 'literal \\fBset in" in text


def rendered(page: Path) -> str:
    """A manual page as it is read, on one line."""
    done = subprocess.run(
        ["man", "-l", page],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"MANWIDTH": "200", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    return " ".join(done.stdout.split())
