"""What can be trained, and the limits of each way, which are checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.train.extras import quiet_libraries
from selfinstruct.train.plan import world_rank
from selfinstruct.train.settings import TrainSettings

LORA = ("lora", "rslora", "dora", "pissa", "adalora")
SHARDED = ("full", "lora", "rslora", "dora", "ia3", "layer-norm")
OWN = ("bitfit", "houlsby", "adapterbias")


@dataclass(frozen=True)
class Method:
    """A way of tuning: what of the model it trains, the usual learning rate, and what it goes with.

    `mergeable`: its result can become part of the base's weights. `quantisable`: the base may be held in 4 or 8 bits.
    `seq2seq`: encoder-decoders can be tuned so. `checkpointing`: activations may be computed twice.
    """

    summary: str
    learning_rate: float
    mergeable: bool = True
    quantisable: bool = True
    seq2seq: bool = True
    checkpointing: bool = True


METHODS: dict[str, Method] = {
    "lora": Method("low-rank updates of the linear layers", 2e-4),
    "rslora": Method("LoRA scaled by the root of its rank", 2e-4),
    "dora": Method("LoRA with a trained norm for each output", 2e-4),
    "pissa": Method("LoRA that starts from the largest singular vectors", 2e-4, quantisable=False),
    "adalora": Method("LoRA that spends its rank where it helps", 1e-3),
    "ia3": Method("a factor for each key, value and feed-forward unit", 5e-3),
    "prefix": Method("learnt keys and values in front of each layer", 1e-2, mergeable=False, checkpointing=False),
    "prompt": Method("learnt tokens in front of the text", 3e-2, mergeable=False),
    "layer-norm": Method("the weights of the normalisations", 1e-3),
    "bitfit": Method("biases alone; LLaMA and T5 have none and get zeros", 1e-3, quantisable=False),
    "houlsby": Method("a bottleneck behind each sub-layer", 1e-3, mergeable=False, quantisable=False),
    "adapterbias": Method("a weighted vector behind each feed-forward", 1e-2, mergeable=False, quantisable=False),
    "full": Method("every weight", 2e-5, quantisable=False),
}


def table() -> str:
    """The methods and their limits, for the help of the command."""
    columns = ("mergeable", "quantisable", "seq2seq", "checkpointing")
    lines = ["method       merge  4-bit  seq2seq  recompute  rate   what is trained"]
    for name, one in METHODS.items():
        marks = ["yes" if getattr(one, column) else "-" for column in columns]
        lines.append(
            f"{name:<12} {marks[0]:<6} {marks[1]:<6} {marks[2]:<8} {marks[3]:<10} {one.learning_rate:<6g} {one.summary}"
        )
    return "\n".join(lines)


def find(name: str) -> Method:
    """The method of a name.

    Raises:
        SettingsError: there is none.
    """
    if name not in METHODS:
        raise SettingsError(f"there is no method {name!r}; the methods are {', '.join(METHODS)}")
    return METHODS[name]


def check(settings: TrainSettings, *, seq2seq: bool, merge: bool = False) -> Method:
    """The method of the settings, if it can do what they ask of it.

    Raises:
        SettingsError: it cannot; the message names the methods that can.
    """
    method = find(settings.method)
    wanted = {
        "quantisable": (settings.quantization != "none", "on a quantised base (--quantization)"),
        "seq2seq": (seq2seq, "with an encoder-decoder such as T5"),
        "checkpointing": (settings.checkpointing, "with --checkpointing"),
        "mergeable": (merge, "into a merged model"),
    }
    for limit, (asked, words) in wanted.items():
        if asked and not getattr(method, limit):
            able = ", ".join(name for name, one in METHODS.items() if getattr(one, limit))
            raise SettingsError(f"the method {settings.method} does not go {words}; these do: {able}")
    if settings.method == "dora" and settings.quantization == "int8":
        raise SettingsError("dora loses the scales of 8-bit weights; use --quantization nf4, or the method lora")
    if merge and seq2seq and settings.method == "bitfit":
        raise SettingsError("T5 and its like have no place for biases, so bitfit cannot be merged; leave --merge out")
    if settings.fsdp and settings.method not in SHARDED:
        raise SettingsError(
            f"--fsdp goes with the methods {', '.join(SHARDED)}; leave it out, and each process has a copy"
        )
    if settings.fsdp and seq2seq:
        raise SettingsError("encoder-decoders cannot be sharded, for their halves share an embedding; add --no-fsdp")
    if settings.fsdp and settings.quantization == "int8":
        raise SettingsError("8-bit weights cannot be sharded; use --quantization nf4, or --no-fsdp")
    if seq2seq and settings.engine == "trl":
        raise SettingsError("the engine trl has no encoder-decoders; leave --engine out")
    if settings.engine == "trl" and settings.method in OWN:
        raise SettingsError(f"the engine trl does not know the method {settings.method}; leave --engine out")
    return method


@quiet_libraries()
def apply(model: Any, settings: TrainSettings, *, steps: int) -> Any:
    """The model with what the method trains, everything else frozen. `steps` is the length of the whole training.

    Raises:
        SettingsError: the model has no layers that the method could work on.
    """
    if settings.method == "full":
        model.requires_grad_(requires_grad=True)
        return model
    if settings.method in OWN:
        from selfinstruct.train.modules import add_modules

        return add_modules(model, settings.method, bottleneck=settings.bottleneck)
    import peft

    # Not by prepare_model_for_kbit_training, which widens all that is not quantised, and with it every activation.
    try:
        return peft.get_peft_model(model, _config(model, settings, steps))
    except ValueError as error:
        raise SettingsError(
            f"{settings.method} finds no place in this {model.config.model_type} model: {error}"
        ) from error


def _config(model: Any, settings: TrainSettings, steps: int) -> Any:
    import peft

    task = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    if settings.method in LORA:
        return _lora_config(settings, task, steps)
    make: dict[str, Callable[[], Any]] = {
        "ia3": lambda: peft.IA3Config(task_type=task),
        "prefix": lambda: peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=settings.virtual_tokens),
        "prompt": lambda: peft.PromptTuningConfig(task_type=task, num_virtual_tokens=settings.virtual_tokens),
        "layer-norm": lambda: peft.LNTuningConfig(task_type=task, target_modules=_normalisations(model)),
    }
    return make[settings.method]()


def _lora_config(settings: TrainSettings, task: str, steps: int) -> Any:
    import peft

    names = settings.target_modules
    shared: dict[str, Any] = {
        "task_type": task,
        "lora_alpha": settings.lora_alpha,
        "lora_dropout": settings.lora_dropout,
        "target_modules": names if names == "all-linear" else [name.strip() for name in names.split(",")],
    }
    if settings.method == "adalora":
        # The budget falls from 1.5 r to r on average, in the middle of the training (arXiv 2303.10512, section 3.3).
        return peft.AdaLoraConfig(
            **shared,
            init_r=settings.lora_r + (settings.lora_r + 1) // 2,
            target_r=settings.lora_r,
            tinit=steps // 10,
            tfinal=steps // 2,
            deltaT=max(1, steps // 100),
            total_step=max(steps, 3),
        )
    special: dict[str, dict[str, Any]] = {
        "rslora": {"use_rslora": True},
        "dora": {"use_dora": True},
        "pissa": {"init_lora_weights": "pissa"},
    }
    return peft.LoraConfig(r=settings.lora_r, **shared, **special.get(settings.method, {}))


def _normalisations(model: Any) -> list[str]:
    """The names of the layers that are normalisations, such as "input_layernorm"."""
    names = [name.rpartition(".")[2] for name, one in model.named_modules() if "Norm" in type(one).__name__]
    return list(dict.fromkeys(names))


def trainable(model: Any) -> tuple[int, int]:
    """The numbers of weights that are trained, and of all. Weights of 4 bits are packed, two in a byte."""
    counts = [
        (one.numel() * (2 * one.element_size() if type(one).__name__ == "Params4bit" else 1), one.requires_grad)
        for one in model.parameters()
    ]
    return sum(number for number, on in counts if on), sum(number for number, _ in counts)


@quiet_libraries()
def keep_start(model: Any, folder: Path, settings: TrainSettings) -> Path | None:
    """Write PiSSA's first adapter, which what was learnt is the difference to; None for the other methods."""
    if settings.method != "pissa":
        return None
    config, start = model.peft_config["default"], folder / "start"
    config.init_lora_weights = True  # saved as what its numbers are: a plain LoRA
    model.save_pretrained(start, is_main_process=world_rank() == 0)
    config.init_lora_weights = "pissa"
    return start


