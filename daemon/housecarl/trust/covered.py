"""Which unsigned fields a reader may still believe, and which make a signature worthless."""

from __future__ import annotations

import re
from dataclasses import replace

from housecarl.message.mail import has_plain
from housecarl.trust import encoding
from housecarl.trust.original import Original
from housecarl.trust.signature import Signature
from housecarl.trust.tags import Unsound

#: What Google always signs, each also against a second one on top.
STRICT = (b"from", b"to", b"subject", b"date", b"message-id")

#: What must be signed in any mail we obey. Outlook signs no To, Yahoo no Message-ID; neither field
#: says what to do: a repeat under another Message-ID is known by its signature.
NEEDED = (b"from", b"subject")

#: Bytes before the first boundary: a sentence for old programs, then the line itself.
MAX_PREAMBLE = 256

#: What stands there; programs of the nineties showed it to their users. The line on OpenPGP is of
#: Thunderbird and Proton, the one on S/MIME of OpenSSL.
_PREAMBLE = re.compile(
    rb"\A(?:\r\n)*(?:(?:This is a (?:multi-?part|cryptographically signed) message in MIME format"
    rb"|This is an OpenPGP/MIME signed message \(RFC [0-9]{4} and 3156\)"
    rb"|This is an S/MIME signed message)\.?[ ]?\r\n(?:\r\n)*)?",
    re.I,
)

#: Where a multipart is cut: as plain text it would hold no command, and the subject's would count.
_CUT = re.compile(rb"(?m)^--[^\r\n]*\r\ncontent-", re.I)

#: What an HTML body begins with; typed text that is called HTML would lose its line ends.
_PAGE = re.compile(
    r"\s*<(?:!--|(?:!doctype|html|head|meta|body|div|p|span|table|font|style|title|center|br|b|i|u"
    r"|a|img|h[1-6]|ul|ol|pre|strong|em|section|article)[\s/>])",
    re.I,
)


def check(signature: Signature, original: Original, needed: tuple[bytes, ...] = NEEDED) -> None:
    """Unsound("uncovered-NAME") when what matters is unsigned or could be doubled."""
    for name in needed:
        if not signature.covered(original, name) or (
            name == b"from" and name not in signature.covers
        ):
            raise Unsound(f"uncovered-{name.decode()}")
    for name, is_harmless in (
        (b"content-type", _body_is_plain),
        (encoding.NAME, encoding.is_harmless),
    ):
        # to sign the field where there is none says that there was none (RFC 6376 5.4.2)
        signed = name in signature.covers and signature.covered(original, name)
        if not signed and not original.says(is_harmless):
            raise Unsound(f"uncovered-{name.decode()}")


def notes(signature: Signature, original: Original) -> str:
    """What is present and unsigned though it need not be, for `why`."""
    names = (*STRICT, b"reply-to", b"content-type")
    return " ".join(each.decode() for each in names if not signature.covered(original, each))


def _body_is_plain(original: Original) -> bool:
    """Whether an unsigned Content-Type could not change what the signed body says.

    Gmail, Yahoo and Proton do not sign Content-Type. The body itself is signed: a multipart whose
    boundary is the body's own first line, with a part's header below, can be cut in one way only;
    of any other text the commands must be the same in UTF-8, and a page or what is cut into parts
    is no plain text. Anything else could bring other lines of the body to the front: of `----------
    Forwarded message` and what stands below, for one, the words of somebody else; of alternatives
    the one that was a note that came along; or none, and then the subject's command would count.
    """
    root = original.root
    kind = root.type
    if kind.startswith("multipart/"):
        first, _, second = _PREAMBLE.sub(b"", root.body[:MAX_PREAMBLE]).partition(b"\r\n")
        boundary = b"--" + root.parameters.get("boundary", "").encode("ascii", "replace")
        begun = first.rstrip() == boundary and second[:8].lower() == b"content-"
        return begun and _reads_one_way(original)
    if not _reads_as_utf_8(original):
        return False
    text = root.text()
    if _PAGE.match(text):
        return kind == "text/html"
    return kind == "text/plain" and not _CUT.search(root.body)


def _reads_as_utf_8(original: Original) -> bool:
    """Whether the commands are the same in UTF-8: no charset has made them of other bytes.

    Where all of the text is, nothing need be read to see it.
    """
    root = original.root
    other = replace(root, parameters={**root.parameters, "charset": "utf-8"})
    return root.text() == other.text() or original.commands(root) == original.commands(other)


def _reads_one_way(original: Original) -> bool:
    """Whether the same commands lead in a mixture of these parts and in a choice between them.

    Of a mixture the first text is read, of alternatives the plain one: where no plain one stands
    below another, these are the same, and nothing need be decoded to see it.
    """
    root = original.root
    ranks = [has_plain(each) for each in root.children if not each.attached]
    if ranks == sorted(ranks, reverse=True):
        return True
    mixture, alternatives = (
        original.commands(replace(root, type=f"multipart/{kind}"))
        for kind in ("mixed", "alternative")
    )
    return mixture == alternatives
