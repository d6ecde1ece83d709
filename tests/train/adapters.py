"""An adapter that changes what the tiny LLaMA says, without a training."""

from __future__ import annotations

import orjson
import pytest
import torch

# peft asks the model for a property that transformers has renamed.
peft_is_behind = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def adapter(folder, base, format="plain"):
    """The folder of a LoRA on a base, with the record of a training in a format."""
    import peft
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = peft.LoraConfig(r=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
        made = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    made.save_pretrained(folder)
    (folder / "training.json").write_bytes(orjson.dumps({"settings": {"format": format}, "result": {}}))
    return folder