@quiet_libraries()
def save(model: Any, folder: Path, settings: TrainSettings, *, start: Path | None = None) -> None:
    """Write what was trained: an adapter, or the whole model of `full`. `start` holds PiSSA's first adapter.

    Raises:
        SettingsError: nothing was learnt: the adapter is empty, or every weight of it is still zero.
    """
    if settings.method in OWN:
        from selfinstruct.train.modules import save_modules

        save_modules(model, folder)
    elif settings.method == "pissa" and start is not None:
        # As plain LoRA on the untouched base: the difference of the last and the first adapter.
        model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(start))
    else:
        model.save_pretrained(folder)
    if settings.method != "full":
        check_learnt(folder)


def check_learnt(folder: Path) -> None:
    """Refuse an adapter that changes nothing, the 443-byte file that alpaca-lora wrote for years.

    Raises:
        SettingsError: it is empty, or what it adds to the base is zero everywhere.
    """
    import safetensors.torch
    import torch

    from selfinstruct.train.places import PEFT_CONFIG

    name = "adapter_model.safetensors" if (folder / PEFT_CONFIG).is_file() else "selfinstruct_adapter.safetensors"
    path, older = folder / name, folder / "adapter_model.bin"
    if path.is_file():
        weights = safetensors.torch.load_file(path)
    elif older.is_file():  # as peft wrote them until 2023
        weights, path = torch.load(older, map_location="cpu", weights_only=True), older
    else:
        raise SettingsError(
            f"{folder}: the adapter has no weights ({name} is missing); fetch it again, or train it again"
        )
    # Of a pair of factors the second starts at zero, and only a training changes that.
    second = [one for key, one in weights.items() if _starts_at_zero(key)] or list(weights.values())
    if not any(one.any() for one in second):
        raise SettingsError(
            f"{path}: the adapter is {'all zero' if weights else 'empty'}, so it changes nothing; train again"
        )


def _starts_at_zero(key: str) -> bool:
    return any(part in key for part in ("lora_B", "lora_E", ".up.", "selfinstruct.vector"))
