"""The other engine: trl's SFTTrainer on the rows that we encode. All that is called of trl stands here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from selfinstruct.train.extras import require
from selfinstruct.train.settings import TrainSettings


def sft(settings: TrainSettings) -> tuple[Any, Callable[..., Any]]:
    """The trainer and its arguments: what trl would do to rows, masks and the model is switched off, packing apart.

    Packing puts whole rows into sequences of `max_length` (best fit), with positions that start anew at each, so that
    attention does not cross from one to the next.
    """
    require("trl")
    from trl import SFTConfig, SFTTrainer

    from selfinstruct.train.trainers import Exact, Sharded

    class PackingTrainer(Exact, Sharded, SFTTrainer):
        """trl's trainer with our sums and shards."""

    arguments = partial(
        SFTConfig,
        packing=settings.packing,
        packing_strategy="bfd",
        eval_packing=False,
        max_length=settings.max_length,
        dataset_kwargs={"skip_prepare_dataset": not settings.packing},
    )
    return PackingTrainer, arguments
