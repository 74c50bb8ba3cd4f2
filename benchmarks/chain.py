"""The chain of 2012 in its modern form: a mail server hands each mail to a script of its own.

The script, in Python or PHP, does what any such script does: looks who wrote, runs the command,
keeps the mail, and answers by SMTP. It verifies nothing else, and what it does twice after a crash
it does twice. OpenSMTPD starts it here, Postfix in benchmarks/postfix.py.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from benchmarks.line import TO, free_port, greeted

#: Debian's own interpreter: the script runs as nobody, who may not see a virtual environment.
PYTHON = Path("/usr/bin/python3")

IN_PYTHON = """#!{program} -I
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

IN_PHP = r"""#!{program} -n
<?php
function ask($post, $line) {{
    if ($line !== null) fwrite($post, "$line\r\n");
    do {{ $answer = fgets($post); }} while ($answer !== false && $answer[3] === "-");
    if ($answer === false || $answer[0] > "3") exit(75);
}}
$raw = stream_get_contents(STDIN);
[$head, $body] = preg_split('/\r?\n\r?\n/', $raw, 2);
if (!preg_match('/^From:.*\bann@example\.org\b/mi', $head)) exit(0);
if (!str_starts_with($body, "!uptime")) exit(0);
$up = (int) file_get_contents("/proc/uptime");
$kept = fopen("{folder}/executed/" . hrtime(true) . "." . getmypid(), "x");
fwrite($kept, $raw);
fsync($kept);
fclose($kept);
$post = stream_socket_client("tcp://127.0.0.1:{sink}");
ask($post, null);
foreach (["EHLO bench", "MAIL FROM:<{to}>", "RCPT TO:<ann@example.org>", "DATA"] as $line)
    ask($post, $line);
ask($post, "From: {to}\r\nTo: ann@example.org\r\nSubject: Re: x\r\n\r\nup $up s\r\n.");
ask($post, "QUIT");
file_put_contents("{folder}/log", time() . " ann uptime\n", FILE_APPEND);
"""

CONFIG = """smtp limit max-mails 100000
listen on 127.0.0.1 port {port}
table people {{ cmd = nobody }}
action "run" mda "{script}" virtual <people>
match from any for domain "home.example" action "run"
"""


def write_script(folder: Path, sink: int, text: str, program: Path) -> Path:
    """One of the scripts, ready for nobody to run, and the folder it keeps mails in."""
    for place in (folder, folder / "executed"):
        place.mkdir(exist_ok=True)
        place.chmod(0o777)
    script = folder / "run"
    script.write_text(text.format(program=program, folder=folder, sink=sink, to=TO))
    script.chmod(0o755)
    return script


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
    script, port = write_script(folder, sink, IN_PYTHON, PYTHON), free_port()
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
