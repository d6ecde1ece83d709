"""A run against a server that this project did not write: `transformers serve` with a tiny model made on the spot.

    pip install torch 'transformers[serving]' accelerate
    python examples/foreign_server.py

It needs no download. The model has random weights, so it writes nothing usable: the run shows that text, usage and
finish reasons of a real server arrive in the ledger, and that such a model ends the run as saturated, with status 3.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import selfinstruct as si

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tiny_model(folder: Path) -> None:
    """Write a LLaMA of two layers with random weights, and a byte-level tokenizer trained on the seed tasks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([seed.instruction for seed in si.read_seeds(si.packaged_seeds())], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",  # noqa: S106 - a mark of the vocabulary, no password
        pad_token="<|endoftext|>",  # noqa: S106 - the same
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=4096, eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def started(command: list[str], page: str, log: Path, patience: float = 300.0, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; the block begins when the server answers for the page."""
    with open(log, "wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            _wait_until_up(page, process, patience)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def serve(model: Path, log: Path) -> Iterator[str]:
    """Serve the model on a free port of this machine, and give the base URL."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with started(command, f"http://127.0.0.1:{port}/health", log, HF_HUB_OFFLINE="1"):
        yield f"http://127.0.0.1:{port}/v1"


def _wait_until_up(url: str, process: subprocess.Popen[bytes], patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - a loopback address
                return
        except urllib.error.HTTPError:
            return  # it answers, if only that there is no such page
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the server did not come up (status {process.poll()})")


def run_against(url: str, model: Path, folder: Path, **options: Any) -> si.Run:
    """Generate until the run saturates, with answers of a few tokens."""
    return si.generate(
        folder, model=str(model), base_url=url, num_tasks=20, max_tokens=24, classify_max_tokens=8,
        instance_max_tokens=24, saturation_window=12, concurrency=4, progress=False, **options,
    )  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        make_tiny_model(here / "tiny")
        with serve(here / "tiny", here / "server.log") as address:
            finished = run_against(address, here / "tiny", here / "run")
        print(finished, "exit status", finished.exit_status)
        print((here / "run" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()[0])
