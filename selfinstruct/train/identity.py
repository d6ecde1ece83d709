"""What tells the weights of one base from those of another of the same shape."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

SAMPLES = 64  # of each parameter


def identity(model: Any) -> dict[str, str | None]:
    """Digests of a sample of the weights of a whole model: of its linear layers, and of all others.

    The samples are rounded to bfloat16, so that a base has the same digests in 32 bits and in 16; names have no part in
    them, for a later transformers may have others. Those of quantised linear layers are None: their numbers are no
    longer the base's. `dtype` says in which numbers the model was held.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    layers = [one for one in model.modules() if isinstance(one, torch.nn.Linear | Conv1D) and one is not head]
    linear = {id(weight) for layer in layers for weight in layer.parameters()}
    sides: dict[bool, list[tuple[str, Any]]] = {True: [], False: []}
    for name, weight in model.named_parameters():
        sides[id(weight) in linear].append((name, weight))
    quantised = any(type(layer.weight) is not torch.nn.Parameter for layer in layers)
    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "linear": None if quantised else _digest(sides[True]),
        "other": _digest(sides[False]),
    }


def same_base(some: Mapping[str, str | None], other: Mapping[str, str | None]) -> bool:
    """Whether two models can have come from the same base, as far as their identities tell."""
    if some["dtype"] != other["dtype"] and "float16" in (some["dtype"], other["dtype"]):
        return True  # rounded to float16 and then to bfloat16 is not rounded once
    return all(some[side] == other[side] for side in ("linear", "other") if some[side] and other[side])


def _digest(parameters: Iterable[tuple[str, Any]]) -> str:
    import torch

    sha = hashlib.sha256()
    for name, weight in parameters:
        flat = weight.detach().flatten()
        sample = flat[:: max(1, len(flat) // SAMPLES)].to(torch.bfloat16)
        sha.update(name.encode())
        sha.update(sample.view(torch.int16).cpu().numpy().tobytes())
    return sha.hexdigest()
