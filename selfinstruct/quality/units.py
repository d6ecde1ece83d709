"""Rule 303: conversions of units, checked by computing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from selfinstruct.quality.phrases import in_any_case, phrases
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule
from selfinstruct.quality.sums import NUMBER, is_endless, number, shown

# Kind and size in the kind's base unit. Where a name has two meanings, both are right.
_TABLE: dict[str, tuple[str, str]] = {
    "mm|millimet[er]{2}s?|毫米": ("length", "0.001"),
    "cm|centimet[er]{2}s?|厘米|公分": ("length", "0.01"),
    "m|met[er]{2}s?|米": ("length", "1"),
    "km|kilomet[er]{2}s?|公里|千米": ("length", "1000"),
    "in|inch(?:es)?|英寸": ("length", "0.0254"),
    "ft|feet|foot|英尺": ("length", "0.3048"),
    "yd|yards?|码": ("length", "0.9144"),
    "mi|miles?|英里": ("length", "1609.344"),
    "mg|milligrams?|毫克": ("mass", "0.000001"),
    "g|grams?|克": ("mass", "0.001"),
    "kg|kilograms?|kilos?|千克|公斤": ("mass", "1"),
    "t|tonnes?|metric tons?|吨": ("mass", "1000"),
    "oz|ounces?|盎司": ("mass", "0.028349523125"),
    "lbs?|pounds?|磅": ("mass", "0.45359237"),
    "斤": ("mass", "0.5"),
    "ml|millilit[er]{2}s?|毫升": ("volume", "0.001"),
    "l|lit[er]{2}s?|升": ("volume", "1"),
    "gal|gallons?|加仑": ("volume", "3.785411784 4.54609"),
    "cups?|杯": ("volume", "0.2365882365 0.25"),
    "pints?": ("volume", "0.473176473 0.56826125"),
    "quarts?": ("volume", "0.946352946 1.1365225"),
    "s|secs?|seconds?|秒": ("time", "1"),
    "min|mins|minutes?|分钟": ("time", "60"),
    "h|hrs?|hours?|小时": ("time", "3600"),
    "days?|天": ("time", "86400"),
    "weeks?|周|星期": ("time", "604800"),
    "km/h|kph|kmh|kilomet[er]{2}s per hour|公里每小时|千米每小时": ("speed", "1"),
    "mph|miles per hour|英里每小时": ("speed", "1.609344"),
    "m/s|met[er]{2}s per second|米每秒": ("speed", "3.6"),
    "kb|kilobytes?": ("data", "1000 1024"),
    "mb|megabytes?": ("data", "1000000 1048576"),
    "gb|gigabytes?": ("data", "1000000000 1073741824"),
    "tb|terabytes?": ("data", "1000000000000 1099511627776"),
    "°\\s?c|celsius|degrees? c(?:elsius)?|centigrade|摄氏度": ("temperature", "C"),
    "°\\s?f|fahrenheit|degrees? f(?:ahrenheit)?|华氏度": ("temperature", "F"),
    "kelvins?|k|开尔文": ("temperature", "K"),
}
_NAME = {re.compile(pattern): pattern for pattern in _TABLE}
_UNIT = "|".join(sorted((one for pattern in _TABLE for one in pattern.split("|")), key=len, reverse=True))
_VALUE = r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?"
_DEGREES = r"(?:\s*degrees?|\s*°)?"
_CONVERSION = in_any_case(
    rf"(?P<value>{_VALUE})(?P<gap>{_DEGREES}\s*)(?P<source>{_UNIT})(?![a-z/²³])\s*(?:to|into|in|as|转换为|转换成|"
    rf"换算成|换算为|转为|是多少|等于多少)\s*(?:degrees? )?(?P<target>{_UNIT})(?![a-z/²³])"
)
_STATED = in_any_case(
    rf"(?<![\w.,/^*×+-])(?<![\d+*×/-]\s)(?P<value>{_VALUE}){_DEGREES}\s*(?P<source>{_UNIT})(?![a-z/²³])\s*(?:=|equals|"
    rf"is equal to|等于)\s*(?P<result>{_VALUE}){_DEGREES}\s*(?P<target>{_UNIT})(?![a-z/²³])"
)
_ASKS = phrases("convert|conversion|how many|how much|change|what is|express", "转换|换算|多少|等于|转为|转成")
_OFF = Fraction(15, 1000)  # a rounded factor (1.6 for 1.609) is no mistake
_BESIDES = phrases(
    r"round\w*|nearest|mistakes?|wrong|incorrect|errors?|check|true|false|correct|approximat\w*|estimate|if|"
    r"fiction\w*|and|(?:kilo|mega|giga)?bits?",
    "错误|判断|四舍五入|估|如果|对吗|检查",
)


@dataclass(frozen=True)
class Unit:
    """A unit by its kind and what its name may stand for."""

    kind: str
    sizes: str

    def converted(self, value: Fraction, target: Unit) -> list[Fraction]:
        """The value in another unit of the kind, once for each meaning."""
        if self.kind == "temperature":
            return [_from_celsius(_to_celsius(value, self.sizes), target.sizes)]
        return [value * Fraction(own) / Fraction(other) for own in self.sizes.split() for other in target.sizes.split()]


def _to_celsius(value: Fraction, scale: str) -> Fraction:
    if scale == "F":
        return (value - 32) * Fraction(5, 9)
    return value - Fraction("273.15") if scale == "K" else value


def _from_celsius(value: Fraction, scale: str) -> Fraction:
    if scale == "F":
        return value * Fraction(9, 5) + 32
    return value + Fraction("273.15") if scale == "K" else value


def unit(name: str) -> Unit | None:
    """The unit of that name, in English or Chinese, long or short."""
    for pattern, text in _NAME.items():
        if pattern.fullmatch(name.lower().strip()):
            return Unit(*_TABLE[text])
    return None


def _near(right: Fraction, written: str) -> bool:
    value = number(written)
    digits = len(written.partition(".")[2])
    return abs(value - right) <= max(abs(right) * _OFF, Fraction(1, 10**digits))


def _converted(value: str, source: str, target: str) -> list[Fraction]:
    """What the value is in the other unit; nothing where the two have no kind in common, or are one."""
    here, there = unit(source), unit(target)
    if here is None or there is None or here.kind != there.kind or here == there:
        return []
    return here.converted(number(value), there)


@rule("SI303", "wrong-conversion", "A conversion of units is wrong; it is computed, and roundings are let pass.")
def wrong_conversion(row: Row) -> Flaw | None:
    if not re.search(r"\d", row.output) or _BESIDES.search(row.asked) or is_endless(row):
        return None
    for found in _STATED.finditer(row.output):
        right = _converted(found["value"], found["source"], found["target"])
        if right and not any(_near(one, found["result"]) for one in right):
            return Flaw(
                "output",
                f"{found['value']} {found['source']} is {shown(right[0])} {found['target']}",
                excerpt(found.group()),
            )
    return _wrong_answer(row)


def _wrong_answer(row: Row) -> Flaw | None:
    asked = f"{row.instruction}\n{row.input}"
    if len(asked) > 160 or not _ASKS.search(asked.lower()) or len(NUMBER.findall(asked)) > 1:
        return None
    found = _CONVERSION.search(asked)
    right = _converted(found["value"], found["source"], found["target"]) if found else []
    written = re.findall(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?", row.output)
    if found is None or not right or not written or re.search(r"/|×|\^|[eE]\d|百|千|万|亿|illion|thousand", row.output):
        return None
    if any(_near(one, text) for one in right for text in written):
        return None
    if len(set(written)) == 2 and unit_pair(row.output, found["target"]):  # "6 feet 2 inches": parts of one answer
        return None
    return Flaw(
        "output", f"{found['value']} {found['source']} is {shown(right[0])} {found['target']}", excerpt(row.output)
    )


def unit_pair(text: str, target: str) -> bool:
    """Whether numbers of the answer carry other units than the one asked for."""
    names = re.findall(rf"\d\s*({_UNIT})(?![a-z])", text.lower())
    return any(name.lower() != target.lower() for name in names)
