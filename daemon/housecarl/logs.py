"""Log lines: colourful on a terminal, `<priority>key=value` for journald, never a secret."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

#: syslog priorities, which journald reads from the start of a line (sd-daemon(3)).
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

#: Characters of one value: a line is for reading, the journal keeps the rest.
MAX_VALUE = 2000


def set_up(level: str) -> None:
    """Send log lines of `level` and above to stderr, in the form its reader wants."""
    terminal = sys.stderr is not None and sys.stderr.isatty() and "JOURNAL_STREAM" not in os.environ
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _bound,
    ]
    if terminal:
        colours = "NO_COLOR" not in os.environ
        processors.insert(2, structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False))
        processors.append(structlog.dev.ConsoleRenderer(colors=colours))
    else:
        processors.append(_line)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )


class _Unfailing:
    """Where log lines go: a full disk behind it, or nobody at all, ends no daemon."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """What cannot be written is lost."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)

    def flush(self) -> None:
        """As for `write`."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.flush()


def _bound(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is None; keep values short and on one line of visible characters."""
    for key in [key for key, value in event.items() if value is None]:
        del event[key]
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = visible(value[:MAX_VALUE])
    return event


def visible(text: str) -> str:
    """Controls, line ends and marks that reorder text as escapes: no sender writes a log line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _line(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """One line: the priority, the event, then key=value, quoted where a blank asks for it."""
    priority = _PRIORITY.get(str(event.pop("level", "info")), 6)
    trace = event.pop("exception", None)
    words = [str(event.pop("event", ""))]
    words += [f"{key}={_quoted(value)}" for key, value in event.items()]
    prefix = f"<{priority}>" if "JOURNAL_STREAM" in os.environ else ""
    lines = [prefix + " ".join(words)]
    if trace:
        lines += [prefix + line for line in str(trace).splitlines()]
    return "\n".join(lines)


def _quoted(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f'"{text}"' if " " in text or not text else text
