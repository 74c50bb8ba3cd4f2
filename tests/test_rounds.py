"""Regular work of a module: what it finds is told once, what breaks in it hurts nobody."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from housecarl.clock import UNSET_CLOCK
from housecarl.house import House
from housecarl.journal import conditions, values
from housecarl.journal.conditions import Condition
from housecarl.testing.clock import START, FakeClock
from housecarl.testing.house import PATIENCE, TestHouse

pytestmark = pytest.mark.long(after=7)

CELLAR = '''
"""Watch the cellar."""
from pathlib import Path

from housecarl import Call, Finding, Regular, Reply, command
from pydantic import BaseModel


class Settings(BaseModel):
    sensor: Path


async def look(call: Call) -> list[Finding]:
    words = call.settings.sensor.read_text().split()
    return [Finding(word, word != "wet", f"The {word} cellar.") for word in words]


@command(regular=Regular(lambda settings: 1.0, look))
async def cellar(call: Call) -> Reply:
    """Tell how the cellar is."""
    return Reply("cellar.")
'''

BROKEN = '''
"""Two rules that break."""
from housecarl import Call, Finding, Regular, Reply, command


def every(settings: object) -> float:
    raise ValueError("no interval")


async def look(call: Call) -> list[Finding]:
    raise ValueError("no look")


async def odd(call: Call) -> list[Finding]:
    return None


@command(regular=Regular(every, look))
async def broken(call: Call) -> Reply:
    """Break."""
    return Reply("broken.")


@command(regular=Regular(lambda _: 60, look))
async def torn(call: Call) -> Reply:
    """Tear."""
    return Reply("torn.")


@command(regular=Regular(lambda _: 60, odd))
async def strange(call: Call) -> Reply:
    """Be strange."""
    return Reply("strange.")
'''


@pytest.mark.long(after=1)
@pytest.mark.parametrize("module", ["cellar", "old.cellar"])
def test_what_is_found_is_told_once_and_forgotten_when_it_is_no_more(
    module: str, tmp_path: Path
) -> None:
    folder, sensor, clock = tmp_path / "mine", tmp_path / "sensor", FakeClock()
    folder.mkdir()
    (folder / f"{module}.py").write_text(CELLAR)
    (folder / "broken.py").write_text(BROKEN)
    sensor.write_text("wet dark")
    modules = {"folders": [str(folder)], module: {"sensor": str(sensor)}}
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    with TestHouse(tmp_path, people, modules, clock=clock) as house:
        inside = inner(house)

        def minute() -> set[str]:
            """Let a minute pass, the least that lies between two looks; the troubles after it."""

            async def do() -> None:
                clock.move(60)

            house.do(do())
            house.until(lambda: inside.rounds.asleep)
            return {c.name for c in house.do(inside.db.read(conditions.listing)) if not c.ok}

        def told() -> list[str]:
            return [each.text.splitlines()[0] for each in house.inbox.received]

        assert [minute(), minute()] == [{f"{module}.wet"}] * 2
        house.inbox.wait(1)
        assert told() == ["The wet cellar."]
        sensor.write_text("dark")
        assert minute() == set(), "a thing that is no more is no trouble"
        assert told() == ["The wet cellar."]
        sensor.unlink()
        assert minute() == set()
        sensor.write_text("wet")
        assert minute() == {f"{module}.wet"}
        (folder / f"{module}.py").unlink()
        house.do(inside.reload_modules())
        assert minute() == {f"module.{module}"}, "its section has none; its things are no more"


#: What the regular work of a command that is odd found, and how often it is due.
ODDITIES = [
    *(
        (finding, "60")
        for finding in (
            "Finding('x', False, None)",
            "Finding('x', False, 'half \\ud800')",
            "Finding('half \\ud800', False, 'x')",
            "Finding('x', False, 'x' * 20_000)",
            "Finding(' ', False, 'x')",
            "Finding(5, False, 'x')",
            "Finding('x', [1], 'x')",
            "Finding('x', 10**30, 'x')",
            "('x', False, 'x')",
            "Finding('x', False, await call.store.get(('key', 1)))",
            "Finding('x', False, await call.store.set(('key', 1), 'x'))",
        )
    ),
    *(("", every) for every in ("float('inf')", "float('nan')", "1e13", "-5", "'often'")),
]

ODD = '''
async def look{number}(call: Call) -> list[Finding]:
    return [{finding}]


@command(regular=Regular(lambda _: {every}, look{number}))
async def odd{number}(call: Call) -> Reply:
    """Be odd."""
    return Reply("odd.")
'''


def test_what_is_odd_is_the_failure_of_its_command_and_the_others_go_on(tmp_path: Path) -> None:
    """Each oddity is a command of its own, all of them in a house with one that is sound."""
    folder, clock = tmp_path / "mine", FakeClock()
    folder.mkdir()
    (tmp_path / "sensor").write_text("wet")
    (folder / "cellar.py").write_text(CELLAR)
    (folder / "odd.py").write_text(
        "from housecarl import Call, Finding, Regular, Reply, command\n"
        + "".join(
            ODD.format(finding=finding, every=every, number=number)
            for number, (finding, every) in enumerate(ODDITIES)
        )
    )
    modules = {"folders": [str(folder)], "cellar": {"sensor": str(tmp_path / "sensor")}}
    with TestHouse(tmp_path, modules=modules, clock=clock) as house, capture_logs() as logs:
        inside = inner(house)

        async def minute() -> None:
            clock.move(60)

        for _ in range(2):
            house.do(minute())
            house.until(lambda: inside.rounds.asleep)
        noted = house.do(inside.db.read(conditions.listing))
    assert "cellar.wet" in {each.name for each in noted}
    assert not [each.name for each in noted if each.name.startswith("odd")]
    failed = Counter(each["command"] for each in logs if each["event"] == "regular-failed")
    assert failed.keys() == {f"odd{number}" for number in range(len(ODDITIES))}
    assert min(failed.values()) > 1, failed


@pytest.mark.long
def test_of_modules_with_dots_in_their_names_each_forgets_its_own(tmp_path: Path) -> None:
    """What `cellar.old` found, `wet`, is no `old.wet` of `cellar`, and is told once."""
    folder, clock = tmp_path / "mine", FakeClock()
    folder.mkdir()
    modules: dict[str, object] = {"folders": [str(folder)]}
    for module, word in (("cellar", "dry"), ("cellar.old", "wet")):
        text = CELLAR.replace("async def cellar", f"async def {word}")
        (folder / f"{module}.py").write_text(text)
        (tmp_path / module).write_text(word)
        modules[module] = {"sensor": str(tmp_path / module)}
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    with TestHouse(tmp_path, people, modules, clock=clock) as house:
        inside = inner(house)

        async def minute() -> None:
            clock.move(60)

        for _ in range(3):
            house.do(minute())
            house.until(lambda: inside.rounds.asleep)
        house.inbox.wait(1)
        house.settle()
        assert [each.text.splitlines()[0] for each in house.inbox.received] == ["The wet cellar."]


HOUSE = '''
"""Watch two things, in one file."""
from pathlib import Path

from housecarl import Call, Finding, Regular, Reply, command

HERE = Path(__file__).parent


def words(name: str) -> list[Finding]:
    return [Finding(word, False, f"The {word}.") for word in (HERE / name).read_text().split()]


async def look_down(call: Call) -> list[Finding]:
    return words("down")


async def look_up(call: Call) -> list[Finding]:
    return words("up")


@command(regular=Regular(lambda _: 60, look_down))
async def down(call: Call) -> Reply:
    """Tell how it is below."""
    return Reply("down.")


@command(regular=Regular(lambda _: 120, look_up))
async def up(call: Call) -> Reply:
    """Tell how it is above."""
    return Reply("up.")
'''


SLOW = '''
"""Wait for a sensor that does not answer."""
import asyncio
from pathlib import Path

from housecarl import Call, Finding, Regular, Reply, command

HERE = Path(__file__).parent


async def look(call: Call) -> list[Finding]:
    with (HERE / "slow.log").open("a") as log:
        log.write("began ")
    try:
        while not (HERE / "answer").exists():
            await asyncio.sleep(0.005)
    finally:
        with (HERE / "slow.log").open("a") as log:
            log.write("ended ")
    return [Finding("answer", False, "The sensor is wet.")]


@command(timeout=3600, regular=Regular(lambda _: 60, look))
async def slow(call: Call) -> Reply:
    """Be slow."""
    return Reply("slow.")
'''


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[TestHouse]:
    """A house with a sensor that answers once there is a file, and with a cellar that is dry."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "slow.py").write_text(SLOW)
    (folder / "cellar.py").write_text(CELLAR)
    (tmp_path / "sensor").write_text("dry")
    modules = {"folders": [str(folder)], "cellar": {"sensor": str(tmp_path / "sensor")}}
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    with TestHouse(tmp_path, people, modules, clock=FakeClock()) as house:
        yield house


