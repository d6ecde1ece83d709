"""Answers of a model that is loaded here: many at once for an evaluation, or one as it is written for a chat."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.train.extras import quiet_libraries
from selfinstruct.train.models import base_of, is_adapter, load_model
from selfinstruct.train.places import folder_of
from selfinstruct.train.prompts import CHAT, Prompts, inference_ids, prompts
from selfinstruct.train.record import check_finished, trained_format, training_record

if TYPE_CHECKING:
    import torch

DEFAULT_FORMAT = "alpaca"
WEIGHTS_AND_SETTINGS = (".safetensors", ".bin", ".json", ".model")


@dataclass(frozen=True)
class Decoding:
    """How answers are drawn: greedily at `temperature` 0, and never longer than `max_new_tokens`."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise SettingsError(f"--max-new-tokens is at least 1, not {self.max_new_tokens}")
        if not 0 <= self.temperature <= 2:
            raise SettingsError(f"--temperature lies between 0 and 2, not {self.temperature:g}")
        if not 0 < self.top_p <= 1:
            raise SettingsError(f"--top-p lies above 0 and up to 1, not {self.top_p:g}")


class Answer(NamedTuple):
    """What came back. `stopped` is False where the token limit cut the text; `tokens` counts the stop token, too."""

    text: str
    stopped: bool
    tokens: int


