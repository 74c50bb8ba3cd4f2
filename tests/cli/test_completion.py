"""`completion` in real shells."""

from __future__ import annotations

import os
import subprocess

import pytest
from tests.cli.conftest import HOUSECARL
from tests.cli.forked import shared
from tests.cli.terminal import at_terminal

PATH = f"{HOUSECARL.parent}:{os.environ['PATH']}"

#: A bash that reads no file of its user.
BASH = ("/bin/bash", "--norc", "--noprofile")


@pytest.mark.server("bash")
@pytest.mark.long
def test_the_tab_key_completes_a_verb_and_an_option_in_bash() -> None:
    env = {"PATH": PATH, "PS1": "$ ", "TERM": "dumb"}
    with at_terminal(*BASH, "-i", env=env) as (typist, _):
        typist.answer("$ ", 'source <(housecarl completion bash); echo "re"ady')
        typist.wait("ready")
        os.write(typist.terminal, b"housecarl comp\t")
        typist.wait("housecarl completion ")
        os.write(typist.terminal, b"fi\t")
        typist.wait("fish ")
        os.write(typist.terminal, b"\x15housecarl person pa\t")
        typist.wait("housecarl person password ")
        os.write(typist.terminal, b"\x15housecarl log --fa\t")
        typist.wait("housecarl log --failed ")
        os.write(typist.terminal, b"\x15exit\n")
        typist.rest()


@pytest.mark.server("bash")
def test_bash_is_offered_every_verb_that_begins_so() -> None:
    words = "COMP_WORDS=(housecarl st); COMP_CWORD=1; _housecarl_completion housecarl"
    done = subprocess.run(
        [*BASH, "-c", f"source <(housecarl completion bash); {words}; echo ${{COMPREPLY[*]}}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={"PATH": PATH},
    )
    assert (done.stdout, done.stderr) == ("status\n", "")


@pytest.mark.long
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_what_they_ask_for(shell: str) -> None:
    script = shared().run("completion", shell).stdout
    assert f"_HOUSECARL_COMPLETE={shell}_complete" in script
    asked = {"COMP_WORDS": "housecarl sta", "COMP_CWORD": "1" if shell == "zsh" else "sta"}
    told = subprocess.run(
        [HOUSECARL],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": PATH, "_HOUSECARL_COMPLETE": f"{shell}_complete", **asked},
    ).stdout
    assert "status" in told and "send" not in told
