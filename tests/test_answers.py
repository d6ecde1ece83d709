"""What the body of a response becomes: text, usage, thoughts and certainties, from servers of many habits."""

from __future__ import annotations

import pytest

from selfinstruct import Completion, Usage
from selfinstruct.llm.answers import completion_of, usage_of, without_thoughts


def chat(message, **more):
    return {"choices": [{"message": message, "finish_reason": "stop", **more}], "model": "m"}


@pytest.mark.parametrize(
    ("text", "kept", "thoughts"),
    [
        ("The answer.", "The answer.", None),
        ("<think>Hm, 2 + 2.</think>\n\nIt is 4.", "It is 4.", "Hm, 2 + 2."),
        ("\n<thinking>Two\nlines.</thinking>It is 4.", "It is 4.", "Two\nlines."),
        ("Hm, 2 + 2.</think>It is 4.", "It is 4.", "Hm, 2 + 2."),
        ("<think>Hm, 2 + 2, and th", "", "Hm, 2 + 2, and th"),
        ("<think></think>It is 4.", "It is 4.", ""),
        ("Write <think> around thoughts.", "Write <think> around thoughts.", None),
    ],
)
def test_thoughts_in_tags_are_no_text(text, kept, thoughts):
    """A data set full of <think> was published more than once; a text that only speaks of the tag keeps it."""
    assert without_thoughts(text) == (kept, thoughts)


def test_thoughts_in_a_field_of_their_own_are_kept_apart():
    """DeepSeek and vLLM say `reasoning_content`, OpenRouter and newer vLLM `reasoning`."""
    for name in ("reasoning_content", "reasoning"):
        found = completion_of(chat({"content": "It is 4.", name: "Hm."}))
        assert (found.text, found.reasoning) == ("It is 4.", "Hm.")
    assert completion_of(chat({"content": "<think>a</think>b", "reasoning": None})).reasoning == "a"


def test_the_details_of_a_usage_are_read_where_they_are():
    """Cached tokens cost less, and reasoning tokens explain a bill."""
    said = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert usage_of(said) == Usage(10, 7, 8, 5)
    assert usage_of({"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None}) == Usage(1, 2)


@pytest.mark.parametrize("said", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}, "12", [1]])
def test_a_usage_without_numbers_is_none(said):
    """Zero tokens would be a price of nothing."""
    assert usage_of(said) is None
    assert completion_of({**chat({"content": "x"}), "usage": said}) == Completion("x", "stop", None, "m")


def test_log_probabilities_of_both_apis():
    """By position, the most probable tokens with the one that was chosen."""
    content = [
        {
            "token": "Yes",
            "logprob": -0.1,
            "top_logprobs": [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2}],
        },
        {"token": ".", "logprob": -0.2, "top_logprobs": []},
    ]
    found = completion_of(chat({"content": "Yes."}, logprobs={"content": content}))
    assert found.logprobs == ({"Yes": -0.1, "No": -2}, {".": -0.2})
    plain = {"tokens": ["No"], "token_logprobs": [-0.3], "top_logprobs": [{"Yes": -1.5}]}
    found = completion_of({"choices": [{"text": "No", "logprobs": plain}]})
    assert found.logprobs == ({"Yes": -1.5, "No": -0.3},)
    assert completion_of(chat({"content": "x"}, logprobs=None)).logprobs is None


@pytest.mark.parametrize("answer", [None, "text", [], {}, {"choices": []}, {"choices": [None]}, {"choices": [{}]}])
def test_anything_else_is_no_answer(answer):
    """HTTP 200 with an error or nothing inside."""
    assert completion_of(answer) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 361}, Usage(32, 329)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        (
            {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 90}},
            Usage(5, 1, cached_tokens=5),
        ),
    ],
)
def test_a_usage_that_tells_less_than_is_billed_is_corrected(said, expected):
    """xAI and Gemini leave thoughts out of the completion; zeros are no usage, and more cached than read is no gift."""
    assert usage_of(said) == expected
