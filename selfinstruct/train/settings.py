"""Every setting of a training, once: keyword arguments, command-line options and training.json are made from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args

from selfinstruct.errors import SettingsError

Engine = Literal["transformers", "trl"]
Quantization = Literal["none", "nf4", "int8"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Device = Literal["auto", "cpu", "cuda"]
Schedule = Literal["cosine", "linear", "constant", "constant_with_warmup"]


def _setting(default: Any, help: str, *, free: bool = False, **more: Any) -> Any:
    """`free` settings may change when a training is gone on with: they have no part in the weights."""
    return field(default=default, metadata={"help": help, "scope": "free" if free else "fixed", **more})


def _switch(default: bool, name: str, help: str) -> Any:
    """A setting that a preset may turn on, and an option off again."""
    return _setting(default, help, option=f"--{name}/--no-{name}")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The settings of a training; each field says in its metadata what it means. `None` is the method's own default."""

    format: str = _setting(
        "alpaca", "How a row becomes a prompt: a format or a template file, or chat, the template of the tokenizer."
    )
    max_length: int = _setting(512, "Most tokens of prompt and answer; longer inputs are shortened, answers never.")
    train_on_inputs: bool = _switch(False, "train-on-inputs", "Count the prompt in the loss, too.")
    max_dropped: float = _setting(0.1, "Share of the rows that may be left out because they do not fit.")
    validation: float = _setting(0.05, "Rows held out to validate on: a share below 1, or their number; 0 is none.")
    validation_max_rouge: float = _setting(0.7, "No held-out instruction is as similar as this to a trained one.")

    method: str = _setting("lora", "What is trained; see the table in the help.")
    lora_r: int = _setting(16, "Rank of the LoRA family.")
    lora_alpha: int = _setting(32, "Scale of the LoRA family; alpha / r multiplies the update.")
    lora_dropout: float = _setting(0.05, "Dropout of the LoRA family.")
    target_modules: str = _setting("all-linear", "Layers of the LoRA family: all-linear, or names with commas.")
    virtual_tokens: int = _setting(20, "Length of prefix and prompt.")
    bottleneck: int = _setting(16, "Width of houlsby.")
    quantization: Quantization = _setting("none", "Hold the base in 4 bits (nf4) or 8 (int8); needs the extra qlora.")
    double_quantization: bool = _switch(True, "double-quantization", "Of nf4: quantise the constants, too.")
    dtype: Dtype = _setting("auto", "Numbers of the base: auto is bfloat16 where the GPU has it, else float32.")
    device: Device = _setting("auto", "Where to train.")

    epochs: float = _setting(3.0, "Times that each row is seen.")
    max_steps: int | None = _setting(None, "Stop after this many steps.")
    batch_size: int = _setting(32, "Rows of one step, over all processes.")
    micro_batch: int = _setting(4, "Rows that a device holds at once; changes memory and speed, not the result.")
    learning_rate: float | None = _setting(None, "Highest learning rate (default by method: lora 2e-4, full 2e-5).")
    schedule: Schedule = _setting("cosine", "How the learning rate falls.")
    warmup: float = _setting(0.03, "Steps in which it rises first: a share below 1, or their number.")
    weight_decay: float = _setting(0.0, "Weight decay.")
    max_grad_norm: float = _setting(1.0, "Longer gradients are cut to this norm; 0 leaves them.")
    optimizer: str = _setting("adamw_torch", "Optimizer, by its name in transformers (paged_adamw_8bit, adafactor).")
    group_by_length: bool = _switch(False, "group-by-length", "Put rows of like length into a batch.")
    checkpointing: bool = _switch(
        False, "checkpointing", "Compute activations twice instead of keeping them: slower, less memory."
    )
    packing: bool = _switch(
        False, "packing", "Fill each sequence with several rows, which do not see each other (engine trl)."
    )
    seed: int = _setting(42, "Seed of the split, the order of rows, the adapter and dropout.")
    engine: Engine = _setting("transformers", "Trainer: transformers, or trl (packing, very large vocabularies).")
    processes: int | None = _setting(None, "Refuse to start with fewer processes (torchrun --nproc-per-node).")
    fsdp: bool = _switch(
        False, "fsdp", "Shard weights and optimizer over the processes (FSDP) instead of copying them (DDP)."
    )

    evaluate_every: int | None = _setting(None, "Steps between validations (default: once an epoch).")
    save_every: int | None = _setting(None, "Steps between checkpoints (default: once an epoch).")
    keep_checkpoints: int = _setting(2, "Checkpoints on disk, besides the best one.", free=True)
    early_stop: int | None = _setting(None, "Stop after this many validations in a row without a gain.")
    log_every: int = _setting(10, "Steps between points of the loss curve.")

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    def updated(self, given: Mapping[str, Any]) -> TrainSettings:
        """These settings with the given ones in their place.

        Raises:
            SettingsError: a name is no setting, or a value cannot be used.
        """
        known = {one.name for one in fields(self)}
        for name in given:
            if name not in known:
                close = SYNONYMS.get(name) or get_close_matches(name, known, 3) or sorted(known)
                raise SettingsError(f"there is no setting {name!r} of a training; did you mean {' or '.join(close)}?")
        return replace(self, **given)

    def changed_in(self, other: TrainSettings) -> list[str]:
        """Names of the settings that decide about the weights and differ in the other ones."""
        return [
            one.name
            for one in fields(self)
            if one.metadata["scope"] == "fixed" and getattr(self, one.name) != getattr(other, one.name)
        ]


