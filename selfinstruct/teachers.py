"""The models behind the settings of a run, one for each stage."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.llm import LLM
from selfinstruct.llm.limits import Slots
from selfinstruct.llm.stages import ByStage
from selfinstruct.prepare import Setup
from selfinstruct.settings import STAGES, Settings

JOURNAL = "batches.jsonl"
BATCH_IN_FLIGHT = 50_000
# A job of a few requests would take as long as one of thousands.
LIVE_BELOW = 20


def teacher(setup: Setup, save: Callable[[], None], slots: Slots, folder: str | os.PathLike[str]) -> LLM:
    """The models behind the settings, one for each stage: the demo teacher, a local model, or endpoints.

    `save` is called when the first answers have taught something about a server; it is in `setup.stored` then. `slots`
    follow what the endpoints stand. Batch jobs are remembered in `folder`, the run directory.
    """
    settings, built = setup.settings, {}
    rooms = _Rooms(slots)
    settled = _settled(setup, save)
    models: dict[str, LLM] = {}
    for stage in STAGES:
        model, urls, keys = settings.endpoint(stage)
        kind = model if not urls and (model == "demo" or str(model).startswith("hf:")) else (urls, keys)
        if kind not in built:
            built[kind] = _model(settings, str(model), urls, keys, settled, rooms, Path(folder))
        models[stage] = built[kind]
    return models["instructions"] if len(built) == 1 else ByStage(models)


def model_at(setup: Setup, model: str, urls: Sequence[str], keys: Sequence[str]) -> LLM:
    """One model at one place, asked live, for a single question."""
    nowhere = Path(os.devnull)
    return _model(setup.settings, model, urls, keys, _settled(setup, lambda: None), _Rooms(Slots(1)), nowhere)


def _model(
    settings: Settings,
    model: str,
    urls: Sequence[str],
    keys: Sequence[str],
    settled: Any,
    rooms: _Rooms,
    folder: Path,
) -> LLM:
    if not urls and (model == "demo" or model.startswith("hf:")):
        if settings.batch:
            raise SettingsError(f"--batch needs a provider with a Batch API; {model!r} runs on this machine")
        rooms.of_one_more()(settings.concurrency)
        return _model_here(model)
    bounded = settings.max_cost is not None or settings.max_tokens_total is not None
    if settings.batch:
        from selfinstruct.llm.batch import BatchClient

        rooms.of_one_more()(BATCH_IN_FLIGHT)
        return BatchClient(
            urls,
            keys,
            journal=folder / JOURNAL,
            timeout=settings.timeout,
            settled=settled[0],
            on_settled=settled[1],
            bounded=bounded,
            live_below=LIVE_BELOW,
        )
    from selfinstruct.llm.openai import OpenAIClient

    return OpenAIClient(
        urls,
        keys,
        timeout=settings.timeout,
        settled=settled[0],
        on_settled=settled[1],
        backend=settings.backend,
        concurrency=settings.concurrency,
        rpm=settings.rpm,
        tpm=settings.tpm,
        bounded=bounded,
        on_room=rooms.of_one_more(),
        pause=rooms.slots.pause,
    )


def _model_here(model: str) -> LLM:
    """A model in this process."""
    if model == "demo":
        from selfinstruct.llm.demo import DemoTeacher

        return DemoTeacher()
    from selfinstruct.llm.local import LocalModel

    return LocalModel(model)


def _settled(setup: Setup, save: Callable[[], None]) -> tuple[Any, Callable[[], None]]:
    """What earlier sessions have learned about the servers, and how more of it is kept."""
    from selfinstruct.llm.lessons import Settled

    settled = Settled(**setup.stored.settled)

    def on_settled() -> None:
        setup.stored.settled = asdict(settled)
        save()

    return settled, on_settled


class _Rooms:
    """Several clients share the slots: there are as many as all of them have room for."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._rooms: list[int] = []

    def of_one_more(self) -> Callable[[int], None]:
        """A place for the room of one more client."""
        number = len(self._rooms)
        self._rooms.append(0)

        def changed(room: int) -> None:
            self._rooms[number] = room
            self.slots.resize(max(1, sum(self._rooms)))

        return changed
