"""Module files become commands; what is broken is off and named, and the rest goes on."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import re
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.nobody import needs_root, nobody

import housecarl
from housecarl import module_file, module_folders
from housecarl.commands import PARTS
from housecarl.errors import CommandFailed, ConfigError, ModuleError, ModuleLater
from housecarl.module import Call, Reply, Risk, command
from housecarl.registry import Registry
from housecarl.stranded import STUCK
from housecarl.watches import NOTED

PACKAGE = Path(housecarl.__file__).parent
MODULES = Path(__file__).parents[1] / "docs" / "modules.md"
HEAD = "from housecarl import Call, Reply, Rest, Risk, command\n"


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(HEAD + textwrap.dedent(text))
    return path


def one(name: str, says: str = "x", mark: str = "") -> str:
    return (
        f"@command({mark})\nasync def {name}(call: Call) -> Reply:\n    'Help.'\n"
        f"    return Reply('{says}')\n"
    )


async def loaded(*folders: Path, settings: dict[str, Any] | None = None, **more: Any) -> Registry:
    """The folders as shipped ones: loaded without a trial."""
    registry = Registry(None, folders, settings, trial=None, **more)
    await registry.reload()
    return registry


async def say(registry: Registry, word: str) -> str:
    found = registry.find(word)
    assert found is not None
    return str((await found.function(Call(word))).text)


@needs_root
async def test_a_folder_that_cannot_be_read_keeps_what_it_had_and_is_named(tmp_path: Path) -> None:
    """As when no more files may be opened; nothing would tell to look again."""
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, "bell", one("bell", "ding"))
    write(second, "bell", one("bell", "dong"))
    registry = await loaded(first, second)
    first.chmod(0o700)
    tmp_path.chmod(0o700)
    with nobody():
        await registry.reload()
    assert dict(registry.lost) == {
        str(each): f"{each} cannot be read: Permission denied" for each in (first, second)
    }
    assert (await say(registry, "bell"), list(registry.broken)) == ("ding", [f"{second}/bell.py"])
    await registry.reload()
    assert (registry.lost, await say(registry, "bell")) == ({}, "ding")
    first.rename(tmp_path / "former")
    first.write_text("")
    await registry.reload()
    what = f"{first} is no folder; make it, or change modules.folders"
    assert (registry.lost, await say(registry, "bell")) == ({str(first): what}, "dong")


@pytest.mark.long
async def test_a_folder_on_a_dead_mount_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of it goes on, and each look finds the others as they are."""
    dead, well = tmp_path / "dead", tmp_path / "well"
    write(dead, "bell", one("bell", "ding"))
    write(well, "gong", one("gong", "old"))
    registry = await loaded(dead, well)
    back, asked, iterdir = threading.Event(), list[Path](), Path.iterdir

    def hangs(folder: Path) -> Any:
        asked.append(folder)
        return back.wait(20) and iterdir(folder) if folder == dead else iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", hangs)
    monkeypatch.setattr(module_folders, "LOOK_LIMIT", 0.05)
    try:
        for says in ("new", "newer"):
            write(well, "gong", one("gong", says))
            await registry.reload()
            assert (await say(registry, "bell"), await say(registry, "gong")) == ("ding", says)
        why = f"{dead} cannot be read: it has told nothing in 0.05 s"
        assert (registry.lost, asked.count(dead)) == ({str(dead): why}, 1)
    finally:
        back.set()
    monkeypatch.undo()
    await registry.reload()
    assert registry.lost == {}


async def test_a_file_is_read_as_soon_as_there_is_room_for_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command may have started as many processes as there may be: the reload was cut off."""
    start, full = threading.Thread.start, [1, 2]

    def begin(thread: threading.Thread) -> None:
        if full:
            full.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    write(tmp_path, "bell", one("bell", "ding"))
    monkeypatch.setattr("housecarl.thread.ROOM_SECONDS", 0.001)
    monkeypatch.setattr(threading.Thread, "start", begin)
    registry = await loaded(tmp_path)
    assert (await say(registry, "bell"), full) == ("ding", [])


async def test_a_file_that_its_mount_does_not_give_keeps_its_former_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was off until it was touched, also once the mount was back."""
    write(tmp_path, "bell", one("bell", "ding"))
    registry, back, read = await loaded(tmp_path), threading.Event(), module_file.read
    write(tmp_path, "bell", one("bell", "dong"))
    monkeypatch.setattr(module_file, "read", lambda file: back.wait(20) and read(file))
    monkeypatch.setattr("housecarl.registry.LOAD_LIMIT", 0.05)
    with capture_logs() as logs:
        await registry.reload()
    back.set()
    assert (await say(registry, "bell"), registry.broken) == ("ding", {})
    assert [line["why"] for line in logs] == ["its disk gave nothing in 0.05 s"]
    monkeypatch.undo()
    await registry.reload()
    assert await say(registry, "bell") == "dong"


