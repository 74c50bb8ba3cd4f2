"""Bytes to text by the charset a message names, and only by charsets that decode in linear time."""

from __future__ import annotations

import re
from encodings.aliases import aliases

#: Python's codecs for what mail uses. Left out: punycode (quadratic), idna, utf_7 (ASCII in
#: disguise), unicode_escape and the codecs that are no charsets.
_KNOWN = frozenset(
    "ascii utf_8 utf_8_sig utf_16 utf_16_le utf_16_be gb2312 gbk gb18030 hz big5 big5hkscs "
    "euc_jp shift_jis cp932 iso2022_jp iso2022_jp_1 iso2022_jp_2 euc_kr cp949 iso2022_kr johab "
    "koi8_r koi8_u mac_roman mac_cyrillic tis_620 cp437 cp850 cp852 cp855 cp866 cp874 latin_1 "
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859_2 iso8859_3 iso8859_4 "
    "iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_11 iso8859_13 "
    "iso8859_14 iso8859_15 iso8859_16".split()
)
#: A table of our own: `codecs.lookup` would remember every name a stranger makes up.
_CODECS = {name: name for name in _KNOWN} | {
    alias: codec for alias, codec in aliases.items() if codec in _KNOWN
}
#: mail that says Latin-1 or ASCII means these (WHATWG Encoding Standard, 4.2)
_MEANS = {"latin_1": "cp1252", "ascii": "utf_8"}

_SEPARATOR = re.compile("[-: ]")


def decode(data: bytes, name: str) -> str:
    """Text with `\\n` line ends; what does not decode, and NUL, becomes U+FFFD.

    An unknown charset is read as UTF-8.
    """
    codec = _CODECS.get(_SEPARATOR.sub("_", name[:40].strip().lower()), "utf_8")
    text = data.decode(_MEANS.get(codec, codec), "replace")
    text = text.replace("\x00", "\ufffd").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")
