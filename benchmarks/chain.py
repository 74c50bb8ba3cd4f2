"""The chain of 2012 in its modern form: OpenSMTPD hands each mail to a Python process of its own.

The script does what any such script does: looks who wrote, runs the command, keeps the mail, and
answers by SMTP. It verifies nothing else, and what it does twice after a crash it does twice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from benchmarks.line import TO, free_port, greeted

#: Debian's own interpreter: the script runs as nobody, who may not see a virtual environment.
PYTHON = Path("/usr/bin/python3")

SCRIPT = """#!{python} -I
import email, os, smtplib, sys, time
raw = sys.stdin.buffer.read()
mail = email.message_from_bytes(raw)
if "ann@example.org" not in mail["From"] or not mail.get_payload().startswith("!uptime"):
    sys.exit(0)
up = time.clock_gettime(time.CLOCK_BOOTTIME)
name = f"{folder}/executed/{{time.time_ns()}}.{{os.getpid()}}"
with open(name, "xb") as kept:
    kept.write(raw)
    kept.flush()
    os.fsync(kept.fileno())
with smtplib.SMTP("127.0.0.1", {sink}) as post:
    head = "From: {to}\\r\\nTo: ann@example.org\\r\\nSubject: Re: x\\r\\n"
    post.sendmail("{to}", ["ann@example.org"], f"{{head}}\\r\\nup {{up:.0f}} s\\r\\n")
with open("{folder}/log", "a") as log:
    log.write(f"{{time.time()}} ann uptime\\n")
"""

CONFIG = """smtp limit max-mails 100000
listen on 127.0.0.1 port {port}
table people {{ cmd = nobody }}
action "run" mda "{script}" virtual <people>
match from any for domain "home.example" action "run"
"""


def missing() -> str:
    """Why this chain cannot be measured here; "" when it can."""
    if shutil.which("smtpd") is None:
        return "OpenSMTPD is not installed"
    if not PYTHON.exists():
        return f"{PYTHON} is not there"
    return "" if os.geteuid() == 0 else "OpenSMTPD wants root"


@asynccontextmanager
async def chain(folder: Path, sink: int) -> AsyncIterator[tuple[int, psutil.Process, float]]:
    """OpenSMTPD with the script: its port, its process, the seconds until it said 220."""
    for place in (folder, folder / "executed"):
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    script, port = folder / "run.py", free_port()
    script.write_text(SCRIPT.format(python=PYTHON, folder=folder, sink=sink, to=TO))
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    config = folder / "smtpd.conf"
    config.write_text(CONFIG.format(port=port, script=script))
    began = time.perf_counter()
    with (folder / "smtpd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "smtpd", "-d", "-f", config, stdout=log, stderr=log
        )
    try:
        await asyncio.wait_for(greeted(port, process), 10)
        yield port, psutil.Process(process.pid), time.perf_counter() - began
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)
