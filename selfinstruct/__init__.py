"""Seeds in, a language model of your choice, a clean instruction-tuning data set out.

>>> import selfinstruct as si
>>> run = si.generate("runs/first", model="demo", num_tasks=20)  # doctest: +SKIP
"""

from importlib.metadata import version

from selfinstruct.dedup import Deduplicated, dedup
from selfinstruct.errors import (
    DiskFull,
    EndpointFailed,
    LedgerCorrupt,
    LLMError,
    RequestRefused,
    RunError,
    RunLocked,
    SeedsError,
    SelfInstructError,
    SettingChanged,
    SettingsError,
    TransientFailure,
)
from selfinstruct.llm import LLM, Completion, Message, Request, Usage
from selfinstruct.replay import load
from selfinstruct.run import Run
from selfinstruct.session import agenerate, generate
from selfinstruct.settings import Settings
from selfinstruct.tasks import Candidate, Instance, Rejected, Task, Verdict, packaged_seeds, read_seeds

__version__ = version("selfinstruct")

__all__ = [
    "LLM",
    "Candidate",
    "Completion",
    "Deduplicated",
    "DiskFull",
    "EndpointFailed",
    "Instance",
    "LLMError",
    "LedgerCorrupt",
    "Message",
    "Rejected",
    "Request",
    "RequestRefused",
    "Run",
    "RunError",
    "RunLocked",
    "SeedsError",
    "SelfInstructError",
    "SettingChanged",
    "Settings",
    "SettingsError",
    "Task",
    "TransientFailure",
    "Usage",
    "Verdict",
    "agenerate",
    "dedup",
    "generate",
    "load",
    "packaged_seeds",
    "read_seeds",
]
