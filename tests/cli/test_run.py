"""`run` and `demo` as processes of their own; one that has its own start is cold."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

import pytest
from tests.cli.conftest import HOUSECARL, LOGIN, verb_of
from tests.cli.forked import Forked, forker, shared

from housecarl import config_file, service
from housecarl.cli import run
from housecarl.doctor import access
from housecarl.errors import NotAllowed
from housecarl.journal import JOURNAL, connect
from housecarl.message.stamp import Stamp
from housecarl.testing.house import free_port


def read_until(log: TextIO, word: str) -> str:
    """The log up to the line with a word."""
    seen = ""
    for line in log:
        seen += line
        if word in line:
            return seen
    raise AssertionError(f"ended without {word!r}: {seen}")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "housecarl.yaml"
    path.write_text(
        f"people: {{ann: {{may: ['*'], unix: [{LOGIN}]}}}}\nspool: spool\ndoors:\n  drop: {{}}\n"
        f'  smtp: {{listen: "127.0.0.1:{free_port()}", recipients: [cmd@home.example]}}\n'
    )
    return path


@contextmanager
def running(config: Path) -> Iterator[tuple[TextIO, Forked]]:
    """A daemon that ends well when it is told to, and is killed when it says too little."""
    with shared().beside("-c", config, "run") as (log, daemon):
        limit = threading.Timer(60, daemon.send_signal, [signal.SIGKILL])
        limit.start()
        try:
            read_until(log, "ready")
            yield log, daemon
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait() == 0
        finally:
            limit.cancel()


def test_a_broken_new_configuration_is_named_and_the_old_one_goes_on(config: Path) -> None:
    good = config.read_text()
    with running(config) as (log, daemon):
        config.write_text("house: [\n")
        daemon.send_signal(signal.SIGHUP)
        assert "housecarl.yaml:" in read_until(log, "reload-refused")
        config.write_text(good + "modules: {pong: {}}\n")
        daemon.send_signal(signal.SIGHUP)
        assert "no module 'pong'" in read_until(log, "reload-refused")
        read_until(log, "ready")
        config.write_text(good + "house: Oak Street\n")
        daemon.send_signal(signal.SIGHUP)
        read_until(log, "Oak Street")


def test_status_says_that_a_refused_configuration_is_not_the_one_that_goes_on(config: Path) -> None:
    """Also with a file that holds no YAML at all, and until a good one is read."""
    good, verb = config.read_text(), verb_of(config)

    def status() -> tuple[int, str]:
        done = verb("status")
        return done.returncode, done.stdout + done.stderr

    with running(config) as (log, daemon):
        config.write_text(f"{good}house: [\n")
        code, said = status()
        assert (code, "ok   daemon: running" in said) == (1, True)
        assert "FAIL config: the former configuration goes on, the file is broken: " in said
        line = len(good.splitlines()) + 1
        assert f"housecarl.yaml:{line + 1}:" in said  # where the bracket is missed
        config.write_text(f"{good}modules: {{pong: {{}}}}\n")
        daemon.send_signal(signal.SIGHUP)
        read_until(log, "ready")
        code, said = status()
        assert "FAIL config: the former configuration goes on, the new one was refused: " in said
        assert (code, f"housecarl.yaml:{line}:" in said, "no module 'pong'" in said) == (1, 1, 1)
        config.write_text(good)
        daemon.send_signal(signal.SIGHUP)
        read_until(log, "ready")
        assert status()[0] == 0
    config.write_text("house: [\n")
    code, said = status()
    assert (code, "FAIL" in said) == (78, False)


@pytest.mark.parametrize(
    "streams",
    ["2>/dev/full", "2>&-", "<&- >&- 2>&-"],
)
@pytest.mark.long
def test_a_log_that_cannot_be_written_stops_nothing(config: Path, streams: str) -> None:
    """A full disk behind it, or nobody at all: the house goes on answering."""
    command = [str(HOUSECARL), "-c", str(config)]
    start = f'exec "$0" "$@" run {streams}'
    with subprocess.Popen(["sh", "-c", start, *command]) as process:
        limit = threading.Timer(60, process.kill)
        limit.start()
        try:
            (config.parent / "spool").mkdir(exist_ok=True)
            done = verb_of(config)("send", "!uptime", "--as", "ann", "--wait")
            process.terminate()
            assert (process.wait(30), done.returncode) == (0, 0), done.stderr
        finally:
            limit.cancel()
            process.kill()
    assert " up " in done.stdout


CLING = '''
import asyncio

from housecarl import Call, Reply, command


@command(timeout=0.1)
async def cling(call: Call) -> Reply:
    """Cling."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
