"""What docs/watches.md shows is a configuration that works."""

from __future__ import annotations

import re
from pathlib import Path

from housecarl.config_file import check

PAGE = Path(__file__).parents[2] / "docs" / "watches.md"

#: What the page leaves out: the parts that are watched.
REST = """
people: {ann: {addresses: [ann@example.org], may: ["*"]}}
doors:
  imap: {host: imap.example, user: house, password: {env: HOME}}
  smtp: {recipients: [cmd@home.example], certificate: {cert: cert.pem, key: key.pem}}
post: {host: smtp.example, from: house@example.org}
"""


def test_every_example_on_the_page_loads(tmp_path: Path) -> None:
    (tmp_path / "key.pem").touch(mode=0o600)
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    assert blocks
    for block in blocks:
        file = tmp_path / "house.yaml"
        file.write_text(block + REST)
        assert check(file) == []


def test_what_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    file = tmp_path / "house.yaml"
    file.write_text(
        "people: {ann: {addresses: [ann@example.org], may: ['*']}}\n"
        "watches:\n  mailbox: {}\n  post: {}\n  certificate: {}\n"
        "  hosts: {nas: {}}\n  plugs: {lamp: {}}\n"
    )
    assert [problem.text for problem in check(file)] == [
        "watches.mailbox: there is no mailbox to watch",
        "watches.post: there is no post to watch",
        "watches.certificate: there is no certificate to watch",
        "watches.hosts.nas: modules.ping.hosts has no nas",
        "watches.plugs.lamp: modules.plug.plugs has no lamp",
    ]
