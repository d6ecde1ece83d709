"""Recorded answers of real models, read by our rules and by those of the released Self-Instruct code.

The reference holds what the original code makes of each answer and what its users' runs accepted. Where we differ, the
row stands below with its reason; a difference without one fails.
"""

import hashlib
import re
import string
from collections import Counter, defaultdict
from functools import cache

from rapidfuzz.distance import LCSseq
from reference import FOLDER, instructions, needs_reference, rows

from selfinstruct.filters import check_instances, judge
from selfinstruct.parsing import input_first, numbered_list, output_first, verdict
from selfinstruct.pool import Pool
from selfinstruct.prepare import default_rules
from selfinstruct.settings import Settings
from selfinstruct.similarity import RougeIndex
from selfinstruct.tasks import Candidate, Task, read_seeds
from selfinstruct.text import rouge_words, words

pytestmark = needs_reference

KEYWORDS = ["image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot"]


@cache
def answers():
    """Each instruction answer with its source, its number within it, and what we read from it."""
    numbers = Counter()
    found = []
    for row in rows("completions/instructions.jsonl"):
        first = re.search(r"(\d+)\.\s*\Z", row["prompt"])
        items = numbered_list(
            row["completion"], int(first[1]) if first else 9, cut=row["finish_reason"] == "length"
        ).items
        found.append((row, numbers[row["source"]], [item.instruction for item in items]))
        numbers[row["source"]] += 1
    return found


def key(text):
    """A text but for case, punctuation and spacing: the original lower-cases what it keeps."""
    return " ".join(re.findall(r"\w+", text.lower()))


def name(text):
    """A short name of a text, so that no text of the data stands here."""
    return hashlib.sha256(key(text).encode()).hexdigest()[:8]


def original_keeps(text):
    """The content rules of the released code."""
    return (
        3 < len(text.split()) <= 150
        and not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in [*KEYWORDS, "go to"])
        and not text.startswith("Write a program")
        and text[0] not in string.punctuation
        and text[0].isascii()
    )


def test_all_that_the_original_reads_is_read():
    """In 573 answers no instruction that the original's parser kept is missed."""
    missing = [
        (row["source"], number, name(theirs))
        for row, number, ours in answers()
        for theirs in row["original_post_process"]
        if key(theirs) not in set(map(key, ours))
    ]
    assert missing == []


def test_nothing_else_is_read():
    """Beyond that we read nothing that would pass the original's content rules."""
    more = [
        (row["source"], number, name(text))
        for row, number, ours in answers()
        for text in ours
        if original_keeps(text) and key(text) not in set(map(key, row["original_post_process"]))
    ]
    assert more == []


def test_capitals_are_kept():
    """The original lower-cases all but the first letter; 266 of what it kept held a name, code or an acronym."""
    changed = [
        ours[[*map(key, ours)].index(key(theirs))]
        for row, _, ours in answers()
        for theirs in row["original_post_process"]
        if theirs not in ours
    ]
    assert len(changed) == 266
    assert sum(text != text.capitalize() for text in changed) == 266


STRICT, ENDS = "at exactly 7/10, which the original keeps and we do not", "the author's file ends before it"
ACCEPTED_OTHERWISE = {
    ("AliceShen122/self-instruct", 36, "+"): ENDS,
    ("EZtableAI/Llama_self_instruct", 1, "-"): STRICT,
    ("kissshhot/self-instruct", 65, "-"): STRICT,
    ("kissshhot/self-instruct", 89, "+"): ENDS,
}


def greedy(language, **settings):
    """Our whole chain over the answers of each source, in file order from the original's seeds."""
    rules = default_rules(Settings(**settings))
    tokenizer = rouge_words if settings else words
    pools = defaultdict(lambda: Pool(read_seeds(FOLDER / "seed_tasks.jsonl"), tokenizer=tokenizer))
    for row, number, ours in answers():
        if row["lang"] == language:
            pool = pools[row["source"]]
            verdicts = {}
            for text in ours:
                reason = judge(Candidate(text), pool, rules)
                verdicts.setdefault(key(text), reason)
                if reason is None:
                    pool.admit(Task("", text))
            yield row, number, verdicts


def test_the_whole_chain_accepts_what_the_authors_runs_accepted():
    """Four English runs, 728 accepted instructions: the differences are the four that the table names."""
    differences, accepted = set(), Counter()
    for row, number, verdicts in greedy("en", tokenizer="rouge"):
        ours = {text for text, reason in verdicts.items() if reason is None}
        theirs = set(map(key, row["accepted_by_author"]))
        accepted[row["source"]] += len(ours)
        differences |= {(row["source"], number, "+") for _ in ours - theirs}
        differences |= {(row["source"], number, "-") for _ in theirs - ours}
        for text in theirs - ours:
            assert (verdicts[text].rule, verdicts[text].score) == ("rouge", 0.7)
        if ours - theirs:
            assert list(verdicts)[-1:] == list(ours - theirs)
    assert differences == set(ACCEPTED_OTHERWISE)
    assert accepted == {
        "maulikmadhavi/self-instruct": 54 + 67,
        "AliceShen122/self-instruct": 186 - 1 + 1,
        "EZtableAI/Llama_self_instruct": 114 - 1,
        "kissshhot/self-instruct": 307 - 1 - 1 + 1,
    }


