"""Tokens a second and peak memory of a training, beside plain trl with peft on the same model, rows and settings.

    python benchmarks/train.py                                    # a whole tiny training on this CPU
    python benchmarks/train.py --shape llama-7b --device cuda     # steps of LoRA in bfloat16 on a GPU
    python benchmarks/train.py --shape llama-7b --device cuda --quantization nf4
    python benchmarks/train.py --shape tiny --device cpu          # the same lines as on a GPU, in a minute

Both sides run in processes of their own, by turns; the figures are medians. train.md has those that we have measured.

Without --shape a side is timed from the rows in memory to the end of the last step: encoding, the trainer, the steps,
one checkpoint. The base is a LLaMA with random weights, the rows are those of a demo run, and the adapter is LoRA on
all linear layers.

With --shape steps alone are timed, the first two left out. The base has random weights, made on the device where they
are used; rows have random tokens and one length. On a GPU the peak is that of torch's allocator; on a CPU it is what
the process grows by, with buffers and code of the libraries. Floating-point operations are those that the model asks
for. With N frozen weights in matrices (the embedding is looked up), n of LoRA, L tokens a row, heads of width a in all,
and K layers, a token takes

    forward     2N + 2n + 2LaK    attention looks back only: two products with L/2 vectors of width a in each layer
    backward    2N + 4n + 4LaK    a frozen matrix hands derivatives on and has none of its own, which would be 2N more;
                                  LoRA's have both, and each product of attention has two

What is computed twice (--checkpointing, the inside of fused attention) is not counted. The card's peak divided by this
is the bound. For NF4 the weights are also written to memory in 16 bits and read again, in both passes of each
micro-batch, as bitsandbytes does where a micro-batch has more than some 1,500 tokens; below that it may do without.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import selfinstruct as si

REPEATS, LENGTH, BATCH, MICRO, STEPS, RATE = 5, 256, 16, 8, 20, 2e-4
WARM = 2  # steps before the clock starts: kernels are chosen, memory is asked for, the optimizer's state is made
LORA = {"lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.05}
# Hidden size, layers, heads, width of the feed-forward, vocabulary (llama-7b: arXiv 2302.13971 and its release).
SHAPES = {"tiny": (256, 4, 8, 688, 4000), "llama-7b": (4096, 32, 32, 11_008, 32_000)}
# TFLOP/s in bfloat16 without sparsity, float32 sums, and GB/s of memory, by the makers' data sheets and white papers.
CARDS = {
    "A100-SXM4-80GB": (312, 2039),
    "A100-SXM4-40GB": (312, 1555),
    "A100 80GB PCIe": (312, 1935),
    "H100 80GB HBM3": (989, 3350),
    "H100 PCIe": (756, 2000),
    "H200": (989, 4800),
    "L40S": (362, 864),
    "L4": (121, 300),
    "A10": (125, 600),
    "RTX 4090": (165, 1008),
    "RTX 3090": (71, 936),
}


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


def call(*arguments: str) -> dict[str, float]:
    """One run of a side in a process of its own."""
    made = subprocess.run(
        [sys.executable, __file__, *arguments],
        capture_output=True, check=False, text=True,
        # One thread: on a machine with other work two wait for each other, and the noise is larger than the figures.
        env={"OMP_NUM_THREADS": "1", **os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if made.returncode:
        sys.exit(made.stderr)
    found: dict[str, float] = json.loads(made.stdout.splitlines()[-1])
    return found


def measure_rows(side: str, folder: Path) -> dict[str, float]:
    """A whole training of one side, in this process."""
    seconds, loss = (ours if side == "ours" else trl)(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak, "loss": loss}


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
            runs.append(call("--side", side, "--folder", str(folder)))
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


@dataclass(frozen=True)
class Case:
    """What steps are measured: a shape, a device, and how rows are cut."""

    shape: str
    device: str
    quantization: str
    checkpointing: bool
    length: int
    micro_batch: int
    batch: int
    steps: int

    @property
    def config(self) -> Any:
        """The LLaMA of this shape."""
        from transformers import LlamaConfig

        hidden, layers, heads, inner, words = SHAPES[self.shape]
        return LlamaConfig(
            vocab_size=words, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
            num_attention_heads=heads, max_position_embeddings=max(2048, self.length), pad_token_id=0,
        )  # fmt: skip

    @property
    def flops(self) -> float:
        """Operations a token, as the docstring of this file derives them."""
        hidden, layers, _, inner, words = SHAPES[self.shape]
        matrices = layers * (4 * hidden**2 + 3 * hidden * inner) + hidden * words
        factors = LORA["lora_r"] * layers * (4 * 2 * hidden + 3 * (hidden + inner))
        return 4 * matrices + 6 * factors + 6 * self.length * hidden * layers

    @property
    def unpacked_bytes(self) -> float:
        """Bytes that a micro-batch moves for NF4: twice 4.127 bits of a weight read, 16 written and read."""
        hidden, layers, _, inner, _ = SHAPES[self.shape]
        return 2 * layers * (4 * hidden**2 + 3 * hidden * inner) * (4.127 + 32) / 8

    def bound(self, tflops: float, gigabytes: float) -> float:
        """The most tokens a second on a card of this peak."""
        seconds = self.flops / (tflops * 1e12)
        if self.quantization == "nf4":
            seconds += self.unpacked_bytes / (self.micro_batch * self.length) / (gigabytes * 1e9)
        return 1 / seconds


def random_base(case: Case) -> Any:
    """A model with random weights, never larger than it stays: made on its device, quantised matrix by matrix."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta" if case.quantization == "nf4" else case.device):
        model = LlamaForCausalLM(case.config)
    torch.set_default_dtype(torch.float32)
    return _quantised(model, case) if case.quantization == "nf4" else model


