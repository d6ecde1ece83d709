"""The ledger: every answer of the model, appended to one file before anything looks at it; the only truth of a run.

`Recorded` is the language model that answers from the ledger first. Running, resuming and replaying are all the same
thing: asking `Recorded`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import orjson

from selfinstruct.errors import DiskFull, LedgerCorrupt, RequestRefused, RunError, SettingChanged
from selfinstruct.llm import LLM, Completion, Request, Usage
from selfinstruct.tally import Tally

if TYPE_CHECKING:
    from typing_extensions import Self

VERSION = 1
SYNC_SECONDS = 1.0


class Entry(NamedTuple):
    """One line of the ledger.

    `kind` is "answer" (text, finish_reason, usage, model), "failed" (text says why; admits nothing) or "attempt": a try
    that may have been billed, with the usage that it cannot have passed. An attempt without a text is one that is about
    to be sent, and counts until the next line of its key; an attempt with a text is one that brought no usage, and the
    text says why. `request` says what was asked about; `times` holds the Unix times, in seconds, at which it was sent
    and answered. `reasoning` and `logprobs` stand in the file where there are any.
    """

    key: str
    digest: str
    kind: str
    request: Mapping[str, Any]
    text: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, int] | None = None
    model: str | None = None
    times: Mapping[str, float] | None = None
    reasoning: str | None = None
    logprobs: Sequence[Mapping[str, float]] | None = None

    def completion(self) -> Completion:
        """The answer as it came."""
        usage = Usage(**self.usage) if self.usage else None
        logprobs = None if self.logprobs is None else tuple(self.logprobs)
        return Completion(self.text, self.finish_reason, usage, self.model, self.reasoning, logprobs)

    def line(self) -> bytes:
        """The entry as a line of the file."""
        row = {"v": VERSION, **self._asdict()}
        if self.reasoning is None:
            del row["reasoning"]
        if self.logprobs is None:
            del row["logprobs"]
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def upgrade(row: dict[str, Any]) -> dict[str, Any]:
    """Bring a line of any earlier version to this one. There is none yet.

    Raises:
        ValueError: the line was written by a later version of the package.
    """
    if not isinstance(row, dict):
        raise TypeError(f"a line is an object, not {type(row).__name__}")
    if row.pop("v") != VERSION:
        raise ValueError("written by a later version of selfinstruct; upgrade the package")
    return row


class Ledger:
    """An append-only file of entries, with an index of keys in memory.

    Opening reads keys and offsets; texts are read when they are asked for. A torn last line, which a crash leaves, is
    dropped. `writable=False` opens without touching the file and is safe beside a writer.

    Raises:
        LedgerCorrupt: a line before the last is not what was written.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        # By key: offset and length of the line, and the digest of the request that it answers.
        self._places: dict[str, tuple[int, int, str]] = {}
        self.tally = Tally()
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._end = 0
        self._file: IO[bytes] | None = None
        self._unsynced = threading.Event()
        self._closing = threading.Event()
        if writable or path.exists():
            self._file = open(path, "a+b" if writable else "rb", buffering=0)  # noqa: SIM115 - close() closes it
            try:
                self._read_index(writable)
            except BaseException:
                self._file.close()
                raise
        if writable:
            threading.Thread(target=self._keep_synced, name="ledger-sync", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        """The keys that have an answer or a failure, in the order of the file."""
        return iter(self._places)

    @property
    def size(self) -> int:
        """Bytes of the whole lines."""
        return self._end

    def get(self, key: str) -> Entry | None:
        """The first answer or failure recorded under the key, or None."""
        place = self._places.get(key)
        return None if place is None else self._read(place[0], place[1])

    def digest(self, key: str) -> str | None:
        """The digest of the request that the key's entry answers, without reading its text."""
        place = self._places.get(key)
        return None if place is None else place[2]

    def append(self, entry: Entry) -> None:
        """Write one entry with a single write; it is synced to disk within a second.

        Raises:
            DiskFull: there is no room; what was written of the line is taken back.
        """
        line = entry.line()
        with self._lock:
            file = self._opened()
            try:
                written = file.write(line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, "only a part of the line could be written")
            except OSError as error:
                os.ftruncate(file.fileno(), self._end)
                raise DiskFull(
                    f"{self.path}: cannot write ({error.strerror}). Free some space and run the same command again; "
                    f"{len(self)} answers are kept."
                ) from error
            self._index(entry, self._end, len(line))
            self._end += len(line)
        if not self._unsynced.is_set():
            self._unsynced.set()

    def entries(self) -> Iterator[Entry]:
        """Every entry in the order of the file, attempts and second answers to a key included."""
        with open(self.path, "rb") as file:
            position = 0
            for number, line in enumerate(file, 1):
                position += len(line)
                if position > self._end:
                    return
                yield self._parse(line, number)

    def close(self) -> None:
        """Sync and close. Closing twice does nothing."""
        with self._syncing, self._lock:
            if self._file is None:
                return
            self._closing.set()
            self._unsynced.set()
            if self._file.writable():
                os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _read_index(self, writable: bool) -> None:
        file = self._opened()
        file.seek(0)
        with open(file.fileno(), "rb", closefd=False) as buffered:
            for number, line in enumerate(buffered, 1):
                if not line.endswith(b"\n"):
                    if writable:
                        self._mend_tail(line)
                    return
                self._index(self._parse(line, number), self._end, len(line))
                self._end += len(line)

    def _mend_tail(self, line: bytes) -> None:
        """Finish a last line that lacks only its newline; cut any other off."""
        try:
            entry = Entry(**upgrade(orjson.loads(line)))
        except (ValueError, KeyError, TypeError):
            os.ftruncate(self._opened().fileno(), self._end)
            return
        self._opened().write(b"\n")
        self._index(entry, self._end, len(line) + 1)
        self._end += len(line) + 1

    def _parse(self, line: bytes, number: int) -> Entry:
        try:
            return Entry(**upgrade(orjson.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerCorrupt(self.path, number, f"not an entry of a ledger ({error})") from error

    def _index(self, entry: Entry, offset: int, length: int) -> None:
        self.tally.add(entry)
        if entry.kind != "attempt" and entry.key not in self._places:
            self._places[entry.key] = offset, length, entry.digest

    def _read(self, offset: int, length: int) -> Entry:
        with self._lock:
            file = self._opened()
            file.seek(offset)
            line = file.read(length)
        return Entry(**upgrade(orjson.loads(line)))

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            raise RunError(f"{self.path} is closed")
        return self._file

    def _keep_synced(self) -> None:
        while True:
            self._unsynced.wait()
            if self._closing.wait(SYNC_SECONDS):
                return
            self._unsynced.clear()
            with self._syncing:
                if self._file is not None:
                    os.fsync(self._file.fileno())


class Recorded:
    """A language model that answers from the ledger, and asks the one behind it only for what is missing.

    Every new answer, and every failure for good, is in the ledger before the caller sees it. A key that is in flight
    is asked once: whoever asks again waits for the same answer. `package` names the versions for the error that a
    changed request raises, and `on_recall` is told of each request whose answer is taken from the ledger.
    """

    def __init__(
        self,
        llm: LLM,
        ledger: Ledger,
        package: Callable[[], str] = str,
        on_recall: Callable[[Request], None] = lambda _: None,
    ) -> None:
        self.llm, self.ledger, self._package, self._on_recall = llm, ledger, package, on_recall
        self._in_flight: dict[str, asyncio.Future[Completion]] = {}
        self.calls = 0

    def knows(self, request: Request) -> bool:
        """Whether the answer is in the ledger, so that no call is needed.

        Raises:
            SettingChanged: the ledger holds an answer under this key to another request.
        """
        digest = self.ledger.digest(request.key)
        if digest is not None and digest != request.digest:
            raise SettingChanged(
                f"{self.ledger.path}: request {request.key} was another one when it was answered, so this code or "
                f"these settings are not those that wrote the ledger{self._package()}, or a line before it is gone. "
                f"Begin a new run with its tasks: selfinstruct generate NEW --from {self.ledger.path.parent}"
            )
        return digest is not None

    def recall(self, request: Request) -> Completion | RequestRefused:
        """What the ledger holds for a request that it knows."""
        entry = self.ledger.get(request.key)
        assert entry is not None
        if entry.kind == "failed":
            return RequestRefused(entry.text)
        self._on_recall(request)
        return entry.completion()

    async def complete(self, request: Request) -> Completion:
        """Answer from the ledger, or ask and record.

        Raises:
            RequestRefused: the request has failed for good, now or when it was recorded.
        """
        if self.knows(request):
            answer = self.recall(request)
            if isinstance(answer, RequestRefused):
                raise answer
            return answer
        if (pending := self._in_flight.get(request.key)) is not None:
            return await asyncio.shield(pending)
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._in_flight[request.key] = future
        try:
            completion = await self._ask(request)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
                future.exception()  # marks it as retrieved: mostly nobody else waits
            raise
        finally:
            del self._in_flight[request.key]
        future.set_result(completion)
        return completion

    async def _ask(self, request: Request) -> Completion:
        self.calls += 1
        sent = time.time()
        try:
            completion = await self.llm.complete(request)
        except RequestRefused as error:
            self._record(request, "failed", Completion(str(error), None), sent)
            raise
        if not isinstance(completion, Completion) or not isinstance(completion.text, str):
            raise TypeError(
                f"complete() of {type(self.llm).__name__} returns a Completion with a text, not {completion!r}"
            )
        # JSON can smuggle in half a surrogate pair, which no UTF-8 file holds; what is kept is what is used.
        text = completion.text.encode("utf-8", "replace").decode("utf-8")
        completion = completion if text == completion.text else replace(completion, text=text)
        self._record(request, "answer", completion, sent)
        return completion

    def _record(self, request: Request, kind: str, completion: Completion, sent: float) -> None:
        self.ledger.append(entry_of(request, kind, completion, sent))


def entry_of(request: Request, kind: str, completion: Completion, sent: float) -> Entry:
    """The line of a ledger for what came of a request that was sent at this Unix time, and came now."""
    return Entry(
        request.key,
        request.digest,
        kind,
        {"stage": request.stage, **request.about},
        completion.text,
        completion.finish_reason,
        _told(completion.usage),
        completion.model,
        {"sent": round(sent, 3), "received": round(time.time(), 3)},
        completion.reasoning,
        completion.logprobs,
    )


def _told(usage: Usage | None) -> dict[str, int] | None:
    """A usage as a line of the ledger has it: the details where there are any."""
    if usage is None:
        return None
    return {
        name: count for name, count in vars(usage).items() if count or name in ("prompt_tokens", "completion_tokens")
    }
