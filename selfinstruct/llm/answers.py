"""The body of a response as a completion: chat or plain, with what the model thought and how sure it was.

Read by hand and not with the SDK's types: these are strict where servers are not (`finish_reason` is one of five words
there, and `created` is required), and an answer that was paid for must not fail for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from selfinstruct.llm import Completion, Usage

# Some servers leave out the opening tag, because the chat template has written it into the prompt.
_THOUGHT = re.compile(r"\s*(?:<think(?:ing)?>)?(.*?)</think(?:ing)?>\s*", re.DOTALL)
_THINKING = re.compile(r"\s*<think(?:ing)?>(.*)", re.DOTALL)
MOST_POSITIONS = 8


def completion_of(answer: Any) -> Completion | None:
    """The answer of either API as a completion; None where something else came."""
    try:
        choice = answer["choices"][0]
        text, reasoning = _text(choice)
        finish, model = choice.get("finish_reason"), answer.get("model")
        return Completion(text, finish, usage_of(answer.get("usage")), model, reasoning, _logprobs(choice))
    except (LookupError, TypeError, AttributeError, ValueError):
        return None


def usage_of(said: Any) -> Usage | None:
    """The usage object of a response; None where there is none, one without numbers, or one of zeros.

    Thoughts that stand in the total alone (xAI, Gemini) are paid for as a part of the completion.
    """
    if not isinstance(said, dict):
        return None
    prompt, completion = said.get("prompt_tokens"), said.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int) or prompt + completion <= 0:
        return None
    completion = max(completion, _detail(said, "total_tokens") - prompt)
    cached = min(prompt, _detail(said.get("prompt_tokens_details"), "cached_tokens"))
    return Usage(prompt, completion, cached, _detail(said.get("completion_tokens_details"), "reasoning_tokens"))


def without_thoughts(text: str) -> tuple[str, str | None]:
    """A text without the thoughts in tags before it, and these; a text that is cut in them is all thought."""
    if "<think" not in text and "</think" not in text:
        return text, None
    if (found := _THOUGHT.match(text)) is not None:
        return text[found.end() :], found[1].strip()
    if (found := _THINKING.match(text)) is not None:
        return "", found[1].strip()
    return text, None


def text_of(content: Any) -> str:
    """The content of a message: a text, or the parts of one."""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def _text(choice: Mapping[str, Any]) -> tuple[str, str | None]:
    if "message" not in choice:
        return without_thoughts(str(choice["text"] or ""))
    message = choice["message"]
    text, thoughts = without_thoughts(text_of(message.get("content") or message.get("refusal") or ""))
    told = message.get("reasoning_content") or message.get("reasoning")
    return text, (told if isinstance(told, str) else None) or thoughts


def _detail(details: Any, name: str) -> int:
    value = details.get(name) if isinstance(details, dict) else None
    return value if isinstance(value, int) else 0


def _logprobs(choice: Mapping[str, Any]) -> tuple[Mapping[str, float], ...] | None:
    """The first positions: an answer whose certainty matters is one word."""
    said = choice.get("logprobs")
    if not isinstance(said, dict):
        return None
    return tuple(_positions(said))[:MOST_POSITIONS] or None


def _positions(said: Mapping[str, Any]) -> Iterator[Mapping[str, float]]:
    if said.get("content"):  # the chat API
        for one in said["content"]:
            yield {each["token"]: each["logprob"] for each in (*one.get("top_logprobs", ()), one)}
    for top, token, value in zip(
        said.get("top_logprobs") or (), said.get("tokens") or (), said.get("token_logprobs") or (), strict=False
    ):
        yield {**(top or {}), token: value}
