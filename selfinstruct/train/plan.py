"""What a training will take, computed without its weights: steps, tokens, trained parameters, memory."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.train.encode import Example
from selfinstruct.train.settings import TrainSettings

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Bits of a weight with its share of constants (arXiv 2305.14314, section 3), and of 8-bit vectors.
QUANTISED = {("nf4", True): 4.127, ("nf4", False): 4.5, ("int8", True): 8.0, ("int8", False): 8.0}


@dataclass(frozen=True)
class Batches:
    """How a global batch is cut: `processes` devices hold `micro_batch` rows `accumulation` times a step."""

    processes: int
    micro_batch: int
    accumulation: int


@dataclass(frozen=True)
class Plan:
    """What a training will take. Bytes are of one device and an estimate; activations depend on the kernels."""

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

    @property
    def memory_bytes(self) -> int:
        """The sum of the four."""
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON."""
        return {**asdict(self), "memory_bytes": self.memory_bytes}

    def __str__(self) -> str:
        share = 100 * self.trainable / self.parameters
        return "\n".join(
            (
                f"{self.method} on {self.base}: {self.rows:,} rows, {self.held_out:,} held out",
                f"  {self.steps:,} steps, {self.steps_an_epoch:,} an epoch",
                f"  {self.tokens:,} tokens, {self.trained_tokens:,} of them in the loss",
                f"  {self.trainable:,} of {self.parameters:,} parameters are trained ({share:.3g} %)",
                (
                    f"  about {_size(self.memory_bytes)} a device: weights {_size(self.weights_bytes)}, gradients "
                    f"{_size(self.gradients_bytes)}, optimizer {_size(self.optimizer_bytes)}, activations up to "
                    f"{_size(self.activations_bytes)}"
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
    parameters, trainable, linear = _count(config, settings, steps)
    passes = steps / epoch
    if settings.quantization == "none":
        weights = float(parameters * BYTES[load_dtype])
    else:
        bits = QUANTISED[settings.quantization, settings.double_quantization]
        weights = linear * bits / 8 + (parameters - linear) * BYTES["float32"]  # as prepare_model_for_kbit_training
    shards = batches(settings).processes if settings.fsdp else 1
    states = 2 if "8bit" in settings.optimizer else 8
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
        trainable=trainable,
        weights_bytes=round(weights / shards),
        gradients_bytes=round(trainable * 4 / shards),
        optimizer_bytes=round(trainable * states / shards),
        activations_bytes=_activations(config, examples, settings, load_dtype),
    )


def _count(config: Any, settings: TrainSettings, steps: int) -> tuple[int, int, int]:
    """Parameters, trained ones, and those in the linear layers that are quantised."""
    import torch
    import transformers

    from selfinstruct.train import methods

    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(config)
        parameters = model.num_parameters()
        head = model.get_output_embeddings()
        linear = sum(one.weight.numel() for one in model.modules() if type(one) is torch.nn.Linear and one is not head)
        # The first singular vectors cannot be computed without weights; PiSSA has the shape of LoRA.
        shaped = settings.updated(
            {"method": "lora" if settings.method == "pissa" else settings.method, "quantization": "none"}
        )
        trained, _ = methods.trainable(methods.apply(model, shaped, steps=steps))
    return parameters, trained, linear


def _activations(config: Any, examples: Sequence[Example], settings: TrainSettings, load_dtype: str) -> int:
    """Activations of the longest batch: 34 bytes a hidden value of 16 bits (arXiv 2205.05198, section 4.1).

    Without the quadratic part, which fused attention does not keep; with the logits, which are computed in float32.
    """
    text = config.get_text_config(decoder=True)
    wide = BYTES[load_dtype] / 2
    tokens = batches(settings).micro_batch * max(len(one.input_ids) for one in examples)
    layers = text.num_hidden_layers
    kept = layers * 2 + 34 if settings.checkpointing else layers * 34
    return int(tokens * (text.hidden_size * kept * wide + text.vocab_size * (4 + 4 + BYTES[load_dtype])))


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
