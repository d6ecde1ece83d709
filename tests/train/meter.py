"""Measures the memory of training steps: what is held, what autograd keeps, and the true peak of a step."""

from __future__ import annotations

import gc
import warnings
import weakref

import torch
import transformers
from torch.profiler import ProfilerActivity, profile


def storage_bytes(tensors):
    """Bytes of the storages behind tensors, each counted once. Quantised weights bring their constants."""
    found = {}
    for one in (part for tensor in tensors for part in _parts(tensor)):
        storage = one.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())


def held(model):
    """Every tensor that a model holds when it is at rest."""
    return [*model.parameters(), *model.buffers()]


class _Packed:
    """One tensor that autograd keeps, for as long as it does."""

    def __init__(self, tensor):
        self.tensor = tensor


def kept(forward, model):
    """Bytes that autograd keeps of one forward pass for the backward pass, those of the model itself left out."""
    known = {part.untyped_storage().data_ptr() for one in held(model) for part in _parts(one)}
    saved = weakref.WeakSet()

    def pack(tensor):
        packed = _Packed(tensor)
        if tensor.untyped_storage().data_ptr() not in known:
            saved.add(packed)
        return packed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda packed: packed.tensor):
        result = forward()
    total = storage_bytes(packed.tensor for packed in saved)
    del result
    return total


class Peak:
    """The most bytes allocated at once within a `with` block, above what was there at its start.

    The profiler hears of each allocation and each release of torch's allocator, those inside of kernels included.
    """

    above = 0

    def __enter__(self):
        gc.collect()
        self._profile = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._profile.__enter__()
        return self

    def __exit__(self, *raised):
        self._profile.__exit__(*raised)
        events = [one for one in self._profile.profiler.kineto_results.events() if one.name() == "[memory]"]
        now = 0
        for event in sorted(events, key=lambda one: one.start_ns()):
            now += event.nbytes()
            self.above = max(self.above, now)


class StepMeter(transformers.TrainerCallback):
    """Measures one whole step of a Trainer: the first one that finds the optimizer's state made."""

    def __init__(self, step=1):
        self._step, self._peak = step, None
        self.weights = self.gradients = self.optimizer = self.peak = 0

    def on_step_begin(self, args, state, control, model=None, optimizer=None, **_):
        if state.global_step == self._step:
            self.weights = storage_bytes(held(model))
            self.optimizer = storage_bytes(
                value for one in optimizer.state.values() for value in one.values() if torch.is_tensor(value)
            )
            self._peak = Peak()
            self._peak.__enter__()

    def on_optimizer_step(self, args, state, control, model=None, **_):
        if self._peak is not None:
            self.gradients = storage_bytes(one.grad for one in model.parameters() if one.grad is not None)

    def on_step_end(self, args, state, control, **_):
        if self._peak is not None:
            self._peak.__exit__(None, None, None)
            self.peak = self.weights + self.optimizer + self._peak.above
            self._peak = None


def _parts(tensor):
    """A tensor and, of a quantised weight, the tensors that give it its meaning."""
    yield tensor
    for name in ("CB", "SCB"):
        if torch.is_tensor(part := getattr(tensor, name, None)):
            yield part
    state = getattr(tensor, "quant_state", None)
    for quantised in (state, getattr(state, "state2", None)):
        for name in ("absmax", "code", "offset"):
            if torch.is_tensor(part := getattr(quantised, name, None)):
                yield part
