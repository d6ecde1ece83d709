"""Tokens a second and peak memory of a training, beside plain trl with peft on the same model, rows and settings.

    python benchmarks/train.py

Both sides run in processes of their own, by turns, five times each; the figures are medians. A side is timed from the
rows in memory to the end of the last step: encoding, the trainer, the steps, one checkpoint. The base is a LLaMA with
random weights, the rows are those of a demo run, and the adapter is LoRA on all linear layers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import selfinstruct as si

REPEATS, LENGTH, BATCH, MICRO, STEPS, RATE = 5, 256, 16, 8, 20, 2e-4


def prepare(folder: Path) -> None:
    """Write the rows, whole prompts and answers, and the base."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    run = si.generate(folder / "run", model="demo", num_tasks=500, progress=False)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=["<|endoftext|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for row in run.dataset for text in row.values()), trainer)
    end, pad = "<|endoftext|>", "<|pad|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=pad)
    # Rows that fit on both sides, so that neither has fewer tokens to train.
    rows = [row for row in run.dataset if len(fast(" ".join(row.values())).input_ids) < LENGTH - 80]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=8,
        max_position_embeddings=512, eos_token_id=fast.eos_token_id, bos_token_id=None, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder / "base")
    fast.save_pretrained(folder / "base")


def ours(folder: Path) -> tuple[float, float]:
    """Seconds and the last loss of `finetune`."""
    import transformers

    from selfinstruct.train.fit import fit
    from selfinstruct.train.methods import apply
    from selfinstruct.train.models import load_base
    from selfinstruct.train.training import prepare as encode

    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    model = load_base(folder / "base")
    transformers.set_seed(42)
    begun = time.perf_counter()
    prepared = encode(
        rows, folder / "base", max_length=LENGTH, batch_size=BATCH, micro_batch=MICRO, max_steps=STEPS, validation=0,
        learning_rate=RATE, schedule="linear", warmup=0.0, lora_r=16, lora_alpha=32, lora_dropout=0.05,
    )  # fmt: skip
    model = apply(model, prepared.settings, steps=STEPS)
    with tempfile.TemporaryDirectory() as output:
        trainer = fit(model, prepared.tokenizer, prepared.examples, [], prepared.settings, Path(output), progress=False)
    return time.perf_counter() - begun, trainer.state.log_history[-2]["loss"]


def trl(folder: Path) -> tuple[float, float]:
    """The same with SFTTrainer as its documentation shows it: columns prompt and completion, a peft configuration."""
    import datasets
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    from selfinstruct.export.formats import template

    alpaca = template("alpaca")
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    model = AutoModelForCausalLM.from_pretrained(folder / "base")
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    set_seed(42)
    begun = time.perf_counter()
    data = datasets.Dataset.from_list(
        [{"prompt": alpaca.prompt(row), "completion": alpaca.answer(row)} for row in rows]
    )
    with tempfile.TemporaryDirectory() as output:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=output, per_device_train_batch_size=MICRO, gradient_accumulation_steps=BATCH // MICRO,
                max_steps=STEPS, learning_rate=RATE, lr_scheduler_type="linear", max_length=LENGTH, use_cpu=True,
                bf16=False, activation_checkpointing=False, report_to="none", logging_steps=10, save_strategy="steps",
                save_steps=STEPS, disable_tqdm=True, dataloader_pin_memory=False,
            ),
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=LoraConfig(
                r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
        )  # fmt: skip
        trainer.train()
    return time.perf_counter() - begun, trainer.state.log_history[-2]["loss"]


def measure(side: str, folder: Path) -> dict[str, float]:
    """One run of a side in a process of its own."""
    made = subprocess.run(
        [sys.executable, __file__, "--side", side, "--folder", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True,
        # One thread: on a machine with other work two wait for each other, and the noise is larger than the figures.
        env={"OMP_NUM_THREADS": "1", **os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    found: dict[str, float] = json.loads(made.stdout.splitlines()[-1])
    return found


def tokens_of(folder: Path) -> int:
    """Tokens of the steps that both sides take, on average."""
    from selfinstruct.train.training import prepare as encode

    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    examples = encode(rows, folder / "base", max_length=LENGTH, validation=0).examples
    return round(STEPS * BATCH * statistics.mean(len(one.input_ids) for one in examples))


def compare(folder: Path) -> None:
    """Measure both sides by turns and print the medians and their ratios."""
    prepare(folder)
    tokens = tokens_of(folder)
    found: dict[str, list[dict[str, float]]] = {"ours": [], "trl": []}
    for _ in range(REPEATS):
        for side, runs in found.items():
            runs.append(measure(side, folder))
            print(side, runs[-1], file=sys.stderr)
    medians = {
        side: {name: statistics.median(run[name] for run in runs) for name in runs[0]} for side, runs in found.items()
    }
    for side, one in medians.items():
        print(
            f"{side:<5} {tokens / one['seconds']:8.0f} tokens/s  {one['peak_mb']:7.0f} MB peak  loss {one['loss']:.3f}"
        )
    speed = medians["trl"]["seconds"] / medians["ours"]["seconds"]
    memory = medians["ours"]["peak_mb"] / medians["trl"]["peak_mb"]
    print(f"ratio {speed:.2f} of trl's speed, {memory:.2f} of its memory (medians of {REPEATS})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", choices=["ours", "trl"])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side is None:
        with tempfile.TemporaryDirectory() as temporary:
            compare(Path(temporary))
    else:
        seconds, loss = (ours if given.side == "ours" else trl)(given.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mb": peak, "loss": loss}))
