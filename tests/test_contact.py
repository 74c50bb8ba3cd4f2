from __future__ import annotations

import pytest

from housecarl.contact import address, domain, e164


@pytest.mark.parametrize(
    "text",
    ["+1 303 555 0123", "+13035550123", "+1 (303) 555-0123", "+1.303.555.0123", " +13035550123\n"],
)
def test_a_number_has_one_form_however_it_is_written(text: str) -> None:
    assert e164(text) == "+13035550123"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("303 555 0123", "country code"),
        ("", "country code"),
        ("+999 12345678", "no such country code"),
        ("+1 303 555", "too few"),
        ("+1 303 555 01234567", "too many"),
        ("+1 303 555 0123 ext 5", "more than digits"),
        ("+1 303 CALL NOW", "more than digits"),
        ("+１３０３５５５０１２３", "more than digits"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        e164(text)


def test_only_the_domain_of_an_address_loses_its_capitals() -> None:
    assert address("Ann.B+x@Example.ORG") == "Ann.B+x@example.org"


def test_an_address_may_be_as_long_as_they_get() -> None:
    longest = f"{'a' * 64}@{'b.' * 94}c"
    assert len(longest) == 254
    assert address(longest) == longest
    with pytest.raises(ValueError, match="too long"):
        address(f"{longest}c")


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "@example.org",
        "ann@",
        "Ann <ann@example.org>",
        '"a b"@example.org',
        "a@b@example.org",
        "ann@example.org\n",
        "änn@example.org",
        "ann@exämple.org",
        ".ann@example.org",
        "a..b@example.org",
        "ann@-example.org",
        "ann@[127.0.0.1]",
        "a" * 65 + "@example.org",
        "ann@" + "a." * 126 + "org",
    ],
)
def test_only_a_plain_ascii_address_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|ASCII"):
        address(text)


def test_a_domain_is_plain_ascii() -> None:
    assert domain("MX.Google.com") == "mx.google.com"
    with pytest.raises(ValueError, match="xn--"):
        domain("bücher.example")
    with pytest.raises(ValueError, match="no domain"):
        domain("a b")
