"""What the backward pass needs of a forward pass, by arithmetic on a model without weights.

It is counted layer by layer in bytes a token, from what torch's operations keep for their derivatives. With c bytes a
value (2 under 16-bit autocast, else 4), widths h of the residual stream, a of all heads, i of the feed-forward, d of
what goes in, L tokens a row and V words in the vocabulary, these are:

    a normalisation       4h           its input in float32; 4h more, what is scaled, where its weight is trained
    attention             4ac + 4H     queries, keys, values, result, and a float32 for each of H heads (sdpa); keys and
                                       values have the width of their groups while no row is padded
    its mask, if padded   Lc           sdpa makes a number of each boolean, for each layer and row
    without fused kernel  12LH         the probabilities, their dropout, the product: heads with a bias (T5), soft caps
    SwiGLU                3ic          the input of silu, its result, and what that is multiplied with
    feed-forward of two   ic           the input of the activation; 3ic more where a GELU is taken in steps
    a trained matrix      cd           its input, once if several share it, but a copy for each under autocast
    LoRA's two            (m + c)d + rc   dropout's mask (m: 1 byte on CUDA, a float32 on a CPU), its result, what comes
                                       between; without dropout the input as above, and rc
    DoRA                  2c           for each output, of the base and of LoRA
    dropout               mh           of each layer of that kind
    int8                  4d           the input, which bitsandbytes keeps for its outliers

A layer of a frozen LLaMA thus keeps 8h + 4ac + 3ic; arXiv 2205.05198 (section 4.1) counts 34h for GPT's operations in
16 bits. Recomputing activations leaves the input of each layer, and all the rest of one layer at a time. The loss holds
three matrices of float32 at its peak, 12V: the logarithms, their derivative and that of the logits. The derivatives
inside the last layer may take more where the vocabulary is small. tests/train/test_plan.py measures all of it on a CPU;
what is said of CUDA is read from its kernels. Mixtures of experts are counted without their experts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from selfinstruct.train.settings import TrainSettings

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
TILE = (4096, 32_768)  # tokens and words that trl's head takes at once
STEPWISE_GELU = ("NewGELUActivation", "FastGELUActivation", "AccurateGELUActivation")


@dataclass(frozen=True)
class Batch:
    """The longest micro-batch: its rows, tokens and labels of a row, and whether shorter rows are padded to it."""

    rows: int
    tokens: int
    labels: int
    padded: bool


@dataclass(frozen=True)
class Widths:
    """Bytes of a number by where it stands."""

    residual: int
    product: int
    mask: int
    autocast: bool

    @classmethod
    def of(cls, settings: TrainSettings, load_dtype: str) -> Widths:
        """Those that the settings lead to on the device that is there, of a base that is held in `load_dtype`."""
        from selfinstruct.train.models import device_of, precision

        _, autocast = precision(settings)
        product = BYTES[autocast or load_dtype]
        return cls(
            residual=BYTES[load_dtype],
            product=product,
            mask=4 if device_of(settings.device) == "cpu" else 1,
            autocast=autocast is not None,
        )

    @property
    def on_cpu(self) -> bool:
        """Whether the kernels are those of a CPU."""
        return self.mask == 4


@dataclass(frozen=True)
class Linear:
    """A matrix of a layer, with what a method hangs on it. `group` names what reads the same input."""

    name: str
    group: str
    in_attention: bool
    writes: bool
    inputs: int
    outputs: int
    weights: int
    trained: bool
    rank: int
    dropout: bool
    magnitude: bool
    scaled: bool


def activation_bytes(model: Any, settings: TrainSettings, batch: Batch, widths: Widths, *, sharded: bool) -> float:
    """The most of what is kept for the backward pass and made in it. Weights that are `sharded` need no casts."""
    hidden = model.config.get_text_config(decoder=True).hidden_size
    seq2seq, head = model.config.is_encoder_decoder, _head(model)
    guessed = batch.rows * batch.labels
    kept = [0.0 if sharded else _casts(model, widths)]
    at_once = [0.0]
    for path, layer in layers_of(model):
        encoder = seq2seq and "decoder" not in path
        if encoder and settings.method == "prefix":
            continue  # nothing in front of the decoder is trained
        tokens = batch.rows * batch.tokens if encoder else guessed
        whole = _layer(layer, model.config, settings, batch, widths) * tokens
        kept.append(widths.residual * hidden * tokens if settings.checkpointing else whole)
        at_once.append((whole if settings.checkpointing else 0) + _inside(layer, hidden, settings, widths, tokens))
    if head.requires_grad:
        kept.append(2 * widths.product * hidden * guessed)
    return sum(kept) + max(_loss(head, guessed, settings, widths), *at_once)


def _head(model: Any) -> Any:
    """The matrix that makes logits."""
    return (model.get_output_embeddings() or model.get_input_embeddings()).weight


def _casts(model: Any, widths: Widths) -> float:
    """The 16-bit copies of 32-bit matrices that autocast makes in each forward pass."""
    if not widths.autocast:
        return 0
    embeddings, head = embeddings_of(model), _head(model)
    copied = {id(one): one for one in model.parameters() if one.requires_grad and id(one) not in embeddings}
    if widths.residual == 4:
        copied[id(head)] = head
    total: int = sum(one.numel() for one in copied.values() if one.ndim == 2)
    return 2.0 * total


def _loss(head: Any, tokens: int, settings: TrainSettings, widths: Widths) -> float:
    """From hidden states to their derivatives. trl makes logits in tiles, on a CPU with seven copies in float32."""
    vocabulary: int = head.shape[0]
    gradient = 4.0 * vocabulary * head.shape[1] if head.requires_grad else 0.0
    if settings.engine == "transformers" or settings.method == "adalora":
        return max(12.0 * vocabulary * tokens, 4.0 * vocabulary * tokens + gradient)
    rows, words = min(tokens, TILE[0]), min(vocabulary, TILE[1])
    return rows * (TILE[1] * widths.product + (30 * words if widths.on_cpu else 0)) + gradient


def _layer(layer: Any, config: Any, settings: TrainSettings, batch: Batch, widths: Widths) -> float:
    """Bytes a token that a layer keeps: the table above."""
    linears = list(linears_of(layer))
    hidden, inner = config.get_text_config(decoder=True).hidden_size, _inner(linears)
    return sum(
        (
            *_plain(layer, hidden, inner, widths),
            *_attention(config, linears, batch, widths),
            *_feed_forward(layer, linears, inner, widths),
            *_inputs(linears, settings, widths),
        )
    )


def _inside(layer: Any, hidden: int, settings: TrainSettings, widths: Widths, tokens: int) -> float:
    """What the derivatives of a layer take: three of the feed-forward's width, two of the stream, one of a matrix."""
    linears = list(linears_of(layer))
    largest = max((one.weights for one in linears), default=0)
    width = 4 if any(one.dropout for one in linears) else widths.product
    total = (3 * _inner(linears) * width + 8 * hidden) * tokens
    if settings.quantization != "none":
        total += (2 + widths.product) * largest
    if any(one.trained for one in linears):
        total += 4 * largest
    if any(one.magnitude for one in linears):  # DoRA multiplies its factors through an identity, and takes norms
        total += 4 * (3 * largest + max(one.inputs for one in linears) ** 2)
    return total


