"""Any OpenAI-compatible endpoint, through the openai package.

One call of `complete` is one try: the SDK's own retries are off, because `Retrying` decides with knowledge of the other
requests. Everything that a server can do wrong becomes one of the three errors of the seam.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import openai

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError, TransientFailure
from selfinstruct.llm import Completion, Request, Stage, Usage
from selfinstruct.llm.lessons import TOO_LONG, Settled, field_of, lesson, message_of, refused_parameter

logger = logging.getLogger("selfinstruct")

DEFAULT_KEY_ENV = "OPENAI_API_KEY"
# Models that take max_completion_tokens count their hidden reasoning as completion tokens, too.
REASONING_ROOM = 4096
MOST_LESSONS = 12
# The SDK holds at most 1,000 connections open, unless it is told otherwise; `Slots` is what limits them here.
MOST_CONNECTIONS = 100_000

_OPTION_PREFIX: Mapping[Stage, str] = {"instructions": "", "classify": "classify-", "instances": "instance-"}

_FLAGGED = re.compile(
    r"content.?policy|content.?filter|content management|moderation|flagged|safety system", re.IGNORECASE
)
_NO_MONEY = re.compile(r"insufficient_quota|insufficient.?balance|billing|account_deactivated", re.IGNORECASE)


class OpenAIClient:
    """Asks one model family at one or more equal endpoints, in turn.

    Args:
        base_url: endpoints; none means OPENAI_BASE_URL or OpenAI itself.
        api_key_env: environment variables that hold the keys, one for all endpoints or one each.
        timeout: seconds for one try, the whole body included (a server that drips bytes does not hold it open).
        settled: what an earlier session learned; `on_settled` is called when there is more.

    Raises:
        SettingsError: a key that is needed is not in the environment, or an address is none.
    """

    def __init__(
        self,
        base_url: Sequence[str] = (),
        api_key_env: Sequence[str] = (),
        *,
        timeout: float = 600.0,
        settled: Settled | None = None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self.settled = settled or Settled()
        self._on_settled, self._timeout = on_settled, timeout
        self._succeeded: set[str] = set()
        urls: Sequence[str | None] = base_url or [os.environ.get("OPENAI_BASE_URL") or None]
        names = api_key_env or [DEFAULT_KEY_ENV]
        if len(names) not in (1, len(urls)) and len(urls) != 1:
            raise SettingsError(f"{len(names)} keys for {len(urls)} endpoints; give one for all, or one each")
        number = max(len(urls), len(names))
        hosts = [_host(url) for url in urls]
        self.where = ", ".join(sorted(set(hosts)))
        keys = [_key(name, needed=bool(api_key_env) or urls[0] is None) for name in names]
        self._secrets = [key for key in keys if len(key) >= 8]  # a shorter one is a placeholder
        self._ends = list(zip(_repeated(urls, number), _repeated(keys, number), strict=True))
        self._clients: list[openai.AsyncOpenAI] = []
        self._turns = itertools.count()

    async def complete(self, request: Request) -> Completion:
        """Make one try.

        Raises:
            TransientFailure, RequestRefused, EndpointFailed: see `selfinstruct.llm.LLM`.
            SettingsError: the server refuses a parameter that the user set.
        """
        client = self._next_client()
        for _ in range(MOST_LESSONS):
            parameters = self._parameters(request)
            try:
                answer = await self._send(client, request, parameters)
            except openai.APIStatusError as error:
                # Another request may have learned the lesson while this one was under way.
                if self._parameters(request) != parameters or self._learns(request, parameters, error):
                    continue
                raise self._explained(client, request, error) from None
            completion = _completion(answer)
            if completion is None:
                said = answer.get("error") or answer if isinstance(answer, dict) else answer
                told = f"{_host(client)}: HTTP 200 without an answer in it: {said}"
                raise TransientFailure(self._masked(told))
            self._succeeded.add(request.model)
            return completion
        raise EndpointFailed(
            f"{self.where} refused one parameter after another ({MOST_LESSONS} times); it does not seem to be an "
            "OpenAI-compatible endpoint. Check --base-url and --api."
        )

    def answered(self, request: Request) -> None:
        """Learn that an earlier session had this request answered, so that its model is known to work here."""
        self._succeeded.add(request.model)

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        clients, self._clients = self._clients, []
        for client in clients:
            await client.close()

    def _next_client(self) -> openai.AsyncOpenAI:
        if not self._clients:
            self._clients = [self._client(url, key) for url, key in self._ends]
        return self._clients[next(self._turns) % len(self._clients)]

    def _client(self, url: str | None, key: str) -> openai.AsyncOpenAI:
        # The type has no name of its own that all versions of the SDK share: its HTTP library has changed.
        limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=MOST_CONNECTIONS)
        http = openai.DefaultAioHttpClient(timeout=None, limits=limits)
        return openai.AsyncOpenAI(api_key=key or "none", base_url=url, max_retries=0, timeout=None, http_client=http)

    async def _send(self, client: openai.AsyncOpenAI, request: Request, parameters: dict[str, Any]) -> Any:
        """The body of the response as parsed JSON, or as text where it is none.

        Raises:
            APIStatusError: the server says that something is wrong.
            TransientFailure: there was no whole answer.
        """
        if request.prompt is None:
            path = "/chat/completions"
            said: dict[str, Any] = {
                "messages": [{"role": one.role, "content": one.content} for one in request.messages]
            }
        else:
            path, said = "/completions", {"prompt": request.prompt}
        body = {"model": request.model, **said, **parameters}
        try:
            # The SDK's typed methods spend most of their time on checks of types that are known to be right.
            return await asyncio.wait_for(client.post(path, cast_to=object, body=body), self._timeout)
        except openai.APIStatusError:
            raise
        except asyncio.TimeoutError:
            failure = f"{_host(client)}: no complete answer within {self._timeout:g} s (--timeout)"
        except (openai.APIConnectionError, aiohttp.ClientError, OSError) as error:
            failure = f"cannot get an answer from {_host(client)}: {_cause(error)}"
        except (json.JSONDecodeError, UnicodeDecodeError, openai.APIError) as error:
            failure = f"malformed answer from {_host(client)}: {error}"
        raise TransientFailure(self._masked(failure)) from None

    def _parameters(self, request: Request) -> dict[str, Any]:
        """The parameters as this server takes them."""
        parameters = dict(request.sampling)
        if request.response_format is not None:
            parameters["response_format"] = request.response_format
        dropped = self.settled.dropped.get(request.model, ())
        if dropped:
            for name in request.optional & parameters.keys():
                if lesson(name, parameters[name]) in dropped:
                    del parameters[name]
        if request.model in self.settled.renamed and "max_tokens" in parameters:
            room = REASONING_ROOM if "max_tokens" in request.optional else 0
            parameters["max_completion_tokens"] = parameters.pop("max_tokens") + room
        return parameters

    def _learns(self, request: Request, sent: Mapping[str, Any], error: openai.APIStatusError) -> bool:
        """Whether the server refused a parameter that it can be asked without; remembers that for all requests."""
        message = message_of(error)
        name = refused_parameter(sent, error)
        if name is None:
            return False
        if name == "max_tokens" and "max_completion_tokens" in message:
            self.settled.renamed.append(request.model)
            logger.warning("%s takes max_completion_tokens in the place of max_tokens", request.model)
            self._on_settled()
            return True
        ours = "max_tokens" if name == "max_completion_tokens" else name
        if ours not in request.optional:
            option = f"--{_OPTION_PREFIX[request.stage]}{ours.replace('_', '-')}"
            raise SettingsError(
                f"{request.model} at {self.where} refuses {option}: {self._masked(message)} "
                "Leave the option out, or choose a value that it takes."
            ) from None
        value = request.sampling[ours] if ours in request.sampling else sent[name]
        self.settled.dropped.setdefault(request.model, []).append(lesson(ours, value))
        logger.warning(
            "%s refuses %s; the run goes on without (%s)", request.model, lesson(ours, value), self._masked(message)
        )
        self._on_settled()
        return True

    def _explained(self, client: openai.AsyncOpenAI, request: Request, error: openai.APIStatusError) -> Exception:
        """The error of the seam for a status that is none of success."""
        status, message = error.status_code, self._masked(message_of(error))
        code = f"{field_of(error, 'code')} {field_of(error, 'type')}"
        signs, told = f"{code} {message}", f"{_host(client)}, HTTP {status}: {message}"
        if status == 402 or (status in (400, 403, 429) and _NO_MONEY.search(code)):
            return EndpointFailed(
                f"the quota of the key is used up ({told}). Top it up, or name another --api-key-env."
            )
        if status not in (401, 404) and TOO_LONG.search(signs):
            return RequestRefused(f"the prompt and max_tokens are too long for {request.model} ({told})")
        if status in (408, 409, 425, 429) or status >= 500:
            return TransientFailure(told, retry_after=_retry_after(error), limited=status == 429)
        if status in (413, 451) or (status in (400, 403, 422) and _FLAGGED.search(signs)):
            return RequestRefused(told)
        if status in (400, 422) and request.model in self._succeeded:
            return RequestRefused(told)
        return EndpointFailed(_diagnosis(status, request.model, told))

    def _masked(self, text: str) -> str:
        """The text for a message: without keys, on one line, not too long."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _short(text)


