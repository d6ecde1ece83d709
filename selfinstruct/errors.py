"""What can go wrong, as one tree.

SelfInstructError
├── SettingsError           a setting, an option or an input that cannot be used        exit 2
│   ├── SettingChanged      a resumed run was given another value for a fixed setting   exit 2
│   └── SeedsError          a seed file that cannot be read as tasks                    exit 2
├── RunError                the run directory cannot be used                            exit 1
│   ├── RunLocked           another process is writing to it                            exit 1
│   ├── LedgerCorrupt       a line of the ledger is not what was written                exit 1
│   └── DiskFull            the answer could not be written                             exit 1
├── HubError                the Hub of Hugging Face did not take a data set             exit 4
└── LLMError                the model did not answer
    ├── TransientFailure    worth another try (timeout, reset, 429, 5xx, cut body)
    ├── RequestRefused      this one request will never be answered (policy, too long)
    └── EndpointFailed      the endpoint cannot be used (bad key, no such model, gone)  exit 4

Every message says what happened, where, and what to do next.
"""

from __future__ import annotations

from pathlib import Path


class SelfInstructError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_status = 1


class SettingsError(SelfInstructError):
    """A setting, an option or an input cannot be used as given."""

    exit_status = 2


class SettingChanged(SettingsError):
    """A resumed run was given another value for a setting that its answers depend on."""


class SeedsError(SettingsError):
    """A file of tasks cannot be read."""


class RunError(SelfInstructError):
    """The run directory cannot be used."""


class RunLocked(RunError):
    """Another process is writing to the run directory."""


class LedgerCorrupt(RunError):
    """A line of the ledger is damaged, and it is not a torn last one."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(
            f"{path}, line {line}: {why}. Only the last line of a ledger can be torn by a crash, so this one was "
            "changed from outside: restore it from a backup. Without one, cut the file before this line, and what "
            "stood behind it is asked for again."
        )
        self.path, self.line = path, line


class DiskFull(RunError):
    """An answer could not be written because the disk is full."""


class HubError(SelfInstructError):
    """The Hub of Hugging Face did not take or give what it was asked to; the same command tries again."""

    exit_status = 4


class LLMError(SelfInstructError):
    """The model did not answer."""


class TransientFailure(LLMError):
    """The request failed in a way that another try may mend.

    `retry_after` is the number of seconds that the server asked to wait, where it did.
    `limited` says that the server asked for fewer requests (429), not that it is broken; `slow` that it took too long.
    `billed` says that the request may have been worked on, and so paid for, although there is no answer.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        limited: bool = False,
        slow: bool = False,
        billed: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after, self.limited, self.slow, self.billed = retry_after, limited, slow, billed


class RequestRefused(LLMError):
    """The server will not answer this request, however often it is asked."""


class EndpointFailed(LLMError):
    """No request can be answered: the key, the model or the endpoint itself is at fault."""

    exit_status = 4
