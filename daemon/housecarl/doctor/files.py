"""The files the configuration names that are no secret and must be there all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from housecarl.config_file import Loaded
from housecarl.errors import Problem


def missing(loaded: Loaded) -> Iterator[Problem]:
    """Folders of modules that are none, certificates and authorities that do not exist."""
    for n, folder in enumerate(loaded.config.modules.folders):
        with suppress(PermissionError):  # a folder that we may not look into
            if not folder.is_dir():
                yield loaded.source.problem(("modules", "folders", n), f"{folder} is no folder")
    smtp, imap, post = loaded.config.doors.smtp, loaded.config.doors.imap, loaded.config.post
    files = {
        ("doors", "smtp", "certificate", "cert"): smtp
        and smtp.certificate
        and smtp.certificate.cert,
        ("doors", "imap", "ca"): imap and imap.ca,
        ("post", "ca"): post and post.ca,
    }
    for loc, file in files.items():
        try:
            if file:
                file.stat()
        except (FileNotFoundError, NotADirectoryError):
            yield loaded.source.problem(loc, f"{file} does not exist")
        except OSError:
            pass  # a folder that we may not look into
