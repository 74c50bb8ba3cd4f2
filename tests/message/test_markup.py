"""HTML to text: what was typed, line by line, without what was quoted."""

from __future__ import annotations

import pytest

from housecarl.message.markup import cells, text


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("!plug lamp on", "!plug lamp on"),
        ("<div>!plug\n lamp  on</div><div>!uptime</div>", "!plug lamp on\n!uptime"),
        ("!plug lamp on<br>!uptime<BR/>bye", "!plug lamp on\n!uptime\nbye"),
        ("<pre>!a\n!b</pre>", "!a\n!b"),
        ("a<p>b<p>c", "a\nb\nc"),
        ("<div>a<br></div>\n<div>b</div>", "a\nb"),
        ("a<br><br>b", "a\n\nb"),
        ("<div>a</div><div><br></div><div><br></div><div><br></div>b", "a\n\nb"),
        ("5 &lt; 6 &amp;&nbsp;7 &#33; &#x21; &bogus; &", "5 < 6 &\xa07 ! ! &bogus; &"),
        ("a < b <3 <", "a < b <3 <"),
        ("&#0;&#99999999999999999999;" + "&#" + "9" * 5000, "\ufffd\ufffd\ufffd"),
        ("<style>p{}</style><script>if (a<b) '</p>'</script>!a<title>x</title>", "!a"),
        ("<head><meta x><b>no</b></head><body>!a", "!a"),
        ("<head><title>x<y</title><body>!a", "!a"),
        ("<head><body>!a</body>", "!a"),
        ("!a<!-- !b --><!--[if mso]>!c<![endif]--><!DOCTYPE x><?xml y?>", "!a"),
        ("<![if !supportLists]>!a<![endif]>", "!a"),
        ('<p title="a>b">!a', "!a"),
        ("<p don't>!a</p>", "!a"),
        ("<o:p>!a</o:p>", "!a"),
        ("!a</>b", "!ab"),
        ("!a<blockquote>!b<blockquote>!c</blockquote>!d</blockquote>bye", "!a\nbye"),
        ('!a<div class="x gmail_quote">!b<div>!c</div></div>bye', "!a\nbye"),
        ("!a<div class=gmail_quote>!b", "!a"),
        ('!a<div class="moz-cite-prefix">On Monday</div><blockquote>!b</blockquote>', "!a"),
        ('!a<div id="appendonsend"></div><hr><div>!b</div>', "!a"),
        ('!a<hr><div id="divRplyFwdMsg"><b>From:</b></div><div>!b</div>', "!a"),
        ("<div>!a<b> </b></div><div>!b</div>", "!a\n!b"),
        ("!a <b> b</b>", "!a b"),
        ("!a<blockquote>!b</p>!c</blockquote>", "!a"),
        ("!a</blockquote>!b", "!a\n!b"),
        ("<pre>!a</pre>b\nc", "!a\nb c"),
        ("</pre>!a\nb", "!a b"),
        ("</style>!a", "!a"),
        ("<!-- x -->!a<!-- y -->", "!a"),
        ("<!---->!a<!b", "!a"),
        ("!a<blockquote><html><body>!b</body></html></blockquote>", "!a"),
        ('!a<div id="x_appendonsend"></div><hr><div>!b</div>', "!a"),
        ('!a<hr><div id="x_divRplyFwdMsg"><b>From:</b></div><div>!b</div>', "!a"),
        ('!a<div class="gmail_attr">On Monday</div>bye', "!a\nbye"),
        ("!a<script>!b", "!a"),
        ("!a<!-- !b", "!a"),
        ("!a<p class='!b", "!a"),
        ("!a<blockquote/>!b</blockquote>", "!a"),
        ("<img class=gmail_quote>!a", "!a"),
    ],
)
def test_only_what_was_typed_is_left_of_the_markup(source: str, wanted: str) -> None:
    assert text(source) == wanted


def test_what_stands_below_thousands_of_tags_is_left_out() -> None:
    assert text("!a" + "<p></p>" * 20_000 + "!b") == "!a"


def test_cells_are_kept_apart() -> None:
    source = "<table><tr><td> </td><td>a<br>b</td></tr><tr><td><table><tr><td>c</table></table>d"
    assert cells(source) == ["a\nb", "c", "d"]