def test_korean_answers_give_hundreds_of_instructions():
    """The original's rules keep 2 of 1,034, because no word of a Korean sentence is one to them."""
    rules = Counter()
    for _, _, verdicts in greedy("ko"):
        rules.update(reason.rule if reason else "kept" for reason in verdicts.values())
    assert rules["kept"] >= 750
    assert rules["length"] == 0
    assert rules["keywords"] < 50


LABELS = '"Input:" before the input of a label is a mark, and each input an instance'
REPEATED = 'each further "Output:" of a task without input is a further instance'
INSTANCES_OTHERWISE = {11: LABELS, 44: LABELS, 54: REPEATED, 165: REPEATED, 235: REPEATED}


def test_instances_are_those_of_the_original():
    """252 texts: the sets are equal but for the rows of the table."""
    different, ours, theirs = set(), Counter(), Counter()
    for number, row in enumerate(rows("completions/instances.jsonl")):
        read = output_first if row["is_classification"] else input_first
        kept, _ = check_instances(read(row["raw_instances"], cut=row["finish_reason"] == "length").items, 5)
        original = set(map(tuple, row["original_instances"]))
        if {(one.input, one.output) for one in kept} != original:
            different.add(number)
            assert len(kept) >= len(original)
        ours[row["source"]] += len(kept)
        theirs[row["source"]] += len(original)
    assert different == set(INSTANCES_OTHERWISE)
    assert theirs == {"AliceShen122/self-instruct": 226, "maulikmadhavi/self-instruct": 78}
    assert ours == {"AliceShen122/self-instruct": 231, "maulikmadhavi/self-instruct": 80}


def test_verdicts_are_those_of_the_original():
    """1,458 answers, some of which run on for a page."""
    found = rows("completions/verdicts.jsonl")
    assert len(found) == 1_458
    assert [verdict(row["verdict"] or "") for row in found] == [row["original_is_clf"] for row in found]


def test_the_seeds_meet_the_published_figures():
    """Two of the 175 seed tasks are too similar to an earlier one, and one evaluation task stands in both files."""
    pool, scores = Pool([], tokenizer=rouge_words), []
    for row in rows("seed_tasks.jsonl"):
        found = pool.nearest(row["instruction"])
        scores += [round(found[1], 3)] if found else []
        pool.admit(Task(row["id"], row["instruction"]))
    assert sorted(scores) == [0.75, 0.824]
    evaluation = set(map(key, instructions("user_oriented_instructions.jsonl")))
    assert sum(key(text) in evaluation for text in instructions("seed_tasks.jsonl")) == 1


def original_float_rule(lcs, m, n):
    """How rouge_score computes F and the original compares it: at a true 7/10 rounding decides."""
    precision, recall = lcs / n, lcs / m
    return bool(lcs) and 2 * precision * recall / (precision + recall) > 0.7


def greedy_by_the_float_rule(known, texts):
    """How many texts the original's rule keeps: ours, but that a tie at 7/10 is decided by rounding."""
    index, pool, kept = RougeIndex(0.7, rouge_words), [], 0
    for text in [*known, *texts]:
        tokens = rouge_words(text)
        found = index.nearest(text)
        rejected = found is not None and found.score > 0.7000001
        if found is not None and not rejected:
            ties = (
                other
                for other in pool
                if original_float_rule(LCSseq.similarity(tokens, other), len(tokens), len(other))
            )
            rejected = next(ties, None) is not None
        if len(pool) < len(known) or not rejected:
            kept += len(pool) >= len(known)
            index.add(text)
            pool.append(tokens)
    return kept


def test_the_original_float_rule_keeps_the_published_numbers():
    """26,878 unfiltered instructions: 3,181 by rounding, 3,108 where exactly 7/10 is too similar (alone 3,182 and 3,109)."""
    texts = instructions("instructions_gpt-4o-mini.jsonl")
    assert greedy_by_the_float_rule(instructions("seed_tasks.jsonl"), texts) == 3_181
    assert greedy_by_the_float_rule([], texts) == 3_182


def test_the_default_words_decide_this_english_file_as_the_ascii_words_do():
    """Unicode words change a decision only where a text has letters outside ASCII; here no decision of 26,878 differs."""
    decisions = []
    for tokenizer in (words, rouge_words):
        index = RougeIndex(0.7, tokenizer)
        kept = []
        for text in instructions("instructions_gpt-4o-mini.jsonl"):
            kept.append(not index.has_near(text))
            if kept[-1]:
                index.add(text)
        decisions.append(kept)
    assert decisions[0] == decisions[1]
    assert sum(decisions[0]) == 3_109
