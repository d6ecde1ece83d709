"""An answer as it is written: one try that tells how far its text has come, and ends in the same completion or error.

What is read here is server-sent events, by the openai package; what is done about refusals, keys and failures is the
business of `OpenAIClient`, to which a stream that has ended is a reply like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import openai
import orjson

from selfinstruct.errors import LLMError, TransientFailure
from selfinstruct.llm import Completion, Request
from selfinstruct.llm.answers import completion_of, text_of, without_thoughts
from selfinstruct.llm.batch_endpoint import HTTPError
from selfinstruct.llm.lessons import Settled
from selfinstruct.llm.openai import OpenAIClient
from selfinstruct.llm.wire import SDK, Reply, broken, lost

T = TypeVar("T")
Tell = Callable[[str], object]

NO_STREAMS = "stream"  # among the lessons of `Settled.dropped`
# What servers say to a parameter that they do not take. Whether that was `stream` shows when they are asked without.
REFUSED = (400, 422, 501)
THINKING = ("<think>", "<thinking>")


class StreamingClient(OpenAIClient):
    """The client of one endpoint whose answers are shown while they are written.

    What was shown is not asked for again: a stream that breaks off behind it raises an `LLMError`.

    Args:
        tell: called with the text so far, without thoughts, whenever it has changed.
        patience: seconds without a sign of life between two events of an answer; `timeout` is for the first one, which
            may wait until a model is loaded, and for an answer in one piece.
        settled: what earlier answers taught, also that this server does not stream.
        base_url, api_key_env, pause: see `OpenAIClient`.

    Raises:
        SettingsError: a key that is needed is not in the environment, or an address is none.
    """

    def __init__(
        self,
        base_url: Sequence[str],
        api_key_env: Sequence[str],
        tell: Tell,
        *,
        patience: float,
        timeout: float,
        settled: Settled,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        def way(url: str | None, key: str, timeout: float) -> Streamed:
            return Streamed(url, key, timeout, patience, settled, self._show)

        self._tell, self._shown = tell, ""
        super().__init__(base_url, api_key_env, timeout=timeout, settled=settled, backend=way, pause=pause)

    async def complete(self, request: Request) -> Completion:
        """Make one try, and tell how far it has come."""
        try:
            completion = await super().complete(request)
        except TransientFailure as failure:
            if self._shown:
                raise LLMError(str(failure)) from failure
            raise
        self._show(completion.text)
        return completion

    def _show(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            self._tell(text)


class Streamed(SDK):
    """The openai package, asked for events. The reply is what the same answer would be in one piece."""

    def __init__(
        self, url: str | None, key: str, timeout: float, patience: float, settled: Settled, tell: Tell
    ) -> None:
        super().__init__(url, key, timeout)
        self._patience, self._settled, self._tell = patience, settled, tell

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send one request; a server that does not stream, or says no to a stream, is asked without."""
        dropped = self._settled.dropped.setdefault(body["model"], [])
        if NO_STREAMS not in dropped and (reply := await self._events(path, body)) is not None:
            return reply
        whole = await super().post(path, body)
        if whole.status == 200 and NO_STREAMS not in dropped and completion_of(whole.json()) is not None:
            dropped.append(NO_STREAMS)
        return whole

    async def _events(self, path: str, body: Mapping[str, Any]) -> Reply | None:
        """The reply of one try; None where the request may be refused for its `stream`, or nothing came of it.

        Raises:
            LLMError: nothing came for too long.
            TransientFailure: the connection broke, or the stream ended before the answer.
        """
        client = self._client or self._opened()
        call = client.post(
            path,
            body={**body, "stream": True},
            cast_to=object,
            stream=True,
            stream_cls=Events,
            options={} if self._key else {"headers": {"Authorization": openai.Omit()}},
        )
        try:
            async with await self._within(self._timeout, call) as stream:
                if "json" in stream.response.headers.get("content-type", ""):
                    content = await self._within(self._timeout, stream.response.aread())
                    return Reply(200, content, stream.response.headers)
                return await self._read(stream)
        except openai.APIStatusError as error:
            if error.status_code in REFUSED:
                return None
            return Reply(error.response.status_code, error.response.content, error.response.headers)
        except openai.APIConnectionError as error:
            raise broken(self._host, error) from None
        except openai.APIError as error:  # an event that tells of a failure
            return _failure(error.body or error.message)
        except (HTTPError, aiohttp.ClientError, OSError, ValueError) as error:  # the last one: no JSON, or no UTF-8
            raise broken(self._host, error) from None

    async def _within(self, seconds: float, coming: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(coming, seconds)
        except asyncio.TimeoutError:
            raise self._silent(seconds) from None

    async def _next(self, stream: Events, seconds: float) -> Any:
        """The next event, None at the end. Any bytes are a sign of life: some servers send comments while they wait."""
        coming = asyncio.ensure_future(anext(stream, None))
        heard = -1
        try:
            while not coming.done():
                if stream.response.num_bytes_downloaded == heard:
                    raise self._silent(seconds)
                heard = stream.response.num_bytes_downloaded
                await asyncio.wait({coming}, timeout=seconds)
            return coming.result()
        finally:
            coming.cancel()
            await asyncio.wait({coming})

    def _silent(self, seconds: float) -> LLMError:
        return LLMError(f"nothing came from {self._host} for {seconds:g} s")

    async def _read(self, stream: Events) -> Reply | None:
        growing, events, patience = Growing(), 0, self._timeout
        while (event := await self._next(stream, patience)) is not None:
            events, patience = events + 1, self._patience
            try:
                if event.get("object") == "error":  # vLLM
                    return _failure(event)
                growing.take(event)
            except (LookupError, TypeError, AttributeError) as error:
                raise lost(self._host, f"an event that cannot be read ({error})") from None
            self._tell(growing.visible())
        if events and growing.finish is None and not (stream.done and growing.begun):
            raise lost(self._host, "the stream ended before the answer did")
        return Reply(200, orjson.dumps(growing.body), stream.response.headers) if events else None


class Events(openai.AsyncStream[object]):
    """Events as the openai package reads them, with two things that it keeps to itself.

    `done` is whether the mark of the end came: some servers never say why an answer ended. What stands in an event
    called error is an error, whatever its shape.
    """

    done = False

    async def _iter_events(self) -> AsyncIterator[Any]:
        async for event in super()._iter_events():
            self.done = self.done or event.data.startswith("[DONE]")
            if event.event == "error":
                raise openai.APIError(event.data, self.response.request, body=_error_in(event.data))
            yield event


@dataclass
class Growing:
    """An answer as far as its events have come; thoughts that come apart from the text are passed over.

    `begun` is whether it is one: with a choice or a usage, if not with text. `begins` is where thoughts within the text
    have ended, and `half` the first half of a letter that is under way.
    """

    text: str = ""
    half: str = ""
    begins: int = 0
    begun: bool = False
    finish: str | None = None
    model: str | None = None
    usage: Mapping[str, Any] | None = None

    def take(self, event: Any) -> None:
        """Read one event of either API. Some have no choice: the one that tells the usage, and those that say nothing.

        Raises:
            LookupError, TypeError, AttributeError: it is none.
        """
        self.model = event.get("model") or self.model
        self.usage = event.get("usage") or self.usage
        self.begun = self.begun or bool(event.get("choices") or self.usage)
        for choice in (event.get("choices") or ())[:1]:
            said = choice.get("delta") or choice
            piece = text_of(said.get("content") or said.get("refusal") or said.get("text") or "")
            whole, self.half = _letters(self.half + piece)
            self.text += whole
            self.finish = choice.get("finish_reason") or self.finish

    def visible(self) -> str:
        """The text without thoughts, as far as it is certain that it is none."""
        if self.begins:
            return self.text[self.begins :]
        begun = self.text.lstrip()
        if "<thinking>".startswith(begun) or (begun.startswith(THINKING) and "</think" not in begun):
            return ""
        shown = without_thoughts(self.text)[0]
        self.begins = len(self.text) - len(shown) if shown else 0
        return shown

    @property
    def body(self) -> dict[str, Any]:
        """The answer in one piece."""
        choice = {"message": {"content": self.text}, "finish_reason": self.finish}
        return {"model": self.model, "choices": [choice], "usage": self.usage}


def _letters(text: str) -> tuple[str, str]:
    """The whole letters of a text, and half of one at its end: JSON writes some in two escapes, which may be parted."""
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    whole = text[: len(text) - len(half)]
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), half


def _error_in(data: str) -> Any:
    """The error that an event tells of: an object, one within another, or a text."""
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return data
    return said.get("error") or said if isinstance(said, dict) else said


def _failure(said: Any) -> Reply:
    """What a server says when it fails while it writes, with the status that it would have had before."""
    body = said if isinstance(said, dict) else {"message": str(said)}
    code = body.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return Reply(status, orjson.dumps({"error": body}))