'''


@pytest.mark.long
def test_what_a_module_will_not_end_ends_with_the_daemon(config: Path) -> None:
    (config.parent / "mine").mkdir()
    (config.parent / "mine" / "cling.py").write_text(CLING)
    config.write_text(f"{config.read_text()}modules: {{folders: [mine]}}\n")
    with running(config) as (log, _):
        done = verb_of(config)("send", "!cling", "--as", "ann", "--wait")
        assert "cling took longer than" in done.stdout
        read_until(log, "cling")


AWAY = '''
from housecarl import Call, Reply, command


@command()
async def away(call: Call) -> Reply:
    """Be away."""
    return Reply("Away.")
'''

DEADLY = '''
import os

from housecarl import Call, Reply, command


@command()
async def deadly(call: Call) -> Reply:
    """Look, and die of it."""
    os._exit(9)
'''

WILD = '''
import asyncio
import sys
import time

from housecarl import Call, Reply, command


async def leave() -> None:
    sys.exit(0)


@command()
async def wild(call: Call) -> Reply:
    """Leave what hangs in every thread that Python gives, and go."""
    for _ in range(40):
        asyncio.ensure_future(asyncio.to_thread(time.sleep, 600))
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.gather(leave(), asyncio.sleep(600))
    return Reply("Gone.")
