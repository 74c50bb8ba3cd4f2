from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from housecarl.quantity import duration, octets, seconds, size


@pytest.mark.parametrize(
    ("text", "count"), [("30s", 30), ("5m", 300), ("2h", 7200), ("3d", 259200), ("0", 0), (0, 0)]
)
def test_a_duration_is_read_as_seconds(text: object, count: int) -> None:
    assert seconds(text) == count


@pytest.mark.parametrize(("text", "count"), [("64K", 65536), ("1M", 1 << 20), ("2G", 2 << 30)])
def test_a_size_is_read_as_bytes(text: str, count: int) -> None:
    assert octets(text) == count


@pytest.mark.parametrize("text", [30, "30", "256"])
def test_a_bare_number_is_asked_for_its_unit(text: object) -> None:
    with pytest.raises(ValueError, match=f"{text} of what"):
        seconds(text)
    with pytest.raises(ValueError, match=f"{text} of what"):
        octets(text)


@pytest.mark.parametrize("text", ["", "s", "-5m", "5 m", "1.5h", "5m\n", "9999999999s", "٣s", True])
def test_what_is_no_duration_or_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="write 30s"):
        seconds(text)
    with pytest.raises(ValueError, match="write 256K"):
        octets(text)


@given(st.integers(0, 999_999_999))
def test_what_is_shown_reads_back_as_the_same(count: int) -> None:
    assert seconds(duration(count)) == count
    assert octets(size(count * 1024)) == count * 1024


def test_what_is_no_whole_kibibyte_is_shown_in_bytes() -> None:
    assert [size(count) for count in (1, 1025, 1024, 3 << 30)] == ["1", "1025", "1K", "3G"]
