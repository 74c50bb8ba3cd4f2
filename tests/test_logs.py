"""What a log line looks like to journald."""

from __future__ import annotations

import pytest

from housecarl import logs


@pytest.mark.parametrize(("stream", "mark"), [("8:1", "<3>"), (None, "")])
def test_each_line_of_a_trace_has_the_priority_of_its_event(
    monkeypatch: pytest.MonkeyPatch, stream: str | None, mark: str
) -> None:
    """journald would else show all but the first line as harmless."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if stream is not None:
        monkeypatch.setenv("JOURNAL_STREAM", stream)
    trace = "Traceback:\n  plug.py\nKeyError: 'lamp'"
    event = {"event": "regular-failed", "level": "error", "command": "plug", "exception": trace}
    assert logs._line(None, "", event) == "\n".join(
        mark + line
        for line in ("regular-failed command=plug", "Traceback:", "  plug.py", "KeyError: 'lamp'")
    )
