"""Small modules that peft has not got: BitFit, Houlsby's bottlenecks and AdapterBias.

They hang on the linear layers of a model as forward hooks, so the model keeps its class and the names of its weights;
what they add is saved alone, as a file of weights and one of settings, and put back on a base when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import safetensors.torch
import torch
from torch import nn

from selfinstruct.errors import SettingsError
from selfinstruct.train.places import OWN_CONFIG

WEIGHTS = "selfinstruct_adapter.safetensors"
# The layers that write a sub-layer's result into the residual stream, by their names in transformers' models.
ATTENTION_OUT = ("o_proj", "o", "out_proj", "dense", "c_proj")
FEED_FORWARD_OUT = ("down_proj", "wo", "fc2", "dense_4h_to_h", "c_proj", "w2")


class Bottleneck(nn.Module):
    """Houlsby et al. (arXiv 1902.00751): down, a non-linearity, up, added to what came in; first the identity."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        update = self.up(nn.functional.gelu(self.down(hidden.to(self.down.weight.dtype))))
        return hidden + update.to(hidden.dtype)


class TokenShift(nn.Module):
    """AdapterBias (Fu et al., arXiv 2205.00305): a vector of each layer, which tokens take with their own weight."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(size, 1)
        self.vector = nn.Parameter(torch.zeros(size))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        shift = self.weigh(hidden.to(self.vector.dtype)) * self.vector
        return hidden + shift.to(hidden.dtype)


def add_modules(model: Any, method: str, *, bottleneck: int = 16) -> Any:
    """Freeze the model and add the modules of a method, which are trainable: `model` itself, changed.

    BitFit trains all biases; linear layers without one (LLaMA and T5 have none) get one of zeros.

    Raises:
        SettingsError: the model has no layer that the method could work on.
    """
    model.requires_grad_(requires_grad=False)
    if method == "bitfit":
        _add_biases(model)
    elif method == "houlsby":
        _hang_on(model, (*ATTENTION_OUT, *FEED_FORWARD_OUT), lambda size: Bottleneck(size, bottleneck))
    else:
        _hang_on(model, FEED_FORWARD_OUT, TokenShift)
    model.selfinstruct_adapter = {"method": method, "bottleneck": bottleneck}
    return model


def save_modules(model: Any, folder: Path) -> None:
    """Write what the method added or trains, and how to put it back."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: one.detach().cpu().contiguous() for name, one in model.named_parameters() if one.requires_grad}
    safetensors.torch.save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    settings = {**model.selfinstruct_adapter, "base_model_name_or_path": model.name_or_path}
    (folder / OWN_CONFIG).write_bytes(orjson.dumps(settings, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def load_modules(model: Any, folder: Path) -> Any:
    """Put saved modules on a base.

    Raises:
        SettingsError: the weights are not for this model.
    """
    settings = orjson.loads((folder / OWN_CONFIG).read_bytes())
    add_modules(model, settings["method"], bottleneck=settings["bottleneck"])
    load_weights(model, folder)
    if settings["method"] == "bitfit":
        _narrow_biases(model)
    return model


def load_weights(model: Any, folder: Path) -> None:
    """Set the modules that a model has to saved weights.

    Raises:
        SettingsError: the weights are not for this model.
    """
    saved = safetensors.torch.load_file(folder / WEIGHTS)
    wanted = {name: one for name, one in model.named_parameters() if one.requires_grad}
    shapes = {name: tuple(one.shape) for name, one in saved.items()}
    if shapes != {name: tuple(one.shape) for name, one in wanted.items()}:
        raise SettingsError(f"{folder}: this adapter does not fit its base; say which one it was made for with --base")
    with torch.no_grad():
        for name, one in wanted.items():
            one.copy_(saved[name])


def merge_biases(model: Any) -> Any:
    """Make BitFit's biases part of the model's own configuration, so that it opens without this package.

    Raises:
        SettingsError: the architecture has no place for them.
    """
    config = model.config
    for name in ("attention_bias", "mlp_bias"):
        if hasattr(config, name):
            setattr(config, name, True)
    with torch.device("meta"):
        expected = {name for name, _ in type(model)(config).named_parameters()}
    if homeless := {name for name, _ in model.named_parameters()} - expected:
        raise SettingsError(
            f"a {config.model_type} model has no place for biases such as {min(homeless)}, so BitFit cannot be merged "
            "into it; use the adapter as it is"
        )
    return model


def _add_biases(model: Any) -> None:
    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not head and module.bias is None:
            module.bias = nn.Parameter(torch.zeros(module.out_features, device=module.weight.device))
    for name, one in model.named_parameters():
        one.requires_grad_(requires_grad=name.endswith("bias") and "relative_attention_bias" not in name)
        if one.requires_grad:
            one.data = one.data.float()  # small steps are lost in 16 bits


def _narrow_biases(model: Any) -> None:
    """Biases in the numbers of their weights: without autocast a linear layer takes no others."""
    for module in model.modules():
        if isinstance(bias := getattr(module, "bias", None), nn.Parameter):
            bias.data = bias.data.to(module.weight.dtype)


def _hang_on(model: Any, names: tuple[str, ...], make: Callable[[int], nn.Module]) -> None:
    targets = list(_outputs(model, names))
    if not targets:
        raise SettingsError(
            f"no layer of this {model.config.model_type} model is named {', '.join(names)}; choose another method, "
            "such as lora"
        )
    for layer in targets:
        size = getattr(layer, "out_features", None) or layer.nf
        layer.add_module("selfinstruct", make(size).to(layer.weight.device))
        layer.register_forward_hook(_after)


def _outputs(model: Any, names: tuple[str, ...]) -> Iterator[Any]:
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in names and (hasattr(module, "out_features") or hasattr(module, "nf")):
            yield module


def _after(layer: Any, _given: Any, output: torch.Tensor) -> torch.Tensor:
    changed: torch.Tensor = layer.selfinstruct(output)
    return changed
