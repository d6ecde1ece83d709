"""Publishing on the Hub of Hugging Face: a folder with data, card and what was asked for, in one commit.

The login is huggingface_hub's own (`hf auth login`, or HF_TOKEN); nothing here reads or prints it.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.directory import DATASET, LEDGER, SETTINGS
from selfinstruct.errors import HubError, SettingsError
from selfinstruct.export.card import PICTURES, Stated
from selfinstruct.export.folder import Contents, write_folder
from selfinstruct.records import Records, open_records
from selfinstruct.run import Run

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger("selfinstruct")

# What an earlier push may have left, and what makes a reader expect other columns than those of the data.
OURS = re.compile(rf"data/.*|{PICTURES}/.*|{re.escape(LEDGER)}|dataset_infos\.json")


@dataclass(frozen=True)
class Pushed:
    """What a push did: where the set is, who sees it, and which files the commit holds and which it took away."""

    repo: str
    url: str
    commit: str
    private: bool
    rows: int
    files: tuple[str, ...]
    deleted: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def open_source(source: str | os.PathLike[str]) -> Run | Records:
    """A run directory, or the rows in it, as the run; anything else as the data set that it names.

    Raises:
        RunError: the run is damaged.
        SettingsError: there is no such set.
    """
    path = Path(source)
    folder = path.parent if path.name == DATASET else path
    if (folder / SETTINGS).is_file():
        from selfinstruct.replay import load

        return load(folder)
    return open_records(source)


def push(
    source: Run | Records,
    repo: str,
    *,
    private: bool = True,
    stated: Stated | None = None,
    contents: Contents | None = None,
    api: HfApi | None = None,
) -> Pushed:
    """Publish a run or a data set as the data set `repo` (OWNER/NAME) of the Hub, in one commit.

    A set that is there already is replaced: data files and pictures of an earlier push that this one does not write
    are deleted in the same commit, and the card with its features is written anew. It stays as private or public as it
    is. `api` is another client than that of the environment.

    Raises:
        SettingsError: there is no login, or the name or the contents cannot be published.
        HubError: the Hub could not be reached or refused; the commit is there as a whole or not at all.
    """
    check_name(repo)
    client = logged_in(api)
    with tempfile.TemporaryDirectory(prefix="selfinstruct-") as name:
        folder = Path(name) / "set"
        rows = write_folder(source, folder, repo, stated=stated, contents=contents)
        with hub_errors(repo):
            return _upload(folder, rows, repo, private, client)


def check_name(repo: str, kind: str = "data set", example: str = "my-instructions") -> None:
    """Make sure that the Hub can have a data set, or another `kind` of repository, of this name.

    Raises:
        SettingsError: it is not OWNER/NAME.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise SettingsError(f"{error}; name the {kind} as OWNER/NAME, such as me/{example}") from error
    if "/" not in repo:
        raise SettingsError(f"{repo!r}: name the {kind} with its owner, as OWNER/NAME, such as me/{repo}")


def logged_in(api: HfApi | None) -> HfApi:
    """The client, which knows who asks.

    Raises:
        SettingsError: nobody is logged in.
    """
    from huggingface_hub import HfApi, get_token

    client = HfApi() if api is None else api
    if not (client.token or get_token()):
        raise SettingsError(
            "not logged in to the Hub. Type `hf auth login` (a token with the right to write is made at "
            "https://huggingface.co/settings/tokens), or set HF_TOKEN; --dry-run needs no login"
        )
    return client


def _upload(folder: Path, rows: int, repo: str, private: bool, api: HfApi) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    url = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
    there = api.dataset_info(repo)
    if bool(there.private) != private:
        logger.warning("%s is %s already, and stays so", repo, "private" if there.private else "PUBLIC")
    stale = sorted({one.rfilename for one in there.siblings or () if OURS.fullmatch(one.rfilename)} - {*files})
    commit = api.create_commit(
        repo,
        [
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in files),
            *(CommitOperationDelete(path_in_repo=name) for name in stale),
        ],
        commit_message=f"{rows:,} rows, written with selfinstruct",
        repo_type="dataset",
        parent_commit=there.sha,
    )
    return Pushed(repo, str(url), str(commit.oid), bool(there.private), rows, tuple(files), tuple(stale))


@contextmanager
def hub_errors(repo: str, kind: str = "data set") -> Iterator[None]:
    """Failures of the client in a few words; its own name the address of a request, which may hold a signature."""
    # HTTPError is the base of all errors of the HTTP client, whichever one it is.
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        yield
    except (HTTPError, OSError, RuntimeError, JSONDecodeError) as error:
        # An upload that failed is a RuntimeError with the reason as its cause.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
        said = f"{status} {getattr(cause, 'server_message', None) or ''}".strip() if status else type(cause).__name__
        if status in (401, 403):
            raise SettingsError(
                f"{repo}: the Hub refused the login ({said}). Type `hf auth login` with a token that has the right to "
                f"write to this owner's {kind}s"
            ) from error
        raise HubError(
            f"{repo}: the Hub could not be reached, or did not take the {kind} ({said}). It has the commit as a "
            "whole or not at all; the same command tries again, and sends again only what has not arrived"
        ) from error
    except ValueError as error:  # the Hub's check of the card's metadata, before anything is uploaded
        raise SettingsError(f"{repo}: the Hub refused what was to be pushed: {error}") from error
