"""What has to be installed before anything heavy is imported, and what the heavy ones say that helps nobody."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from selfinstruct.errors import SettingsError

EXTRAS = {
    "train": ("torch", "transformers", "peft", "accelerate", "safetensors"),
    "qlora": ("bitsandbytes",),
    "trl": ("trl",),
    "eval": ("nltk", "sacrebleu", "yaml"),
    "web": ("gradio",),
}
CHATTY = ("transformers", "bitsandbytes", "huggingface_hub")
# Says why nothing happens for half a minute: the Hub cannot be reached, and is tried again.
WAITING = "huggingface_hub.utils._http"


def require(extra: str) -> None:
    """Make sure that the packages of an extra are there, without importing one.

    Raises:
        SettingsError: with the line to type.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            f"type: pip install 'selfinstruct[{extra}]'"
        )


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Without what the libraries say of each other and of what is done here on purpose, and bars only at a terminal."""
    require("train")
    import datasets
    import transformers.utils.logging as of_transformers

    levels = {name: logging.getLogger(name).level for name in (*CHATTY, WAITING)}
    hub = logging.getLogger("huggingface_hub")
    propagates, hub.propagate = hub.propagate, False  # it has a handler of its own, and would speak twice
    bars = of_transformers.is_progress_bar_enabled() and not sys.stderr.isatty()
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger(WAITING).setLevel(logging.WARNING)
    if bars:
        of_transformers.disable_progress_bar()
        datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            _ignore_warnings()
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        hub.propagate = propagates
        if bars:
            of_transformers.enable_progress_bar()
            datasets.enable_progress_bars()


def _ignore_warnings() -> None:
    for module in ("transformers", "peft", "torch", "accelerate", "trl", "bitsandbytes"):
        for category in (FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=module)
    warnings.filterwarnings("ignore", message="PiSSA changes the base weights")
    # GPT-2's Conv1D: peft says that it does what it should.
    warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
    # AdaLoRA gives whole layers up, which peft takes for the sign of a broken file.
    warnings.filterwarnings("ignore", message=".*invalid shape|.*rank_pattern keys did not match")
    # Virtual tokens stand in front of the text, so peft counts positions itself.
    warnings.filterwarnings("ignore", message="Position ids are not supported for parameter efficient tuning")
    # Normalisations are no linear layers, and are all that the method layer-norm trains.
    warnings.filterwarnings("ignore", message="Unsupported layer type .*Norm")
