"""The rules that decide what is kept, each with a name.

A filter of instructions is a callable of a candidate and the pool. It returns None or True to keep the candidate, or
a `Verdict` (or False) to turn it down; a rule of the user's own is any such function. The rules for instances look
at all instances of one task at once, because some of them compare instances with one another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import regex

from selfinstruct.pool import Pool
from selfinstruct.tasks import Candidate, Instance, Verdict
from selfinstruct.text import UNSPACED, is_unspaced, words

Filter = Callable[[Candidate, Pool], "Verdict | bool | None"]

# What a model that reads and writes only text cannot do. Self-Instruct's list (its released code, in English), the
# words that Alpaca added to it, and both in other languages.
TEXT_ONLY_KEYWORDS: dict[str, tuple[str, ...]] = {
    "en": (
        "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot",
        "go to",
    ),
    "zh": (
        "图片", "图像", "图表", "画图", "绘制", "画一张", "画一幅", "画一个", "文件", "地图", "照片",
        "圖片", "圖像", "圖表", "繪製", "畫一張", "畫一幅", "畫一個", "檔案", "地圖",
    ),
    # In Chinese the two characters of an image in Japanese are a portrait in words; a particle tells them apart.
    "ja": (
        "画像を", "画像の", "画像に", "画像は", "画像が", "画像で", "画像から", "写真", "グラフ", "図を描", "絵を描",
        "描いて", "ファイル", "地図",
    ),
    "ko": ("이미지", "그래프", "사진", "그림", "파일", "지도"),
    "de": ("bild", "bilder", "grafik", "diagramm", "datei", "dateien", "landkarte", "zeichne", "zeichnen"),
    "fr": ("image", "images", "graphique", "fichier", "fichiers", "dessine", "dessinez", "dessiner"),
    "es": ("imagen", "imágenes", "gráfico", "gráfica", "archivo", "archivos", "mapa", "mapas", "dibuja", "dibujar"),
    "ru": ("изображение", "картинка", "картинку", "файл", "файлы", "нарисуй", "нарисуйте"),
}  # fmt: skip
ALPACA_KEYWORDS: dict[str, tuple[str, ...]] = {
    "en": ("video", "audio", "music", "flowchart", "diagram"),
    "zh": ("视频", "音频", "音乐", "流程图", "示意图", "視頻", "影片", "音樂", "流程圖"),
    "ja": ("動画", "音声", "音楽", "フローチャート"),
    "ko": ("비디오", "동영상", "오디오", "음악", "순서도"),
    "de": ("video", "audio", "musik", "flussdiagramm"),
    "fr": ("vidéo", "audio", "musique", "organigramme"),
    "es": ("vídeo", "video", "audio", "música", "diagrama"),
    "ru": ("видео", "аудио", "музыку", "музыка", "диаграмма", "блок-схему"),
}  # fmt: skip

# "Write a program" asks for code without saying in which language or for what (Self-Instruct, its released code).
BANNED_STARTS = (
    "Write a program",
    "写一个程序", "编写一个程序", "寫一個程式",
    "プログラムを書",
    "프로그램을 작성",
    "Schreibe ein Programm",
    "Écris un programme", "Écrivez un programme",
    "Escribe un programa",
    "Напиши программу", "Напишите программу",
)  # fmt: skip

# An opening mark is how a sentence of its language begins.
_OPENING_MARKS = frozenset("¿¡「『《〈“«")


# A Korean word of three syllables and more mostly holds two: a stem, and the particle or ending that other languages
# write apart. Three of them ("오늘의 날씨를 알려주세요") say what takes an English sentence six words.
_HANGUL_PAIR = regex.compile(r"\p{Hangul}{3}")


@dataclass(frozen=True)
class Length:
    """Keep instructions of `fewest` to `most` words.

    A character counts as one word where a script has no spaces, and a Hangul word of three syllables or more as two.
    """

    fewest: int = 4
    most: int = 150
    name: str = "length"

    def __call__(self, candidate: Candidate, pool: Pool) -> Verdict | None:
        found = words(candidate.instruction)
        count = len(found) + sum(_HANGUL_PAIR.match(word) is not None for word in found)
        if count < self.fewest:
            return Verdict(self.name, float(count), detail=f"{count} words, the fewest are {self.fewest}")
        if count > self.most:
            return Verdict(self.name, float(count), detail=f"{count} words, the most are {self.most}")
        return None


@dataclass(frozen=True)
class Keywords:
    """Turn down instructions that hold one of the keywords as a whole word, whatever its case.

    In scripts without spaces a keyword matches anywhere, but one in Katakana only as a whole run of it (a paragraph,
    パラグラフ, is no graph). In Hangul particles may follow. Empty keywords are none.
    """

    keywords: tuple[str, ...]
    name: str = "keywords"
    _pattern: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _any_of(map(_keyword_pattern, _phrases(self.keywords))))

    def __call__(self, candidate: Candidate, pool: Pool) -> Verdict | None:
        found = self._pattern.search(_folded(candidate.instruction))
        return Verdict(self.name, detail=found.group()) if found else None


def _phrases(given: Iterable[str]) -> list[str]:
    """The phrases once each, without empty ones, which would match every text: '' is how a user writes "none"."""
    return [one for one in dict.fromkeys(given) if _folded(one).strip()]


def _any_of(patterns: Iterable[str]) -> Any:
    """The expression that matches where one of the patterns does; without any it matches nowhere."""
    return regex.compile("|".join(patterns) or r"(?!)", flags=regex.V1)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


_PARTICLES = (
    "들|은|는|이|가|을|를|의|에|에서|에게|로|으로|와|과|도|만|나|이나|랑|이랑|"
    "부터|까지|보다|처럼|마다|라는|이라는|입니다"
)


def _keyword_pattern(keyword: str) -> str:
    """The expression for a whole word, as its script has them; Latin inside Chinese or Korean text is one, too."""
    keyword = _folded(keyword)
    escaped = r"\s+".join(map(regex.escape, keyword.split()))
    last = keyword[-1:]
    if regex.fullmatch(r"[\p{Katakana}ー]+", keyword):
        letter, ending = r"[\p{Katakana}ー]", ""
    elif is_unspaced(last):
        return escaped
    elif regex.match(r"\p{Hangul}", last):
        letter, ending = rf"[\w--[{UNSPACED}]]", f"(?:{_PARTICLES}){{0,3}}"
    else:
        letter, ending = rf"[\w--[{UNSPACED}\p{{Hangul}}]]", ""
    return f"(?<!{letter}){escaped}{ending}(?!{letter})"


@dataclass(frozen=True)
class BannedStarts:
    """Turn down instructions that open with one of the phrases as whole words, whatever its case.

    Empty phrases are none.
    """

    starts: tuple[str, ...] = BANNED_STARTS
    name: str = "banned_start"
    _pattern: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", _any_of(map(_start_pattern, _phrases(self.starts))))

    def __call__(self, candidate: Candidate, pool: Pool) -> Verdict | None:
        found = self._pattern.match(_folded(candidate.instruction))
        return Verdict(self.name, detail=found.group()) if found else None


def _start_pattern(start: str) -> str:
    """The expression for an opening that ends with a word; Hangul goes on with endings."""
    escaped = r"\s+".join(map(regex.escape, _folded(start).split()))
    return escaped if is_unspaced(start[-1:]) or regex.search(r"\p{Hangul}$", start) else rf"{escaped}\b"


def first_character(candidate: Candidate, pool: Pool) -> Verdict | None:
    """Turn down instructions that begin with neither a letter nor a digit of some script (opening marks may stand)."""
    first = candidate.instruction[:1]
    if first in _OPENING_MARKS or unicodedata.category(first or " ")[0] in "LN":
        return None
    return Verdict("first_character", detail=repr(first))


def duplicate(candidate: Candidate, pool: Pool) -> Verdict | None:
    """Turn down what is in the pool already but for case, punctuation and spacing."""
    twin = pool.same_words(candidate.instruction)
    return Verdict("duplicate", 1.0, twin.id, twin.instruction) if twin else None


def rouge(candidate: Candidate, pool: Pool) -> Verdict | None:
    """Turn down what is as similar to a member of the pool as its threshold, or more (strict: 0.70 is too similar)."""
    found = pool.nearest(candidate.instruction)
    return Verdict("rouge", found[1], found[0].id, found[0].instruction) if found else None


def filter_name(rule: Filter) -> str:
    """The name under which a filter's rejections are recorded."""
    return str(getattr(rule, "name", None) or getattr(rule, "__name__", type(rule).__name__))


