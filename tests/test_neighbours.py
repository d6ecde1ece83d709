"""The full scan that the original programs make: most similar predecessors and the mean over all of them."""

from __future__ import annotations

from random import Random

import pytest
from rouge_score.rouge_scorer import RougeScorer
from test_bootstrap import Scripted

import selfinstruct as si
from selfinstruct.neighbours import neighbourhoods


def test_scores_are_those_of_rouge_score():
    """Ten best and mean of each text, against the package pair by pair."""
    random = Random(1)
    texts = [" ".join(f"w{int(random.random() * 12)}" for _ in range(3 + int(random.random() * 9))) for _ in range(90)]
    scorer = RougeScorer(["rougeL"])
    for position, found in zip(range(90), neighbourhoods(texts, range(90), 10), strict=True):
        # rouge_score divides twice, so that equal scores may differ in their last digit.
        expected = [round(scorer.score(one, texts[position])["rougeL"].fmeasure, 12) for one in texts[:position]]
        best = sorted(range(position), key=lambda i: (-expected[i], i))[:10]
        assert [i for i, _ in found.most_similar] == best
        assert [score for _, score in found.most_similar] == pytest.approx([expected[i] for i in best])
        assert found.mean == pytest.approx(sum(expected) / max(1, position))


def test_tasks_carry_them_on_request(tmp_path):
    """--neighbours 3: in tasks.jsonl and after loading; without it the columns are not there."""
    plain = si.generate(tmp_path / "run", llm=Scripted(), num_tasks=8, progress=False)
    assert plain.tasks[0].most_similar is None
    assert "most_similar" not in (tmp_path / "run" / "tasks.jsonl").read_text()
    run = si.generate(tmp_path / "run", llm=Scripted(), neighbours=3, progress=False)
    assert [len(task.most_similar) for task in run.tasks] == [3] * 8
    assert all(0 < task.mean_similarity < task.most_similar[0].score < 0.7 for task in run.tasks)
    assert si.load(tmp_path / "run").tasks == run.tasks