async def test_a_mount_that_fails_once_nobody_waits_for_it_is_no_fault_of_the_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log had a trace of it, as of an exception that was forgotten."""
    over, faults = threading.Event(), list[object]()

    def fails(_: Path) -> Any:
        over.wait(20)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    monkeypatch.setattr(Path, "iterdir", fails)
    monkeypatch.setattr(module_folders, "LOOK_LIMIT", 0.01)
    await loaded(tmp_path)
    hung = [each for each in threading.enumerate() if each.name == "aside"]
    over.set()
    for each in hung:
        await asyncio.to_thread(each.join)
    gc.collect()
    assert (len(hung), faults) == (1, [])


async def test_a_file_gives_its_commands_by_name_and_alias(tmp_path: Path) -> None:
    write(
        tmp_path,
        "plug",
        '''
        @command(risk=Risk.CHANGE, aliases=("p",), timeout=5)
        def plug(call: Call, name: str) -> Reply:
            """Switch a plug.

            More about it.
            """
            return Reply("x")
        ''',
    )
    registry = await loaded(tmp_path)
    found = registry.find("PLUG")
    assert found is not None
    assert found is registry.find("p")
    assert (found.name, found.help, found.long_help) == ("plug", "Switch a plug.", "More about it.")
    assert found.usage() == "plug NAME"
    assert Risk.CHANGE is found.risk(found.bind(Call("plug", ("lamp",))))
    assert not found.awaits
    assert registry.find("lamp") is None


async def test_parts_hidden_files_and_tests_are_not_modules(tmp_path: Path) -> None:
    for name in ("_parts", ".hidden", "test_plug", "conftest"):
        write(tmp_path, name, "raise RuntimeError")
    assert not (await loaded(tmp_path)).broken


async def test_dataclasses_enums_and_future_annotations_work_in_a_module(tmp_path: Path) -> None:
    text = """
        from __future__ import annotations
        from dataclasses import dataclass
        from enum import Enum
        from housecarl import Call, Reply, command

        class Mode(Enum):
            ECO = "eco"

        @dataclass
        class State:
            mode: Mode

        @command()
        async def warm(call: Call, mode: Mode) -> Reply:
            return Reply(State(mode).mode.value)
        """
    (tmp_path / "warm.py").write_text(textwrap.dedent(text))
    registry = await loaded(tmp_path)
    assert not registry.broken
    assert registry.commands["warm"].usage() == "warm eco"


BROKEN = {
    "syntax": ("def (:\n", 2, "SyntaxError"),
    "imports": ("import no_such_library\n", 2, f"install it for {sys.executable}, then touch /"),
    "beside": ("import well\n", 2, "cannot import a file beside it"),
    "relative": ("from .well import x\n", 2, "cannot import a file beside it"),
    "from_here": ("from . import well\n", 2, "cannot import a file beside it"),
    "raises": ("\n\n1 / 0\n", 4, "ZeroDivisionError"),
    "exits": ("import sys\nsys.exit(3)\n", 3, "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt\n", 2, "KeyboardInterrupt"),
    "half": ("raise ValueError('\\ud800')\n", 2, "ValueError: ?"),
    "nothing": ("x = 1\n", 1, "no @command in it"),
    "nul": ("x = '\0'\n", 1, ""),
    "path": (
        "from pathlib import Path\n@command()\ndef f(call: Call, p: Path) -> Reply: ...\n",
        3,
        "Path cannot be texted",
    ),
    "name": ("@command(name='../x')\ndef f(call: Call) -> Reply: ...\n", 2, "no command name"),
    "yields": ("@command()\nasync def f(call: Call):\n    yield 1\n", 2, "does not yield"),
    "risky": ("@command(risk=7)\ndef f(call: Call) -> Reply: ...\n", 2, "must be a Risk"),
    "risks": ("@command(risk=[])\ndef f(call: Call) -> Reply: ...\n", 2, "must be a Risk"),
    "bare": ("@command\ndef f(call: Call) -> Reply: ...\n", 2, "write @command() with"),
    "by_place": ("@command(Risk.LOOK)\ndef f(call: Call) -> Reply: ...\n", 2, "words by name"),
    "letters": ("@command(aliases='ab')\ndef f(call: Call) -> Reply: ...\n", 2, "('ab',)"),
    "late": ("@command(late='5m')\ndef f(call: Call) -> Reply: ...\n", 2, "late must be seconds"),
    "asks": ("@command(confirm='Sure?')\ndef f(call: Call) -> Reply: ...\n", 2, "be a function"),
    "cut_off": ("@command(interrupted='no')\ndef f(call: Call) -> Reply: ...\n", 2, "async def"),
    "dropped": ("@command(cancelled=1)\ndef f(call: Call) -> Reply: ...\n", 2, "and a number"),
    "pair": ("@command(regular=(60, 1))\ndef f(call: Call) -> Reply: ...\n", 2, "be Regular("),
    "twice": (
        "@command()\ndef f(call: Call) -> Reply: ...\n"
        "@command(name='f')\ndef g(call: Call) -> Reply: ...\n",
        4,
        "f is a command of this file already",
    ),
    "timeless": ("@command(timeout=0)\ndef f(call: Call) -> Reply: ...\n", 2, "timeout"),
    "proxy": (
        "class P:\n  def __getattr__(self, name): raise OSError(name)\np = P()\n",
        3,
        "OSError",
    ),
    "leaves": (
        "import sys\nclass P:\n  def __getattr__(self, name): sys.exit(3)\np = P()\n",
        4,
        "SystemExit: 3",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_file_is_off_named_with_its_line_and_the_rest_goes_on(
    tmp_path: Path, case: str
) -> None:
    text, line, fault = BROKEN[case]
    path = write(tmp_path, case, text)
    write(tmp_path, "well", one("well"))
    before = set(sys.modules)
    registry = await loaded(tmp_path)
    assert list(registry.commands) == ["well"]
    assert registry.broken[str(path)].startswith(f"{path}:{line}: ")
    assert fault in registry.broken[str(path)]
    assert {name for name in set(sys.modules) - before if case in name} == set()


@pytest.mark.parametrize("name", ["door", "door.bell"])
async def test_a_module_with_regular_work_has_no_name_of_a_part_of_the_house(
    tmp_path: Path, name: str
) -> None:
    """What it finds would be taken for the house's own doors, and theirs be forgotten for it."""
    work = "from housecarl import Regular\nregular = Regular(lambda _: 60.0, lambda call: [])\n"
    door = write(tmp_path, name, work + one("bell", mark="regular=regular"))
    write(tmp_path, "post", one("post"))
    write(tmp_path, "garage", work + one("gate", mark="name='door', regular=regular"))
    registry = await loaded(tmp_path)
    assert sorted(registry.commands) == ["door", "post"]
    assert registry.commands["door"].module == "garage"
    assert registry.broken == {
        str(door): f"{door}:4: bell: a module with regular work cannot be called door, which is a "
        "part of the house itself; give the file, or the entry point, another name"
    }


