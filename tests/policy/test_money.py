"""Reading and writing amounts of money."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haizea.policy.money import MONEY_MAX, MONEY_UNIT, money, money_text, share


@pytest.mark.parametrize(
    ("written", "billionths"),
    [
        ("0.10", 100_000_000),
        (0.1, 100_000_000),
        (3, 3_000_000_000),
        ("1e-5", 10_000),
        (1e-05, 10_000),
        ("2.5E+2", 250_000_000_000),
        (".5", 500_000_000),
        ("7.", 7_000_000_000),
        (" +1 ", 1_000_000_000),
        ("0.0000000005", 1),
        ("0.00000000049", 0),
        (10**12, MONEY_MAX),
    ],
)
def test_amounts_are_read_exactly(written: object, billionths: int) -> None:
    """Text and numbers from a configuration mean what they show, to a billionth."""
    assert money(written) == billionths


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "e5",
        "1e",
        "1e1e1",
        "abc",
        "-1",
        "--1",
        "1_000",
        "1 000",
        "٣",
        "nan",
        "inf",
        float("nan"),
        float("inf"),
        -0.5,
        -1,
        True,
        None,
        [],
        "1000000000001",
        10**12 + 1,
        10**5000,
        "1e999999999",
        "1e-999999999",
        "9" * 100_000,
    ],
    ids=lambda written: repr(written)[:20] if not isinstance(written, int) or written < 10**20 else "huge",
)
def test_what_is_no_amount_is_refused_with_one_sentence(written: object) -> None:
    """Anything else ends in a short message that says what was expected, at once."""
    with pytest.raises(ValueError, match=r"expected a number from 0 to 1000000000000, such as 0\.25, not ") as raised:
        money(written)
    assert len(str(raised.value)) < 200


@given(st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=12))
def test_reading_agrees_with_decimal_arithmetic(amount: Decimal) -> None:
    """Any decimal number is read as decimal arithmetic rounds it."""
    assert money(format(amount, "f")) == int((amount * MONEY_UNIT).quantize(Decimal(1), ROUND_HALF_UP))


@given(st.integers(0, MONEY_MAX))
def test_amounts_survive_being_written_and_read(amount: int) -> None:
    """What is written reads back the same."""
    assert money(money_text(amount)) == amount


def test_amounts_are_written_without_needless_zeros() -> None:
    """Whole amounts have no decimals, and others no zeros at their end."""
    written = [money_text(amount) for amount in (0, 400_000_000, 10 * MONEY_UNIT, 1, -2_500_000_000)]
    assert written == ["0", "0.4", "10", "0.000000001", "-2.5"]


def test_shares_are_rounded_half_up() -> None:
    """A third of ten billionths is three, a half of five is three."""
    assert [share(10, 1, 3), share(5, 1, 2), share(20, 1, 3)] == [3, 3, 7]
