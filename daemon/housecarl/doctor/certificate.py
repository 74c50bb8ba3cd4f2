"""A certificate of ours: whether it fits its key, how long it lasts, and which is served."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from housecarl.config_doors import Certificate
from housecarl.doctor.finding import Finding, trouble, well

if TYPE_CHECKING:
    from cryptography.x509 import Certificate as Read

#: Days before the end at which it is trouble: renewal is due at 30 and tried daily.
LEAST_DAYS = 14


def examine(part: str, files: Certificate, served: bytes | None) -> list[Finding]:
    """Look at the files, and at what a running daemon shows (DER); blocks."""
    from cryptography import x509

    from housecarl.doors.smtp_settings import load_pair

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load_pair(context, files.cert, files.key)
        read = x509.load_pem_x509_certificate(files.cert.read_bytes())
    except (OSError, ValueError) as error:
        mend = f"Put the certificate with its chain and the key into {files.cert}, {files.key}."
        text = f"certificate and key cannot be used: {error}"
        return [trouble(part, text, mend)]
    found = [_lasting(part, read, files)]
    if served is not None and x509.load_der_x509_certificate(served) != read:
        text = "the daemon still shows an older certificate than the file"
        found.append(trouble(part, text, "systemctl reload housecarl"))
    return found


def _lasting(part: str, read: Read, files: Certificate) -> Finding:
    now = datetime.now(UTC)
    left = read.not_valid_after_utc - now
    until = f"{read.not_valid_after_utc:%Y-%m-%d}"
    mend = f"Renew {files.cert}, then systemctl reload housecarl."
    if read.not_valid_before_utc > now:
        text = f"certificate is not valid before {read.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return trouble(part, text, "See the line of clock; else make the certificate again.")
    if left < timedelta():
        return trouble(part, f"certificate ended {until}", mend)
    if left < timedelta(days=LEAST_DAYS):
        return trouble(part, f"certificate ends {until}, in {left.days} days", mend)
    return well(part, f"certificate is valid until {until}, {left.days} more days")