def test_each_part_that_the_house_notes_is_known_as_one() -> None:
    sources = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    told = re.findall(r'(?:tell\(f?|Part\()"([a-z]+)[."]', sources)
    assert len(told) > 4
    assert {*told, *NOTED, STUCK, "daemon", "journal", "post", "spool"} <= PARTS


def test_the_manual_names_every_part() -> None:
    told = re.search(r"part of the\s+house itself: ([^.]*)\.", MODULES.read_text())
    assert told is not None
    assert re.findall(r"[a-z]+", told[1]) == sorted(PARTS)


async def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.py")
    write(tmp_path, "open", one("open")).chmod(0o666)
    os.truncate(write(tmp_path, "vast", one("vast")), module_file.LARGEST + 1)
    registry = await loaded(tmp_path)
    faults = {Path(file).stem: fault for file, fault in registry.broken.items()}
    assert "No such file" in faults["dangling"]
    assert "not a regular file" in faults["pipe"]
    assert "chmod o-w" in faults["open"]
    assert "larger than 1 MiB" in faults["vast"]


def test_a_file_of_another_name_is_no_module(tmp_path: Path) -> None:
    path = write(tmp_path, "lamp", one("lamp")).rename(tmp_path / "lamp.txt")
    with pytest.raises(ModuleError, match="lamp.txt:1: not a Python file"):
        module_file.load(path, "lamp")


