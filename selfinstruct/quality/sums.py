"""Rules 301 and 302: sums that anybody can check by computing."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from statistics import multimode

from selfinstruct.quality.phrases import count_words, in_any_case, phrases
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule

_DECIMAL = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
NUMBER = re.compile(rf"(?<![\w.,])[-−]?(?:{_DECIMAL})(?!\w|[.,]\d)", re.ASCII)
_TERM = rf"\(?\s*[-−]?\$?(?:{_DECIMAL})\s*\)?"
_SUM = rf"{_TERM}(?:\s*(?:[+*×÷^−]|(?<=\s)[-/x](?=\s)|(?<=\d)[-/x](?=\d)|\*\*)\s*{_TERM}){{1,12}}"
_EQUATION = re.compile(rf"(?=\S)(?P<left>{_SUM})\s*=\s*(?P<right>[-−]?\$?(?:{_DECIMAL}))")
_QUESTION = in_any_case(
    r"(?:(?:please )?(?:calculate|compute|evaluate|solve|work out|simplify|what is|what's|find|how much is|answer|add|"
    r"perform)(?: the)?(?: (?:following|result|value|sum|product|difference|quotient|answer|expression|calculation|"
    r"equation|problem|of|"
    rf"math|arithmetic|for|to|this))*|计算|求|算出|算一下|请计算|"
    rf"请问)?[\s:：]*(?P<sum>{_SUM})\s*(?:[=＝]\s*)?(?:等于多少|是多少|等于几|的(?:结果|值|和|积|差|商))?"
    r"[?？.。\s]*"
)
_OTHER_RULES = phrases(
    r"binary|hexadecimal|octal|base|modulo|mod|remainder|mistakes?|errors?|incorrect|wrong|false|true|fix|check|"
    r"verify|correct|fiction\w*|1984|joke|clock|roman|order of operations|estimate|round\w*|approximat\w*|nearest|"
    r"matrix|vectors?|complex|parity|string|code|python|output of|puzzle|riddle|pattern|matchsticks?|"
    r"story|tale|poem|slogan|song|metaphor",
    "二进制|十六进制|进制|取余|余数|错误|对吗|是否正确|判断|检查|改正|估算|约等于|四舍五入|谜|脑筋急转弯|代码|矩阵|钟|"
    "故事|笑话|诗|口号|歌",
)
_AROUND_BEFORE = re.compile(
    r"(?:[\w)\]}]\s*[-+*/×÷^−=]\s*|[a-z√∑∫%]\(?|\b(?:sin|cos|tan|log|ln|sqrt|root|of|mod|base|x|y|n)\s+)$",
    re.IGNORECASE,
)
_AROUND_AFTER = re.compile(
    r"\s*(?:[-+*/×÷^−(!°²³√]|mod\b|remainder|r\s?\d|余|\.\.\.|…|o'clock|am\b|pm\b|[a-z](?![a-z])|%|\(|:\d|点|,\d|x\b)",
    re.IGNORECASE,
)
_OPERATORS: dict[type[ast.AST], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MOST_POWER, _MOST_BITS = 64, 4096  # of an exponent, and of a power
_MOST_DIGITS = 300  # of a number
_ENDLESS = re.compile(rf"(?:\d,?){{{_MOST_DIGITS}}}")


_LONGEST_SHOWN = 10**30


def compute(text: str) -> Fraction | None:
    """The exact value of a sum as people write it (×, ÷, x, ^, thousands separated), or None where it is none."""
    plain = re.sub(r"(?<=\d),(?=\d{3})|\$", "", text)
    for mark, sign in (("×", "*"), ("÷", "/"), ("−", "-"), ("^", "**"), ("x", "*")):
        plain = plain.replace(mark, sign)
    plain = re.sub(r"(?<![\d.])0+(?=\d)", "", plain)
    try:
        return _value(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](left, right)
        bits = abs(right) * max(left.numerator.bit_length(), left.denominator.bit_length())
        is_small = right.denominator == 1 and abs(right) <= _MOST_POWER and bits <= _MOST_BITS
        if isinstance(node.op, ast.Pow) and is_small:
            return left ** int(right)
    raise ValueError("no sum of plain numbers")


def number(text: str) -> Fraction:
    """A number as it is written."""
    return Fraction(text.replace(",", "").replace("−", "-").replace("$", "").strip())


def agrees(exact: Fraction, written: str) -> bool:
    """Whether a written number is the exact one, cut or rounded at its last digit."""
    digits = written.replace(",", "").partition(".")[2]
    difference = abs(exact - number(written))
    return difference < Fraction(1, 10 ** len(digits)) if exact.denominator != 1 or digits else difference == 0


def shown(value: Fraction) -> str:
    """A number as people write it."""
    if value.denominator == 1 and abs(value) < _LONGEST_SHOWN:
        return str(int(value))
    return f"{Decimal(value.numerator) / Decimal(value.denominator):.6g}"  # a float would overflow


def is_endless(row: Row) -> bool:
    """Whether a number in the row has more digits than anybody calculates with, or Python reads."""
    return any(len(text) >= _MOST_DIGITS and _ENDLESS.search(text) for _, text in row.fields)


_TIGHT = re.compile(r"\d[-x]\d")


def _wrong_equation(text: str) -> re.Match[str] | None:
    for found in _EQUATION.finditer(text):
        if _AROUND_BEFORE.search(text[max(found.start() - 8, 0) : found.start()]):
            continue
        if _AROUND_AFTER.match(text, found.end()) or text[found.end() : found.end() + 1].isalpha():
            continue
        if _TIGHT.search(found["left"]) and " =" in found.group():  # 9-5 = 8 hours, a 4x4 = 4 driven wheels
            continue
        exact = compute(found["left"]) if found["left"].count("(") == found["left"].count(")") else None
        if exact is not None and not agrees(exact, found["right"]) and not _is_right_in_binary(found):
            return found
    return None


def _is_right_in_binary(found: re.Match[str]) -> bool:
    if re.search(r"[2-9.,]", found.group()):
        return False
    left, right = (
        re.sub(r"[01]+", lambda digits: str(int(digits.group(), 2)), found[side]) for side in ("left", "right")
    )
    return compute(left) == number(right)


@rule("SI301", "wrong-sum", "A sum in the output, or the answer to one in the task, is wrong; both are computed.")
def wrong_sum(row: Row) -> Flaw | None:
    if _OTHER_RULES.search(row.asked) or is_endless(row):
        return None
    found = _wrong_equation(row.output) if "=" in row.output else None
    if found is not None and found["left"].strip() not in row.input + row.instruction:
        exact = compute(found["left"])
        assert exact is not None
        return Flaw("output", f"{' '.join(found['left'].split())} is {shown(exact)}", excerpt(found.group()))
    return _wrong_answer(row)


def _wrong_answer(row: Row) -> Flaw | None:
    asked = row.input if row.input.strip() and not re.search(r"\d", row.instruction) else row.instruction
    if len(asked) > 120 or (row.input.strip() and asked is row.instruction):
        return None
    found = _QUESTION.fullmatch(asked.strip())
    exact = compute(found["sum"]) if found else None
    if found is None or exact is None or (asked is row.input and not _about_sums(row.asked)):
        return None
    return _without(exact, row.output, f"{' '.join(found['sum'].split())} is {{}}")


_ABOUT_SUMS = phrases(
    r"calculate|compute|evaluate|solve|add|subtract|multiply|divide|sum|product|difference|result|arithmetic|value|"
    r"answer|math",
    "计算|求|算|结果|和|积|差|商",
)


def _about_sums(text: str) -> bool:
    return _ABOUT_SUMS.search(text) is not None


def _without(exact: Fraction, output: str, reason: str) -> Flaw | None:
    """A flaw where an answer gives numbers, and the right one is not among them, in any usual form."""
    written = [found.group() for found in NUMBER.finditer(output)]
    fractions = [Fraction(int(a), int(b)) for a, b in re.findall(r"(\d+)\s?/\s?(\d+)", output) if int(b)]
    mixed = [
        int(a) + Fraction(int(b), int(c)) for a, b, c in re.findall(r"(\d+)\s+(\d+)\s?/\s?(\d+)", output) if int(c)
    ]
    if not written or exact in [*fractions, *mixed] or any(agrees(exact, one) for one in written):
        return None
    if any(agrees(abs(exact), one.lstrip("-−")) for one in written) or any(agrees(exact * 100, one) for one in written):
        return None
    if re.search(r"×\s*10|\d[eE]\d|\^|[√π]|百|千|万|亿|million|billion|thousand|hundred", output):
        return None
    return Flaw("output", reason.format(shown(exact)), excerpt(output))


_STATISTICS: tuple[tuple[re.Pattern[str], Callable[[Sequence[Fraction]], Sequence[Fraction]]], ...] = (
    (phrases("mean|average|arithmetic mean", "平均数|平均值|均值"), lambda all_: [sum(all_, Fraction()) / len(all_)]),
    (phrases("median", "中位数"), lambda all_: [_median(all_)]),
    (phrases("mode", "众数"), multimode),
    (phrases("sum|total", "总和|之和"), lambda all_: [sum(all_, Fraction())]),
    (phrases("maximum|largest|highest|greatest|biggest", "最大值|最大的数|最大数"), lambda all_: [max(all_)]),
    (phrases("minimum|smallest|lowest|least", "最小值|最小的数|最小数"), lambda all_: [min(all_)]),
)
_LIST = re.compile(
    r"(?<![\d.])[-−]?(?:\d+(?:\.\d+)?)(?:\s*(?:[,;，、；]\s*(?:and\s+)?|\s+and\s+)[-−]?\d+(?:\.\d+)?){2,}"
)
LONGEST_QUESTION = 1000  # characters; a longer one asks for more than a number
_QUALIFIED = phrases(
    r"weighted|moving|geometric|harmonic|without|except|excluding|even|odd|prime|squares?|first|last|second|two|three|"
    r"consecutive|subarray|difference|product|range|deviation|variance|percent\w*|divided|digits?|positive|negative|"
    r"unique|if|function|program|code|python|median of medians|common|speed|age|per|and|multiple|factor|divisor",
    "加权|移动|几何|去掉|除了|偶数|奇数|质数|平方|连续|第二|前|后|乘积|差|标准差|方差|百分|位数字|如果|函数|代码|"
    "公倍数|公约数|和(?=中位|众)|以及|并",
)


def _median(all_: Sequence[Fraction]) -> Fraction:
    ordered, half = sorted(all_), len(all_) // 2
    return ordered[half] if len(all_) % 2 else (ordered[half - 1] + ordered[half]) / 2


@rule("SI302", "wrong-statistic", "A mean, median, mode, sum, largest or smallest number is wrong; it is computed.")
def wrong_statistic(row: Row) -> Flaw | None:
    if len(row.instruction) + len(row.input) > LONGEST_QUESTION or is_endless(row):
        return None
    wanted = [each for pattern, each in _STATISTICS if pattern.search(row.asked)]
    if len(wanted) != 1:
        return None
    words_only = _LIST.sub(" ", row.asked)
    lists = [found.group() for text in (row.instruction, row.input) for found in _LIST.finditer(text)]
    if len(lists) != 1 or count_words(words_only) > 20 or re.search(r"\d", words_only) or _QUALIFIED.search(words_only):
        return None
    if re.search(r"[\d]|\w{4,}.*\w{4,}.*\w{4,}", _LIST.sub(" ", row.input)):
        return None
    numbers = [number(found.group()) for found in re.finditer(r"[-−]?\d+(?:\.\d+)?", lists[0])]
    right = wanted[0](numbers)
    flaws = [_without(value, row.output, "the right answer is {}") for value in right]
    return flaws[0] if flaws and all(flaws) else None