def pass_minute(house: TestHouse) -> None:
    """Let a minute pass, and no more than that."""
    clock = house.clock
    assert isinstance(clock, FakeClock)

    async def do() -> None:
        clock.move(60)

    house.do(do())


def troubles(house: TestHouse) -> set[str]:
    noted = house.do(inner(house).db.read(conditions.listing))
    return {each.name for each in noted if not each.ok}


def wait_for(house: TestHouse, wanted: set[str]) -> None:
    """Wait until just these parts are in trouble, while other work may go on."""
    end = time.monotonic() + PATIENCE
    while (found := troubles(house)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.005)  # the processor is theirs who are waited for


@pytest.mark.long
def test_work_that_blocks_the_loop_is_named_with_its_line(
    slow: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = slow.folder / "mine" / "slow.py"
    blocking = SLOW.replace("await asyncio.sleep(0.005)", "__import__('time').sleep(0.5); break")
    with capture_logs() as logs:
        file.write_text(blocking)
        slow.do(inner(slow).reload_modules())
        monkeypatch.setattr(inner(slow).watch, "_blocked", 0.1)
        pass_minute(slow)
        wait_for(slow, {"slow.answer"})
    line = next(n for n, text in enumerate(blocking.splitlines(), 1) if "sleep(0.5)" in text)
    (found,) = [each for each in logs if each["event"] == "loop blocked"]
    assert (found["command"], found["at"]) == ("slow", f"{file}:{line}")


@pytest.mark.long
def test_slow_work_keeps_no_other_waiting_and_is_not_begun_twice(slow: TestHouse) -> None:
    folder = slow.folder / "mine"
    for words in ("wet", "dry", "wet"):
        (slow.folder / "sensor").write_text(words)
        pass_minute(slow)
        wait_for(slow, {"cellar.wet"} if words == "wet" else set())
    assert (folder / "slow.log").read_text() == "began "
    assert not inner(slow).rounds.asleep, "there is work"
    (folder / "answer").touch()
    slow.until(lambda: inner(slow).rounds.asleep)
    assert troubles(slow) == {"cellar.wet", "slow.answer"}
    pass_minute(slow)
    slow.until(lambda: inner(slow).rounds.asleep)
    assert (folder / "slow.log").read_text() == "began ended " * 2


@pytest.mark.long
def test_the_time_limit_of_the_house_holds_for_regular_work(slow: TestHouse) -> None:
    slow.stop()
    slow._more["commands"] = {"slow": {"timeout": "1s"}}
    slow.start()
    with capture_logs() as logs:
        pass_minute(slow)
        slow.until(lambda: inner(slow).rounds.asleep)
    assert [each["command"] for each in logs if each["event"] == "regular-failed"] == ["slow"]
    assert (slow.folder / "mine" / "slow.log").read_text() == "began ended "


def test_a_stop_ends_slow_work(slow: TestHouse) -> None:
    pass_minute(slow)
    log = slow.folder / "mine" / "slow.log"
    slow.until(log.exists)
    slow.stop()
    assert log.read_text() == "began ended "


@pytest.mark.long
def test_a_disk_that_fails_under_regular_work_takes_the_restart_path(slow: TestHouse) -> None:
    folder, first = slow.folder / "mine", inner(slow)
    fault = "from housecarl.errors import StorageError"
    text = SLOW.replace("finally:", "finally:\n        raise StorageError('no disk')")
    (folder / "slow.py").write_text(text.replace("import asyncio", f"import asyncio\n{fault}", 1))
    slow.do(first.reload_modules())
    pass_minute(slow)
    slow.until((folder / "slow.log").exists)
    (folder / "answer").touch()
    slow.until(lambda: slow.daemon is not None and slow.daemon.house not in (first, None))


def test_what_slow_work_finds_after_its_module_was_taken_away_is_not_noted(slow: TestHouse) -> None:
    folder, inside = slow.folder / "mine", inner(slow)
    pass_minute(slow)
    slow.until((folder / "slow.log").exists)
    (folder / "slow.py").unlink()
    slow.do(inside.reload_modules())
    (folder / "answer").touch()
    slow.until(lambda: inside.rounds.asleep)
    assert troubles(slow) == set()
    assert (folder / "slow.log").read_text() == "began ended "


def test_two_commands_of_one_file_forget_what_neither_finds_any_more(tmp_path: Path) -> None:
    """Neither forgets what the other found, also when only one has looked since the start."""
    folder, clock = tmp_path / "mine", FakeClock()
    folder.mkdir()
    (folder / "floors.py").write_text(HOUSE)
    (folder / "down").write_text("cellar drain")
    (folder / "up").write_text("roof")
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    with TestHouse(tmp_path, people, {"folders": [str(folder)]}, clock=clock) as house:

        def minute() -> set[str]:
            """The troubles after one more minute."""

            async def do() -> None:
                clock.move(60)

            inside = inner(house)
            house.do(do())
            house.until(lambda: inside.rounds.asleep)
            noted = house.do(inside.db.read(conditions.listing))
            return {each.name.removeprefix("floors.") for each in noted if not each.ok}

        assert minute() == {"cellar", "drain"}
        assert [minute(), minute()] == [{"cellar", "drain", "roof"}] * 2
        house.stop()
        house.start()
        (folder / "down").write_text("cellar")
        minute()
        assert [minute(), minute()] == [{"cellar", "roof"}] * 2
        (folder / "up").write_text("")
        assert [minute(), minute()][-1] == {"cellar"}
        house.settle()
        told = [each.text.splitlines()[0] for each in house.inbox.received]
        assert told == ["The cellar. The drain.", "The roof."]


@pytest.mark.long
def test_what_a_module_found_is_kept_while_its_file_is_broken(tmp_path: Path) -> None:
    """Also over a restart; once it is mended, nothing of it is told a second time."""
    folder, sensor, clock = tmp_path / "mine", tmp_path / "sensor", FakeClock()
    folder.mkdir()
    (folder / "cellar.py").write_text(CELLAR)
    sensor.write_text("wet")
    modules = {"folders": [str(folder)], "cellar": {"sensor": str(sensor)}}
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    with TestHouse(tmp_path, people, modules, clock=clock) as house:

        def found(text: str) -> bool:
            """Whether the cellar is in trouble a minute after its file was given this text."""
            (folder / "cellar.py").write_text(text)
            inside = inner(house)

            async def do() -> None:
                await inside.reload_modules()
                clock.move(60)

            house.do(do())
            house.until(lambda: inside.rounds.asleep)
            noted = house.do(inside.db.read(conditions.listing))
            return ("cellar.wet", False) in [(each.name, each.ok) for each in noted]

        assert found(CELLAR)
        house.inbox.wait(1)
        assert found("def")
        house.stop()
        house.start()
        assert found("def:")
        assert found(CELLAR)
        house.settle()
        assert [each.text.splitlines()[0] for each in house.inbox.received] == ["The wet cellar."]


def test_what_was_found_under_a_name_of_the_house_takes_nothing_of_the_house_with_it(
    tmp_path: Path,
) -> None:
    """Before such a name was refused, a module could be called `door`; then it is renamed."""
    with TestHouse(tmp_path, clock=FakeClock()) as house:
        inside = inner(house)
        trouble = Condition("door.drop", False, "a file is not taken", 1.0)

        def before(conn: sqlite3.Connection) -> None:
            values.put(conn, "_rounds", "modules", ["door"], 1.0)
            conditions.note(conn, trouble)

        house.do(inside.db.write(before))
        house.do(inside.reload_modules())
        house.until(lambda: inside.rounds.asleep)
        assert house.do(inside.db.read(lambda conn: values.get(conn, "_rounds", "modules"))) == []
        assert trouble in house.do(inside.db.read(conditions.listing))


def test_a_watch_forgets_its_own_parts_only(tmp_path: Path) -> None:
    """One that begins with the same letters is a module's."""
    with TestHouse(tmp_path, clock=FakeClock()) as house:
        inside = inner(house)
        parts = [Condition(name, False, "x", 1.0) for name in ("certificate", "certificates.shed")]

        def note(conn: sqlite3.Connection) -> None:
            for part in parts:
                conditions.note(conn, part)

        house.do(inside.db.write(note))
        house.do(inside.watchman.open())
        left = house.do(inside.db.read(conditions.listing))
        assert [part for part in parts if part in left] == parts[1:]


def inner(house: TestHouse) -> House:
    assert house.daemon is not None and house.daemon.house is not None
    return house.daemon.house


@pytest.mark.parametrize("while_it_is_down", [False, True])
def test_it_waits_until_the_clock_is_set_and_ends_with_its_module(
    tmp_path: Path, while_it_is_down: bool
) -> None:
    """A read of the modules in between shifts nothing."""
    folder, sensor, clock = tmp_path / "mine", tmp_path / "sensor", FakeClock()
    folder.mkdir()
    default = f"sensor: Path = Path({str(sensor)!r})"
    (folder / "cellar.py").write_text(CELLAR.replace("sensor: Path", default))
    sensor.write_text("wet")
    with TestHouse(tmp_path, modules={"folders": [str(folder)]}, clock=clock) as house:
        inside = inner(house)

        def troubles(seconds: float = 0.0) -> set[str]:
            """What is wrong once everything that is due by then is done."""

            async def do() -> None:
                clock.move(seconds)
                await inside.reload_modules()

            house.do(do())
            house.until(lambda: inside.rounds.asleep)
            return {c.name for c in house.do(inside.db.read(conditions.listing)) if not c.ok}

        clock.doubt()
        assert troubles(60) == set(), "its times would be wrong ones"
        assert clock.next == clock.now() + UNSET_CLOCK, "that it is set, nobody tells"
        clock.doubt(False)
        assert troubles(30) == set()
        assert troubles(30) == {"cellar.wet"}, "also when the modules are read between two looks"
        if while_it_is_down:
            house.stop()
            (folder / "cellar.py").unlink()
            house.start()
            inside = inner(house)
        else:

            async def just_before_its_time() -> None:
                (folder / "cellar.py").unlink()
                await inside.registry.reload()
                clock.move(60)

            house.do(just_before_its_time())
        assert troubles() == set(), "a module that is gone has no trouble"
        assert troubles(60) == set()


NIGHT = '''
"""Look at what a file says, each hour."""
from pathlib import Path

from housecarl import Call, Finding, Regular, Reply, command

HERE = Path(__file__).parent


async def look(call: Call) -> list[Finding]:
    pairs = [line.split() for line in (HERE / "seen").read_text().splitlines()]
    return [Finding(name, how == "well", f"{name} is {how}.") for name, how in pairs]


@command(regular=Regular(lambda _: 3600, look))
async def night(call: Call) -> Reply:
    """Tell how the night is."""
    return Reply("night.")
'''


class Night:
    """A house whose quiet hours are from 13:30 to 17:30, and which looks at each full hour."""

    def __init__(self, house: TestHouse) -> None:
        self.house = house

    def at(self, hour: int, minute: int = 0, **seen: str) -> None:
        """Let it be that time; what is seen from then on."""
        text = "".join(f"{name} {how}\n" for name, how in seen.items())
        if seen:
            (self.house.folder / "mine" / "seen").write_text(text)
        clock = self.house.clock
        assert isinstance(clock, FakeClock)

        async def do() -> None:
            clock.set(START.replace(hour=hour, minute=minute))

        self.house.do(do())
        self.house.until(lambda: inner(self.house).rounds.asleep)

    @property
    def told(self) -> list[str]:
        self.house.settle()
        return [each.text.splitlines()[0] for each in self.house.inbox.received]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "night.py").write_text(NIGHT)
    modules = {"folders": [str(folder)]}
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    quiet = {"from": "13:30", "to": "17:30"}
    with TestHouse(tmp_path, people, modules, FakeClock(), quiet=quiet) as house:
        yield Night(house)