async def test_a_file_is_tried_in_a_process_first_so_that_nothing_hurts_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.process.TRIAL", 1.5)
    marker = tmp_path / "ran-in"
    write(tmp_path, "dies", "import os\nos._exit(1)\n")
    write(tmp_path, "hangs", "import time\n\ntime.sleep(60)\n")
    count = f"with open({str(marker)!r}, 'a') as file:\n    file.write('x')\n"
    write(tmp_path, "well", count + one("well"))
    registry = Registry(None, [tmp_path])
    await registry.reload()
    faults = {Path(file).stem: fault for file, fault in registry.broken.items()}
    assert {"dies", "hangs"} == set(faults)
    assert faults["dies"].endswith("its top level ended with code 1 before it answered")
    assert faults["hangs"].endswith(":4: its top level took longer than 1.5 s and was stopped")
    assert marker.read_text() == "xx", "once in the trial, once in the daemon"
    assert await say(registry, "well") == "x"


async def test_a_file_that_cannot_be_tried_now_is_tried_again_and_its_former_version_stays(
    tmp_path: Path,
) -> None:
    """What the machine lacks for a moment is no fault of the file."""
    lacks = ""

    async def trial(path: Path, source: bytes) -> str:
        if lacks:
            raise ModuleLater(lacks)
        return ""

    path = write(tmp_path, "bell", one("bell", "old"))
    registry = Registry(None, [tmp_path], trial=trial)
    await registry.reload()
    path.write_text(HEAD + one("bell", "newer"))
    fresh = write(tmp_path, "fresh", one("fresh"))
    lacks = "no room"
    with capture_logs() as logs:
        await registry.reload()
    assert await say(registry, "bell") == "old"
    assert registry.broken == {str(fresh): f"{fresh}:1: it could not be tried: no room"}
    kept = {"event": "module kept", "log_level": "warning", "file": str(path), "why": "no room"}
    assert kept in logs
    lacks = ""
    await registry.reload()
    assert await say(registry, "bell") == "newer" and not registry.broken


async def test_a_saved_file_is_live_and_only_what_changed_is_read(tmp_path: Path) -> None:
    write(tmp_path, "a", one("alpha"))
    path = write(tmp_path, "b", one("beta", "old"))
    registry = await loaded(tmp_path)
    kept = registry.find("alpha")

    path.write_text(HEAD + one("beta", "new"))
    write(tmp_path, "c", one("gamma"))
    await registry.reload()
    assert list(registry.commands) == ["alpha", "beta", "gamma"]
    assert await say(registry, "beta") == "new"
    assert kept is not None
    assert registry.find("alpha").function is kept.function  # type: ignore[union-attr]

    path.write_text("1 / 0")
    await registry.reload()
    assert list(registry.commands) == ["alpha", "gamma"]
    assert str(path) in registry.broken

    path.unlink()
    await registry.reload()
    assert not registry.broken
    assert list(registry.commands) == ["alpha", "gamma"]


async def test_a_change_within_one_second_and_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path, "a", one("alpha", "old"))
    registry = await loaded(tmp_path)
    about = path.stat()
    path.write_text(HEAD + one("alpha", "new"))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    await registry.reload()
    assert await say(registry, "alpha") == "new"


async def test_a_later_folder_cannot_replace_a_command(tmp_path: Path) -> None:
    write(tmp_path / "one", "plug", one("plug", "shipped", "aliases=('p',)"))
    cached = one("plug", "mine").replace("async ", "@__import__('functools').cache\n")
    path = write(tmp_path / "two", "mine", cached)  # a function of functools, with no line
    named = one("p", "name") + one("poster", "x", "aliases=('p', 'plug')")
    other = write(tmp_path / "two", "post", named)
    registry = await loaded(tmp_path / "one", tmp_path / "two")
    assert await say(registry, "plug") == "shipped"
    assert f"{path}:2: plug is already a command of" in registry.broken[str(path)]
    assert await say(registry, "p") == "name", "a name wins over every alias"
    note = "alias p of poster is p already; alias plug of poster is plug already"
    assert registry.notes[str(other)] == note


async def test_two_files_of_one_name_do_not_disturb_each_other(tmp_path: Path) -> None:
    write(tmp_path / "one", "same", one("alpha", "one"))
    write(tmp_path / "two", "same", one("beta", "two"))
    registry = await loaded(tmp_path / "one", tmp_path / "two")
    assert (await say(registry, "alpha"), await say(registry, "beta")) == ("one", "two")


