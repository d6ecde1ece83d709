"""From nothing to a tuned model on this machine's processor: a run, a tiny base, an adapter, its scores, a chat turn.

    pip install 'selfinstruct[train,eval]'
    python examples/train_alpaca.py

No key, no download, no GPU, a minute or two. The offline teacher writes the data and the base is a LLaMA of a million
weights made on the spot, so the scores mean nothing: each step is the one that a real model takes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

import selfinstruct as si
from selfinstruct.split import split
from selfinstruct.train import Tuned, finetune
from selfinstruct.train.evaluation import Evaluation, Plan, evaluate

# A model this small is faster on one core; threads would only wait for each other.
torch.set_num_threads(1)
SMALL = {"format": "alpaca-short", "max_length": 192, "max_dropped": 0.5, "batch_size": 16, "micro_batch": 16}


def make_base(folder: Path, train: Path) -> Path:
    """Write a LLaMA of two layers that has read the training texts a few times, with a tokenizer of their words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<|endoftext|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(train.read_text(encoding="utf-8").splitlines(), trainer)
    end, pad = "<|endoftext|>", "<|pad|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=pad)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512, eos_token_id=fast.eos_token_id, bos_token_id=None, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    set_seed(0)
    random = folder / "random"
    LlamaForCausalLM(config).save_pretrained(random)
    fast.save_pretrained(random)
    read = finetune(
        train, random, folder / "base", **SMALL, method="full", learning_rate=3e-3, epochs=4, train_on_inputs=True,
        validation=0,
    )  # fmt: skip
    return read.path


def tune_and_measure(folder: Path, num_tasks: int = 300, epochs: float = 3) -> tuple[Tuned, Evaluation]:
    """Write data, part them, tune an adapter on the larger part, and compare it with its base on the other."""
    run = si.generate(folder / "run", model="demo", num_tasks=num_tasks)
    print(run)
    train, test = folder / "train.jsonl", folder / "test.jsonl"
    print(split(run.path, train, test, size=24))
    base = make_base(folder, train)
    tuned = finetune(train, base, folder / "adapter", **SMALL, method="lora", learning_rate=5e-3, epochs=epochs)
    print(tuned)
    print(tuned.merge())
    plan = Plan(max_new_tokens=48, on_overlap="drop")
    scores = evaluate(str(tuned.path), test, folder / "scores", training=[train], plan=plan)
    print(scores.table)
    return tuned, scores


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        model, _ = tune_and_measure(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
        question = "Sort the numbers from smallest to largest.", "7, 3, 9"
        print("you:", *question)
        print("model:", model.ask(*question, max_new_tokens=48))