'''


@pytest.mark.long
def test_a_module_can_neither_end_the_daemon_nor_hold_up_the_others(config: Path) -> None:
    """`sys.exit` in a task of its own is its fault, threads that hang are none of the doors'."""
    (config.parent / "mine").mkdir()
    (config.parent / "mine" / "wild.py").write_text(WILD)
    config.write_text(f"{config.read_text()}modules: {{folders: [mine]}}\n")
    with running(config) as (log, _):
        send = verb_of(config)
        assert "wild failed. Log" in send("send", "!wild", "--as", "ann", "--wait").stdout
        assert " up " in send("send", "!uptime", "--as", "ann", "--wait").stdout
        said = read_until(log, "calls=uptime")
        assert said.count("exit-refused") == 2


@pytest.mark.long
def test_a_look_that_ends_the_daemon_each_time_is_given_up(config: Path) -> None:
    """Else the house would start and end for ever; what was in hand beside it is carried out."""
    (config.parent / "mine").mkdir()
    (config.parent / "mine" / "deadly.py").write_text(DEADLY)
    config.write_text(f"{config.read_text()}modules: {{folders: [mine]}}\n")
    work = config.parent / "spool" / "work"
    work.mkdir(parents=True)
    (work.parent / JOURNAL.parent).mkdir()
    connect(work.parent / JOURNAL).close()
    for n, text in enumerate(("!deadly", "!uptime")):
        name = f"20261123T12000{n}.000000-7f3a90c1d2e4b5a{n}.eml"
        stamp = Stamp("drop", datetime.now(UTC), key=name, uid=str(os.getuid()), as_person="ann")
        raw = f"Content-Type: text/plain\r\n\r\n{text}\r\n"
        (work / name).write_bytes(stamp.line() + raw.encode())
    for _ in range(2):
        with shared().beside("-c", config, "run") as (_, daemon):
            assert daemon.wait() == 9
    with running(config):
        send = verb_of(config)
        assert " up " in send("send", "!uptime", "--as", "ann", "--wait").stdout
        log = send("log").stdout
    assert [log.count(word) for word in ("deadly", "failed", "uptime")] == [1, 1, 2], log
    ends = [path.relative_to(config.parent / "spool") for path in config.parent.rglob("*.eml")]
    assert sorted(end.parts[0] for end in ends) == ["executed", "executed", "failed"]


def test_a_second_daemon_is_refused(config: Path) -> None:
    with running(config):
        second = verb_of(config)("run")
        assert second.returncode == 75
        assert "another housecarl already serves the spool" in second.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the place of another user")
def test_root_does_not_serve_the_spool_of_the_service(config: Path) -> None:
    """What it wrote the service could not open later."""
    spool = config.parent / "spool"
    spool.mkdir()
    os.chown(spool, 65534, -1)
    done = verb_of(config)("run")
    assert done.returncode == 77
    assert done.stderr == f"the spool {spool} is nobody's: run it as nobody\n"
    assert list(spool.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the place of another user")
@pytest.mark.parametrize("words", [("try", "!uptime", "--as", "ann"), ("person", "off", "ann")])
def test_root_makes_no_journal_for_the_service(config: Path, words: tuple[str, ...]) -> None:
    """Before its first start; it could not open one of root's, and would never start."""
    spool = config.parent / "spool"
    spool.mkdir()
    os.chown(spool, 65534, -1)
    done = verb_of(config)(*words)
    assert (done.returncode, done.stdout) == (75, "")
    assert f"no journal in {spool / '.journal'} yet: `" in done.stderr
    assert list(spool.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the place of another user")
def test_root_leaves_nothing_that_the_service_cannot_open(config: Path) -> None:
    """Beside a journal that was put back and not started yet; a start failed over what it made."""
    journal = config.parent / "spool" / JOURNAL
    journal.parent.mkdir(parents=True)
    connect(journal).close()
    for path in (journal.parents[1], journal.parent, journal):
        os.chown(path, 65534, -1)
    assert verb_of(config)("person", "off", "ann").returncode == 0
    assert {path.stat().st_uid for path in journal.parent.iterdir()} == {65534}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another login")
def test_who_may_not_serve_a_spool_is_told_whom_to_run_it_as() -> None:
    """To try again later, as exit code 75 says, would be in vain."""
    assert not service.is_installed(Path("none"))  # imported here: the other login may not
    with TemporaryDirectory() as name:
        config, spool = Path(name) / "housecarl.yaml", Path(name) / "spool"
        config.parent.chmod(0o755)
        config.write_text("spool: spool\n")
        spool.mkdir(mode=0o700)
        loaded, nobody = config_file.load(config), access.user(65534)
        ours, theirs = os.pipe()
        if (child := os.fork()) == 0:
            try:
                os.setuid(65534)
                run._refuse_foreign(loaded)
            except NotAllowed as error:
                os.write(theirs, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(theirs)
        with os.fdopen(ours) as said:
            told = said.read()
    how = f"run it as root, or give it away: chown -R {nobody} {spool}"
    assert told == f"the spool {spool} is root's: {how}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.long
def test_what_another_user_made_in_our_spool_is_told_with_what_to_do(config: Path) -> None:
    journal = config.parent / "spool" / ".journal"
    journal.mkdir(parents=True)
    journal.chmod(0o700)
    os.chown(journal, 65534, -1)
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    with forker(config.parent, without) as verbs:
        done = verbs.run("-c", config, "run")
    assert done.returncode == 77
    assert done.stderr == f"{journal} is nobody's; as root: chown -R root {journal}\n"


def test_a_reload_that_is_asked_for_while_it_starts_is_done(tmp_path: Path) -> None:
    """A start reads what the configuration was; a pipe in its place holds it up until then."""
    path = tmp_path / "housecarl.yaml"
    text = (
        f"people: {{ann: {{may: ['*'], unix: [{LOGIN}]}}}}\nspool: spool\ndoors: {{drop: {{}}}}\n"
    )
    os.mkfifo(path)
    with shared().beside("-c", path, "run") as (log, daemon):
        with path.open("w") as pipe:  # once the daemon reads it
            (tmp_path / "next").write_text(f"house: Oak Street\n{text}")
            (tmp_path / "next").rename(path)
            daemon.send_signal(signal.SIGHUP)
            pipe.write(f"house: Elm Street\n{text}")
        assert "Elm Street" in read_until(log, "ready")
        assert "Oak Street" in read_until(log, "ready")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_a_reload_finds_the_configuration_whatever_folder_a_module_goes_to(config: Path) -> None:
    (config.parent / "mine").mkdir()
    (config.parent / "mine" / "away.py").write_text(f"import os\n\nos.chdir('/')\n{AWAY}")
    config.write_text(f"{config.read_text()}modules: {{folders: [mine]}}\n")
    with contextlib.chdir(config.parent), running(Path(config.name)) as (log, daemon):
        config.write_text(f"house: Oak Street\n{config.read_text()}")
        daemon.send_signal(signal.SIGHUP)
        assert "Oak Street" in read_until(log, "ready")


def test_a_wrong_configuration_is_exit_78(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("hose: Elm\n")
    done = verb_of(path)("run")
    assert done.returncode == 78
    assert "bad.yaml:1:1: hose: unknown key; did you mean 'house'?" in done.stderr


def test_the_demo_shows_the_whole_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = shared().run("demo", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "house     lamp on. 43 W now, 0.31 kWh today." in done.stdout
    assert "executed/" in done.stdout and "refused/" in done.stdout
    assert "stranger" in done.stdout
    assert list(tmp_path.iterdir()) == []
