"""A server of OpenAI's Files and Batches: one call each, with everything that can go wrong as an error of the seam."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import openai
import orjson

from selfinstruct.errors import EndpointFailed, LLMError, RequestRefused, SettingsError, TransientFailure
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.answers import completion_of
from selfinstruct.llm.jobs import Job
from selfinstruct.llm.lessons import Refusal, Settled, refused_parameter
from selfinstruct.llm.openai import OpenAIClient, _said, endpoints_of
from selfinstruct.llm.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types import Batch

T = TypeVar("T")

# The HTTP library under the SDK, whose name differs between versions; errors within a stream are its own.
HTTPError: type[Exception] = import_module(
    type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0]
).HTTPError

MARK = "selfinstruct"
CLOCKS_APART = 3600.0


class NotThere(EndpointFailed):
    """The server does not know the file or job, or does not offer batches at all."""


class BatchEndpoint(OpenAIClient):
    """The client for live requests, with the calls that batches need.

    Raises:
        SettingsError: more than one endpoint or key is given; a job belongs to one.
    """

    def __init__(
        self,
        base_url: Sequence[str],
        api_key_env: Sequence[str],
        *,
        timeout: float,
        settled: Settled | None,
        on_settled: Callable[[], None],
        bounded: bool = False,
    ) -> None:
        super().__init__(
            base_url, api_key_env, timeout=timeout, settled=settled, on_settled=on_settled, bounded=bounded
        )
        (_, self._url, self._key), *others = endpoints_of(base_url, api_key_env)
        if others:
            raise SettingsError("--batch takes one --base-url and one --api-key-env, because a job belongs to one key")
        self._timeout = timeout
        self._client: openai.AsyncOpenAI | None = None

    async def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await super().close()

    def asked(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The path of the API and the body of the request."""
        path, said = _said(request)
        return f"/v1{path}", {"model": request.model, **said, **self._parameters(request)}

    async def upload(self, name: str, content: bytes) -> str:
        """Upload an input file; its id."""
        file = await self._tried(lambda client: client.files.create(file=(name, content), purpose="batch"))
        return file.id

    async def create(self, job: Job) -> Batch:
        """Start the job on its uploaded file."""
        assert job.file is not None
        file, path, marks = job.file, job.path, {MARK: job.token}
        return await self._tried(
            lambda client: client.batches.create(
                input_file_id=file,
                endpoint=path,  # type: ignore[arg-type]  # the SDK lists the paths; both of ours are among them
                completion_window="24h",
                metadata=marks,
            )
        )

    async def retrieve(self, job: Job) -> Batch:
        """How the job stands."""
        batch = job.batch
        assert batch is not None
        return await self._tried(lambda client: client.batches.retrieve(batch))

    async def search(self, job: Job) -> Batch | None:
        """The job by its mark or input file, where the server has it though no answer told its id."""

        async def look(client: openai.AsyncOpenAI) -> Batch | None:
            async for batch in client.batches.list(limit=100):
                if (batch.metadata or {}).get(MARK) == job.token or batch.input_file_id == job.file:
                    return batch
                if batch.created_at < job.planned - CLOCKS_APART:
                    return None
            return None

        try:
            return await self._tried(look)
        except NotThere:
            return None  # a server that lists no jobs

    async def rows(self, file: str) -> AsyncIterator[dict[str, Any] | None]:
        """The rows of a result file as they arrive; None for a line that is no JSON object."""
        rest = b""
        stream = self._chunks(file)
        async for chunk in stream:
            # Only "\n" ends a line: a text may hold the other marks that line readers split at.
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                yield _row(line)
        if rest.strip():
            yield _row(rest)

    def outcome(self, request: Request, row: Mapping[str, Any]) -> Completion | LLMError | SettingsError:
        """What a row of a result file says: an answer, or the error that the same would be for a live request."""
        response = row.get("response") or {}
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            completion = completion_of(body)
            if completion is None:
                return TransientFailure(self._masked(f"HTTP 200 without an answer in it: {body}"))
            usage = completion.usage
            return replace(completion, usage=usage and replace(usage, batched=1))
        if not isinstance(status, int) or not 400 <= status < 600:
            why = row.get("error") or {}
            told = why.get("message") or why.get("code") if isinstance(why, dict) else why
            return TransientFailure(self._masked(str(told or "the server did not come to it")))
        reply = Reply(status, orjson.dumps(body))
        try:
            if self._would_pass_now(request, Refusal.of(reply)):
                return TransientFailure("the server refused a parameter that is left out from now on")
        except SettingsError as refused:
            return refused
        return self._of_seam(request, reply)

    def refusal(self, job: Job, batch: Batch) -> str:
        """Why the server did not take a job, in one line."""
        reasons = [
            f"line {one.line}: {one.message}" if one.line is not None else str(one.message or one.code)
            for one in (batch.errors and batch.errors.data) or ()
        ]
        told = "; ".join(dict.fromkeys(reasons)) or "it gave no reason"
        return self._masked(f"{self.where} refused the batch job {batch.id} ({len(job.names):,} requests): {told}")

    def _would_pass_now(self, request: Request, refusal: Refusal) -> bool:
        """Whether the refused parameter is left out now: learned meanwhile, or learned from this."""
        asked = {**request.sampling, "response_format": request.response_format, "max_completion_tokens": None}
        now = self._parameters(request)
        name = refused_parameter(asked, refusal)
        return name is not None and (name not in now or self._learns(request, now, refusal))

    async def _chunks(self, file: str) -> AsyncIterator[bytes]:
        with self._errors():
            async with self._opened().files.with_streaming_response.content(file) as response:
                stream = response.iter_bytes().__aiter__()
                while (chunk := await asyncio.wait_for(anext(stream, None), self._timeout)) is not None:
                    yield chunk

    async def _tried(self, call: Callable[[openai.AsyncOpenAI], Awaitable[T]]) -> T:
        with self._errors():
            return await asyncio.wait_for(call(self._opened()), self._timeout)

    def _opened(self) -> openai.AsyncOpenAI:
        if self._client is None:
            http = openai.DefaultAioHttpClient(timeout=None, follow_redirects=False)
            self._client = openai.AsyncOpenAI(
                api_key=self._key or "none", base_url=self._url, max_retries=0, timeout=None, http_client=http
            )
        return self._client

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Make what a call raises an error of the seam; never that one request is refused: it is about a whole job."""
        try:
            yield
        except openai.APIStatusError as error:
            reply = Reply(error.status_code, error.response.content, error.response.headers)
            found = self._of_seam(Request("batches"), reply)
            if reply.status in (404, 405):
                found = NotThere(
                    f"{self.where} does not have what it was asked for ({Refusal.of(reply).message}). Does it offer "
                    "batches? Where it does not, --no-batch goes on live."
                )
            raise (EndpointFailed(str(found)) if isinstance(found, RequestRefused) else found) from None
        except asyncio.TimeoutError:
            raise TransientFailure(f"{self.where}: no complete answer within {self._timeout:g} s (--timeout)") from None
        except (openai.OpenAIError, HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
            told = self._masked(f"cannot get an answer from {self.where}: {error.__cause__ or error}")
            raise TransientFailure(told) from None

    def _of_seam(self, request: Request, reply: Reply) -> LLMError:
        """The error that a live request with this reply raises."""
        found = self._explained(self._endpoints.ends[0], request, Refusal.of(reply), reply)
        assert isinstance(found, LLMError)
        return found


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