@pytest.mark.parametrize("restart", [False, True])
def test_what_goes_wrong_in_quiet_hours_shows_at_once_and_is_told_once_they_are_over(
    night: Night, restart: bool
) -> None:
    """At their end, not when it is looked again; once, also over restarts."""
    night.at(14, cellar="wet", roof="well")
    assert troubles(night.house) == {"night.cellar"}
    night.at(15, cellar="flooded", roof="well")
    if restart:
        night.house.stop()
        night.house.start()
    night.at(17, 29)
    assert night.told == []
    night.at(17, 30)
    night.house.inbox.wait(1)
    if restart:
        night.house.stop()
        night.house.start()
    night.at(18)
    night.at(19)
    assert night.told == ["cellar is flooded."]


def test_what_is_again_as_it_was_told_before_the_quiet_hours_is_not_told_after_them(
    night: Night,
) -> None:
    night.at(13, cellar="wet", roof="well")
    night.house.inbox.wait(1)
    night.at(14, cellar="well", roof="leaking")
    assert troubles(night.house) == {"night.roof"}
    night.at(15, cellar="wet", roof="well")
    night.at(16, cellar="wet", roof="well", gate="open")
    night.at(17, cellar="wet", roof="well")
    assert troubles(night.house) == {"night.cellar"}, "the gate is no more"
    night.at(17, 30)
    night.at(18)
    assert night.told == ["cellar is wet."]
