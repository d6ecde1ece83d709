"""Publishing a tuned model on the Hub, without its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.export.hub import check_name, hub_errors, logged_in
from selfinstruct.train.card import write_model_card
from selfinstruct.train.curve import LOSSES, PICTURE
from selfinstruct.train.record import RECORD, check_finished, read_record

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", LOSSES, PICTURE, RECORD, "README.md")
NOT_OURS = ("checkpoints/*", "start/*", "merged/*", "evaluation/*")


def push_model(
    folder: Path, repo: str, *, private: bool = True, evaluation: Path | None = None, api: HfApi | None = None
) -> CommitInfo:
    """Upload a finished training as the model `repo` (OWNER/NAME), in one commit, its card written anew.

    The card has the table of the `evaluation`, the folder that `selfinstruct evaluate` wrote.

    Raises:
        SettingsError: the training is not finished, the name cannot be one, or nobody is logged in.
        HubError: the Hub did not take it.
    """
    check_name(repo, "model", "my-model")
    check_finished(folder, read_record(folder))
    (folder / "README.md").write_text(write_model_card(folder, evaluation), encoding="utf-8")
    known = logged_in(api)
    with hub_errors(repo, "model"):
        known.create_repo(repo, repo_type="model", private=private, exist_ok=True)
        return known.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=list(FILES),
            ignore_patterns=list(NOT_OURS),
            commit_message="A model tuned with selfinstruct",
        )
