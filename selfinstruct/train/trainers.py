"""Trainers: transformers' own, with exact sums over micro-batches and processes, and checkpoints of what is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState
from accelerate.utils import DistributedType

from selfinstruct.errors import RunError
from selfinstruct.train import modules
from selfinstruct.train.callbacks import ALLOCATOR
from selfinstruct.train.encode import MASKED


class Exact:
    """A Trainer whose losses do not depend on how a batch is cut.

    A loss is the sum over the trained tokens divided by their number in the whole batch. Trainers see to that for
    causal models, but take the mean of T5's micro-batches for such a sum, which multiplies its gradients; and AdaLoRA
    adds its own term to each of them.
    """

    model: Any
    state: Any
    args: Any
    accelerator: Any
    control: Any
    eval_dataset: Any

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if not self._means_only:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]  # a Trainer
        outputs = model(**inputs)
        loss, count = self._mean(outputs, inputs)
        if num_items_in_batch is not None:
            # DDP and FSDP take the mean over the processes, of what is a part of a sum in each.
            loss = loss * (count / num_items_in_batch * self.accelerator.num_processes)
        return (loss, outputs) if return_outputs else loss

    @property
    def _means_only(self) -> bool:
        """Whether the model's loss is the mean of a micro-batch, whatever it is told of the batch."""
        adapters = getattr(self.model, "peft_config", {}).values()
        return self.model.config.is_encoder_decoder or any(one.peft_type == "ADALORA" for one in adapters)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The mean loss of the held-out tokens. All processes take as many batches, for they wait for each other."""
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        size, processes = self.args.per_device_eval_batch_size, self.accelerator.num_processes
        total = torch.zeros(2, dtype=torch.float64)
        self.model.eval()
        for batch in range(math.ceil(len(rows) / (size * processes))):
            start = (batch * processes + self.accelerator.process_index) * size
            shown = [rows[at] for at in range(start, min(start + size, len(rows)))]
            inputs = self._prepare_inputs(self.data_collator(shown or [rows[0]]))  # type: ignore[attr-defined]  # a Trainer
            with torch.no_grad(), self.compute_loss_context_manager():  # type: ignore[attr-defined]
                mean, count = self._mean(self.model(**inputs), inputs)
            if shown:
                total += torch.tensor([float(mean) * int(count), int(count)], dtype=torch.float64)
        total = self.accelerator.reduce(total.to(self.args.device, torch.float32), "sum")
        found = {f"{metric_key_prefix}_loss": float(total[0] / total[1])}
        self.log(found)  # type: ignore[attr-defined]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)  # type: ignore[attr-defined]
        return found

    def _mean(self, outputs: Any, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """The mean loss of a batch over its trained tokens, and their number; without any a zero that has gradients."""
        labels = inputs["labels"] if self.model.config.is_encoder_decoder else inputs["labels"][:, 1:]
        count = (labels != MASKED).sum()
        return (outputs.loss if count else outputs.logits.sum() * 0.0), count


class Sharded:
    """A Trainer that shards where it is told to (FSDP2), over processors as well as over GPUs.

    accelerate would leave a model on CPUs whole without a word, and have 16-bit training add the gradients of the
    processes, and give the loss back, in 16 bits.
    """

    args: Any
    accelerator: Any

    def create_accelerator_and_postprocess(self) -> None:
        state = PartialState._shared_state  # noqa: SLF001 - there is no public way
        if self.args.fsdp and state.get("distributed_type") == DistributedType.MULTI_CPU:
            # Torch shards by gloo as it does by NCCL; accelerate asks for several GPUs first.
            state["distributed_type"] = DistributedType.MULTI_GPU
        super().create_accelerator_and_postprocess()  # type: ignore[misc]  # of the Trainer that this is mixed into
        if self.args.fsdp and not self.accelerator.is_fsdp2:
            raise RunError(
                "this version of accelerate does not shard here, so each process would hold all; add --no-fsdp"
            )

    def _build_accelerator_args(self, **given: Any) -> dict[str, Any]:
        built: dict[str, Any] = super()._build_accelerator_args(**given)  # type: ignore[misc]
        if self.args.fsdp and (self.args.bf16 or self.args.fp16):
            from torch.distributed.fsdp import MixedPrecisionPolicy

            built["fsdp_plugin"].mixed_precision_policy = MixedPrecisionPolicy(
                param_dtype=torch.bfloat16 if self.args.bf16 else torch.float16,
                reduce_dtype=torch.float32,
                output_dtype=torch.float32,
            )
        return built


class OwnAdapters:
    """What a Trainer saves and loads: of modules of ours these alone, of AdaLoRA all its ranks, else as ever."""

    model: Any
    state: Any

    def _save(self, output_dir: str | None = None, state_dict: Mapping[str, Any] | None = None) -> None:
        if hasattr(self.model, "selfinstruct_adapter"):
            modules.save_modules(self.model, Path(str(output_dir)))
            return
        with _all_ranks(self.model):
            super()._save(output_dir, state_dict)  # type: ignore[misc]  # of the Trainer that this is mixed into

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if hasattr(self.model, "selfinstruct_adapter"):
            modules.load_weights(self.model, Path(resume_from_checkpoint))
            return
        super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]

    def _load_best_model(self) -> None:
        best = Path(self.state.best_model_checkpoint)
        if hasattr(self.model, "selfinstruct_adapter"):
            modules.load_weights(self.model, best)
            return
        with _all_ranks(self.model) as configs:
            super()._load_best_model()  # type: ignore[misc]
        for config in configs:
            config.rank_pattern = torch.load(best / ALLOCATOR, weights_only=True)["rank_pattern"]


@contextmanager
def _all_ranks(model: Any) -> Iterator[list[Any]]:
    """While a checkpoint is written or read AdaLoRA keeps the ranks that it has set to zero: the optimizer has them."""
    configs = [one for one in getattr(model, "peft_config", {}).values() if hasattr(one, "target_r")]
    patterns = [config.rank_pattern for config in configs]
    for config in configs:
        config.rank_pattern = None
    try:
        yield configs
    finally:
        for config, pattern in zip(configs, patterns, strict=True):
            config.rank_pattern = pattern


class CausalTrainer(Exact, Sharded, OwnAdapters, transformers.Trainer):
    """For causal models."""


class Seq2SeqTrainer(Exact, Sharded, OwnAdapters, transformers.Seq2SeqTrainer):
    """For encoder-decoders."""