@pytest.mark.parametrize("key", ["    token: str", "    token: str = ''"])
@pytest.mark.parametrize("section", [{"plugs": {}}, None])
async def test_a_later_file_of_a_name_does_not_make_the_section_of_the_first_wrong(
    tmp_path: Path, key: str, section: Any
) -> None:
    """A file saved under the name of a shipped module kept the house from its next start."""
    write(tmp_path / "one", "plug", SETTINGS.replace("plugs: dict[str, str]", "plugs: dict = {}"))
    head = "from pydantic import BaseModel\nclass Settings(BaseModel, extra='forbid'):\n"
    path = write(tmp_path / "two", "plug", f"{head}{key}\n{one('mine')}")
    settings = {} if section is None else {"plug": section}
    registry = await loaded(tmp_path / "one", tmp_path / "two", settings=settings)
    registry.check_settings()
    assert "plug" in registry.commands
    if "mine" not in registry.commands:  # else its settings fit, too
        why = f"{path}:1: the section modules.plug is that of {tmp_path / 'one' / 'plug.py'}"
        assert registry.broken == {str(path): f"{why}; give this file another name"}
        assert not registry.unset


async def test_a_module_named_like_the_library_hides_nothing(tmp_path: Path) -> None:
    import email

    write(tmp_path, "email", one("mail"))
    await loaded(tmp_path)
    assert sys.modules["email"] is email


@command(aliases=("h",))
async def help(call: Call, name: str = "") -> Reply:
    """Say what there is."""
    return Reply("built in")


async def test_a_built_in_command_cannot_be_taken(tmp_path: Path) -> None:
    path = write(tmp_path, "help", one("help"))
    registry = Registry(None, [tmp_path], trial=None)
    registry.add_builtin(help)
    assert await say(registry, "help") == "built in"
    await registry.reload()
    assert await say(registry, "help") == "built in"
    assert registry.commands["help"].awaits
    assert "help is already a command that is built in;" in registry.broken[str(path)]


async def test_one_suggestion_from_what_is_allowed(tmp_path: Path) -> None:
    write(tmp_path, "a", one("plug", mark="aliases=('socket',)") + one("ping"))
    registry = await loaded(tmp_path)
    assert registry.suggest("plgu", ["plug", "ping"]) == "plug"
    assert registry.suggest("sockte", ["plug"]) == "plug"
    assert registry.suggest("pnig", ["plug", "ping"]) == "ping"
    assert registry.suggest("plgu", []) is None
    assert registry.suggest("xyzzy", ["plug"]) is None


SETTINGS = """
from typing import ClassVar

from pydantic import BaseModel

class Settings(BaseModel):
    renamed: ClassVar[dict[str, str]] = {"max": "watts"}
    plugs: dict[str, str]
    watts: int = 1875

@command()
async def plug(call: Call) -> Reply:
    return Reply(str(call.settings.watts))
"""


async def test_settings_are_the_section_of_the_module(tmp_path: Path) -> None:
    write(tmp_path, "plug", SETTINGS)
    registry = await loaded(tmp_path, settings={"plug": {"plugs": {"lamp": "192.0.2.1"}}})
    registry.check_settings()
    found = registry.commands["plug"]
    assert found.settings.plugs == {"lamp": "192.0.2.1"}
    assert found.settings is found.bind(Call("plug")).call.settings


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"plugs": {}, "wats": 5}, "modules.plug.wats: unknown key 'wats'; did you mean 'watts'?"),
        ({"plugs": {}, "max": 5}, "modules.plug.max: 'max' is now 'watts'"),
        ({}, "modules.plug.plugs: required key 'plugs' is missing"),
        ({"plugs": {}, "watts": "x"}, "modules.plug.watts: should be a whole number"),
        ([], "modules.plug: plug must be a section of keys"),
    ],
)
async def test_a_wrong_section_is_named_and_the_module_is_off(
    tmp_path: Path, section: Any, said: str
) -> None:
    write(tmp_path, "plug", SETTINGS)
    write(tmp_path, "well", one("well"))
    registry = await loaded(tmp_path, settings={"plug": section})
    assert list(registry.commands) == ["well"]
    with pytest.raises(ConfigError) as caught:
        registry.check_settings()
    assert said in str(caught.value)


async def test_a_fault_of_a_kind_that_pydantic_does_not_make_is_the_configurations(
    tmp_path: Path,
) -> None:
    """As of `EmailStr`: a wrong address switched the module off, with `KeyError: 'error'`."""
    text = """
from typing import Annotated

from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

def check(word: str) -> str:
    raise PydanticCustomError("value_error", "No address")

class Settings(BaseModel):
    to: Annotated[str, AfterValidator(check)]
"""
    write(tmp_path, "post", text + one("post"))
    registry = await loaded(tmp_path, settings={"post": {"to": "bo"}})
    with pytest.raises(ConfigError, match=r"modules.post.to: No address"):
        registry.check_settings()


