"""What `send` leaves in the spool, and what it says when no answer comes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.conftest import LOGIN
from tests.cli.forked import COMMON, forker

from housecarl.house import JOURNAL
from housecarl.journal import connect

SPOOL = f"spool: spool\ndoors: {{drop: {{}}}}\npeople: {{ann: {{unix: [{LOGIN}], may: ['*']}}}}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.server("setpriv")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["folder", "file"])
def test_a_command_whose_answer_may_not_be_read_is_not_sent(tmp_path: Path, mode: int) -> None:
    """It would be carried out, and this verb would end as if that had not been allowed."""
    config, spool = tmp_path / "house.yaml", tmp_path / "spool"
    config.write_text(SPOOL)
    (spool / JOURNAL.parent).mkdir(parents=True)
    connect(spool / JOURNAL).close()
    for path, bits in ((spool, 0o777), (spool / JOURNAL.parent, mode), (spool / JOURNAL, 0o600)):
        os.chown(path, 65534, 65534)
        path.chmod(bits)
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    with forker(tmp_path, without) as verbs:
        verbs.load(COMMON)
        send = ("-c", config, "send", "!uptime", "--as", "ann")
        done = verbs.run(*send, "--wait")
        assert (done.returncode, "this login may not" in done.stderr) == (77, True), done.stderr
        assert list(spool.glob("send-*")) == []
        assert verbs.run(*send).returncode == 0
    assert len(list(spool.glob("send-*"))) == 1
