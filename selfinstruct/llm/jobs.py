"""Batch jobs that a run has handed to a server, in batches.jsonl of its directory, so that none is paid for twice."""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.errors import DiskFull, RunError
from selfinstruct.ledger import Ledger
from selfinstruct.llm import Request

JOBS = "batches.jsonl"
VERSION = 1


@dataclass(eq=False)
class Job:
    """One batch of requests.

    `token` names it here, and at the server in the metadata. `file` and `batch` are the server's ids of the uploaded
    input and of the job itself; where `batch` is None, the process ended before it knew whether the server has the job.
    `planned` is a Unix time in seconds, `names` are the custom ids of the requests.
    """

    token: str
    planned: float
    host: str
    path: str
    model: str
    names: tuple[str, ...]
    file: str | None = None
    batch: str | None = None


def custom_id(request: Request) -> str:
    """What a request is called in a batch: its key and digest, in the letters and length that every server takes."""
    return _name(request.key, request.digest)


def _name(key: str, digest: str) -> str:
    return (key if digest in key else f"{key}/{digest}").replace("/", "-")


class Journal:
    """An append-only file of what was done about each job: planned, uploaded, created.

    A line is on disk before the next step begins. `of` gives the latest job that holds a request. A torn last line,
    which a crash leaves, is dropped: the step after it was never begun.

    Raises:
        RunError: another line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_token: dict[str, Job] = {}
        self._latest: dict[str, Job] = {}
        self._read()

    def of(self, name: str) -> Job | None:
        """The job that was to answer the request last."""
        return self._latest.get(name)

    def plan(self, host: str, path: str, model: str, names: Iterable[str]) -> Job:
        """Note that a job is about to be handed over."""
        job = Job(uuid.uuid4().hex, round(time.time(), 3), host, path, model, tuple(names))
        self._append({name: value for name, value in vars(job).items() if value is not None})
        self._index(job)
        return job

    def uploaded(self, job: Job, file: str) -> None:
        """Note the server's id of the input file."""
        self._append({"token": job.token, "file": file})
        job.file = file

    def created(self, job: Job, batch: str) -> None:
        """Note the server's id of the job."""
        self._append({"token": job.token, "batch": batch})
        job.batch = batch

    def forget(self, job: Job) -> None:
        """Take the job as one that never was, until the file is read again."""
        for name in job.names:
            if self._latest.get(name) is job:
                del self._latest[name]

    def unanswered(self, ledger: Ledger) -> int:
        """How many requests of jobs the ledger holds no answer to: those that the server may still be at."""
        answered = {_name(key, ledger.digest(key) or "") for key in ledger}
        return sum(name not in answered for name in self._latest)

    def _index(self, job: Job) -> None:
        self._by_token[job.token] = job
        self._latest.update(dict.fromkeys(job.names, job))

    def _append(self, row: dict[str, Any]) -> None:
        line = orjson.dumps({"v": VERSION, **row}, option=orjson.OPT_APPEND_NEWLINE)
        with open(self.path, "ab", buffering=0) as file:
            end = file.tell()
            try:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, "only a part of the line could be written")
                os.fsync(file.fileno())
            except OSError as error:
                file.truncate(end)
                raise DiskFull(
                    f"{self.path}: cannot write ({error.strerror}). Free some space and run the same command again; "
                    "jobs that are under way are collected then."
                ) from error

    def _read(self) -> None:
        if not self.path.is_file():
            return
        whole, newline, torn = self.path.read_bytes().rpartition(b"\n")
        if torn:
            os.truncate(self.path, len(whole) + len(newline))
        for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
            try:
                self._take(orjson.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunError(
                    f"{self.path}, line {number}: not what was written there ({error}). Restore the file from a copy; "
                    "without it, requests that are under way at the server are asked and paid for again."
                ) from error

    def _take(self, row: dict[str, Any]) -> None:
        if row.pop("v") != VERSION:
            raise ValueError("written by a later version of selfinstruct; upgrade the package")
        if "names" in row:
            self._index(Job(**{**row, "names": tuple(row["names"])}))
        else:
            vars(self._by_token[row.pop("token")]).update(row)