def judge(candidate: Candidate, pool: Pool, rules: Iterable[Filter]) -> Verdict | None:
    """The verdict of the first rule that turns the candidate down, or None."""
    for rule in rules:
        outcome = rule(candidate, pool)
        if isinstance(outcome, Verdict):
            return outcome
        if outcome is not None and not outcome:  # also the False of numpy
            return Verdict(filter_name(rule))
    return None


def check_instances(
    instances: Sequence[Instance], most: int
) -> tuple[tuple[Instance, ...], list[tuple[Instance, Verdict]]]:
    """Split the instances of one task into those kept, in their order, and those dropped with a verdict.

    Rules: `empty_output`, `input_equals_output`, `ends_in_colon`, `duplicate_instance`, `conflict` (one non-empty
    input with different outputs voids all instances of the task; Self-Instruct, its released code) and
    `max_instances`.
    """
    sound: list[Instance] = []
    dropped: list[tuple[Instance, Verdict]] = []
    for one in instances:
        rule = "duplicate_instance" if one in sound else _instance_flaw(one)
        if rule:
            dropped.append((one, Verdict(rule)))
        else:
            sound.append(one)
    outputs: dict[str, str] = {}
    for one in sound:
        if one.input and outputs.setdefault(one.input, one.output) != one.output:
            verdict = Verdict("conflict", detail=f"one input with different outputs: {one.input}")
            return (), dropped + [(each, verdict) for each in sound]
    surplus = [(one, Verdict("max_instances", detail=f"more than {most}")) for one in sound[most:]]
    return tuple(sound[:most]), dropped + surplus


def _instance_flaw(one: Instance) -> str | None:
    if not one.output.strip():
        return "empty_output"
    if one.input.strip() == one.output.strip():
        return "input_equals_output"
    if one.input.rstrip().endswith((":", "：")) or one.output.rstrip().endswith((":", "：")):
        return "ends_in_colon"
    return None
