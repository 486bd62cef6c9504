"""The parsers of option values: times, ranges and keys."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from fingerprinter.cli.common import options, text


@given(st.integers(0, 10**6))
def test_printed_times_can_be_parsed(tenths: int) -> None:
    assert options.seconds(text.position(tenths / 10)) == pytest.approx(tenths / 10)
    assert options.seconds(text.length(tenths)) == tenths
    assert options.seconds(str(tenths / 10)) == tenths / 10


def test_nan_is_no_value_of_an_option() -> None:
    assert options.real_number(0.5) == 0.5
    with pytest.raises(typer.BadParameter, match="nan is not a number"):
        options.real_number(float("nan"))


@pytest.mark.parametrize("time", ["", "-1", "1:", ":30", "1:2:3:4", "1m30", "1,5", "nan", "1e3"])
def test_text_that_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a time; write 83, 1:23 or 1:02:03"):
        options.seconds(time)
