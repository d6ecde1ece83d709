"""The training itself: transformers' Trainer on encoded rows, checkpoints that can be gone on with, the loss curve."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import transformers
from transformers.trainer_callback import PrinterCallback

from selfinstruct.train import methods
from selfinstruct.train.callbacks import Allocator, Bar, Journal, Stop
from selfinstruct.train.encode import MASKED, Example
from selfinstruct.train.extras import quiet_libraries
from selfinstruct.train.plan import batches, steps_of, world_rank
from selfinstruct.train.record import COMPLETE
from selfinstruct.train.settings import TrainSettings
from selfinstruct.train.trainers import CausalTrainer, Seq2SeqTrainer

CHECKPOINTS = "checkpoints"


def fit(
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    settings: TrainSettings,
    folder: Path,
    *,
    autocast: str | None = None,
    resume: Path | None = None,
    progress: bool | None = None,
) -> Any:
    """Train `model`, which ends with its best weights where there are rows to validate on: the trainer, finished.

    The `folder` gets checkpoints and losses.jsonl. `resume` is the checkpoint to go on from. `autocast` is the 16-bit
    type to compute in, where weights are held in 32 bits.

    Raises:
        KeyboardInterrupt: it was stopped by Ctrl-C or SIGTERM, with a checkpoint of the last step.
    """
    tokenizer.padding_side = "right"
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    kind, arguments = _engine(model, settings)
    stop = Stop()
    with quiet_libraries():
        trainer = kind(
            model=model,
            args=arguments(**_arguments(model, settings, folder, len(examples), len(held_out), autocast)),
            train_dataset=_columns(_filled(examples, 1 if settings.packing else settings.batch_size), settings),
            eval_dataset=_columns(held_out, settings) if held_out else None,
            data_collator=None if settings.packing else _collator(tokenizer),
            processing_class=tokenizer,
            callbacks=[stop, *_callbacks(model, settings, folder, progress)],
        )
        trainer.remove_callback(PrinterCallback)
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        finally:
            stop.restore()
    if stop.asked:
        raise KeyboardInterrupt
    return trainer


def last_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint that is whole; what a kill left unfinished behind it is removed."""
    found = sorted((folder / CHECKPOINTS).glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    while found and not (found[-1] / COMPLETE).is_file():
        torn = found.pop()
        if world_rank() == 0:
            shutil.rmtree(torn)
    return found[-1] if found else None


def _engine(model: Any, settings: TrainSettings) -> tuple[Any, Any]:
    if settings.engine == "trl":
        from selfinstruct.train.trl_engine import sft

        return sft(settings)
    if model.config.is_encoder_decoder:
        return Seq2SeqTrainer, transformers.Seq2SeqTrainingArguments
    return CausalTrainer, transformers.TrainingArguments


def _arguments(
    model: Any, settings: TrainSettings, folder: Path, rows: int, held_out: int, autocast: str | None
) -> dict[str, Any]:
    """The settings as transformers names them."""
    cut = batches(settings)
    on_cpu = next(model.parameters()).device.type == "cpu"
    # Full weights in checkpoints, so that a single process can open them.
    shards = {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "FULL_STATE_DICT"}}
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "per_device_train_batch_size": cut.micro_batch,
        "gradient_accumulation_steps": cut.accumulation,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "learning_rate": settings.learning_rate
        if settings.learning_rate is not None
        else methods.find(settings.method).learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": _warmup(settings, rows),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": settings.optimizer,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "bf16": autocast == "bfloat16",
        "fp16": autocast == "float16",
        "use_cpu": on_cpu,
        "ddp_backend": "gloo" if on_cpu and cut.processes > 1 else None,
        "ddp_find_unused_parameters": False,
        "activation_checkpointing": settings.checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False} if settings.checkpointing else None,
        "train_sampling_strategy": "group_by_length" if settings.group_by_length else "random",
        "save_total_limit": settings.keep_checkpoints,
        "logging_steps": settings.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": not on_cpu,
        **_watched(settings, held_out, cut.micro_batch),
        **(shards if settings.fsdp else {}),
    }


def _warmup(settings: TrainSettings, rows: int) -> float:
    """Steps in which the rate rises, or their share. It begins at 0, so the share of a few steps is none of them."""
    if settings.warmup >= 1:
        return int(settings.warmup)
    return settings.warmup if settings.warmup * steps_of(rows, settings)[0] >= 1 else 0


def _watched(settings: TrainSettings, held_out: int, micro_batch: int) -> dict[str, Any]:
    """When checkpoints are written and the held-out rows looked at; with those the best checkpoint is kept."""
    evaluate = settings.evaluate_every or settings.save_every
    save = settings.save_every or settings.evaluate_every
    watched: dict[str, Any] = {"save_strategy": "steps" if save else "epoch", "save_steps": save or 500}
    if held_out:
        watched |= {
            "eval_strategy": "steps" if evaluate else "epoch",
            "eval_steps": evaluate,
            "per_device_eval_batch_size": micro_batch,
            "prediction_loss_only": True,
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss",
        }
    return watched


def _columns(examples: Sequence[Example], settings: TrainSettings) -> Any:
    rows = [{"input_ids": one.input_ids, "labels": one.labels} for one in examples]
    if settings.engine != "trl":
        return rows
    import datasets

    return datasets.Dataset.from_list(rows)


def _filled(examples: Sequence[Example], size: int) -> list[Example]:
    """The examples with as many wholly masked ones as make the last batch whole: each process then has its share.

    accelerate would let the processes that have none repeat other rows, which one process does not.
    """
    blank = Example(examples[0].input_ids[:2], [MASKED] * 2)
    return [*examples, *[blank] * (-len(examples) % size)]


def _collator(tokenizer: Any) -> Any:
    """Pads inputs with the padding token and labels by position, so that an end-of-text token stays trained."""
    return transformers.DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=MASKED)


def _callbacks(model: Any, settings: TrainSettings, folder: Path, progress: bool | None) -> Iterator[Any]:
    yield Journal(folder)
    yield Bar(show=progress if world_rank() == 0 else False)
    if settings.early_stop is not None:
        yield transformers.EarlyStoppingCallback(early_stopping_patience=settings.early_stop)
    if settings.method == "adalora":
        yield Allocator(model.base_model)
