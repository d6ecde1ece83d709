"""Seeds in, a language model of your choice, a clean instruction-tuning data set out.

>>> import selfinstruct as si
>>> run = si.generate("runs/first", model="demo", num_tasks=20)  # doctest: +SKIP
"""

from importlib.metadata import version

from selfinstruct.check import check
from selfinstruct.concat import concat
from selfinstruct.dedup import Deduplicated, dedup
from selfinstruct.errors import (
    DiskFull,
    EndpointFailed,
    HubError,
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
from selfinstruct.estimate import Estimate, estimate
from selfinstruct.export.importing import import_set
from selfinstruct.llm import LLM, Completion, Message, Request, Usage
from selfinstruct.quality import fix, lint
from selfinstruct.replay import load
from selfinstruct.report import Report, report
from selfinstruct.run import Run
from selfinstruct.session import agenerate, generate
from selfinstruct.settings import Settings
from selfinstruct.split import split
from selfinstruct.tasks import Candidate, Instance, Rejected, Task, Verdict, packaged_seeds, read_seeds

__version__ = version("selfinstruct")

__all__ = [
    "LLM",
    "Candidate",
    "Completion",
    "Deduplicated",
    "DiskFull",
    "EndpointFailed",
    "Estimate",
    "HubError",
    "Instance",
    "LLMError",
    "LedgerCorrupt",
    "Message",
    "Rejected",
    "Report",
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
    "check",
    "concat",
    "dedup",
    "estimate",
    "fix",
    "generate",
    "import_set",
    "lint",
    "load",
    "packaged_seeds",
    "read_seeds",
    "report",
    "split",
]
