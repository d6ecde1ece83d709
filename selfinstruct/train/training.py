"""From a data set to a tuned model: the file to read first."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.errors import RunError, SettingsError
from selfinstruct.train import methods
from selfinstruct.train.data import Data, Source, read_data, split
from selfinstruct.train.encode import Encoder, EncodeReport, Example
from selfinstruct.train.extras import quiet_libraries, require
from selfinstruct.train.folder import begin, check_folder, check_template, finish, is_finished, kept_template
from selfinstruct.train.identity import identity
from selfinstruct.train.lock import only_writer
from selfinstruct.train.plan import Plan, batches, plan, world_rank, world_size
from selfinstruct.train.presets import preset as preset_settings
from selfinstruct.train.prompts import format_file, prompts
from selfinstruct.train.record import RECORD, read_record, record
from selfinstruct.train.settings import TrainSettings

if TYPE_CHECKING:
    from selfinstruct.train.tuned import Tuned

logger = logging.getLogger("selfinstruct")


@dataclass(frozen=True)
class Prepared:
    """All that stands before the first weight is read: the encoded rows, the plan, and what became of the data."""

    base: str
    settings: TrainSettings
    preset: str | None
    template: Path | None
    data: Data
    tokenizer: Any
    encoder: Encoder
    examples: Sequence[Example]
    held_out: Sequence[Example]
    report: EncodeReport
    plan: Plan
    load_dtype: str
    autocast: str | None


def finetune(
    dataset: Source,
    base: str | os.PathLike[str] | None,
    output: str | os.PathLike[str],
    *,
    preset: str | None = None,
    resume: str | os.PathLike[str] | None = None,
    merge: bool = False,
    progress: bool | None = None,
    **settings: Any,
) -> Tuned:
    """Tune `base` on a data set into the folder `output`, and return what can be asked, merged and published.

    `dataset` is a run, a `datasets.Dataset`, records in memory, or the path or Hub id of a set in any format that
    `selfinstruct import` reads. The settings are those of `TrainSettings`; they override those of the `preset`.
    `resume="auto"` goes on from the last whole checkpoint, to the bit where the machine computes the same way twice, or
    begins where there is none; a path names another checkpoint. What is not given then comes from training.json.
    `merge` also writes the merged model to output/merged.

    >>> tuned = finetune("runs/first", "Qwen/Qwen3-0.6B", "adapters/first")  # doctest: +SKIP
    >>> tuned.ask("Name three uses of a brick.")  # doctest: +SKIP

    Raises:
        SettingsError: the data, the base or the settings cannot be used, together or alone.
        RunError: the training came to no end, such as a loss of NaN.
    """
    from selfinstruct.train.tuned import Tuned

    folder = Path(output)
    begun = read_record(folder) if resume and (folder / RECORD).is_file() else None
    template = kept_template(folder) if begun else None
    if template is not None and "format" in settings:
        check_template(settings.pop("format"), template)
    prepared = prepare(dataset, base, preset=preset, merge=merge, begun=begun, template=template, **settings)
    # The checks of the folder are those of the first process; the others meet it in the first collective call.
    if _is_first():
        check_folder(folder, prepared, resume)
    with _locked(folder):
        if not is_finished(folder):
            with _stoppable(folder):
                _train(prepared, folder, resume, progress)
    tuned = Tuned(folder)
    if merge and prepared.settings.method != "full" and _is_first() and not tuned.merged_path.exists():
        tuned.merge()
    return tuned


def prepare(
    dataset: Source,
    base: str | os.PathLike[str] | None,
    *,
    preset: str | None = None,
    merge: bool = False,
    begun: Mapping[str, Any] | None = None,
    template: Path | None = None,
    **given: Any,
) -> Prepared:
    """Read and encode the data and plan the training; nothing is written and no weight is read.

    What is not given is as in the record of a training that was `begun`, and prompts are as its copy of the `template`.

    Raises:
        SettingsError: the data, the base or the settings cannot be used, together or alone.
    """
    before = begun["settings"] if begun else {}
    settings = TrainSettings().updated({**before, **preset_settings(preset), **given})
    base = base or (begun["base_model"] if begun else None)
    if base is None:
        raise SettingsError("which model is to be tuned? Name a folder or an id of the Hub: --base Qwen/Qwen3-0.6B")
    methods.find(settings.method)
    batches(settings)
    require("train")
    if settings.quantization != "none":
        require("qlora")
    if settings.engine == "trl":
        require("trl")
    preset = preset or (begun["preset"] if begun else None)
    place = str(Path(base).resolve()) if Path(base).is_dir() else os.fspath(base)
    return _prepared(dataset, place, settings, preset, template or format_file(settings.format), merge=merge)


@quiet_libraries()
def _prepared(
    dataset: Source, base: str, settings: TrainSettings, preset: str | None, template: Path | None, *, merge: bool
) -> Prepared:
    from selfinstruct.train.models import device_of, is_adapter, load_config, load_tokenizer, precision

    if is_adapter(base):
        raise SettingsError(f"{base}: is an adapter; make it part of its base first, with selfinstruct merge {base}")
    config = load_config(base)
    methods.check(settings, seq2seq=config.is_encoder_decoder, merge=merge)
    device = device_of(settings.device)
    _check_devices(device)
    if settings.quantization != "none" and device == "cpu":
        logger.warning("a quantised base saves memory; on a CPU it costs time, so leave --quantization out if it fits")
    if settings.fsdp and settings.quantization != "none" and device == "cpu" and settings.validation:
        raise SettingsError(
            "on a CPU bitsandbytes packs 4-bit weights anew to validate, which loses sharded ones; add --validation 0, "
            "or --no-fsdp"
        )
    load_dtype, autocast = precision(settings)
    _check_optimizer(settings.optimizer)
    data = read_data(dataset)
    tokenizer = load_tokenizer(base)
    encoder = Encoder(
        prompts(tokenizer, str(template or settings.format)),
        max_length=settings.max_length,
        train_on_inputs=settings.train_on_inputs,
        seq2seq=config.is_encoder_decoder,
    )
    rows, held = split(data.rows, settings.validation, max_rouge=settings.validation_max_rouge, seed=settings.seed)
    if settings.early_stop is not None and not held:
        raise SettingsError("no row could be held out to stop early by; set --validation higher, or leave --early-stop")
    examples, report = encoder.encode(rows, max_dropped=settings.max_dropped)
    held_out = encoder.encode(held, max_dropped=settings.max_dropped)[0] if held else []
    room = getattr(config.get_text_config(), "max_position_embeddings", None)
    if room and not config.is_encoder_decoder and report.longest > room:
        logger.warning(
            "the longest row has %s tokens, and %s was made for %s; set --max-length", report.longest, base, room
        )
    made = plan(base, config, examples, len(held_out), settings, load_dtype)
    return Prepared(
        base=base,
        settings=settings,
        preset=preset,
        template=template,
        data=data,
        tokenizer=tokenizer,
        encoder=encoder,
        examples=examples,
        held_out=held_out,
        report=report,
        plan=made,
        load_dtype=load_dtype,
        autocast=autocast,
    )


@quiet_libraries()
def _train(prepared: Prepared, folder: Path, resume: str | os.PathLike[str] | None, progress: bool | None) -> None:
    """Load the base, put the method on it, train, and save what was learnt and how."""
    import transformers

    from selfinstruct.train.fit import fit, last_checkpoint
    from selfinstruct.train.models import let_all_read, load_base

    settings = prepared.settings
    checkpoint = last_checkpoint(folder) if resume == "auto" else (Path(resume) if resume else None)
    transformers.set_seed(settings.seed)  # the adapter is drawn before the trainer sets it
    model = load_base(
        prepared.base,
        dtype=prepared.load_dtype,
        device=settings.device,
        quantization=settings.quantization,
        double_quantization=settings.double_quantization,
        sharded=settings.fsdp,
    )
    facts = {**record(prepared), "base_identity": identity(model)}
    if _is_first():
        begin(folder, facts, prepared.template)
    model = methods.apply(model, settings, steps=prepared.plan.steps)
    start = methods.keep_start(model, folder, settings)
    begun = time.monotonic()
    with _room():
        trainer = fit(
            model,
            prepared.tokenizer,
            prepared.examples,
            prepared.held_out,
            settings,
            folder,
            autocast=prepared.autocast,
            resume=checkpoint,
            progress=progress,
        )
    together = settings.method == "full" or settings.fsdp  # shards are gathered by all processes together
    if together:
        trainer.save_model(str(folder))
    if _is_first():
        if not together:
            methods.save(model, folder, settings, start=start)
        elif settings.method != "full":
            methods.check_learnt(folder)
            (folder / "training_args.bin").unlink(missing_ok=True)  # training.json says more
        prepared.tokenizer.save_pretrained(folder)
        let_all_read(folder)
        finish(folder, facts, trainer, seconds=time.monotonic() - begun)


@contextmanager
def _stoppable(folder: Path) -> Iterator[None]:
    """Say of a training that was stopped what is kept of it."""
    try:
        yield
    except KeyboardInterrupt:
        from selfinstruct.train.fit import last_checkpoint

        kept = last_checkpoint(folder)
        words = f"step {kept.name.rpartition('-')[2]} is kept" if kept else "there was no checkpoint yet"
        raise KeyboardInterrupt(f'{folder}: stopped; {words}. Go on with --resume auto (resume="auto")') from None


@contextmanager
def _room() -> Iterator[None]:
    """Say what to do about a GPU that is too small."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunError(
            "the training does not fit into the memory of the GPU; try a smaller --micro-batch (the result stays the "
            "same), then --checkpointing, a smaller --max-length, or --quantization nf4. --dry-run estimates what it "
            "takes"
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only training that writes here; the processes of one training are one.

    Raises:
        RunLocked: another one is at it.
    """
    with only_writer(folder) if _is_first() else nullcontext():
        yield


def _check_optimizer(name: str) -> None:
    from transformers.training_args import OptimizerNames

    known = [one.value for one in OptimizerNames]
    if name not in known:
        close = get_close_matches(name, known, 3) or known
        raise SettingsError(f"transformers has no optimizer {name!r}; did you mean {' or '.join(close)}?")


def _check_devices(device: str) -> None:
    """Refuse to let one process drive several GPUs, as transformers would by DataParallel: slow, and not exact."""
    import torch

    if device != "cpu" and world_size() == 1 and torch.cuda.device_count() > 1:
        raise SettingsError(
            f"there are {torch.cuda.device_count()} GPUs and one process; start one for each with torchrun "
            f"--nproc-per-node {torch.cuda.device_count()} -m selfinstruct train ..., or choose one with "
            "CUDA_VISIBLE_DEVICES=0"
        )


def _is_first() -> bool:
    return world_rank() == 0
