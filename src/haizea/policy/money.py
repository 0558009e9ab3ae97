"""Amounts of money, exactly.

``Money`` is an integer count of billionths of whatever the site accounts in. Prices and rates (money for a VM and
hour) are both given in it; integers keep sums and comparisons exact.
"""

from typing import Final

Money = int

MONEY_UNIT: Final[Money] = 1_000_000_000
"""One whole unit of account."""

MONEY_MAX: Final[Money] = 10**12 * MONEY_UNIT
"""The largest amount that is read."""

_DECIMALS: Final = 9
_TEXT_MAX: Final = 64
_EXPONENT_MAX: Final = 40


def money(value: object) -> Money:
    """Read an amount that a person wrote: ``"0.10"``, ``0.1`` or ``3``. A float counts as the decimal it prints as.

    What is finer than a billionth is rounded, halves up.

    Raises:
        ValueError: the value is no number, or not between 0 and :data:`MONEY_MAX`.
    """
    problem = ValueError(f"expected a number from 0 to {MONEY_MAX // MONEY_UNIT}, such as 0.25, not {_shown(value)}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise problem
    if isinstance(value, int):
        if not 0 <= value <= MONEY_MAX // MONEY_UNIT:
            raise problem
        return value * MONEY_UNIT
    text = repr(value) if isinstance(value, float) else value.strip(" \t\r\n")
    mantissa, marked, exponent = text.lower().partition("e") if len(text) <= _TEXT_MAX else ("", "", "")
    whole, _, decimals = mantissa.removeprefix("+").partition(".")
    digits = whole + decimals
    sign, power = ("-", exponent[1:]) if exponent.startswith("-") else ("", exponent.removeprefix("+"))
    if not _is_digits(digits) or (marked and not _is_digits(power)):
        raise problem
    shift = (int(sign + power) if marked else 0) - len(decimals) + _DECIMALS
    if abs(shift) > _TEXT_MAX + _EXPONENT_MAX:
        raise problem
    amount = int(digits) * 10**shift if shift >= 0 else _divided(int(digits), 10**-shift)
    if amount > MONEY_MAX:
        raise problem
    return amount


def money_text(amount: Money) -> str:
    """Write an amount as a decimal number without needless zeros: ``0.4``."""
    whole, rest = divmod(abs(amount), MONEY_UNIT)
    decimals = f".{rest:0{_DECIMALS}d}".rstrip("0") if rest else ""
    return f"{'-' if amount < 0 else ''}{whole}{decimals}"


def share(amount: Money, numerator: int, denominator: int) -> Money:
    """Return ``amount`` × ``numerator`` / ``denominator``, rounded to a billionth, halves up.

    Raises:
        ZeroDivisionError: the denominator is 0.
    """
    return _divided(amount * numerator, denominator)


def _divided(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _shown(value: object) -> str:
    if not isinstance(value, str | int | float):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a far larger one"
    text = repr(value[: _TEXT_MAX + 1] if isinstance(value, str) else value)
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}..."
