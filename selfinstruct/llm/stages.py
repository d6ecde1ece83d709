"""One model for each stage of a run, as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from selfinstruct.llm import LLM, Completion, Request, Usage
from selfinstruct.llm.limits import DRAIN_SECONDS


class ByStage:
    """A language model that passes each request to the model of its stage."""

    def __init__(self, models: Mapping[str, LLM]) -> None:
        self._models = models

    async def complete(self, request: Request) -> Completion:
        """Ask the model of the stage."""
        return await self._models[request.stage].complete(request)

    def answered(self, request: Request) -> None:
        """Tell the model of the stage, if it listens."""
        if (tell := getattr(self._models[request.stage], "answered", None)) is not None:
            tell(request)

    def worst_case(self, request: Request) -> Usage:
        """What one try of this stage cannot pass."""
        from selfinstruct.llm.budget import worst_case

        bound: Callable[[Request], Usage] = getattr(self._models[request.stage], "worst_case", worst_case)
        return bound(request)

    @property
    def patience(self) -> float:
        """How long a run that stops waits: as long as any model wants."""
        return max(getattr(model, "patience", DRAIN_SECONDS) for model in self._models.values())

    async def close(self) -> None:
        """Close each model once."""
        for model in {id(one): one for one in self._models.values()}.values():
            if (close := getattr(model, "close", None)) is not None:
                await close()
