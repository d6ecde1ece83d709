"""What a training will take, computed without its weights: steps, tokens, trained parameters, memory."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.train.activations import Batch
from selfinstruct.train.encode import Example
from selfinstruct.train.memory import memory
from selfinstruct.train.settings import TrainSettings


@dataclass(frozen=True)
class Batches:
    """How a global batch is cut: `processes` devices hold `micro_batch` rows `accumulation` times a step."""

    processes: int
    micro_batch: int
    accumulation: int


@dataclass(frozen=True)
class Plan:
    """What a training will take.

    Bytes are of one device, and an estimate (memory.py says how good a one). `memory_bytes` is the most at once, which
    is less than the sum where gradients and activations do not meet.
    """

    base: str
    method: str
    rows: int
    held_out: int
    steps: int
    steps_an_epoch: int
    tokens: int
    trained_tokens: int
    parameters: int
    trainable: int
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        share = 100 * self.trainable / self.parameters
        return "\n".join(
            (
                f"{self.method} on {self.base}: {self.rows:,} rows, {self.held_out:,} held out",
                f"  {self.steps:,} steps, {self.steps_an_epoch:,} an epoch",
                f"  {self.tokens:,} tokens, {self.trained_tokens:,} of them in the loss",
                f"  {self.trainable:,} of {self.parameters:,} parameters are trained ({share:.3g} %)",
                (
                    f"  about {_size(self.memory_bytes)} a device at most: weights {_size(self.weights_bytes)}, "
                    f"gradients {_size(self.gradients_bytes)}, optimizer {_size(self.optimizer_bytes)}, activations up "
                    f"to {_size(self.activations_bytes)}; a GPU's context and its allocator's gaps come on top"
                ),
            )
        )


def world_size() -> int:
    """The number of processes that torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def world_rank() -> int:
    """The number of this process among them."""
    return int(os.environ.get("RANK", "0"))


def batches(settings: TrainSettings) -> Batches:
    """The cut of the global batch over the processes that are there.

    Raises:
        SettingsError: there are fewer processes than were asked for, or the batch cannot be dealt out evenly.
    """
    processes = world_size()
    if settings.processes is not None and processes != settings.processes:
        raise SettingsError(
            f"{settings.processes} processes were asked for and {processes} started; start with: torchrun "
            f"--nproc-per-node {settings.processes} -m selfinstruct train ... (accelerate launch --cpu starts only one)"
        )
    if settings.batch_size % processes:
        raise SettingsError(f"a batch of {settings.batch_size} rows cannot be dealt to {processes} processes evenly")
    if settings.fsdp and processes == 1:
        raise SettingsError(
            "there is one process, which has nothing to shard over; start more with torchrun --nproc-per-node N -m "
            "selfinstruct train ..., or turn sharding off with --no-fsdp"
        )
    share = settings.batch_size // processes
    micro = next(size for size in range(min(settings.micro_batch, share), 0, -1) if share % size == 0)
    return Batches(processes, micro, share // micro)


def steps_of(rows: int, settings: TrainSettings) -> tuple[int, int]:
    """The number of steps, and of those of one epoch."""
    batches(settings)
    epoch = math.ceil(rows / settings.batch_size)
    return settings.max_steps or max(1, math.ceil(epoch * settings.epochs)), epoch


def plan(
    base: str, config: Any, examples: Sequence[Example], held_out: int, settings: TrainSettings, load_dtype: str
) -> Plan:
    """The plan of a training on these examples. The model is built without weights to count its parameters."""
    steps, epoch = steps_of(len(examples), settings)
    parameters, model = _shape(config, settings, steps)
    passes = steps / epoch
    cut, batch = batches(settings), _longest(config, examples, settings)
    took = memory(model, settings, batch, load_dtype, shards=cut.processes if settings.fsdp else 1)
    return Plan(
        base=base,
        method=settings.method,
        rows=len(examples),
        held_out=held_out,
        steps=steps,
        steps_an_epoch=epoch,
        tokens=round(passes * sum(len(one.input_ids) for one in examples)),
        trained_tokens=round(passes * sum(one.trained for one in examples)),
        parameters=parameters,
        trainable=sum(one.numel() for one in model.parameters() if one.requires_grad),
        weights_bytes=round(took.weights),
        gradients_bytes=round(took.gradients),
        optimizer_bytes=round(took.optimizer),
        activations_bytes=round(took.activations),
        memory_bytes=round(took.peak(accumulated=cut.accumulation > 1)),
    )


def _shape(config: Any, settings: TrainSettings, steps: int) -> tuple[int, Any]:
    """The parameters of the base, and the model as the method prepares it, on the meta device."""
    import torch
    import transformers

    from selfinstruct.train import methods

    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    # The first singular vectors cannot be computed without weights; PiSSA has the shape of LoRA.
    shaped = settings.updated(
        {"method": "lora" if settings.method == "pissa" else settings.method, "quantization": "none"}
    )
    with torch.device("meta"):
        model = kind.from_config(config)
        parameters = model.num_parameters()
        return parameters, methods.apply(model, shaped, steps=steps)


def _longest(config: Any, examples: Sequence[Example], settings: TrainSettings) -> Batch:
    """The longest micro-batch that can come up."""
    rows = batches(settings).micro_batch
    tokens = settings.max_length if settings.packing else max(len(one.input_ids) for one in examples)
    virtual = settings.virtual_tokens if settings.method in ("prompt", "prefix") else 0
    labels = max(len(one.labels) for one in examples) if config.is_encoder_decoder else tokens + virtual
    uneven = len({len(one.input_ids) for one in examples}) > 1
    return Batch(rows, tokens + virtual, labels, padded=settings.packing or (rows > 1 and uneven))


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
