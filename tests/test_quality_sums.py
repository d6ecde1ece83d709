"""Sums, statistics and conversions: a right answer is never called wrong, a wrong one is, with the right one beside."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.quality import lint
from selfinstruct.quality.sums import agrees, compute
from selfinstruct.quality.units import unit

NUMBERS = st.integers(0, 9999)


def found(instruction, output, input=""):
    return list(lint([{"instruction": instruction, "input": input, "output": output}], select="SI3").findings)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("(2 + 3) × 4", 20),
        ("1,250 × 4", 5000),
        ("7 ÷ 2", Fraction(7, 2)),
        ("2 ^ 10", 1024),
        ("-3 − -5", 2),
        ("007 + 1", 8),
        ("$4.05 x 2", Fraction(81, 10)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1 / 0", None),
        ("2 ** 900", None),
        ("3 +", None),
        ("f(3)", None),
    ],
)
def test_sums_are_computed_exactly_as_people_write_them(text, value):
    """Without floats; what is no sum is None, and no power grows without bound."""
    assert compute(text) == value


@given(NUMBERS, NUMBERS, st.sampled_from("+-*"))
def test_a_right_sum_is_let_pass_and_one_off_by_two_is_found(a, b, sign):
    """Both in the answer to a question and in an equation of the text."""
    right = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert found(f"What is {a} {sign} {b}?", f"It is {right}.") == []
    assert found("How many are there?", f"There are {a} {sign} {b} = {right} of them.") == []
    wrong = found("How many are there?", f"There are {a} {sign} {b} = {right + 2} of them.")
    assert [one.code for one in wrong] == ["SI301"]


@given(NUMBERS, st.integers(1, 999), st.integers(0, 4))
def test_a_quotient_may_be_cut_or_rounded_at_any_digit(a, b, digits):
    """10 / 3 = 3, 3.3, 3.33, 3.34 are ways to write it."""
    assert agrees(Fraction(a, b), f"{a / b:.{digits}f}")
    assert found("How much is it?", f"It is {a} / {b} = {a / b:.{digits}f} each.") == []


@pytest.mark.parametrize(
    "output",
    [
        "x + 3 + 4 = 10",
        "f(3) + 4 = 10",
        "2x + 3 = 11, so x = 4",
        "10 / 4 = 2 remainder 2",
        "9 + 5 = 2 (mod 12)",
        "1010 + 0001 = 1011",
        "20% of 50 + 5 = 15",
        "3 + 4 = 7x",
        "60 minutes / 2 = 30 minutes",
        "5 + 3 = 8 + 0",
        "12 / 5 = 2.4 and 2 / 3 = 0.67",
        "3.5 × 10^2 = 350",
        "7 + 8 = 3 o'clock",
        "1/2 + 1/4 = 3/4",
        "sin 30 + 2 = 2.5",
    ],
)
def test_what_only_looks_like_a_wrong_sum_is_let_pass(output):
    """Equations, remainders, moduli, binary numbers and percentages have rules of their own."""
    assert found("Show your work.", output) == []


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("What is 3/4 + 1/2?", "1 1/4"),
        ("What is 3/4 + 1/2?", "5/4"),
        ("What is 1 / 4?", "25%"),
        ("What is 17 + 26?", "forty-three"),
        ("Is 17 + 26 = 45 right?", "No, 17 + 26 = 43."),
        ("Find the mistake: 17 + 26 = 45", "17 + 26 = 45 should be 43."),
        ("Round 17.6 + 2 to the nearest ten.", "20"),
    ],
)
def test_an_answer_in_another_form_is_let_pass(instruction, output):
    """Mixed numbers, percentages, words, and tasks about mistakes."""
    assert found(instruction, output) == []


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=8))
def test_statistics_are_computed(numbers):
    """The right mean passes with two digits; one that is off by one does not, unless it happens to be listed."""
    listed = ", ".join(map(str, numbers))
    mean = sum(numbers) / len(numbers)
    assert found("Find the mean of the numbers.", f"{mean:.2f}", listed) == []
    (wrong,) = found("Find the mean of the numbers.", f"{abs(mean) + 1.5:.2f}", listed)
    assert wrong.code == "SI302"


def test_two_modes_are_both_right():
    """A tie has no one answer."""
    assert found("Find the mode of the numbers.", "2", "1, 2, 2, 3, 3") == []
    assert found("Find the mode of the numbers.", "3", "1, 2, 2, 3, 3") == []
    assert len(found("Find the mode of the numbers.", "1", "1, 2, 2, 3, 3")) == 1


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Convert 10 miles to km.", "16 km"),
        ("Convert 10 miles to kilometers.", "16.09 kilometers"),
        ("Convert 32 degrees Fahrenheit to Celsius.", "0 degrees Celsius"),
        ("Convert 300 K to Celsius.", "26.85"),
        ("Convert 2 gallons to liters.", "9.09 liters (imperial) or 7.57 liters (US)"),
        ("Convert 2 gallons to liters.", "9.1 L"),
        ("How many seconds are in 2 hours?", "7,200"),
        ("Convert 100 kg to pounds.", "220 pounds"),
        ("Convert 5 km to seconds.", "That cannot be done; 5 is a length."),
        ("Express 90 minutes in hours.", "1.5 hours"),
    ],
)
def test_a_right_conversion_is_let_pass(instruction, output):
    """Roundings, both gallons, and kinds that do not go together."""
    assert found(instruction, output) == []


@pytest.mark.parametrize(
    ("instruction", "output", "right"),
    [
        ("Convert 10 miles to km.", "6.2 km", "10 miles is 16.0934 km"),
        ("Convert 50 degrees Celsius to Fahrenheit.", "90 degrees Fahrenheit", "is 122"),
        ("把3公斤换算成克。", "300克", "3 公斤 is 3000 克"),
        ("Describe the trail.", "It is 10 km = 16 miles long.", "is 6.21371 miles"),
    ],
)
def test_a_wrong_conversion_names_the_right_value(instruction, output, right):
    """So that a reader need not compute it again."""
    (one,) = found(instruction, output)
    assert one.code == "SI303"
    assert right in one.reason


@pytest.mark.parametrize("name", ["km", "KM", "feet", "°C", "degrees F", "公里", "metres per second", "lbs"])
def test_units_are_known_by_many_names(name):
    """Long and short, in two languages."""
    assert unit(name) is not None


def test_a_word_is_no_unit():
    """ "in" is an inch only behind a number and before a unit."""
    assert unit("apples") is None
    assert found("What is it in 3 words?", "3 in all = 4 more") == []


@pytest.mark.parametrize(
    ("instruction", "output"),
    [
        ("Do it.", "(9999999^64)^64 = 5"),
        ("Do it.", "(9999999^64)^64 / 7 = 5"),
        ("What is (9999999^64)^64?", "It is 3."),
        ("Do it.", f"5 km = {'9' * 5000} m"),
        ("Do it.", f"{'9' * 5000} km = 3 m"),
        ("Do it.", f"{'9' * 5000} + 1 = 3"),
        (f"What is the mean of {'9' * 200}{'9' * 200}, 2, 3 and 4?", "3"),
    ],
)
def test_numbers_without_end_stop_no_lint(instruction, output):
    """Python reads and writes 4,300 digits at the most; one row of 52,000 with more was a ValueError for all."""
    assert not lint([{"instruction": instruction, "output": output}], select="SI3").findings


def test_a_large_number_is_shown_in_short():
    """Its right value may be too large for a float."""
    (found,) = lint([{"instruction": "Do it.", "output": "99^64 * 99^64 * 99^64 = 5"}], select="SI3").findings
    assert found.reason.endswith(" is 1.45197e+383")
