"""A model on a Hub: published by the real client, and opened by its name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("torch")

import tiny
from hub_server import TOKEN, HubServer, Repository

from selfinstruct.train import finetune

TUNED = {"format": "plain", "batch_size": 16, "lora_r": 8, "learning_rate": 5e-3, "epochs": 1, "validation": 0}
PUSH = "import sys; from selfinstruct.train import Tuned; Tuned(sys.argv[1]).push_to_hub('me/tuned')"
OPEN = """
import json, sys
from selfinstruct.train.named import Means, labels, name_models, open_models
named = name_models("me/tuned", ["base"], Means())
base, tuned = open_models(named, Means())
print(json.dumps({"names": list(labels(list(named)).values()), "format": tuned.format,
                  "one copy": base.model is tuned.model, "identity": tuned.identity != base.identity}))
"""


LATER = """
import os, sys
from selfinstruct.errors import SelfInstructError
from selfinstruct.train import merge
from selfinstruct.train.models import is_adapter
token = os.environ.pop("HF_TOKEN")
try:
    merge("me/secret", "nowhere")
except SelfInstructError as error:
    print(error)
print(is_adapter("me/secret"))
os.environ["HF_TOKEN"] = token
print(is_adapter("me/secret"))
print(is_adapter("me/base"))
"""


def outside(home, url, *arguments, **more):
    """A process of its own: the client reads where the Hub is when it is imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN, **more}
    made = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.mark.slow
def test_a_published_adapter_opens_by_its_name(tiny_llama, tmp_path):
    """With the base of the Hub that it names, in the format it was trained in, also when the Hub is gone; and merges."""
    tuned = finetune(tiny.shifted(), tiny_llama, tmp_path / "tuned", **TUNED)
    config = json.loads((tuned.path / "adapter_config.json").read_text())
    (tuned.path / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "me/base"}))
    with HubServer() as hub:
        base = hub.repos["me/base"] = Repository("me/base", private=False)
        base.add({path.name: path.read_bytes() for path in tiny_llama.iterdir()})
        outside(tmp_path, hub.url, "-c", PUSH, tuned.path)
        assert "adapter_model.safetensors" in hub.files("me/tuned")
        shutil.rmtree(tuned.path)
        opened = outside(tmp_path, hub.url, "-c", OPEN)
        merge = ["-m", "selfinstruct", "merge", "me/tuned", "-o", tmp_path / "merged", "--json"]
        assert json.loads(outside(tmp_path, hub.url, *merge))["drift"] < 1e-5
    assert json.loads(opened) == {
        "names": ["me/base", "me/tuned"], "format": "plain", "one copy": True, "identity": True,
    }  # fmt: skip
    assert outside(tmp_path, hub.url, "-c", OPEN, HF_HUB_OFFLINE="1") == opened


@pytest.mark.slow
def test_a_private_adapter_opens_once_there_is_a_login(tiny_llama, tmp_path):
    """What failed is not remembered for the life of a notebook, and is not called a folder without an adapter.

    One that was pushed with a config.json, as some trainers do, is an adapter all the same.
    """
    with HubServer() as hub:
        secret = hub.repos["me/secret"] = Repository("me/secret", private=True)
        config = {"peft_type": "LORA", "base_model_name_or_path": "me/base"}
        secret.add({"adapter_config.json": json.dumps(config).encode(), "config.json": b"{}"})
        base = hub.repos["me/base"] = Repository("me/base", private=False)
        base.add({path.name: path.read_bytes() for path in tiny_llama.iterdir()})
        refusal, *seen = outside(tmp_path, hub.url, "-c", LATER).splitlines()
    assert refusal.startswith("me/secret: cannot be opened as a model (")
    assert seen == ["False", "True", "False"]
