"""The verbs as a person meets them: on a terminal, followed, and ended with Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import textwrap
from pathlib import Path

from pyotp.totp import TOTP
from tests.cli.conftest import HOUSECARL, Verb, verb_of

from housecarl.testing.house import TestHouse

#: Seconds after which a process that says too little is given up.
PATIENCE = 30


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, *words: str | Path, cwd: Path | None = None) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [HOUSECARL, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            cwd=cwd,
            env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
        )
        os.close(theirs)
        self.seen = ""
        signal.signal(signal.SIGALRM, lambda *_: self.process.kill())
        signal.alarm(PATIENCE)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        signal.alarm(0)
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def until(self, pattern: str) -> re.Match[str]:
        """What is shown from here on, up to a pattern."""
        while (match := re.search(pattern, self.seen)) is None:
            try:
                self.seen += os.read(self._ours, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended without {pattern!r}: {self.seen}") from None
        self.seen = self.seen[match.end() :]
        return match

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._ours, f"{text}\n".encode())

    def ended(self) -> int:
        """Its exit code, once what it still has to say is read."""
        try:
            while os.read(self._ours, 4096):
                pass
        except OSError:
            pass  # the terminal's other side is closed
        return self.process.wait(PATIENCE)


def test_the_demo_goes_on_as_a_prompt_where_you_are_the_phone() -> None:
    with Terminal("demo") as terminal:
        terminal.until("Now you are the phone")
        terminal.type("!plug lamp off")
        terminal.until(r"house +lamp off\.")
        terminal.type("hello house")
        terminal.until("silence: no command in it")
        terminal.type("")
        assert terminal.ended() == 0


def test_an_app_is_enrolled_with_the_code_it_shows(house: TestHouse) -> None:
    with Terminal("-c", house.folder / "housecarl.yaml", "person", "totp", "ann") as terminal:
        secret = terminal.until(r"secret=([A-Z2-7]{32})")[1]
        terminal.until("that the app shows now")
        terminal.type(TOTP(secret).now())
        terminal.until("Written to ")
        assert terminal.ended() == 0
    path = house.folder / "ann.totp"
    assert path.read_text().strip() == secret
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_is_followed_shows_what_comes_and_ends_with_ctrl_c(
    house: TestHouse, verb: Verb
) -> None:
    with Terminal("-c", house.folder / "housecarl.yaml", "log", "-n", "1", "--follow") as terminal:
        for text in ("!help uptime", "!help more"):
            verb("send", text, "--as", "ann", "--wait")
        terminal.until(r"ann: help uptime \[done\]")
        terminal.until(r"ann: help more \[done\]")
        assert "help" not in terminal.seen  # each line once
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 0


def test_a_log_of_what_failed_leaves_out_what_went_well(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bell.py").write_text(
        "from housecarl import Call, command\n\n\n@command()\ndef bell(call: Call) -> str:\n"
        '    """Ring."""\n    raise OSError("no bell")\n'
    )
    with TestHouse(tmp_path, modules={"folders": ["mine"]}) as house:
        for text in ("!uptime", "!bell"):
            house.phone().text(text)
        house.settle()
        log = verb_of(tmp_path / "housecarl.yaml")("log", "--failed", "--json").stdout
    entries = [json.loads(line) for line in log.splitlines()]
    assert [entry["calls"] for entry in entries] == [[["bell"]]]


def test_ctrl_c_ends_the_daemon_as_sigterm_does(tmp_path: Path) -> None:
    config = tmp_path / "housecarl.yaml"
    config.write_text(
        textwrap.dedent("""
            spool: spool
            people: {ann: {unix: [ann], may: [uptime]}}
            doors: {drop: {}}
        """)
    )
    with Terminal("-c", config, "run") as terminal:
        terminal.until("ready")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 0