NESTED = """
from pydantic import AliasChoices, BaseModel, Field, RootModel, model_validator

class Hosts(RootModel[dict[str, int]]):
    pass

class Lamp(BaseModel):
    host: str = Field(validation_alias=AliasChoices("host", "address"))
    watts: int = 10

class Short(BaseModel):
    host: str

    @model_validator(mode="before")
    @classmethod
    def _of_former_key(cls, given):
        if isinstance(given, int):
            given = {"ip": str(given)}
        return {"host": given["ip"]} if "ip" in given else given

class Settings(BaseModel):
    lamps: dict[str, Lamp] = {}
    from_: str = Field("", alias="from")
    spare: list[Lamp] = []
    short: list[Short] = []
    lost: Lamp | None = None
    hosts: Hosts | None = None
"""


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"lamps": {"hall": {"host": "x", "wats": 5}}}, "lamps.hall.wats: unknown key 'wats'; did"),
        ({"spare": [{"host": "x"}, {"host": "x", "w": 5}]}, "spare.1.w: unknown key 'w'"),
        ({"lost": {"host": "x", "height": 5}}, "lost.height: unknown key 'height'"),
        ({"lost": {"address": "x"}, "hosts": {"nas": 1}}, ""),
        ({"from": "x"}, ""),
        ({"from_": "x"}, "modules.lights.from_: unknown key 'from_'; did you mean 'from'?"),
        ({"short": [{"ip": "x"}, 5]}, ""),
        ({"short": [{"host": "x", "w": 5}]}, "short.0.w: unknown key 'w'"),
    ],
)
async def test_an_unknown_key_of_a_model_in_the_settings_is_named_too(
    tmp_path: Path, section: Any, said: str
) -> None:
    write(tmp_path, "lights", NESTED + one("lights"))
    registry = await loaded(tmp_path, settings={"lights": section})
    assert said in registry.broken.get(str(tmp_path / "lights.py"), "")
    assert bool(said) != bool(registry.commands)


STRICT = """
from pydantic import BaseModel

class Plug(BaseModel, extra="forbid"):
    host: str
    port: int = 9999

class Settings(BaseModel, extra="forbid"):
    plugs: dict[str, Plug] = {}
    watts: int = 1875
"""


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"wats": 5}, "modules.plug.wats: unknown key 'wats'; did you mean 'watts'?"),
        (
            {"plugs": {"lamp": {"host": "x", "prt": 5}}},
            ".plugs.lamp.prt: unknown key 'prt'; did you mean 'port'?",
        ),
    ],
)
async def test_a_module_that_forbids_unknown_keys_names_them_in_the_same_words(
    tmp_path: Path, section: Any, said: str
) -> None:
    write(tmp_path, "plug", STRICT + one("plug"))
    registry = await loaded(tmp_path, settings={"plug": section})
    assert not registry.commands
    with pytest.raises(ConfigError) as caught:
        registry.check_settings()
    assert said in f"{caught.value}\n"


CHECKED = """
from pydantic import BaseModel, Field, field_validator

class Settings(BaseModel):
    watts: int = Field(default_factory=lambda: {}["watts"])

    @field_validator("watts")
    @classmethod
    def check(cls, watts: int) -> int:
        raise SystemExit(3)
"""


@pytest.mark.parametrize(
    ("text", "section", "fault"),
    [
        (CHECKED, {"watts": 5}, "11: SystemExit: 3"),
        (CHECKED, None, "6: KeyError: 'watts'"),
        ("class Settings:\n    watts = 5\n", None, "1: TypeError: Settings is no pydantic model"),
        ("Settings = {}\n", {"watts": 5}, "1: TypeError: Settings is no pydantic model"),
    ],
)
async def test_a_module_whose_own_settings_break_is_off_and_the_rest_goes_on(
    tmp_path: Path, text: str, section: Any, fault: str
) -> None:
    """The fault is not the configuration's: a house starts with it."""
    path = write(tmp_path, "plug", text + one("plug"))
    registry = await loaded(tmp_path, settings={"plug": section} if section else {})
    write(tmp_path, "well", one("well"))
    await registry.reload()
    registry.check_settings()
    assert list(registry.commands) == ["well"]
    assert registry.broken == {str(path): f"{path}:{fault}"}


