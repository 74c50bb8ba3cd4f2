"""The SMTP door: answered by our daemon with 220, or free for it; and its certificate."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from functools import partial

from housecarl.config_doors import Smtp
from housecarl.doctor import certificate, unit
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.location import split
from housecarl.shipped import shipped
from housecarl.thread import in_thread

#: Seconds for one answer of the door, which is on this machine.
ANSWER_SECONDS = 4.0

#: Seconds for all of it.
WHOLE = 9.5

#: Addresses that mean every interface, and where such a door is met from here.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}

PART = "smtp"


async def examine(patient: Patient) -> list[Finding]:
    """Greet each place that is listened on, and look at the certificate."""
    door = patient.config.doors.smtp
    if door is None:
        return [skipped(PART, "no door for SMTP in the configuration")]
    return await in_thread(partial(_look, door, patient.running), WHOLE)


def _look(door: Smtp, running: bool) -> list[Finding]:
    """Both places and the certificate, in a thread."""
    found: list[Finding] = []
    served: bytes | None = None
    held = unit.sockets()
    own = ((door.listen, False), (door.listen_tls, True))
    places = held | {
        place: under_tls for place, under_tls in own if place and under_tls not in held.values()
    }
    if door.certificate is None and True in held.values():
        mend = "Set doors.smtp.certificate, or systemctl disable --now housecarl-smtps.socket"
        found.append(trouble(PART, "systemd holds a port for TLS, without a certificate", mend))
    for place, under_tls in places.items():
        try:
            if running:
                served = _greeted(place, under_tls, door.certificate is not None) or served
                found.append(well(PART, f"{place} is answered with 220 by the daemon"))
            elif place in held:
                # a connection would start the daemon
                found.append(well(PART, f"systemd holds {place} for the daemon"))
            else:
                found.append(_free(place))
        except Trouble as error:
            found.append(trouble(PART, error.text, error.mend))
    if door.certificate is not None:
        found += certificate.examine(PART, door.certificate, served)
    return found


def _greeted(place: str, under_tls: bool, offers_tls: bool) -> bytes | None:
    """Greet the door; the certificate it shows, as DER. Raises Trouble."""
    import smtplib

    host, port = split(place)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only to see which it is
    target = EVERYWHERE.get(host, host)
    try:
        if under_tls:
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                target, port, "localhost", timeout=ANSWER_SECONDS, context=context
            )
        else:
            client = smtplib.SMTP(target, port, "localhost", timeout=ANSWER_SECONDS)
        with client:
            if not under_tls and offers_tls:
                client.starttls(context=context)
            sock = client.sock
            return sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    except ConnectionRefusedError:
        text = f"the daemon runs, but nothing listens on {place}"
        raise Trouble(text, "It has another configuration: systemctl reload housecarl") from None
    except (OSError, smtplib.SMTPException) as error:
        mend = f"`ss -ltnp 'sport = :{port}'` tells whose port that is."
        raise Trouble(f"{place} gives no 220: {error}", mend) from None


def _free(place: str) -> Finding:
    """See that the daemon could listen there. Raises Trouble."""
    host, port = split(place)
    try:
        for family, kind, proto, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, proto) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                probe.listen(1)
    except OSError as error:
        raise Trouble(f"{place}: {_words(error)}", _mend(error, port)) from None
    return well(PART, f"{place} is free for the daemon, which does not run")


def _words(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)


def _mend(error: OSError, port: int) -> str:
    """What helps when a place cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"Another program has it: `ss -ltnp 'sport = :{port}'` names it. Stop that, or change "
            "doors.smtp.listen."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        unit = "housecarl-smtps.socket" if port == 465 else "housecarl.socket"
        return (
            f"Ports below 1024 come from systemd: install -m 644 {shipped('systemd') / unit} "
            f"/etc/systemd/system/; systemctl enable {unit}; systemctl restart housecarl"
        )
    return "Give an address of this machine as doors.smtp.listen: `ip address` shows them."
