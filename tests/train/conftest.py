"""Tiny models, made once for all tests of the training."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Models of a few thousand weights are faster without threads, and sums come in one order."""
    if find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory):
    """Folder of a LLaMA with its tokenizer that knows `tiny.rows()` in the format plain. Do not write into it."""
    pytest.importorskip("torch")
    import tiny

    return tiny.llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory):
    """Folder of a T5 with its tokenizer that knows `tiny.rows()` in the format plain. Do not write into it."""
    pytest.importorskip("torch")
    import tiny

    return tiny.t5(tmp_path_factory.mktemp("models") / "t5")
