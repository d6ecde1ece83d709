"""The memory of a training step: weights, gradients, the optimizer's state and activations, by arithmetic.

tests/train/test_plan.py compares all of it with the peak of real steps, on a CPU. The shares of several devices (FSDP)
follow from what it gathers and were not measured. The context of a GPU's driver and what torch's allocator keeps unused
are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfinstruct.train.activations import Batch, Widths, activation_bytes, embeddings_of, layers_of, linears_of
from selfinstruct.train.settings import TrainSettings

# Bits of a weight with its share of constants (arXiv 2305.14314, section 3), and of 8-bit vectors.
QUANTISED = {("nf4", True): 4.127, ("nf4", False): 4.5, ("int8", True): 8.0, ("int8", False): 8.0}
# Numbers that an optimizer keeps for a weight, where they are not two as Adam's.
STATES = {"sgd": 0, "adagrad": 1, "rmsprop": 1, "lion": 1, "ademamix": 3}


@dataclass(frozen=True)
class Memory:
    """Bytes of one device. `update` is what the optimizer's step makes and drops again."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    update: float

    def peak(self, *, accumulated: bool) -> float:
        """The most at once: gradients meet all activations only where an earlier micro-batch has left them."""
        backward = self.activations + (self.gradients if accumulated else 0)
        return self.weights + self.optimizer + max(backward, self.gradients + self.update)


def memory(model: Any, settings: TrainSettings, batch: Batch, load_dtype: str, *, shards: int = 1) -> Memory:
    """What a step takes on one of `shards` devices. `model` is on the meta device, prepared by its method."""
    widths = Widths.of(settings, load_dtype)
    trained = [one.numel() for one in model.parameters() if one.requires_grad]
    activations = activation_bytes(model, settings, batch, widths, sharded=shards > 1)
    # The root of the second moments: of one tensor after the other on a CPU, else of all of them together.
    update = 8 * max(trained) if widths.on_cpu else 4 * sum(trained) / shards
    return Memory(
        weights=_weights(model, settings, widths) / shards,
        gradients=4 * sum(trained) / shards,
        optimizer=_optimizer(model, settings.optimizer) / shards,
        activations=activations + (_gathered(model) if shards > 1 else 0),
        update=update,
    )


def _weights(model: Any, settings: TrainSettings, widths: Widths) -> float:
    """Weights and buffers; what is trained has 32 bits."""
    whole = getattr(model, "_keep_in_fp32_modules", None) or ()
    linears = [one for _, layer in layers_of(model) for one in linears_of(layer) if one.name not in whole]
    quantised = sum(one.weights for one in linears) if settings.quantization != "none" else 0
    bits = QUANTISED.get((settings.quantization, settings.double_quantization), 0)
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    frozen = sum(one.numel() for one in model.parameters()) - trained - quantised
    buffers = sum(one.nbytes for one in model.buffers())
    total: float = quantised * bits / 8 + trained * 4 + frozen * widths.residual + buffers
    return total


def _optimizer(model: Any, name: str) -> float:
    """The optimizer's state. In 8 bits, 256 numbers share a float32; small tensors and embeddings keep 32 bits."""
    states = next((number for key, number in STATES.items() if key in name), 2)
    embeddings = embeddings_of(model)
    total = 0.0
    for one in model.parameters():
        if not one.requires_grad:
            continue
        if name == "adafactor":
            total += 4 * (sum(one.shape[-2:]) if one.ndim > 1 else one.numel())
        elif "8bit" in name and one.numel() >= 4096 and id(one) not in embeddings:
            total += states * one.numel() * (1 + 4 / 256)
        else:
            total += states * one.numel() * 4
    return total


def _gathered(model: Any) -> float:
    """Of shards: what is outside of the layers, and a layer, the next one and a gradient, are whole at a time."""
    layers = [sum(one.numel() for one in layer.parameters()) for _, layer in layers_of(model)]
    outside: int = sum(one.numel() for one in model.parameters()) - sum(layers)
    return 4.0 * (outside + 3 * max(layers, default=0))
