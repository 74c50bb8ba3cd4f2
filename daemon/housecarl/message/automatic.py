"""Mail that no person sent: bounces, lists, auto-replies, our own; never run, never answered."""

from __future__ import annotations

import re

from housecarl.message.form import Form
from housecarl.message.model import Kind

#: hops; a loop shows in its Received lines (RFC 5321 6.3 asks for a limit, real ways have under 20)
MAX_HOPS = 30

_MACHINES = re.compile(r"(?:mailer-daemon|postmaster|mail-daemon|bounces?)(?:[+=-].*)?")
_NOBODY = re.compile(r"(?:no|do-?not|dont)[._-]?reply(?:[+=._-].*)?")
_BULK = frozenset("bulk junk list auto_reply auto-reply".split())
#: each is set by lists, by vacation programs or by ourselves, and by nobody who types
_MARKS = frozenset(
    "list-id list-post list-unsubscribe list-help list-owner list-archive list-subscribe x-loop "
    "mailing-list x-autoreply x-autorespond x-autoresponse x-autoreply-from x-mail-autoreply "
    "x-failed-recipients x-mailman-version x-campaign-id".split()
)


def recognised(form: Form) -> Kind | None:
    """BOUNCE or AUTO when the header says that a program sent this, else None (RFC 3834)."""
    local = (form.from_address or "").partition("@")[0].lower()
    if _tells_of_delivery(form) or _MACHINES.fullmatch(local):
        return Kind.BOUNCE
    if form.first("return-path") == "<>" or form.first("x-failed-recipients") is not None:
        return Kind.BOUNCE
    if form.root.type in ("multipart/report", "message/disposition-notification"):
        return Kind.AUTO
    submitted = (form.first("auto-submitted") or "no").partition(";")[0].split("(")[0]
    if submitted.strip().lower() != "no" or _NOBODY.fullmatch(local):
        return Kind.AUTO
    if (form.first("precedence") or "").strip().lower() in _BULK:
        return Kind.AUTO
    if "all" in (form.first("x-auto-response-suppress") or "").lower().replace(",", " ").split():
        return Kind.AUTO
    hops = sum(each.key == "received" for each in form.fields)
    return None if _MARKS.isdisjoint(form.top) and hops <= MAX_HOPS else Kind.AUTO


def _tells_of_delivery(form: Form) -> bool:
    if form.root.type == "message/delivery-status":
        return True
    if form.root.type != "multipart/report":
        return False
    says = form.root.parameters.get("report-type", "").lower()
    parts = form.root.walk()
    return says == "delivery-status" or any(p.type == "message/delivery-status" for p in parts)
