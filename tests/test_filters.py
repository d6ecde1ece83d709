"""The rules, each with what it must catch and what it must leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct import filters
from selfinstruct.filters import BannedStarts, Keywords, Length, check_instances, filter_name, judge
from selfinstruct.pool import Pool
from selfinstruct.prepare import default_rules
from selfinstruct.settings import Settings
from selfinstruct.tasks import Candidate, Instance, Task, Verdict

EMPTY = Pool([])


def verdict_of(rule, instruction, pool=EMPTY):
    """The name of the rule if it turns the instruction down, or None."""
    found = rule(Candidate(instruction), pool)
    return found and found.rule


@pytest.mark.parametrize(
    ("instruction", "words"),
    [
        ("Sort the list", 3),
        ("Sort the list now", 4),
        ("Sort-the-list, now!", 4),
        ("翻译句子", 4),
        ("写首诗", 3),
        ("詩を書け", 4),
        ("詩を書", 3),
        ("แปลคำ", 4),
        ("시를 써줘", 2),
        ("날씨 알려줘요", 3),
        ("오늘의 날씨를 알려주세요.", 6),
        ("Переведи это", 2),
        ("Переведи это на русский", 4),
        ("कविता लिखो", 2),
        ("एक छोटी कविता लिखो", 4),
        ("اكتب قصيدة", 2),
        ("اكتب قصيدة عن البحر", 4),
        ("", 0),
    ],
)
def test_length_counts_words_of_any_script(instruction, words):
    """A rule on white space would call a Chinese sentence one word; a long Korean word says as much as two."""
    found = Length()(Candidate(instruction), EMPTY)
    assert (found is None) == (words >= 4)
    assert found is None or found.score == words


@pytest.mark.parametrize(("count", "kept"), [(3, False), (4, True), (150, True), (151, False)])
def test_length_keeps_its_bounds(count, kept):
    """The paper's released code rejects up to 3 words and above 150."""
    assert (verdict_of(Length(), " ".join(["word"] * count)) is None) == kept
    assert (verdict_of(Length(), "字" * count) is None) == kept


DEFAULT_KEYWORDS, ALPACA = (
    Keywords(tuple(word for words in lists.values() for word in words))
    for lists in (filters.TEXT_ONLY_KEYWORDS, filters.ALPACA_KEYWORDS)
)


@pytest.mark.parametrize(
    "instruction",
    [
        "Describe this image.", "Describe the IMAGES below.", "Draw a cat.", "Open the file: a.txt", "Use a map, please.", "Plot it.",
        "Go to the shop.", "Go  to bed.", "Look at these (pictures)!", "Ｄｒａｗ a cat.", "Make a bar-graph of it.",
        "描述这张图片。", "请绘制一个圆。", "打开文件并总结。", "给我画一张图", "看地圖回答。", "画图说明",
        "この画像を説明して。", "棒グラフを作って。", "ファイルを開いて。", "写真について書いて。", "ﾌｧｲﾙを開く",
        "이미지를 설명하세요.", "주어진 그림에서 찾으세요.", "파일 목록을 쓰세요.", "그래프로 그리세요.", "지도들을 보세요.", "사진에서는 무엇이",
        "Beschreibe das Bild.", "Öffne die Datei!", "Décris cette image.", "Ouvre le fichier.", "Describe la imagen.", "Dibuja un gato.",
        "Опиши изображение.", "Открой файл и прочти.",
    ],
)  # fmt: skip
def test_keywords_are_found(instruction):
    """What a text-only model cannot do, in the words of nine languages."""
    assert verdict_of(DEFAULT_KEYWORDS, instruction) == "keywords"


@pytest.mark.parametrize(
    "instruction",
    [
        "Write a profile of a nurse.", "Explain the mapping of words.", "Write a paragraph on tea.", "Imagine a town.", "Put it in a drawer.",
        "Name a graphic novelist.", "Who goes to town?", "The plotter's tale", "Is it filed?", "A withdrawal of money",
        "制定一个学习计划。", "计划一下周末。", "写一段动画剧本的对白。", "分析用户画像的特点。", "翻译这篇文章。",
        "計画一覧を作ってください。", "このパラグラフを要約して。", "プロファイルを書いて。", "映画一本を選んで。",
        "훌륭한 지도자를 설명하세요.", "그림자에 대해 쓰세요.", "파일럿의 하루를 쓰세요.", "사진작가를 소개하세요.", "학생을 지도하는 법",
        "Was bildet der Verein?", "Schreibe ein Vorbild auf.", "Plan an à la carte menu.", "Un fichierx", "¿Qué imaginas?", "Составь график работы.",
        "Профайл человека", "",
    ],
)  # fmt: skip
def test_keywords_are_whole_words(instruction):
    """A profile is no file, a paragraph no graph, a leader no map: in any language."""
    assert verdict_of(DEFAULT_KEYWORDS, instruction) is None