def _quantised(model: Any, case: Case) -> Any:
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear

    from selfinstruct.train.models import quantization_config

    replace_with_bnb_linear(model, ["lm_head"], quantization_config("nf4"))
    for module in list(model.modules()):
        if isinstance(module, Linear4bit):
            whole = torch.empty(module.weight.shape, dtype=torch.bfloat16, device=case.device).normal_(std=0.02)
            module.weight = Params4bit(
                whole, requires_grad=False, quant_type="nf4", compress_statistics=True, module=module
            ).to(case.device)
            continue
        for name, one in list(module.named_parameters(recurse=False)):
            made = torch.empty(one.shape, dtype=one.dtype, device=case.device)
            made = made.fill_(1.0) if one.ndim == 1 else made.normal_(std=0.02)
            setattr(module, name, torch.nn.Parameter(made))
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config).to(case.device)
    model.is_loaded_in_4bit = True
    return model


def measure_steps(side: str, case: Case) -> dict[str, float]:
    """The steps of one side, in this process: tokens a second, the loss, peak memory and the plan's estimate."""
    import torch
    from transformers import set_seed

    for library in ("bitsandbytes", "datasets", "peft", "trl", "selfinstruct.train.fit"):
        import_module(library)  # code that both sides hold, so that the growth of the process is that of the steps
    from selfinstruct.train.encode import MASKED, Example
    from selfinstruct.train.plan import plan
    from selfinstruct.train.settings import TrainSettings

    settings = TrainSettings(
        quantization=case.quantization, dtype="bfloat16", device=case.device, max_steps=case.steps,
        batch_size=case.batch, micro_batch=case.micro_batch, max_length=case.length, validation=0, learning_rate=RATE,
        schedule="linear", warmup=0.0, checkpointing=case.checkpointing, **LORA,
    )  # fmt: skip
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(1, case.config.vocab_size, (case.batch * case.steps, case.length), generator=draw).tolist()
    rows = [Example(one, [MASKED] * (case.length // 2) + one[case.length // 2 :]) for one in ids]
    planned = plan(case.shape, case.config, rows, 0, settings, "bfloat16").memory_bytes
    before = 0 if case.device == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model = random_base(case)
    if case.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    set_seed(42)
    with tempfile.TemporaryDirectory() as output:
        found = (_our_steps if side == "ours" else _trl_steps)(model, rows, settings, case, Path(output))
    used = (
        torch.cuda.max_memory_allocated()
        if case.device == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    )
    return {**found, "peak_mb": used / 2**20, "planned_mb": planned / 2**20}


def _clock(case: Case) -> Any:
    """A callback that times the steps after the first ones."""
    import torch
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        seconds = 0.0

        def _now(self) -> float:
            if case.device == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter()

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == WARM:
                self.begun = self._now()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == case.steps:
                self.seconds = self._now() - self.begun

    return Clock()


def _found(clock: Any, trainer: Any, case: Case) -> dict[str, float]:
    tokens = (case.steps - WARM) * case.batch * case.length
    return {"tokens_a_second": tokens / clock.seconds, "loss": trainer.state.log_history[0]["loss"]}


def _our_steps(model: Any, rows: list[Any], settings: Any, case: Case, output: Path) -> dict[str, float]:
    from selfinstruct.train import fit
    from selfinstruct.train.methods import apply

    clock, usual = _clock(case), fit._callbacks  # noqa: SLF001  # the clock has no place in what users set
    fit._callbacks = lambda *given: (*usual(*given), clock)  # noqa: SLF001
    model = apply(model, settings, steps=case.steps)
    trainer = fit.fit(model, _tokenizer(), rows, [], settings, output, autocast="bfloat16", progress=False)
    return _found(clock, trainer, case)


def _trl_steps(model: Any, rows: list[Any], settings: Any, case: Case, output: Path) -> dict[str, float]:
    """SFTTrainer on the same token ids and labels, with its own loss and peft's configuration."""
    import datasets
    from peft import LoraConfig
    from transformers import DataCollatorForSeq2Seq
    from trl import SFTConfig, SFTTrainer

    clock, tokenizer = _clock(case), _tokenizer()
    data = [{"input_ids": one.input_ids, "labels": one.labels} for one in rows]
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(output), per_device_train_batch_size=case.micro_batch,
            gradient_accumulation_steps=case.batch // case.micro_batch, max_steps=case.steps, learning_rate=RATE,
            lr_scheduler_type="linear", max_length=case.length, use_cpu=case.device == "cpu", bf16=True,
            optim=settings.optimizer, activation_checkpointing=case.checkpointing, report_to="none", logging_steps=10,
            logging_first_step=True, save_strategy="steps", save_steps=case.steps, disable_tqdm=True,
            dataloader_pin_memory=case.device == "cuda", dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=datasets.Dataset.from_list(data),
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        processing_class=tokenizer,
        callbacks=[clock],
        peft_config=LoraConfig(
            r=LORA["lora_r"], lora_alpha=LORA["lora_alpha"], lora_dropout=LORA["lora_dropout"],
            target_modules="all-linear", task_type="CAUSAL_LM",
        ),
    )  # fmt: skip
    trainer.train()
    return _found(clock, trainer, case)


def _tokenizer() -> Any:
    """One that pads: nothing is encoded here."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "</s>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def card_of(name: str) -> tuple[float, float] | None:
    """Peak TFLOP/s and GB/s of a card by the name that torch gives it; None of one that the table does not have."""
    known = (one for one in CARDS if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", name))
    best = max(known, key=len, default=None)
    return CARDS[best] if best else None


def compare_steps(case: Case, repeats: int, peak: tuple[float, float] | None) -> None:
    """Measure both sides by turns and print the medians beside the plan and the bound."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "trl": []}
    for _ in range(repeats):
        for side, runs in found.items():
            runs.append(call("--side", side, "--case", json.dumps(asdict(case))))
            print(side, runs[-1], file=sys.stderr)
    medians = {
        side: {name: statistics.median(run[name] for run in runs) for name in runs[0]} for side, runs in found.items()
    }
    print(f"{case.shape} on {case.device}, quantization {case.quantization}: {case.flops / 1e9:,.4g} GFLOP a token")
    print(f"planned for ours: {medians['ours']['planned_mb']:,.0f} MB")
    for side, one in medians.items():
        tflops = one["tokens_a_second"] * case.flops / 1e12
        share = f" ({one['peak_mb'] / one['planned_mb']:.2f} of the plan)" if case.device == "cuda" else ""
        print(
            f"{side:<5} {one['tokens_a_second']:8,.0f} tokens/s  {tflops:6.3g} TFLOP/s  "
            f"{one['peak_mb']:8,.0f} MB peak{share}  loss {one['loss']:.3f}"
        )
        if peak:
            most = case.bound(*peak)
            print(f"      {100 * tflops / peak[0]:.1f} % of {peak[0]:g} TFLOP/s; the bound is {most:,.0f} tokens/s")
    speed = medians["ours"]["tokens_a_second"] / medians["trl"]["tokens_a_second"]
    memory = medians["ours"]["peak_mb"] / medians["trl"]["peak_mb"]
    print(f"ratio {speed:.2f} of trl's speed, {memory:.2f} of its memory (medians of {repeats})")


def bounds(case: Case) -> None:
    """Print what the arithmetic gives for the cards of the table. Nothing is measured."""
    print(f"arithmetic, not measured: {case.flops / 1e9:,.4g} GFLOP a token")
    for name, (tflops, gigabytes) in CARDS.items():
        most = case.bound(tflops, gigabytes)
        print(f"{name:<16} {tflops:>4} TFLOP/s {gigabytes:>5} GB/s  at most {most:8,.0f} tokens/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=list(SHAPES), help="time steps of a model of this shape")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--quantization", choices=["none", "nf4"], default="none")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--micro-batch", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument(
        "--peak", type=float, nargs=2, metavar=("TFLOPS", "GBS"), help="of a card that is not in the table"
    )
    parser.add_argument(
        "--bounds", action="store_true", help="print the arithmetic for all cards of the table, and stop"
    )
    for hidden in ("--side", "--folder", "--case"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure_steps(given.side, Case(**json.loads(given.case)))))
    elif given.side:
        print(json.dumps(measure_rows(given.side, Path(given.folder))))
    elif given.shape:
        case = Case(
            given.shape, given.device, given.quantization, given.checkpointing, given.length, given.micro_batch,
            given.batch, given.steps,
        )  # fmt: skip
        if given.bounds:
            bounds(case)
        else:
            compare_steps(case, given.repeats, peak_of(case, given.peak))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            compare(Path(temporary))


def peak_of(case: Case, given: list[float] | None) -> tuple[float, float] | None:
    """TFLOP/s and GB/s: those given, else those of the card that is there."""
    if given or case.device == "cpu":
        return (given[0], given[1]) if given else None
    import torch

    if not torch.cuda.is_available():
        sys.exit("there is no CUDA device here; use --device cpu (and --shape tiny), or --bounds for the arithmetic")
    name = torch.cuda.get_device_name()
    found = card_of(name)
    if found is None:
        print(f"{name}: not in the table; give its data sheet's numbers with --peak TFLOPS GBS", file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