def _diagnosis(status: int, model: str, told: str) -> str:
    if status in (401, 403):
        return f"the key is refused ({told}). Check the variable that --api-key-env names (default {DEFAULT_KEY_ENV})."
    if status in (404, 405):
        return (
            f"no model {model!r}, or no such API at this address ({told}). "
            "Check --model, --base-url (it mostly ends in /v1) and --api."
        )
    return f"the request is refused ({told}). Check --model, --base-url and --api."


def _key(name: str, *, needed: bool) -> str:
    """The key in an environment variable, without blanks around it."""
    key = os.environ.get(name, "").strip()
    if needed and not key:
        raise SettingsError(
            f"no key: the environment variable {name} is not set. Set it (export {name}=...), give "
            "--base-url without --api-key-env for a local server, or try --model demo, which needs neither."
        )
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(f"the environment variable {name} holds characters that no key has; set it again")
    return key


def _host(end: str | openai.AsyncOpenAI | None) -> str:
    url = str(end.base_url) if isinstance(end, openai.AsyncOpenAI) else end
    if url is None:
        return "api.openai.com"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{url!r} is no http(s) address such as http://localhost:8000/v1 (--base-url)")
    return parts.netloc.rpartition("@")[2]


def _repeated(items: Sequence[Any], number: int) -> Iterator[Any]:
    return itertools.islice(itertools.cycle(items), number)


def _completion(answer: Any) -> Completion | None:
    """The answer of either API as a completion; None where something else came with status 200."""
    try:
        choice = answer["choices"][0]
        text, used = _text(choice), answer.get("usage")
        usage = Usage(used.get("prompt_tokens") or 0, used.get("completion_tokens") or 0) if used else None
        return Completion(text, choice.get("finish_reason"), usage, answer.get("model"))
    except (LookupError, TypeError, AttributeError):
        return None


def _text(choice: Mapping[str, Any]) -> str:
    if "message" not in choice:
        return str(choice["text"] or "")
    message = choice["message"]
    content = message.get("content") or message.get("refusal") or ""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def _short(text: str) -> str:
    return " ".join(text.split())[:500]


def _cause(error: BaseException) -> str:
    """What aiohttp said, because the layers above it call everything a connection error or a timeout."""
    while error.__cause__ is not None and not isinstance(error, aiohttp.ClientError):
        error = error.__cause__
    return str(error) or type(error).__name__


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds that the server asks to wait, from retry-after-ms or Retry-After in seconds or as an HTTP date."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / unit)
        except ValueError:
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
