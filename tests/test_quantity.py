from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from housecarl.quantity import AnyDuration, Duration, duration, octets, seconds, size


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


@pytest.mark.parametrize(
    "text", ["", "s", "-5m", "5 m", "1.5h", "5m\n", "9999999999s", "٣s", True, False]
)
def test_what_is_no_duration_or_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="write 30s"):
        seconds(text)
    with pytest.raises(ValueError, match="write 256K"):
        octets(text)


@given(st.integers(0, 10950 * 86400))
def test_what_is_shown_reads_back_as_the_same(count: int) -> None:
    assert seconds(duration(count)) == count
    assert octets(size(count * 1024)) == count * 1024


@pytest.mark.parametrize("text", ["999999999d", "10951d"])
def test_what_would_overflow_a_clock_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text} is longer than 10950d, which are 30 years"):
        seconds(text)


@pytest.mark.parametrize("text", [0, "0", "0s"])
def test_no_time_at_all_is_a_duration_only_where_that_means_something(text: object) -> None:
    """A limit of 0 would stop every command, and a change would be too late at once."""
    assert TypeAdapter(AnyDuration).validate_python(text) == 0
    with pytest.raises(ValidationError, match="0 is no time at all; write 30s, 5m, 2h or 3d"):
        TypeAdapter(Duration).validate_python(text)


def test_what_is_no_whole_kibibyte_is_shown_in_bytes() -> None:
    assert [size(count) for count in (1, 1025, 1024, 3 << 30)] == ["1", "1025", "1K", "3G"]
