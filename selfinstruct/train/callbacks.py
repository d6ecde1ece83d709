"""What happens beside the steps of a training: the journal, the progress bar, AdaLoRA's ranks."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers

from selfinstruct.errors import RunError
from selfinstruct.train.curve import Point, write_points
from selfinstruct.train.record import COMPLETE

ALLOCATOR = "allocator.pt"
LINE_SECONDS = 60.0


class Journal(transformers.TrainerCallback):
    """Writes losses.jsonl, marks checkpoints that are whole, and stops a training that has come to NaN."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # A point of the curve at each checkpoint, so that a resumed training averages over the same steps.
        control.should_log |= control.should_save or control.should_training_stop

    on_epoch_end = on_step_end

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        last = state.log_history[-1]
        if not math.isfinite(last.get("loss", 0.0)):
            raise RunError(
                f"the loss is {last['loss']} at step {state.global_step:,}; try a lower --learning-rate, or --dtype "
                "float32"
            )
        if state.is_world_process_zero:
            write_points(self._folder, Point.all_of(state.log_history))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


class Allocator(transformers.TrainerCallback):
    """Lets AdaLoRA shift its ranks after each step, and keeps what it has learnt about them beside the checkpoints."""

    def __init__(self, base_model: Any) -> None:
        self._adapted = base_model

    @property
    def _allocator(self) -> Any:
        return self._adapted.rankallocator

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        path = Path(args.output_dir) / f"checkpoint-{state.global_step}" / ALLOCATOR
        if state.global_step and path.is_file():
            saved = torch.load(path, weights_only=True)
            self._adapted.peft_config["default"].rank_pattern = saved.pop("rank_pattern")
            for name, value in saved.items():
                setattr(self._allocator, name, value)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._adapted.update_and_allocate(state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            held = {name: getattr(self._allocator, name) for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
            held["rank_pattern"] = self._adapted.peft_config["default"].rank_pattern
            torch.save(held, Path(args.output_dir) / f"checkpoint-{state.global_step}" / ALLOCATOR)


class Stop(transformers.TrainerCallback):
    """Ends a training of one process behind the step that is under way, with a checkpoint, at Ctrl-C or SIGTERM.

    A second signal ends it at once. `asked` is whether there was one.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if args.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def _ask(self, number: int, _frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        _say("\nstopping behind this step, with a checkpoint; once more stops at once")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.asked:
            control.should_save = control.should_training_stop = True

    def restore(self) -> None:
        """Leave the signals to those who had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class Bar(transformers.TrainerCallback):
    """A progress bar with the last losses, in a notebook and at a terminal; elsewhere a line a minute on stderr."""

    def __init__(self, *, show: bool | None) -> None:
        with warnings.catch_warnings():
            # Without ipywidgets a notebook shows the bar as text, which is all that we need.
            warnings.filterwarnings("ignore", "IProgress not found")
            from tqdm.auto import tqdm

        if show is None and "ipykernel" in sys.modules:
            show = True
        # For tqdm, disable=None means: at a terminal only.
        self._bar = tqdm(total=0, unit="step", disable=None if show is None else not show)
        self._losses: dict[str, str] = {}
        self._lines = show is None and self._bar.disable
        self._begun = self._told = time.monotonic()
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.reset(total=state.max_steps)
        self._bar.update(state.global_step)
        self._begun = self._told = time.monotonic()
        self._first = state.global_step
        if self._lines:
            going_on = f" from step {state.global_step:,}" if state.global_step else ""
            _say(f"training, {state.max_steps:,} steps{going_on}")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.update(1)
        now = time.monotonic()
        if self._lines and now - self._told >= LINE_SECONDS:
            self._told = now
            left = (now - self._begun) / (state.global_step - self._first) * (state.max_steps - state.global_step)
            losses = "".join(f", {name} {value}" for name, value in self._losses.items())
            _say(f"step {state.global_step:,} of {state.max_steps:,}{losses}, {left:,.0f} s left")

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        names = {"loss": "loss", "eval_loss": "validation"}
        self._losses |= {names[name]: f"{value:.4g}" for name, value in state.log_history[-1].items() if name in names}
        self._bar.set_postfix(self._losses)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.close()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