SLOW = """
import threading
from pathlib import Path

from pydantic import BaseModel, model_validator

class Settings(BaseModel):
    noted: str

    @model_validator(mode="after")
    def check(self) -> "Settings":
        with Path(self.noted).open("a") as note:
            note.write(f"{threading.current_thread() is threading.main_thread()} ")
        return self
"""


async def test_settings_are_checked_once_and_not_in_the_loop(tmp_path: Path) -> None:
    """A slow check, as one that asks DNS, held up the house whenever a module was saved."""
    folder, note = tmp_path / "mine", tmp_path / "note"
    write(folder, "slow", SLOW + one("slow"))
    registry = await loaded(folder, settings={"slow": {"noted": str(note)}})
    write(folder, "other", one("other"))
    await registry.reload()
    assert (list(registry.commands), note.read_text()) == (["other", "slow"], "False ")


@pytest.mark.long
async def test_settings_that_take_for_ever_are_named_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.registry.LOAD_LIMIT", 0.3)
    hangs = SLOW.replace("        with", "        threading.Event().wait(2)\n        with")
    path = write(tmp_path, "slow", hangs + one("slow"))
    write(tmp_path, "well", one("well"))
    registry = await loaded(tmp_path, settings={"slow": {"noted": str(tmp_path / "note")}})
    what = f"{path}:1: its top level, with its settings, took longer than 0.3 s"
    assert (list(registry.commands), registry.broken) == (["well"], {str(path): what})


async def test_what_is_loaded_is_what_was_tried_also_when_it_is_saved_meanwhile(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "bell", one("bell", "tried"))

    async def trial(_: Path, source: bytes) -> str:
        if b"tried" not in source:
            return "not good"
        path.write_text("raise SystemExit")
        return ""

    registry = Registry(None, [tmp_path], trial=trial)
    await registry.reload()
    assert (registry.broken, await say(registry, "bell")) == ({}, "tried")
    await registry.reload()
    assert registry.broken == {str(path): "not good"}


async def test_a_file_whose_rights_were_mended_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, "bell", one("bell"))
    path.chmod(0o646)
    registry = await loaded(tmp_path)
    assert "everybody may write it" in registry.broken[str(path)]
    path.chmod(0o644)
    await registry.reload()
    assert list(registry.commands) == ["bell"]


async def test_a_section_that_is_missing_leaves_the_module_unset_not_broken(tmp_path: Path) -> None:
    path = write(tmp_path, "plug", SETTINGS)
    registry = await loaded(tmp_path)
    registry.check_settings()
    assert registry.unset[str(path)] == "plug is not set up: the config needs modules.plug.plugs"
    assert not registry.broken


async def test_a_section_for_no_module_is_named(tmp_path: Path) -> None:
    write(tmp_path, "plug", one("plug"))
    registry = await loaded(tmp_path, settings={"plgu": {}, "plug": {"x": 1}})
    with pytest.raises(ConfigError) as caught:
        registry.check_settings()
    assert "modules.plgu: no module 'plgu'; did you mean 'plug'?" in str(caught.value)
    assert "modules.plug: module plug has no settings" in str(caught.value)


async def test_a_section_is_not_wrong_while_a_folder_that_may_hold_its_module_is_lost(
    tmp_path: Path,
) -> None:
    """As when a network mount is late after a power cut: the house did not start, for good."""
    folder = tmp_path / "mount"
    registry = await loaded(folder, settings={"cellar": {"x": 1}})
    registry.check_settings()
    assert list(registry.lost) == [str(folder)]
    write(folder, "gong", one("gong"))
    await registry.reload()
    with pytest.raises(ConfigError, match="no module 'cellar'"):
        registry.check_settings()


async def test_risk_follows_the_arguments_and_a_broken_rule_runs_nothing(tmp_path: Path) -> None:
    text = """
        @command(risk=lambda args: Risk.CHANGE if args.state else Risk.LOOK)
        def plug(call: Call, state: str = "") -> Reply: ...

        @command(risk=lambda args: args.nothing)
        def bad(call: Call) -> Reply: ...
        """
    write(tmp_path, "plug", text)
    registry = await loaded(tmp_path)
    plug, bad = registry.commands["plug"], registry.commands["bad"]
    assert Risk.LOOK is plug.risk(plug.bind(Call("plug")))
    assert Risk.CHANGE is plug.risk(plug.bind(Call("plug", ("on",))))
    with pytest.raises(CommandFailed, match="bad failed before it did anything"):
        bad.risk(bad.bind(Call("bad")))