def _plain(layer: Any, hidden: int, inner: int, widths: Widths) -> Iterator[float]:
    """Normalisations, dropouts and modules of ours."""
    for path, one in layer.named_modules():
        weight = getattr(one, "weight", None)
        if "Norm" in type(one).__name__ and weight is not None:
            yield 4 * hidden * (2 if weight.requires_grad else 1)
        elif type(one).__name__ == "Dropout" and one.p and "lora_" not in path:
            yield widths.mask * (inner if "Dense" in path else hidden)  # T5 has one inside of its feed-forward
        elif path.endswith("selfinstruct"):
            yield 4 * hidden


def _attention(config: Any, linears: list[Linear], batch: Batch, widths: Widths) -> Iterator[float]:
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_attention_heads", 0)
    groups = heads // (getattr(text, "num_key_value_heads", None) or heads or 1)
    eager = text._attn_implementation == "eager"  # noqa: SLF001  # says what transformers has chosen, in no public name
    unfused = eager or config.is_encoder_decoder or (widths.on_cpu and _drops(text))
    for one in linears:
        if one.in_attention and one.writes:
            yield widths.product * (one.inputs + (batch.tokens if batch.padded else 0)) + 4 * heads
            yield 12 * heads * batch.tokens if unfused else 0
        elif one.in_attention:
            yield widths.product * one.outputs * (groups if batch.padded and one.name in ("k_proj", "v_proj") else 1)


