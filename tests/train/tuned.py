"""Folders of trainings, as tests look at them and as a stop would have left them."""

from __future__ import annotations

import shutil

import safetensors.torch

from selfinstruct.train.record import FORMAT, RECORD, read_record, write_record


def cut_back(folder, to, step):
    """The folder as it stood when the checkpoint of a step had just been written."""
    shutil.copytree(folder, to)
    for path in to.iterdir():
        if path.name not in ("checkpoints", RECORD, FORMAT):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for checkpoint in (to / "checkpoints").iterdir():
        if int(checkpoint.name.split("-")[1]) > step:
            shutil.rmtree(checkpoint)
    write_record(to, {**read_record(to), "result": None})


def weights(folder):
    """The tensors of a training by their names."""
    (path,) = folder.glob("*.safetensors")
    return safetensors.torch.load_file(path)


def flat(tuned):
    """The numbers of its loss curve, of training and validation, in order."""
    return [value for point in tuned.losses for value in (point.loss, point.validation) if value is not None]
