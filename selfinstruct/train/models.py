"""Opening models: a base of the Hub or a folder, an adapter on its base, a merged or fully tuned model."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.train.extras import quiet_libraries, require
from selfinstruct.train.identity import identity, same_base
from selfinstruct.train.places import OWN_CONFIG, PEFT_CONFIG, folder_of
from selfinstruct.train.record import training_record
from selfinstruct.train.settings import TrainSettings

logger = logging.getLogger("selfinstruct")


@quiet_libraries()
def load_model(
    path_or_id: str | os.PathLike[str],
    *,
    adapter: str | os.PathLike[str] | None = None,
    base: str | os.PathLike[str] | None = None,
    dtype: str = "auto",
    device: str = "auto",
    quantization: str = "none",
) -> tuple[Any, Any]:
    """Open a model with its tokenizer, ready to answer: `(model, tokenizer)`.

    `path_or_id` is a base, a merged model, or an adapter, peft's or ours, whose base is opened with it: a folder, or an
    id of the Hub. `base` says where the adapter's base is now, if it was moved. `adapter` puts an adapter on a
    base. `dtype` "auto" is bfloat16 on a GPU that has it and float32 elsewhere; `device` "auto" is the GPU, if any.

    Raises:
        SettingsError: there is no such model, it may not be read (gated), or a package is missing.
    """
    require("train")
    place = os.fspath(path_or_id)
    if adapter is None and is_adapter(place):
        adapter, place = place, os.fspath(base) if base is not None else base_of(place)
    model = load_base(place, dtype=dtype, device=device, quantization=quantization)
    if adapter is None:
        return model.eval(), load_tokenizer(place)
    before = training_record(adapter).get("base_identity")
    if before and not same_base(before, identity(model)):
        logger.warning("%s was trained on other weights than those of %s", adapter, place)
    tokenizer = load_tokenizer(folder_of(adapter) if has_tokenizer(adapter) else place)
    return put_on(model, adapter).eval(), tokenizer


def load_base(
    path_or_id: str | os.PathLike[str],
    *,
    dtype: str = "auto",
    device: str = "auto",
    quantization: str = "none",
    double_quantization: bool = True,
    sharded: bool = False,
) -> Any:
    """A whole model: causal or encoder-decoder as its configuration says, quantised on request.

    `sharded` packs 4-bit weights into numbers of `dtype`, since FSDP shards no bytes.
    """
    import transformers

    place = device_of(device)
    config = load_config(path_or_id)
    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    more: dict[str, Any] = {}
    if quantization != "none":
        more = {
            "quantization_config": quantization_config(
                quantization, double=double_quantization, packed=torch_dtype(dtype, place) if sharded else None
            ),
            # One device by name: "auto" would spread a model over the GPUs that the other processes of DDP use.
            "device_map": {"": place},
        }
    with opening(path_or_id), quiet_libraries():
        model = kind.from_pretrained(path_or_id, dtype=torch_dtype(dtype, place), **more)
    return model if more else model.to(place)


def load_config(path_or_id: str | os.PathLike[str]) -> Any:
    """The configuration of a model."""
    import transformers

    with opening(path_or_id):
        return transformers.AutoConfig.from_pretrained(path_or_id)


def load_tokenizer(path_or_id: str | os.PathLike[str]) -> Any:
    """The tokenizer, padding set to a token that is there: no token is added, so no matrix grows."""
    import transformers

    with opening(path_or_id):
        tokenizer = transformers.AutoTokenizer.from_pretrained(path_or_id)
    if tokenizer.pad_token is None:
        # Labels are masked by position, so an end-of-text token that also pads is still learnt.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def has_tokenizer(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a tokenizer, as an adapter of ours does and one from elsewhere need not."""
    return (folder_of(folder) / "tokenizer_config.json").is_file()


def let_all_read(folder: Path) -> None:
    """Give the weights in a folder the rights of other files: safetensors lets the owner alone read them."""
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)


