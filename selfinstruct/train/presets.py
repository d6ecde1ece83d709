"""Settings of published recipes, with the numbers that they were run with. Any option overrides them.

Sources: tloen/alpaca-lora (finetune.py and the README's command of 26 March 2023), tatsu-lab/stanford_alpaca (README),
QLoRA (arXiv 2305.14314, tables of hyperparameters), the model cards of MBZUAI/LaMini-*, AutoTrain-Advanced 0.8.36 (its
defaults, and the learning rate of its notebook).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfinstruct.errors import SettingsError

_ALPACA_LORA = {
    "method": "lora",
    "quantization": "int8",
    "lora_r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.05,
    "target_modules": "q_proj,v_proj",
    "format": "alpaca",
    "batch_size": 128,
    "micro_batch": 4,
    "epochs": 3.0,
    "learning_rate": 3e-4,
    "schedule": "linear",
    "warmup": 100.0,
    "max_length": 256,
    "validation": 2000.0,
    "train_on_inputs": True,
    "evaluate_every": 200,
    "save_every": 200,
    "keep_checkpoints": 3,
}
_LAMINI = {
    "method": "full",
    "format": "plain",
    "batch_size": 512,
    "micro_batch": 128,
    "epochs": 5.0,
    "learning_rate": 5e-4,
    "schedule": "linear",
    "warmup": 0.0,
}
_STANFORD = {
    "method": "full",
    "format": "alpaca-legacy",
    "dtype": "bfloat16",
    "batch_size": 128,
    "micro_batch": 4,
    "epochs": 3.0,
    "learning_rate": 2e-5,
    "schedule": "cosine",
    "warmup": 0.03,
    "max_length": 512,
    "validation": 0.0,
    "fsdp": True,
}

PRESETS: dict[str, Mapping[str, Any]] = {
    "alpaca-lora": _ALPACA_LORA,
    "alpaca-lora-official": {
        **_ALPACA_LORA,
        "epochs": 10.0,
        "max_length": 512,
        "target_modules": "q_proj,k_proj,v_proj,o_proj",
        "lora_r": 16,
        "micro_batch": 8,
        "group_by_length": True,
    },
    "stanford-alpaca": _STANFORD,
    "stanford-alpaca-13b": {**_STANFORD, "learning_rate": 1e-5, "epochs": 5.0},
    "qlora-guanaco": {
        "method": "lora",
        "quantization": "nf4",
        "double_quantization": True,
        "dtype": "bfloat16",
        "lora_r": 64,
        "lora_alpha": 16,
        "lora_dropout": 0.1,
        "target_modules": "all-linear",
        "format": "guanaco",
        "train_on_inputs": True,
        "batch_size": 16,
        "micro_batch": 1,
        "max_steps": 1875,
        "learning_rate": 2e-4,
        "schedule": "constant_with_warmup",
        "warmup": 0.03,
        "max_grad_norm": 0.3,
        "optimizer": "paged_adamw_32bit",
        "group_by_length": True,
        "max_length": 512,
        "checkpointing": True,
    },
    **{f"lamini-flan-t5-{size}": _LAMINI for size in ("77m", "248m", "783m")},
    "autotrain": {
        "method": "lora",
        "quantization": "nf4",
        "double_quantization": False,
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_dropout": 0.05,
        "target_modules": "all-linear",
        "format": "guanaco",
        "train_on_inputs": True,
        "batch_size": 8,
        "micro_batch": 2,
        "max_length": 1024,
        "epochs": 1.0,
        "learning_rate": 2e-4,
        "schedule": "linear",
        "warmup": 0.1,
        "validation": 0.0,
        "checkpointing": True,
    },
}


def preset(name: str | None) -> Mapping[str, Any]:
    """The settings of a preset; of none, none.

    Raises:
        SettingsError: there is no such preset.
    """
    if name is None:
        return {}
    if name not in PRESETS:
        raise SettingsError(f"there is no preset {name!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[name]