def test_alpaca_adds_keywords_and_a_user_may_choose():
    """The second paper's list, a list of one's own, and none."""
    assert verdict_of(ALPACA, "Summarize the video.") == "keywords"
    assert verdict_of(ALPACA, "这段音乐好听吗？") == "keywords"
    assert verdict_of(ALPACA, "Provide a musical idea") is None
    assert verdict_of(Keywords(("C++",)), "Is it in c++?") == "keywords"
    assert verdict_of(Keywords(("C++",)), "Is it in C?") is None
    assert verdict_of(Keywords(("in bed",)), "Stay IN\tBED.") == "keywords"
    assert verdict_of(Keywords(()), "Draw a map.") is None


@pytest.mark.parametrize("nothing", ["", " ", "\t\u3000"])
def test_an_empty_phrase_turns_nothing_down(nothing):
    """`--keywords ''` is how a shell user turns the rule off, and it turned down whatever held two marks in a row."""
    for instruction in ("Draw (a map), please!", "Write a program.", "画一张图。", ""):
        assert verdict_of(Keywords((nothing,)), instruction) is None
        assert verdict_of(BannedStarts((nothing,)), instruction) is None
    assert verdict_of(Keywords((nothing, "map")), "Use a map.") == "keywords"
    assert verdict_of(BannedStarts((nothing, "Use")), "Use a map.") == "banned_start"


@pytest.mark.parametrize(
    ("instruction", "caught"),
    [
        ("Write a program that sorts.", True), ("write a PROGRAM", True), ("Ｗrite a program", True),
        ("Write a programme for the concert.", False), ("Write a poem.", False), ("Please write a program.", False),
        ("写一个程序来排序。", True), ("写一个故事。", False), ("プログラムを書いて。", True), ("プログラムを説明して。", False),
        ("프로그램을 작성하세요.", True), ("프로그램을 설명하세요.", False), ("Schreibe ein Programm.", True), ("Schreibe ein Programmheft.", False),
        ("Écris un programme court.", True), ("Escribe un programa.", True), ("Напиши программу.", True), ("Напиши программы передач.", False),
    ],
)  # fmt: skip
def test_banned_starts(instruction, caught):
    """An order for an unnamed program is turned down; a concert's programme is not."""
    assert (verdict_of(BannedStarts(), instruction) == "banned_start") == caught
    assert verdict_of(BannedStarts(()), instruction) is None


@pytest.mark.parametrize(
    ("instruction", "caught"),
    [
        ("Write.", False), ("3 reasons", False), ("¿Qué es?", False), ("写诗", False), ("「春」とは", False), ("Éte", False), ("ٱكتب", False),
        ("हिन्दी", False), ("시를", False), ("“Tea” is", False), ("٣ أسباب", False),
        ("- Write", True), ("#tag", True), ("(a) Write", True), ("!", True), ("", True), (" Write", True), ("😀 Write", True), ('"Tea" is', True),
        ("。写诗", True), ("\u0301e", True),
    ],
)  # fmt: skip
def test_first_character(instruction, caught):
    """Letters and digits of any script may begin an instruction, and so may opening quotes and marks."""
    assert (verdict_of(filters.first_character, instruction) == "first_character") == caught


POOL = Pool([Task("s1", "Sort the list of numbers."), Task("s2", "将这个句子翻译成英文。")])


@pytest.mark.parametrize(
    ("instruction", "twin"),
    [
        ("sort the list, of numbers", "s1"), ("SORT  the list of numbers!", "s1"), ("将这个句子翻译成英文", "s2"), ("将这个句子，翻译成英文！", "s2"),
        ("Sort the lists of numbers.", None), ("Sort list of the numbers.", None), ("将这个句子翻译成法文。", None),
    ],
)  # fmt: skip
def test_duplicate(instruction, twin):
    """Case, punctuation and spacing make no new task, and the verdict names the old one."""
    found = filters.duplicate(Candidate(instruction), POOL)
    assert (found and found.neighbour) == twin
    assert found is None or (found.rule, found.score) == ("duplicate", 1.0)


TEN = "a b c d e f g h i j"


@pytest.mark.parametrize(
    ("instruction", "score"),
    [
        ("a b c d e f g x y z", 0.7), ("a b c d e f x y z w", None), ("z a b c d e f g x y", 0.7), ("一 b c d e f g h 二 三", 0.7),
        ("A, B; C? D! E F G H.", pytest.approx(16 / 18)), ("j i h g f e d c b a", None),
    ],
)  # fmt: skip
def test_rouge_is_strict(instruction, score):
    """Exactly 7/10 is too similar: the papers say "below 0.7", and floats must not decide otherwise."""
    found = filters.rouge(Candidate(instruction), Pool([Task("t", TEN)]))
    assert (found and found.score) == score
    assert found is None or (found.neighbour, found.detail) == ("t", TEN)


