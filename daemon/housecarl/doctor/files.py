"""The files the configuration names that are no secret and must be there all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator

from housecarl.doctor.patient import Patient
from housecarl.errors import Problem


def missing(patient: Patient) -> Iterator[tuple[Problem, bool]]:
    """Folders of modules that cannot be looked into, certificates and authorities that are gone.

    With each whether it may be so only because we are not the daemon.
    """
    config, problem = patient.config, patient.loaded.source.problem
    foreign = os.geteuid() not in (0, patient.uid())
    for n, folder in enumerate(config.modules.folders):
        # as the registry found it, in time: one on a dead network mount would hold us up for ever
        if why := patient.registry.lost.get(str(folder.absolute())):
            yield problem(("modules", "folders", n), why), foreign
    smtp, imap, post = config.doors.smtp, config.doors.imap, config.post
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
            yield problem(loc, f"{file} does not exist"), False
        except OSError:
            pass  # a folder that we may not look into
