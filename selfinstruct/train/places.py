"""Where the files of a model are: in its folder, or, of an adapter of the Hub, where they were fetched to."""

from __future__ import annotations

import os
from pathlib import Path

from selfinstruct.errors import HubError

PEFT_CONFIG, OWN_CONFIG = "adapter_config.json", "selfinstruct_adapter.json"
WANTED = ("*.json", "*.safetensors", "adapter_model.bin", "*.jinja", "*.model", "*.txt")

_fetched: dict[str, Path] = {}


def folder_of(path_or_id: str | os.PathLike[str]) -> Path:
    """The folder of a model or adapter: itself, or where an adapter of the Hub was fetched to.

    Any other name, such as that of a whole model of the Hub, which transformers fetches, is a folder that is not there.

    Raises:
        HubError: the repository is one of an adapter, and its files cannot be fetched.
    """
    folder, name = Path(path_or_id), os.fspath(path_or_id)
    if not may_be_of_the_hub(name):
        return folder
    if name not in _fetched and (found := _fetch(name)) is not None:
        _fetched[name] = found
    return _fetched.get(name, folder)


def may_be_of_the_hub(name: str) -> bool:
    """Whether a name is an id of the Hub: "adapters/first" is a folder, mistyped or not, where "adapters" is one."""
    path = Path(name)
    return name.count("/") == 1 and not (path.exists() or path.is_absolute() or Path(path.parts[0]).is_dir())


def _fetch(name: str) -> Path | None:
    """The folder of an adapter of the Hub; None where there is none, or none that may be read."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
    )

    for config in (PEFT_CONFIG, OWN_CONFIG):
        try:
            hf_hub_download(name, config)
        except RemoteEntryNotFoundError:
            continue
        except LocalEntryNotFoundError:  # no network
            return _kept(name)
        except (HFValidationError, HfHubHTTPError, OSError):
            return None  # opening the model says what is the matter
        try:
            return Path(snapshot_download(name, allow_patterns=list(WANTED), ignore_patterns=["*/*"]))
        except (HfHubHTTPError, OSError) as error:
            raise HubError(
                f"{name}: this adapter could not be fetched ({error}); the same command tries again"
            ) from error
    return None


def _kept(name: str) -> Path | None:
    """The folder of an adapter that was fetched before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if any((folder / config).is_file() for config in (PEFT_CONFIG, OWN_CONFIG)) else None