def put_on(model: Any, adapter: str | os.PathLike[str]) -> Any:
    """The model with an adapter on it, peft's or ours.

    Raises:
        SettingsError: the folder holds none, or its weights are not for this model.
    """
    folder = folder_of(adapter)
    if (folder / OWN_CONFIG).is_file():
        from selfinstruct.train.modules import load_modules

        return load_modules(model, folder)
    if not (folder / PEFT_CONFIG).is_file():
        raise SettingsError(f"{folder}: no adapter here (there is neither {PEFT_CONFIG} nor {OWN_CONFIG})")
    import peft

    try:
        with quiet_libraries():
            adapted = peft.PeftModel.from_pretrained(model, folder)
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(f"{folder}: this adapter does not fit its base ({error})") from error
    if adapted.peft_config["default"].peft_type == "ADALORA":
        # Its forward pass asks for this name whenever there are labels, and peft sets it for training only.
        adapted.base_model.trainable_adapter_name = "default"
    return adapted


def is_adapter(path: str | os.PathLike[str]) -> bool:
    """Whether a folder, or a repository of the Hub, holds an adapter, which needs its base."""
    return any((folder_of(path) / name).is_file() for name in (PEFT_CONFIG, OWN_CONFIG))


def has_switch(path: str) -> bool:
    """Whether it holds a peft adapter, whose base answers from the same weights."""
    return (folder_of(path) / PEFT_CONFIG).is_file()


def base_of(adapter: str | os.PathLike[str]) -> str:
    """The base that an adapter names.

    Raises:
        SettingsError: it names none, or a folder that is gone.
    """
    folder = folder_of(adapter)
    name = PEFT_CONFIG if (folder / PEFT_CONFIG).is_file() else OWN_CONFIG
    base = orjson.loads((folder / name).read_bytes()).get("base_model_name_or_path")
    if not base or (Path(base).is_absolute() and not Path(base).exists()):
        raise SettingsError(
            f"{adapter}: its base {base or '(none named)'} is not there; write where it is into {name} "
            "(base_model_name_or_path), or merge the two with selfinstruct merge --base"
        )
    return str(base)


def device_of(device: str) -> str:
    """The device as torch names it: "auto" is the GPU of this process where there is one."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("there is no CUDA device here; use --device cpu, or --device auto")
    if device == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}"


def torch_dtype(dtype: str, device: str) -> Any:
    """The torch number type of a name: "auto" is bfloat16 on a GPU that computes with it, and float32 elsewhere."""
    import torch

    if dtype == "float16" and device == "cpu":
        raise SettingsError("float16 has no arithmetic on the CPU; use --dtype bfloat16 or float32")
    if dtype == "auto":
        # Older GPUs (T4, V100) only emulate it, which is slower than float32.
        fast = device != "cpu" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    return getattr(torch, dtype)


def precision(settings: TrainSettings) -> tuple[str, str | None]:
    """In which numbers the base is held, and in which 16-bit type it is computed where that is another one.

    Where every weight is trained they are held in 32 bits, because steps of a small learning rate are lost in 16.
    """
    place = device_of(settings.device)
    wanted = str(torch_dtype(settings.dtype, place)).removeprefix("torch.")
    if settings.method == "full" and wanted != "float32":
        return "float32", wanted
    return wanted, wanted if wanted != "float32" else None


def quantization_config(quantization: str, *, double: bool = True, packed: Any = None) -> Any:
    """How bitsandbytes holds the base: NF4 with bfloat16 compute as in QLoRA (arXiv 2305.14314), or 8 bits.

    4-bit weights are packed into bytes, or into numbers of the torch type `packed`.
    """
    require("qlora")
    import torch
    import transformers

    if quantization == "int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_quant_storage=packed,
    )


@contextmanager
def opening(path_or_id: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the Hub and the file system say into one line with the way on."""
    from huggingface_hub.errors import GatedRepoError

    try:
        yield
    except (OSError, ValueError) as error:
        name = os.fspath(path_or_id)
        if any(isinstance(one, GatedRepoError) for one in _causes(error)):
            raise SettingsError(
                f"{name}: access has to be granted first. Accept the licence on https://huggingface.co/{name}, then "
                "log in: hf auth login"
            ) from error
        raise SettingsError(
            f"{name}: cannot be opened as a model ({str(error).splitlines()[0]}); name a folder with config.json, or "
            "an id of the Hub such as owner/name"
        ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    while at is not None:
        yield at
        at = at.__cause__ or at.__context__
