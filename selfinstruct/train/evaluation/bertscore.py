"""BERTScore (Zhang et al. 2020, arXiv 1904.09675) with an encoder of your choice, from a folder or the Hub.

The bert-score package does not read today's tokenizers (an empty answer, or a tokenizer without a length limit, ends
it); this is its F without inverse document frequencies and without rescaling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from selfinstruct.errors import SettingsError
from selfinstruct.train.models import device_of

if TYPE_CHECKING:
    import torch

BATCH = 64
CHUNK = 1024  # answers whose tokens stand in memory at once
LONGEST = 512
# The layers that agree best with people lie at about three quarters of the depth (the paper's appendix B: 9 of 12 in
# BERT base, 17 of 24 in RoBERTa large).
DEPTH = 0.75


class Tokens(NamedTuple):
    """A text of T tokens: their unit vectors (T, D), and which are its own (T,), not put around it by the tokenizer."""

    units: torch.Tensor
    own: torch.Tensor


class BertScore:
    """Scores answers by the cosines of their tokens with those of the references.

    Args:
        encoder: a folder or Hub id that `transformers.AutoModel` opens.
        layer: the hidden layer to take, counted from 1; by default the one at three quarters of the depth.
        device: where the encoder runs; "auto" is a GPU if there is one.

    Raises:
        SettingsError: the encoder cannot be opened, or has fewer layers.
    """

    def __init__(self, encoder: str, *, layer: int | None = None, device: str = "auto") -> None:
        from transformers import AutoModel, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(encoder)
            model: Any = AutoModel.from_pretrained(encoder)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"--bertscore {encoder}: no encoder there ({error}); name a folder or Hub id"
            ) from error
        model = getattr(model, "encoder", model) if model.config.is_encoder_decoder else model
        layers = int(model.config.num_hidden_layers)
        self.layer = round(DEPTH * layers) if layer is None else layer
        if not 1 <= self.layer <= layers:
            raise SettingsError(f"--bertscore-layer {self.layer}: {encoder} has layers 1 to {layers}")
        self.encoder = encoder
        self._device = device_of(device)
        self._model = model.to(self._device).eval()
        limits = (self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", LONGEST))
        self._longest = min(LONGEST, *(limit for limit in limits if limit and limit > 0))

    def __call__(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
        """The F of each answer with the best of its references; an answer without a token has 0."""
        found = []
        for start in range(0, len(predictions), CHUNK):
            chunk = slice(start, start + CHUNK)
            found += self._scores(predictions[chunk], references[chunk])
        return found

    def _scores(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
        texts = dict.fromkeys([*predictions, *(one for several in references for one in several)])
        tokens = dict(zip(texts, self._embedded(list(texts)), strict=True))
        return [
            max(f_score(tokens[prediction], tokens[one]) for one in several)
            for prediction, several in zip(predictions, references, strict=True)
        ]

    def _embedded(self, texts: Sequence[str]) -> Iterator[Tokens]:
        import torch

        ordered = iter(sorted(range(len(texts)), key=lambda place: len(texts[place])))
        found: dict[int, Tokens] = {}
        while places := list(islice(ordered, BATCH)):
            batch = self._tokenizer(
                [texts[place] for place in places],
                padding=True,
                truncation=True,
                max_length=self._longest,
                return_special_tokens_mask=True,
                return_tensors="pt",
            ).to(self._device)
            special = batch.pop("special_tokens_mask").bool().cpu()
            with torch.inference_mode():
                hidden = self._model(**batch, output_hidden_states=True).hidden_states[self.layer]
            units = torch.nn.functional.normalize(hidden.float(), dim=-1).cpu()
            there = batch["attention_mask"].bool().cpu()
            found.update(
                {place: Tokens(units[at][there[at]], ~special[at][there[at]]) for at, place in enumerate(places)}
            )
        return (found[place] for place in range(len(texts)))


def f_score(answer: Tokens, reference: Tokens) -> float:
    """Greedy matching of two texts' tokens: the paper's equation 1 and F.

    As in the authors' program, a token may be matched with one that the tokenizer put around the other text.
    """
    if not answer.own.any() or not reference.own.any():
        return 0.0
    cosines = answer.units @ reference.units.T
    precision = float(cosines.max(dim=1).values[answer.own].mean())
    recall = float(cosines.max(dim=0).values[reference.own].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
