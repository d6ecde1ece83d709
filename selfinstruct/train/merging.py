"""An adapter made part of its base: on full-precision weights, saved, opened again and compared."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.train import methods
from selfinstruct.train.answer import DEFAULT_FORMAT
from selfinstruct.train.data import read_data
from selfinstruct.train.extras import quiet_libraries, require
from selfinstruct.train.identity import identity, same_base
from selfinstruct.train.models import (
    base_of,
    has_tokenizer,
    is_adapter,
    let_all_read,
    load_base,
    load_config,
    load_tokenizer,
    put_on,
)
from selfinstruct.train.places import OWN_CONFIG, PEFT_CONFIG, folder_of, may_be_of_the_hub
from selfinstruct.train.prompts import Prompts, inference_ids, prompts
from selfinstruct.train.record import FORMAT, trained_format, training_record, write_record

logger = logging.getLogger("selfinstruct")

# Largest difference of a logit between adapter and merged model. 16-bit weights round what is added to them.
BOUNDS = {"float32": 1e-3, "bfloat16": 1.0, "float16": 0.25}
PROMPTS = (
    {"instruction": "Name three uses of a brick.", "input": ""},
    {"instruction": "Translate the sentence into French.", "input": "The train leaves at nine."},
    {"instruction": "Explain why the sky is blue to a child.", "input": ""},
    {"instruction": "Write a short poem about the sea.", "input": ""},
)


@dataclass(frozen=True)
class Merged:
    """A merged model: where it is, and by how much its logits differ from those of the adapter on its base.

    `drift` is the largest difference over the prompts, `change` the largest one that the adapter made to the base, and
    `agreement` the share of positions at which adapter and merged model find the same token most likely.
    """

    path: str
    adapter: str
    base_model: str
    dtype: str
    drift: float
    change: float
    agreement: float
    prompts: int

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)

    @property
    def conversion(self) -> str:
        """The command that makes a file for llama.cpp of it."""
        return (
            f"python llama.cpp/convert_hf_to_gguf.py {self.path} --outfile {Path(self.path).name}.gguf --outtype q8_0"
        )

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.adapter} merged into {self.base_model} in {self.dtype}; over {self.prompts} prompts "
            f"the largest difference of a logit to the adapter is {self.drift:.2g} (the adapter itself changed them by "
            f"up to {self.change:.3g}), and {self.agreement:.1%} of the most likely tokens agree"
        )


@quiet_libraries()
def merge(
    adapter: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    base: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
    device: str = "auto",
    max_drift: float | None = None,
) -> Merged:
    """Make an adapter part of its base and write the whole model to `output`.

    The base is loaded anew and unquantised, also where the adapter was trained on 4-bit weights; `base` says where it
    is, if it was moved. The saved model is opened again and compared with the adapter on prompts of the adapter's own
    training data, where its record names some that can be read, and on a few of ours. The figures go into the record.

    Raises:
        SettingsError: there is no adapter, it is empty or all zero, its method cannot be merged, or the logits differ
            by more than `max_drift` (1e-3 in float32, more in 16 bits); what was written is removed then.
    """
    require("train")
    source, folder = folder_of(adapter), Path(output)
    if not source.exists() and may_be_of_the_hub(os.fspath(adapter)):
        load_config(adapter)  # says why a repository of the Hub cannot be read
    name = _checked_method(source, folder)
    place = os.fspath(base) if base is not None else base_of(source)
    model = load_base(place, dtype=dtype, device=device)
    tokenizer = load_tokenizer(source if has_tokenizer(source) else place)
    record = training_record(source)
    shown = prompts(tokenizer, trained_format(source) or DEFAULT_FORMAT)
    asked = _asked(shown, record, seq2seq=model.config.is_encoder_decoder)
    _check_base(adapter, place, record, model)
    before = _logits(model, asked)
    model = put_on(model, source).eval()
    adapted = _logits(model, asked)
    model = _merged(model, name)
    # Whatever serves the model stops where the format does, which need not be the tokenizer's end of text.
    model.generation_config.eos_token_id = sorted({shown.stop_id, tokenizer.eos_token_id or shown.stop_id})
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    let_all_read(folder)
    del model
    again = _logits(load_base(folder, dtype=dtype, device=device), asked)
    made = Merged(
        path=str(folder),
        adapter=os.fspath(adapter),
        base_model=place,
        dtype=dtype,
        drift=_largest(adapted, again),
        change=_largest(before, adapted),
        agreement=_agreement(adapted, again),
        prompts=len(asked),
    )
    _check(made, folder, BOUNDS[dtype] if max_drift is None else max_drift)
    if (source / FORMAT).is_file():
        shutil.copyfile(source / FORMAT, folder / FORMAT)
    write_record(folder, {**record, "merged": made.to_dict()})
    if record and Path(adapter).is_dir():
        write_record(source, {**record, "merged": made.to_dict()})
    return made


def _checked_method(source: Path, folder: Path) -> str:
    """The method of an adapter that can be merged into a folder."""
    if not is_adapter(source):
        raise SettingsError(
            f"{source}: no adapter here (there is neither {PEFT_CONFIG} nor {OWN_CONFIG}); nothing to merge"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder}: is there already, and not an empty folder; choose another --output")
    methods.check_learnt(source)
    name = method_of(source)
    if not methods.find(name).mergeable:
        raise SettingsError(f"what {name} learns has no place in the base's weights; use the adapter as it is")
    return name


def method_of(adapter: Path) -> str:
    """The method of an adapter, by our name for it: that of any LoRA is "lora"."""
    if (adapter / OWN_CONFIG).is_file():
        return str(orjson.loads((adapter / OWN_CONFIG).read_bytes())["method"])
    kind = orjson.loads((adapter / PEFT_CONFIG).read_bytes())["peft_type"]
    names = {"PREFIX_TUNING": "prefix", "PROMPT_TUNING": "prompt", "IA3": "ia3", "LN_TUNING": "layer-norm"}
    return names.get(kind, "lora")


def _merged(model: Any, method: str) -> Any:
    if method == "bitfit":
        from selfinstruct.train.modules import merge_biases

        return merge_biases(model)
    return model.merge_and_unload(safe_merge=True)


def _asked(shown: Prompts, record: Mapping[str, Any], *, seq2seq: bool) -> list[list[int]]:
    """Prompts as token ids, in the format of the training."""
    rows: list[Any] = list(PROMPTS)
    name = record.get("data", {}).get("name", "")
    if Path(name).exists():  # a set of the Hub is not fetched for a few rows
        with suppress(SettingsError):
            rows += read_data(name).rows[:12]
    return [inference_ids(shown, row, seq2seq=seq2seq) for row in rows]


def _logits(model: Any, asked: Sequence[list[int]]) -> list[Any]:
    """The logits at each position of each prompt; of an encoder-decoder those of the first token of the answer."""
    import torch

    found = []
    with torch.no_grad():
        for ids in asked:
            given = {"input_ids": torch.tensor([ids], device=model.device)}
            if model.config.is_encoder_decoder:
                given["decoder_input_ids"] = torch.tensor([[model.config.decoder_start_token_id]], device=model.device)
            found.append(model(**given).logits[0].float().cpu())
    return found


def _largest(some: Sequence[Any], others: Sequence[Any]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(some, others, strict=True))


def _agreement(some: Sequence[Any], others: Sequence[Any]) -> float:
    same = [bool(hit) for one, other in zip(some, others, strict=True) for hit in one.argmax(-1) == other.argmax(-1)]
    return sum(same) / len(same)


def _check_base(adapter: str | os.PathLike[str], place: str, record: Mapping[str, Any], model: Any) -> None:
    """Refuse a base of the right shape with other weights, into which the adapter would be merged without a word."""
    before = record.get("base_identity")
    if not before or same_base(before, identity(model)):
        return
    said = f"{adapter}: the weights of {place} are not those that this adapter was trained on"
    trained_with = record["libraries"]["transformers"]
    if trained_with == version("transformers"):
        raise SettingsError(f"{said}; name its base with --base")
    logger.warning("%s, or transformers %s holds them otherwise than %s", said, version("transformers"), trained_with)


def _check(made: Merged, folder: Path, bound: float) -> None:
    if made.drift <= bound:
        return
    shutil.rmtree(folder)
    raise SettingsError(
        f"{made.adapter}: merged, its logits differ by {made.drift:.3g} from the adapter's, more than {bound:g}; "
        "this is not its base (--base), or 16 bits round too much (--dtype float32). The merged model was removed"
    )