@dataclass(frozen=True)
class LocalModel:
    """A model with its tokenizer and the format of its prompts.

    `adapted` False is the base behind a peft adapter, which shares the weights: the adapter is switched off while the
    base answers, so both take turns.
    """

    name: str
    path: str  # of the adapter, also where it is switched off
    model: Any
    tokenizer: Any
    format: str
    turn: Lock
    adapted: bool = True

    @cached_property
    def prompts(self) -> Prompts:
        """The prompts of the format."""
        return prompts(self.tokenizer, self.format)

    @property
    def is_seq2seq(self) -> bool:
        """Whether it is an encoder-decoder."""
        return bool(self.model.config.is_encoder_decoder)

    @property
    def room(self) -> int | None:
        """Tokens that prompt and answer may have together, None where positions have no end (T5)."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @cached_property
    def identity(self) -> str:
        """What the answers depend on besides prompt and decoding: the files of the model, its numbers, the switch."""
        place = self.path if self.adapted else base_of(self.path)
        return f"{fingerprint(place)} {self.model.dtype} {sorted(self._stop_ids)}"

    def ids(self, row: Mapping[str, str]) -> list[int]:
        """The token ids that stand in front of the answer to a row."""
        return inference_ids(self.prompts, row, seq2seq=self.is_seq2seq)

    def base(self) -> LocalModel:
        """The base of this adapter, on the same weights.

        Raises:
            SettingsError: there is no peft adapter on the model.
        """
        if not hasattr(self.model, "disable_adapter"):
            raise SettingsError(f"{self.path}: no peft adapter that could be switched off; name its base instead")
        return replace(self, name=base_of(self.path), adapted=False)

    def answer_all(
        self, asked: Sequence[list[int]], decoding: Decoding, *, batch_size: int = 16
    ) -> Iterator[tuple[int, Answer]]:
        """The answers to prompts of token ids, each with its place among them, batch by batch as they are there.

        Long prompts come first, so that what does not fit into memory shows at once; a batch that does not is halved.
        """
        order = sorted(range(len(asked)), key=lambda place: -len(asked[place]))
        while order:
            places, order = order[:batch_size], order[batch_size:]
            answers = self._answer_batch([asked[place] for place in places], decoding)
            if answers is None:
                batch_size, order = max(1, len(places) // 2), places + order
                continue
            yield from zip(places, answers, strict=True)

    def _answer_batch(self, batch: Sequence[list[int]], decoding: Decoding) -> list[Answer] | None:
        """The answers of one batch, None where it takes more memory than the GPU has left."""
        import torch

        given = _padded(batch, self._pad_id, left=not self.is_seq2seq, device=self.model.device)
        try:
            written = self._generate(given, decoding)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if len(batch) == 1:
                raise SettingsError(
                    f"{self.name}: a prompt of {len(batch[0]):,} tokens does not fit into the memory of the GPU; use a "
                    "smaller --max-new-tokens, or --device cpu"
                ) from error
            return None
        # An encoder-decoder begins with a start token in the place of the prompt.
        start = 1 if self.is_seq2seq else given["input_ids"].shape[1]
        return [self._answer(ids) for ids in written[:, start:].tolist()]

    def _generate(self, given: Mapping[str, Any], decoding: Decoding, **more: Any) -> torch.Tensor:
        import torch

        seeded = _seeded(decoding.seed, self.model.device)
        with self.turn, quiet_libraries(), self._adapter(), torch.inference_mode(), seeded:
            written: torch.Tensor = self.model.generate(**given, generation_config=self._config(decoding), **more)
        return written

    def _config(self, decoding: Decoding) -> Any:
        """The decoding and nothing else: what a model's own generation_config.json penalises is left out."""
        from transformers import GenerationConfig

        sampling: dict[str, Any] = {"do_sample": False}
        if decoding.temperature > 0:
            sampling = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=decoding.max_new_tokens,
            num_beams=1,
            repetition_penalty=1.0,
            eos_token_id=sorted(self._stop_ids),
            pad_token_id=self._pad_id,
            **sampling,
        )

    @property
    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    @cached_property
    def _stop_ids(self) -> set[int]:
        """The tokens that end an answer: the format's, the tokenizer's, and those that the model names."""
        named = self.model.generation_config.eos_token_id
        several = named if isinstance(named, list) else [named]
        known = (*several, self.tokenizer.eos_token_id)
        return {self.prompts.stop_id, *(int(one) for one in known if one is not None)}

    def _answer(self, ids: Sequence[int]) -> Answer:
        """The text up to the first stop token. Other reserved tokens stay in it, for they are what the model wrote."""
        end = next((place for place, one in enumerate(ids) if one in self._stop_ids), None)
        own = list(ids if end is None else ids[:end])
        text = self.tokenizer.decode(own, clean_up_tokenization_spaces=False)
        return Answer(text.strip(), end is not None, len(own) + (end is not None))

    def _adapter(self) -> AbstractContextManager[Any]:
        switched: AbstractContextManager[Any] = nullcontext() if self.adapted else self.model.disable_adapter()
        return switched

    def stream(self, ids: list[int], decoding: Decoding, stop: Event | None = None) -> Iterator[str]:
        """The pieces of one answer as they are written; closing the iterator, or setting `stop`, stops the model."""
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        closed = Event()
        ends = (closed, stop) if stop is not None else (closed,)

        class Stopped(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                import torch

                return torch.full((len(input_ids),), any(one.is_set() for one in ends), device=input_ids.device)

        streamer = TextIteratorStreamer(
            self.tokenizer, skip_prompt=True, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        given = _padded([ids], self._pad_id, left=True, device=self.model.device)
        failed: list[BaseException] = []
        more = {"streamer": streamer, "stopping_criteria": StoppingCriteriaList([Stopped()])}
        writing = Thread(target=_ending(streamer, failed, lambda: self._generate(given, decoding, **more)))
        writing.start()
        try:
            yield from streamer
        finally:
            closed.set()
            writing.join()
        if failed:
            raise failed[0]


def open_local(
    path: str | os.PathLike[str], *, format: str | None = None, dtype: str = "auto", device: str = "auto"
) -> LocalModel:
    """Open a model for answers: a base, a merged or tuned model, or an adapter on its base.

    `format` is how prompts are written: by default what the model was tuned with, else the tokenizer's chat template
    where it has one, else alpaca.

    Raises:
        SettingsError: there is no such model or format.
    """
    place = os.fspath(path)
    if record := training_record(place):
        check_finished(place, record)
    model, tokenizer = load_model(place, dtype=dtype, device=device)
    named = format or trained_format(place) or (CHAT if tokenizer.chat_template else DEFAULT_FORMAT)
    opened = LocalModel(place, place, model, tokenizer, named, Lock())
    assert opened.prompts.stop_id is not None  # a format that is not there says so before a model answers
    return opened


def fingerprint(path: str) -> str:
    """What tells a model from a later one in its place: names, sizes and times of its files, or an id of the Hub."""
    folder = folder_of(path)
    if not folder.is_dir():
        return path
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.suffix in WEIGHTS_AND_SETTINGS)
    facts = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    base = [fingerprint(base_of(path))] if is_adapter(path) else []
    return hashlib.sha256(orjson.dumps([facts, base])).hexdigest()[:16]


def _padded(batch: Sequence[list[int]], pad: int, *, left: bool, device: Any) -> dict[str, Any]:
    """Ids (B, T) and the mask of what is no padding: on the left for a causal model, which writes on at the right."""
    import torch

    width = max(map(len, batch))
    empty = [width - len(ids) for ids in batch]
    padded = [[pad] * gap + ids if left else ids + [pad] * gap for gap, ids in zip(empty, batch, strict=True)]
    masks = [
        [0] * gap + [1] * len(ids) if left else [1] * len(ids) + [0] * gap
        for gap, ids in zip(empty, batch, strict=True)
    ]
    return {
        "input_ids": torch.tensor(padded, device=device),
        "attention_mask": torch.tensor(masks, device=device),
    }


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draws that depend on the seed alone, and leave the caller's own stream as it was."""
    import torch

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _ending(streamer: Any, failed: list[BaseException], work: Callable[[], Any]) -> Callable[[], None]:
    """The work as a thread does it: its failure is kept, and whoever reads the stream comes to an end."""

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where the stream is read
            failed.append(error)
            streamer.end()

    return run