# As other programs call them.
SYNONYMS = {"lr": ["learning_rate"], "rank": ["lora_r"], "r": ["lora_r"], "cutoff_len": ["max_length"]}
_RANGES: dict[str, tuple[float, float]] = {
    "max_length": (8, 10_000_000),
    "max_dropped": (0.0, 1.0),
    "validation": (0.0, 1e9),
    "validation_max_rouge": (0.01, 1.0),
    "lora_r": (1, 4096),
    "lora_alpha": (1, 65_536),
    "lora_dropout": (0.0, 0.99),
    "virtual_tokens": (1, 10_000),
    "bottleneck": (1, 65_536),
    "epochs": (0.0, 1e6),
    "max_steps": (1, 1_000_000_000),
    "batch_size": (1, 10_000_000),
    "micro_batch": (1, 1_000_000),
    "learning_rate": (0.0, 100.0),
    "warmup": (0.0, 1e9),
    "weight_decay": (0.0, 100.0),
    "max_grad_norm": (0.0, 1e9),
    "seed": (0, 2**32 - 1),
    "processes": (1, 1_000_000),
    "evaluate_every": (1, 1_000_000_000),
    "save_every": (1, 1_000_000_000),
    "keep_checkpoints": (1, 10_000),
    "early_stop": (1, 10_000),
    "log_every": (1, 1_000_000),
}
_CHOICES = {"engine": Engine, "quantization": Quantization, "dtype": Dtype, "device": Device, "schedule": Schedule}


def _check(settings: TrainSettings) -> None:
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SettingsError(f"{name} is a number, not {value!r}")
        if not low <= value <= high:
            raise SettingsError(f"{name} lies between {low:,} and {high:,}, not {value!r}")
    for name, kind in _CHOICES.items():
        if getattr(settings, name) not in get_args(kind):
            raise SettingsError(f"{name} is one of {', '.join(get_args(kind))}, not {getattr(settings, name)!r}")
    if settings.packing and settings.engine != "trl":
        raise SettingsError("packing is a matter of the engine trl; add --engine trl, or leave it out")
    evaluate, save = settings.evaluate_every, settings.save_every
    if settings.validation and evaluate and save and save % evaluate:
        raise SettingsError(
            f"the best checkpoint can only be kept where each one is validated: save_every ({save}) has to be a "
            f"multiple of evaluate_every ({evaluate})"
        )
    if settings.early_stop is not None and not settings.validation:
        raise SettingsError("early_stop needs rows to validate on; set --validation, such as 0.05")
