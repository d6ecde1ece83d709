"""One request, one reply: the two ways to an endpoint.

`Wire` is aiohttp and orjson, and costs a tenth of the processor time of `SDK`, which is the openai package, for
providers whose addresses or keys need more than a header. Both make one try and judge nothing: every status is a reply,
and only the lack of a whole reply is an error.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson

from selfinstruct.errors import SettingsError, TransientFailure

Backend = Literal["aiohttp", "sdk"]

MOST_BYTES = 64 * 2**20
CONNECT_SECONDS = 30.0


@dataclass(frozen=True)
class Reply:
    """What a server sent: status, headers by any case of their names, and the bytes of the body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON, or as text where it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return self.body.decode("utf-8", "replace")


class Transport(Protocol):
    """A way to one endpoint.

    Raises:
        TransientFailure: there was no whole reply within the time; `billed` where the request may have arrived.
    """

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply: ...

    async def close(self) -> None: ...


# Makes a transport of an address, a key and a timeout.
Way: TypeAlias = Callable[[str | None, str, float], Transport]


def transport(backend: Backend | Way, url: str | None, key: str, timeout: float) -> Transport:
    """The way to an endpoint; None as address is what the environment says, or else OpenAI."""
    if callable(backend):
        return backend(url, key, timeout)
    if backend == "sdk":
        return SDK(url, key, timeout)
    assert backend in get_args(Backend)
    return Wire(url or OPENAI, key, timeout)


OPENAI = "https://api.openai.com/v1"


class Wire:
    """aiohttp, with bytes by orjson."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        self._base, self._host, self._timeout = url.rstrip("/"), host_of(url), timeout
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._proxy = _proxy_for(url)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send one request. A redirect is a reply, too: it is not followed, least of all with the key."""
        session = self._session or self._opened()
        try:
            async with session.post(
                self._base + path, data=orjson.dumps(body), allow_redirects=False, proxy=self._proxy
            ) as response:
                content = await _whole(response)
                return Reply(response.status, content, response.headers)
        except aiohttp.ConnectionTimeoutError:
            raise unsent(self._host, "no connection within the time", slow=True) from None
        except asyncio.TimeoutError:
            raise late(self._host, self._timeout) from None
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:
            raise unsent(self._host, _cause(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise lost(self._host, _cause(error)) from None

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        # The total covers connecting and the whole body, so a server that drips bytes does not hold a request open.
        # What limits the number of connections is `Slots`.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_verified() if self._base.startswith("https") else True),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
        )
        return self._session


class SDK:
    """The openai package, whose own retries are off; `client` is one of your own, such as an `AsyncAzureOpenAI`."""

    def __init__(self, url: str | None, key: str, timeout: float, client: Any = None) -> None:
        self._url, self._key, self._timeout, self._given = url, key, timeout, client
        self._host = host_of(str(client.base_url) if client is not None else url or OPENAI)
        self._client: Any = None

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send one request."""
        import openai

        client = self._client or self._opened()
        create = client.completions if path == "/completions" else client.chat.completions
        try:
            # The typed parameters are looked at one by one, which costs more than the rest; extra_body is not.
            first = {"prompt": None} if path == "/completions" else {"messages": ()}
            call = create.with_raw_response.create(model=body["model"], **first, extra_body=dict(body))
            answer = await asyncio.wait_for(call, self._timeout)
            return Reply(answer.http_response.status_code, answer.http_response.content, answer.headers)
        except openai.APIStatusError as error:
            return Reply(error.response.status_code, error.response.content, error.response.headers)
        except asyncio.TimeoutError:
            raise late(self._host, self._timeout) from None
        except (openai.OpenAIError, aiohttp.ClientError, OSError) as error:
            raise broken(self._host, error) from None

    async def close(self) -> None:
        """Close the connections; a client that was given is its owner's to close."""
        client, self._client = self._client, None
        if client is not None and self._given is None:
            await client.close()

    def _opened(self) -> Any:
        import openai

        if self._given is not None:
            self._client = self._given.with_options(max_retries=0, timeout=None)
            return self._client
        # The type has no name of its own that all versions of the SDK share: its HTTP library has changed.
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=100_000)
        http = openai.DefaultAioHttpClient(timeout=None, limits=limits, follow_redirects=False)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none", base_url=self._url, max_retries=0, timeout=None, http_client=http
        )
        return self._client


def host_of(url: str) -> str:
    """Host and port of an address, without anything secret.

    Raises:
        SettingsError: it is no http(s) address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{url!r} is no http(s) address such as http://localhost:8000/v1 (--base-url)")
    return parts.netloc.rpartition("@")[2]


def late(host: str, timeout: float) -> TransientFailure:
    """The failure of a try that took too long."""
    return TransientFailure(f"{host}: no complete answer within {timeout:g} s (--timeout)", billed=True, slow=True)


def lost(host: str, cause: str) -> TransientFailure:
    """The failure of a try whose connection broke."""
    return TransientFailure(f"cannot get an answer from {host}: {cause}", billed=True)


def unsent(host: str, cause: str, *, slow: bool = False) -> TransientFailure:
    """The failure of a try that did not come as far as to be sent, so that nobody bills it."""
    return TransientFailure(f"cannot get an answer from {host}: {cause}", slow=slow)


def broken(host: str, error: BaseException) -> TransientFailure:
    """The failure of a try of the openai package; what went wrong lies behind the errors of several layers."""
    while error.__cause__ is not None and not isinstance(error, aiohttp.ClientError):
        error = error.__cause__
    failure = unsent if isinstance(error, aiohttp.ClientConnectorError) else lost
    return failure(host, _cause(error))


def _cause(error: BaseException) -> str:
    """What an error says; one about a reply names the address, with the password that a proxy may have in it."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message}"
    return str(error) or type(error).__name__


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to a size that no answer has."""
    if response.content_length is not None and response.content_length <= MOST_BYTES:
        return await response.read()
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MOST_BYTES:
            raise aiohttp.ClientPayloadError(f"more than {MOST_BYTES >> 20} MiB in one answer")
        chunks.append(chunk)
    return b"".join(chunks)


def _proxy_for(url: str) -> str | None:
    """The proxy of the environment, asked once: aiohttp would ask in a thread, for each request.

    Raises:
        SettingsError: it is none that speaks HTTP.
    """
    parts = urlsplit(url)
    if parts.hostname in (None, "localhost", "127.0.0.1", "::1") or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or "://" not in proxy:
        return proxy and f"http://{proxy}"
    kind = urlsplit(proxy).scheme
    if kind not in ("http", "https"):
        raise SettingsError(
            f"the proxy for {host_of(url)} is a {kind}:// one, which is not spoken here; set {parts.scheme}_proxy to "
            "an http:// one, or no_proxy to the host"
        )
    return proxy


def _verified() -> ssl.SSLContext:
    """Certificates of the system, and certifi's where it is installed: some Pythons come without any."""
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