async def test_installed_packages_bring_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "acme_lights", one("lights", "on"))
    write(tmp_path, "acme_broken", "import sys\nsys.exit(1)\n")
    write(tmp_path, "acme_part", one("part"))
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[housecarl.modules]\nlights = acme_lights\nbroken = acme_broken\npart = acme_part:part\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(None)
    await registry.load_installed()
    assert list(registry.commands) == ["lights"]
    assert await say(registry, "lights") == "on"
    assert registry.commands["lights"].module == "lights"
    assert [fault.removeprefix(file) for file, fault in registry.broken.items()] == [
        ":3: SystemExit: 1",
        "acme_part:part: the entry point part is no module",
    ]


async def test_files_that_hang_are_not_waited_for_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight would take a minute, and end the start of a service."""
    monkeypatch.setattr("housecarl.registry.SLOW", 0.02)
    for n in range(8):
        write(tmp_path, f"hangs{n}", one(f"hangs{n}"))
    write(tmp_path, "well", one("well"))
    begun: list[Path] = []
    all_begun = asyncio.Event()

    async def trial(path: Path, source: bytes) -> str:
        if path.stem == "well":
            return ""
        begun.append(path)
        if len(begun) == 8:
            all_begun.set()
        await all_begun.wait()
        return f"{path}:1: its top level took too long"

    registry = Registry(None, [tmp_path], trial=trial)
    await asyncio.wait_for(registry.reload(), 10)
    assert (list(registry.commands), len(registry.broken)) == (["well"], 8)


async def test_modules_that_ship_and_take_for_ever_are_named_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that does not answer: the start is told, not left waiting."""
    monkeypatch.setattr("housecarl.registry.LOAD_LIMIT", 0.05)
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for folder in (shipped, own):
        folder.mkdir()
    go_on = tmp_path / "go on"
    wait = f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n"
    write(shipped, "slow", wait + one("slow"))
    write(own, "well", one("well"))
    registry = Registry(shipped, [own], trial=None)
    await registry.reload()
    assert list(registry.commands) == ["well"]
    [(file, fault)] = registry.broken.items()
    assert file == str(shipped / "slow.py")
    assert fault == f"{file}:1: the modules that come with housecarl took longer than 0.05 s"
    go_on.touch()


async def test_a_reload_that_is_cut_off_leaves_no_trial_behind(tmp_path: Path) -> None:
    """As at a stop: what is tried may hang."""
    write(tmp_path, "hangs", one("hangs"))
    begun, ended = asyncio.Event(), asyncio.Event()
    never: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def trial(path: Path, source: bytes) -> str:
        try:
            begun.set()
            return await never
        finally:
            ended.set()

    reload = asyncio.create_task(Registry(None, [tmp_path], trial=trial).reload())
    await begun.wait()
    reload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reload
    await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.long
async def test_a_package_whose_import_hangs_is_named_and_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    monkeypatch.setattr("housecarl.registry.LOAD_LIMIT", 1.0)
    monkeypatch.setattr(threading, "acme_free", free, raising=False)
    write(tmp_path, "acme_hangs", "import threading\nthreading.acme_free.wait(30)\n")
    write(tmp_path, "acme_bell", one("bell", "rang"))
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[housecarl.modules]\nahangs = acme_hangs\nbell = acme_bell\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(None)
    await asyncio.wait_for(registry.load_installed(), 10)
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    free.set()
    for thread in threading.enumerate():
        if thread.name == "module-load":
            await asyncio.to_thread(thread.join, 10)
    await asyncio.sleep(0)
    assert not faults, "what comes too late is not missed"
    assert list(registry.commands) == ["bell"]
    assert registry.broken == {
        "acme_hangs": "acme_hangs of the package acme: its import took longer than 1 s"
    }


async def test_of_reloads_at_the_same_time_the_second_finds_what_the_first_read(
    tmp_path: Path,
) -> None:
    marker = tmp_path / "marker"
    count = f"with open({str(marker)!r}, 'a') as file:\n    file.write('x')\n"
    write(tmp_path, "a", count + one("alpha"))
    registry = Registry(None, [tmp_path], trial=None)
    await asyncio.gather(registry.reload(), registry.reload())
    assert list(registry.commands) == ["alpha"]
    assert marker.read_text() == "x"


def test_a_mark_on_a_class_is_refused() -> None:
    @command()
    class thing:
        pass

    with pytest.raises(ModuleError, match="functions only"):
        Registry(None).add_builtin(thing)