@pytest.mark.parametrize("text", ["将下面的句子翻译成英文。", "아래 문장을 한국어로 요약하세요.", "この文を英語に訳してください。", "Переведи это предложение на английский.",
                                  "अगले वाक्य का अनुवाद करो।", "لخص الفقرة التالية من فضلك.", "แปลประโยคนี้", "Écris à l'été."])  # fmt: skip
def test_rouge_sees_every_script(text):
    """The stock tokenizer finds no word in most of these and calls an exact copy new."""
    assert filters.rouge(Candidate(text + "!"), Pool([Task("t", text)])).score == 1.0


class Named:
    name = "named"

    def __call__(self, candidate, pool):
        return False


class Unnamed:
    def __call__(self, candidate, pool):
        return False


def refuse(candidate, pool):
    return False


class FalseOfNumpy:
    def __bool__(self):
        return False


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [(None, None), (True, None), (False, "<lambda>"), (Verdict("mine"), "mine"), (FalseOfNumpy(), "<lambda>")],
)
def test_judge_takes_verdicts_and_booleans(outcome, rule):
    """None and True keep, a verdict and anything false turn down."""
    found = judge(Candidate("x"), EMPTY, [lambda *_: outcome])
    assert (found and found.rule) == rule


def test_judge_names_filters_and_stops_at_the_first():
    """The name attribute, the function's name or the class's name stands in rejected.jsonl."""
    assert [filter_name(rule) for rule in (Named(), Unnamed(), refuse, filters.rouge, Length())] == [
        "named", "Unnamed", "refuse", "rouge", "length",
    ]  # fmt: skip
    assert judge(Candidate("x"), EMPTY, [lambda *_: None, Named(), Unnamed()]) == Verdict("named")
    assert judge(Candidate("x"), EMPTY, []) is None


def test_default_rules_have_names_of_their_own():
    """The order is the one in which they judge; each name says which rule it was."""
    names = [filter_name(rule) for rule in default_rules(Settings())]
    assert names == ["length", "keywords", "banned_start", "first_character", "duplicate", "rouge"]


A, B, C = Instance("1", "one"), Instance("2", "two"), Instance("", "three")


@pytest.mark.parametrize(
    ("instances", "kept", "rules"),
    [
        ([A, B, C], [A, B, C], []),
        ([C, B, A], [C, B, A], []),
        ([], [], []),
        ([A, B, A], [A, B], ["duplicate_instance"]),
        ([A, Instance("1", "uno"), B], [], ["conflict"] * 3),
        ([A, Instance("x", " "), Instance("1", "uno")], [], ["empty_output", "conflict", "conflict"]),
        ([C, Instance("", "drei")], [C, Instance("", "drei")], []),
        ([Instance("x", ""), A], [A], ["empty_output"]),
        ([Instance("", ""), A], [A], ["empty_output"]),
        ([Instance("same", "same"), A], [A], ["input_equals_output"]),
        ([Instance("same", " same\n"), A], [A], ["input_equals_output"]),
        ([Instance("Same", "same"), A], [Instance("Same", "same"), A], []),
        ([Instance("x:", "y"), Instance("x", "y: "), Instance("问：", "y"), A], [A], ["ends_in_colon"] * 3),
        ([Instance("a: b", "c: d.")], [Instance("a: b", "c: d.")], []),
        ([A, Instance("1", "")], [A], ["empty_output"]),
        (
            [Instance(str(n), f"o{n}") for n in range(7)],
            [Instance(str(n), f"o{n}") for n in range(5)],
            ["max_instances"] * 2,
        ),
        ([A] * 3 + [B] * 3, [A, B], ["duplicate_instance"] * 4),
    ],
)
def test_check_instances(instances, kept, rules):
    """Each rule, and that an instance without input may have several outputs."""
    sound, dropped = check_instances(instances, 5)
    assert sound == tuple(kept)
    assert [reason.rule for _, reason in dropped] == rules


@given(
    st.lists(
        st.builds(Instance, st.sampled_from(["", "a", "b", "c:", " "]), st.sampled_from(["", "a", "x", "y", "z:"])),
        max_size=9,
    ),
    st.integers(1, 5),
)
def test_check_instances_loses_none_and_keeps_the_order(instances, most):
    """Kept and dropped ones together are those given, and the kept ones stand as they stood."""
    kept, dropped = check_instances(instances, most)
    together = [*kept, *(one for one, _ in dropped)]
    assert sorted(map(repr, together)) == sorted(map(repr, instances))
    assert len(kept) <= most
    places = [instances.index(one) for one in kept]
    assert places == sorted(set(places))
