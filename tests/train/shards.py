"""What each process of a sharded training does, for several trainings in turn: `torchrun ... shards.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tiny

from selfinstruct.train import finetune

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, settings in json.loads((folder / "ways.json").read_text(encoding="utf-8")).items():
        finetune(tiny.shifted(), output=folder / name, **settings, fsdp=True, progress=False)
