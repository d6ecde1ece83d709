"""Where the files of a model are: in its folder, or, of an adapter of the Hub, where they were fetched to."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

WANTED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt")


def folder_of(path_or_id: str | os.PathLike[str]) -> Path:
    """The folder of a model or adapter: itself, or where an adapter of the Hub was fetched to.

    Any other name, such as that of a whole model of the Hub, which transformers fetches, is a folder that is not there.
    """
    folder, name = Path(path_or_id), os.fspath(path_or_id)
    if folder.exists() or folder.is_absolute() or name.count("/") != 1:
        return folder
    return _fetched(name)


@lru_cache(maxsize=64)
def _fetched(name: str) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        hf_hub_download(name, "config.json")  # a whole model has one, and it is wanted next
    except EntryNotFoundError as error:
        # Without a network an adapter may have been fetched before.
        kept = isinstance(error, LocalEntryNotFoundError)
        try:
            return Path(
                snapshot_download(name, allow_patterns=list(WANTED), ignore_patterns=["*/*"], local_files_only=kept)
            )
        except LocalEntryNotFoundError:
            return Path(name)
    except (HFValidationError, HfHubHTTPError, OSError):
        return Path(name)  # opening the model says what is the matter
    return Path(name)
