"""From a batch of prompts as tokens to texts: sampling, penalties and stops as OpenAI's API means them.

Importing this module loads torch and transformers.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.logits_process import TemperatureLogitsWarper, TopPLogitsWarper

from selfinstruct.llm import Completion, Usage
from selfinstruct.llm.answers import MOST_POSITIONS, without_thoughts


@dataclass(frozen=True)
class Sampling:
    """How a batch is sampled; requests that differ in any of it go to separate batches."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    logprobs: int = 0

    @classmethod
    def of(cls, parameters: Mapping[str, Any], max_tokens: int) -> Sampling:
        """Read the parameters of a request; those that are None count as not given."""
        given = {name: parameters[name] for name in NUMBERS if parameters.get(name) is not None}
        stop, told = parameters.get("stop") or (), parameters.get("logprobs") or 0
        top = int(parameters.get("top_logprobs") or 1) if told is True else int(told)  # the chat API's way, the other's
        return cls(max_tokens, stop=(stop,) if isinstance(stop, str) else tuple(stop), logprobs=top, **given)

    @property
    def greedy(self) -> bool:
        """Whether there is only one answer: temperature or top_p are 0."""
        return not (self.temperature > 0 and self.top_p > 0)


NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: Sampling,
    halted: threading.Event,
) -> list[Completion]:
    """Answer prompts of unlike lengths at once.

    Each row draws from a stream of its own, so that its answer does not depend on the others in the batch, but for
    the rounding of logits, which batch shapes change a little. `halted` ends the batch early.
    """
    ends = end_tokens(model, tokenizer)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0] if ends else 0
    width = max(map(len, prompts))
    rows = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    config = GenerationConfig(
        max_new_tokens=sampling.max_tokens,
        do_sample=False,  # `_Draw` samples; what the model's own settings say of it must not count
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=ends or None,
        pad_token_id=pad,
    )
    certainty = _Certainty(sampling.logprobs)
    with torch.inference_mode():
        output = model.generate(
            torch.tensor(rows, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            generation_config=config,
            logits_processor=LogitsProcessorList([certainty, *_processors(sampling, seeds, width)]),
            stopping_criteria=StoppingCriteriaList([_Stop(tokenizer, sampling.stop, width, halted)]),
        )
    found = [
        _completion(tokenizer, row, len(prompt), ends, pad, sampling)
        for row, prompt in zip(output[:, width:].tolist(), prompts, strict=True)
    ]
    if not sampling.logprobs:
        return found
    return [replace(one, logprobs=certainty.of(number, one, tokenizer)) for number, one in enumerate(found)]


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: those of the model's generation settings, and the tokenizer's."""
    named = model.generation_config.eos_token_id
    found = named if isinstance(named, list) else [named]
    return [token for token in dict.fromkeys([*found, tokenizer.eos_token_id]) if token is not None]


def _processors(sampling: Sampling, seeds: Sequence[int], width: int) -> list[LogitsProcessor]:
    found: list[LogitsProcessor] = []
    if sampling.presence_penalty or sampling.frequency_penalty:
        found.append(_Penalties(sampling.presence_penalty, sampling.frequency_penalty, width))
    if not sampling.greedy:
        if sampling.temperature != 1:
            found.append(TemperatureLogitsWarper(float(sampling.temperature)))
        if sampling.top_p < 1:
            found.append(TopPLogitsWarper(float(sampling.top_p)))
        found.append(_Draw(seeds))
    return found


class _Certainty(LogitsProcessor):
    """Writes down the most probable tokens of the first positions, before anything is done to the logits."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._seen: list[tuple[list[list[float]], list[list[int]]]] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        if self._top and len(self._seen) < MOST_POSITIONS:
            best = scores.float().log_softmax(dim=-1).topk(self._top)
            self._seen.append((best.values.tolist(), best.indices.tolist()))
        return scores

    def of(self, row: int, completion: Completion, tokenizer: Any) -> tuple[Mapping[str, float], ...]:
        """What there is of a row, as far as its answer goes."""
        length = completion.usage.completion_tokens if completion.usage else 0
        return tuple(
            {tokenizer.decode([token]): value for token, value in zip(tokens[row], values[row], strict=True)}
            for values, tokens in self._seen[:length]
        )


class _Penalties(LogitsProcessor):
    """OpenAI's penalties: for each token of the answer so far, once and by how often it came."""

    def __init__(self, presence: float, frequency: float, width: int) -> None:
        self._presence, self._frequency, self._width = presence, frequency, width

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        said = input_ids[:, self._width :]
        counts = torch.zeros_like(scores).scatter_add_(1, said, torch.ones_like(said, dtype=scores.dtype))
        return scores - self._presence * (counts > 0) - self._frequency * counts


class _Draw(LogitsProcessor):
    """Draws by adding Gumbel noise, whose highest sum is a draw from the distribution: each row from its own stream."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = seeds
        self._streams: list[torch.Generator] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        if not self._streams:
            self._streams = [torch.Generator(scores.device).manual_seed(seed) for seed in self._seeds]
        noise = torch.empty_like(scores, dtype=torch.float32)
        for row, stream in zip(noise, self._streams, strict=True):
            row.exponential_(generator=stream)
        return scores.float() - noise.log()


class _Stop(StoppingCriteria):
    """Ends a row whose answer holds a stop text. transformers' own criterion also looks into the prompt."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], width: int, halted: threading.Event) -> None:
        self._tokenizer, self._stop, self._width, self._halted = tokenizer, stop, width, halted
        # A token that adds to the text adds a byte at least; two more for a letter that is cut.
        self._tail = max((len(text.encode()) for text in stop), default=0) + 2

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any) -> torch.BoolTensor:
        if self._halted.is_set() or not self._stop:
            ended = [self._halted.is_set()] * len(input_ids)
        else:
            tails = self._tokenizer.batch_decode(
                input_ids[:, self._width :][:, -self._tail :], skip_special_tokens=True
            )
            ended = [any(text in tail for text in self._stop) for tail in tails]
        return torch.tensor(ended, device=input_ids.device, dtype=torch.bool)


def _completion(
    tokenizer: Any, row: list[int], asked: int, ends: Sequence[int], pad: int, sampling: Sampling
) -> Completion:
    """One row of the output; behind the end of an answer there is padding."""
    end = next((place for place, token in enumerate(row) if token in ends), None)
    said = row[:end]
    whole = tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    cuts = [place for text in sampling.stop if (place := whole.find(text)) >= 0]
    while cuts and said and said[-1] == pad:
        said.pop()
    used = len(said) + (end is not None and not cuts)
    text, thoughts = without_thoughts(whole[: min(cuts)] if cuts else whole)
    return Completion(text, "stop" if cuts or end is not None else "length", Usage(asked, used), reasoning=thoughts)