def _drops(config: Any) -> bool:
    """Whether an attention drops some of its probabilities, which CPUs have no fused kernel for."""
    return any(getattr(config, name, 0) for name in ("attention_dropout", "attn_pdrop"))


def _feed_forward(layer: Any, linears: list[Linear], inner: int, widths: Widths) -> Iterator[float]:
    made = sum(one.outputs for one in linears if not one.in_attention and not one.writes)
    yield made * widths.product
    if made >= 2 * inner:
        yield inner * widths.product
    if any(type(one).__name__ in STEPWISE_GELU for one in layer.modules()):
        yield 3 * inner * widths.product


def _inputs(linears: list[Linear], settings: TrainSettings, widths: Widths) -> Iterator[float]:
    """What trained matrices and adapters keep of their inputs."""
    shared = {one.group for one in linears if one.in_attention and one.writes}  # attention has kept its result
    eight = set(shared)
    for one in linears:
        group = one.name if widths.autocast and not one.writes else one.group
        if one.rank and (one.dropout or widths.autocast):
            yield one.inputs * (widths.product + (widths.mask if one.dropout else 0))
        elif (one.rank or one.trained) and group not in shared:
            shared.add(group)
            yield one.inputs * widths.product
        yield one.rank * widths.product
        yield 2 * one.outputs * widths.product if one.magnitude else 0
        if one.scaled:  # IA3
            yield 4 * (one.inputs if one.writes else one.outputs)
        if settings.quantization == "int8" and one.group not in eight:
            eight.add(one.group)
            yield 4 * one.inputs


def layers_of(model: Any) -> Iterator[tuple[str, Any]]:
    """The layers of a model with their paths."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return ((path, one) for path, one in model.named_modules() if isinstance(one, GradientCheckpointingLayer))


def linears_of(layer: Any) -> Iterator[Linear]:
    """The matrices of a layer; those of an adapter count to the one that they hang on."""
    from selfinstruct.train.modules import ATTENTION_OUT, FEED_FORWARD_OUT

    for path, module in layer.named_modules():
        base = getattr(module, "base_layer", module)
        weight = getattr(base, "weight", None)
        ours = any(part in path for part in ("lora_", "selfinstruct", "base_layer"))
        if ours or weight is None or weight.ndim != 2 or "Embedding" in type(base).__name__:
            continue
        outputs, inputs = weight.shape if hasattr(base, "out_features") else reversed(weight.shape)
        parent, _, name = path.rpartition(".")
        attention = "att" in parent.lower()
        writes = name in (ATTENTION_OUT if attention else FEED_FORWARD_OUT)
        factors = [getattr(one, "weight", one) for one in getattr(module, "lora_A", {}).values()]
        yield Linear(
            name=name,
            group=parent + ("<" if writes else ""),
            in_attention=attention,
            writes=writes,
            inputs=inputs,
            outputs=outputs,
            weights=weight.numel(),
            trained=weight.requires_grad,
            rank=sum(one.shape[0] for one in factors),
            dropout=any(getattr(one, "p", 0) for one in getattr(module, "lora_dropout", {}).values()),
            magnitude=len(getattr(module, "lora_magnitude_vector", ())) > 0,
            scaled=hasattr(module, "ia3_l"),
        )


def _inner(linears: list[Linear]) -> int:
    """The width of the feed-forward."""
    return max((one.inputs for one in linears if one.writes and not one.in_attention), default=0)


def embeddings_of(model: Any) -> set[int]:
    """The ids of the weights that are looked up, not multiplied with."""
    from torch import nn

    return {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
