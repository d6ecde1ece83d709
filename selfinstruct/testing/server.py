"""An OpenAI-compatible server that fails as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson

from selfinstruct.testing.model import value
from selfinstruct.testing.responses import (
    REFUSALS,
    Body,
    Piece,
    completion,
    error,
    events,
    head,
    http,
    in_pieces,
    refusal,
    waiting,
)

if TYPE_CHECKING:
    from typing_extensions import Self

TRANSIENT = (
    *("429", "500", "503", "408", "reset", "close"),
    *("cut_body", "truncated_json", "html", "error_200", "empty_choices"),
)
"""The faults that another try mends, from which a share of faults is drawn unless other kinds are named."""

FATAL = ("quota", "400", "context_length", "content_policy", "401", "404")
"""The faults that no other try of the same request mends."""

KINDS = ("ok", *TRANSIENT, *FATAL, "hang", "drip", "null_content", "length")

DRIP_SECONDS = 0.05

Answer = str | list[Piece] | Mapping[str, Any] | tuple[int, Mapping[str, Any]]
Faults = float | Sequence[str] | Callable[[Body], str | None]


class FaultServer:
    """An OpenAI-compatible server on 127.0.0.1 that answers from a function, and fails as it is told to.

    It serves chat completions, completions and the list of models, in a thread of its own, from `with` to the end of
    the block. Where the request says `stream`, a text comes word by word as server-sent events, and a fault that cuts
    an answer cuts these. The kinds of faults:

    - "429", "500", "503", "408": the status, with `retry_after`, if given, at 429 and 503; "quota": a 429 that says
      insufficient_quota;
    - "400", "context_length", "content_policy", "401", "404": refusals, in the words of OpenAI;
    - "unsupported:NAME": refuses the parameter NAME while the request holds it (max_tokens with the advice to use
      max_completion_tokens), and answers otherwise;
    - "reset": half an answer, then RST; "close": closes without a word; "cut_body": closes before the end of the body;
    - "truncated_json": half an answer of the right length; "html": a web page with status 200; "error_200": an error
      object with status 200; "empty_choices": no choices; "null_content": a message without content;
    - "length": a good answer, said to be cut at the token limit;
    - "hang": never answers; "drip": sends a byte every 50 ms;
    - "ok": no fault.

    Args:
        answer: a function from the parsed body of the request to a text, to a whole body of a response (also where a
            stream was asked for), to a status and a body, or to a list of the pieces of a streamed answer, where a
            mapping is a chunk that is sent as it is; `in_order` makes one from a list. What it raises is the server's
            answer with status 400, and is raised again at the end of the block.
        faults: the share of requests that fail, drawn from `seed` in the order in which they come; or kinds that are
            played first, in order; or a function from the body to a kind or None.
        kinds: what the share is drawn from, evenly.
        retry_after: the header at 429 and 503: seconds, or any text ("0", an HTTP date); "250ms" is sent as
            retry-after-ms.
        latency: seconds before each answer, or a function of the body that says so.
        pace: seconds between the pieces of a streamed answer, or a function of the body that says so.
        api_key: refuse any other key with 401.
        models: the models that there are; any other name is refused with 404. None takes every name.
        headers: more headers of each response, such as x-ratelimit-remaining-requests.

    Attributes:
        base_url: what a client is given; it ends in /v1.
        requests: the bodies that came, in order.
        counts: how often each kind was played, "ok" among them.
        peak: the most requests that were under way at once.
        left: how many streamed answers their readers did not wait for the end of.

    Example:
        >>> from selfinstruct.llm.openai import OpenAIClient
        >>> async def ask(base_url: str) -> str:
        ...     client = OpenAIClient([base_url])
        ...     try:
        ...         return (await client.complete(Request("any", prompt="hello"))).text
        ...     finally:
        ...         await client.close()
        >>> with FaultServer(lambda body: body["prompt"].upper()) as server:
        ...     asyncio.run(ask(server.base_url)), server.counts["ok"]
        ('HELLO', 1)
    """

    def __init__(
        self,
        answer: Callable[[Body], Answer],
        *,
        faults: Faults = 0.0,
        kinds: Sequence[str] = TRANSIENT,
        retry_after: float | str | None = None,
        latency: float | Callable[[Body], float] = 0.0,
        pace: float | Callable[[Body], float] = 0.0,
        seed: int = 0,
        api_key: str | None = None,
        models: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.requests: list[Body] = []
        self.counts: Counter[str] = Counter()
        self.peak = self.left = 0
        self.base_url = ""
        self._answer, self._latency, self._pace, self._retry_after = answer, latency, pace, retry_after
        self._kind_for = _chooser(faults, kinds, seed)
        self._api_key, self._models = api_key, models
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._under_way = 0
        self._error: Exception | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        """Start to serve."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(listening)), name="fault-server")
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop at once; whoever waits for an answer sees the connection close."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    async def _run(self, listening: socket.socket) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, sock=listening, backlog=1024)
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side closes it."""
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
        except Exception as error:  # noqa: BLE001 - raised again where the server was started
            self._error = self._error or error
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and reply; whether the connection stays open."""
        method, path, headers, content = await _read(reader)
        if method != "POST":
            writer.write(http(200, {"object": "list", "data": [{"id": one} for one in self._models or ("fake",)]}))
            return True
        if not path.endswith("/completions"):
            writer.write(http(404, error(f"there is no {path} here", "not_found")))
            return True
        body = orjson.loads(content)
        self.requests.append(body)
        self._under_way += 1
        self.peak = max(self.peak, self._under_way)
        try:
            kind = self._kind(body, headers)
            self.counts[kind] += 1
            if (seconds := value(self._latency, body)) > 0:
                await asyncio.sleep(seconds)
            return await self._play(kind, path, body, reader, writer)
        finally:
            self._under_way -= 1

    def _kind(self, body: Body, headers: Mapping[str, str]) -> str:
        if self._api_key is not None and headers.get("authorization") != f"Bearer {self._api_key}":
            return "401"
        if self._models is not None and body.get("model") not in self._models:
            return "404"
        kind = self._kind_for(body)
        name, _, parameter = kind.partition(":")
        return "ok" if name == "unsupported" and parameter not in body else kind

    async def _play(
        self, kind: str, path: str, body: Body, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if kind == "close":
            return False
        if kind == "hang":
            await reader.read(1)
            return False
        parts = self._reply(kind, path, body)
        if kind in ("reset", "cut_body"):
            whole = b"".join(parts)
            writer.write(whole[: -len(whole) // 4])
            if kind == "reset":
                await asyncio.sleep(0.001)
                _reset_on_close(writer)
            return False
        if kind == "drip":
            for byte in b"".join(parts):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(DRIP_SECONDS)
            return True
        return await self._send(parts, value(self._pace, body), reader, writer)

    async def _send(
        self, parts: list[bytes], pace: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Write one part after the other, as long as there is somebody who reads."""
        for place, part in enumerate(parts):
            if place > 1 and pace > 0 and await _gone(reader, pace):
                self.left += 1
                return False
            writer.write(part)
        return True

    def _reply(self, kind: str, path: str, body: Body) -> list[bytes]:
        """The whole response of a kind, before anything is done to its bytes: in one part, or a head and pieces."""
        if kind == "html":
            return [http(200, b"<html><body>Please log in to the network.</body></html>", "text/html")]
        if kind == "error_200":
            return [http(200, error("The upstream provider failed.", "server_error"))]
        if kind.startswith("unsupported:") or kind in REFUSALS:
            status, told = refusal(kind)
            asked = waiting(self._retry_after) if status in (429, 503) else ""
            return [http(status, told, more=asked + self._headers)]
        try:
            answer = self._answer(body)
        except Exception as failure:  # noqa: BLE001 - whatever the test's function raises is shown to the test
            self._error = self._error or failure
            return [http(400, error(f"the answer function of this FaultServer raised {failure!r}", "fake_failed"))]
        if isinstance(answer, tuple):
            return [http(answer[0], dict(answer[1]))]
        return self._told(kind, path, body, answer)

    def _told(self, kind: str, path: str, body: Body, answer: str | list[Piece] | Mapping[str, Any]) -> list[bytes]:
        """An answer in the shape of OpenAI's, whole or as a stream."""
        if isinstance(answer, Mapping):
            return [self._whole(kind, orjson.dumps(answer))]
        pieces: Sequence[Piece] = in_pieces(answer) if isinstance(answer, str) else answer
        text = None if kind == "null_content" else "".join(one for one in pieces if isinstance(one, str))
        finish = "length" if kind == "length" else "stop"
        found = completion(path, body, text, finish=finish, number=len(self.requests))
        if kind == "empty_choices":
            found["choices"] = []
        if not body.get("stream"):
            return [self._whole(kind, orjson.dumps(found))]
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        parts = events(found, [None] if text is None else pieces, usage=usage)
        if kind == "truncated_json":
            return [self._whole(kind, b"".join(parts), "text/event-stream")]
        # Nobody knows the length of the whole yet, so each part has its own before it.
        chunked = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]
        chunked[-1] += b"0\r\n\r\n"
        return [head(200, "text/event-stream", f"Transfer-Encoding: chunked\r\n{self._headers}"), *chunked]

    def _whole(self, kind: str, content: bytes, type: str = "application/json") -> bytes:
        cut = content[: len(content) // 2] if kind == "truncated_json" else content
        return http(200, cut, type, self._headers)


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path, headers by their small names, and body of one request."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return method, path, headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def _gone(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the other side leaves within the time; it has nothing to say before the answer has ended."""
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Make the close of this connection an RST."""
    linger_for_no_time = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)


def _chooser(faults: Faults, kinds: Sequence[str], seed: int) -> Callable[[Body], str]:
    """The function that says which kind a request gets."""
    if callable(faults):
        by_body = faults
        return lambda body: _known(by_body(body) or "ok")
    if isinstance(faults, int | float):
        share, random, mix = faults, Random(seed), [_known(kind) for kind in kinds]
        return lambda _: mix[int(random.random() * len(mix))] if random.random() < share else "ok"
    script = iter([_known(kind) for kind in faults])
    return lambda _: next(script, "ok")


def _known(kind: str) -> str:
    if kind not in KINDS and not kind.startswith("unsupported:"):
        raise ValueError(f"there is no fault {kind!r}; there are {', '.join(KINDS)} and unsupported:PARAMETER")
    return kind
