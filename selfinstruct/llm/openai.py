"""Any OpenAI-compatible endpoint.

One call of `complete` is one try, because `Retrying` decides with knowledge of the other requests. Everything that a
server can do wrong becomes one of the three errors of the seam.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError, TransientFailure
from selfinstruct.llm import Completion, Request, Stage, Usage
from selfinstruct.llm.answers import completion_of
from selfinstruct.llm.endpoints import Endpoint, Endpoints
from selfinstruct.llm.lessons import TOO_LONG, Refusal, Settled, lesson, refused_parameter
from selfinstruct.llm.pace import Pace
from selfinstruct.llm.wire import OPENAI, SDK, Backend, Reply, Transport, Way, host_of, transport
from selfinstruct.settings import SAMPLING

logger = logging.getLogger("selfinstruct")

DEFAULT_KEY_ENV = "OPENAI_API_KEY"
# Models that take max_completion_tokens count their hidden reasoning as completion tokens, too.
REASONING_ROOM = 4096
MOST_LESSONS = 12
# The chat template puts a few tokens around each message; a byte of text is one token at the most.
TEMPLATE_TOKENS = 64
BYTES_PER_TOKEN = 4

_OPTION_PREFIX: Mapping[Stage, str] = {"instructions": "", "classify": "classify-", "instances": "instance-"}

_FLAGGED = re.compile(
    r"content.?policy|content.?filter|content management|moderation|flagged|safety system", re.IGNORECASE
)
_NO_MONEY = re.compile(r"insufficient_quota|insufficient.?balance|billing|account_deactivated", re.IGNORECASE)


class OpenAIClient:
    """Asks one model family at one or more equal endpoints.

    Args:
        base_url: endpoints; none means OPENAI_BASE_URL or OpenAI itself.
        api_key_env: environment variables that hold the keys, one for all endpoints or one each.
        timeout: seconds for one try, the whole body included (a server that drips bytes does not hold it open).
        settled: what an earlier session learned; `on_settled` is called when there is more.
        backend: "aiohttp", or "sdk" for the openai package.
        concurrency: requests in flight, at the most; how many there are is found out (see `pace`).
        rpm, tpm: requests and tokens a minute of each endpoint, in the place of what its headers say.
        bounded: whether there is a budget, so that a token limit which the server refuses is not just left out.
        on_room: called with the number of requests that may be in flight, when it changes.
        pause: sleeps; raises where the run is stopping.
        client: an `AsyncOpenAI` of your own, such as an `AsyncAzureOpenAI`, in the place of addresses and keys.

    Raises:
        SettingsError: a key that is needed is not in the environment, or an address is none.

    Example:
        >>> from openai import AsyncAzureOpenAI  # doctest: +SKIP
        >>> llm = OpenAIClient(client=AsyncAzureOpenAI())  # doctest: +SKIP
        >>> generate("runs/azure", llm=llm, model="my-deployment")  # doctest: +SKIP
    """

    def __init__(
        self,
        base_url: Sequence[str] = (),
        api_key_env: Sequence[str] = (),
        *,
        timeout: float = 600.0,
        settled: Settled | None = None,
        on_settled: Callable[[], None] = lambda: None,
        backend: Backend | Way = "aiohttp",
        concurrency: int = 1000,
        rpm: float | None = None,
        tpm: float | None = None,
        bounded: bool = False,
        on_room: Callable[[int], None] = lambda _: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        client: Any = None,
    ) -> None:
        self.settled = settled or Settled()
        self._on_settled, self._bounded = on_settled, bounded
        self._succeeded: set[str] = set()
        if client is not None:
            ways: list[tuple[str, Transport]] = [(host_of(str(client.base_url)), SDK(None, "", timeout, client))]
            self._secrets: list[str] = []
        else:
            access = endpoints_of(base_url, api_key_env)
            ways = [(host, transport(backend, url, key, timeout)) for host, url, key in access]
            self._secrets = [key for _, _, key in access if len(key) >= 8]  # a shorter one is a placeholder
        self.where = ", ".join(sorted({host for host, _ in ways}))
        ends = [Endpoint(host, way, Pace(concurrency, rpm, tpm)) for host, way in ways]
        self._endpoints = Endpoints(ends, on_room, pause)
        self._headers: Mapping[str, str] = {}

    async def complete(self, request: Request) -> Completion:
        """Make one try.

        Raises:
            TransientFailure, RequestRefused, EndpointFailed: see `selfinstruct.llm.LLM`.
            SettingsError: the server refuses a parameter that the user set.
        """
        path, said = _said(request)
        for _ in range(MOST_LESSONS):
            parameters = self._parameters(request)
            room = self._likely_tokens(request, parameters)
            end, reply = await self._endpoints.post(path, {"model": request.model, **said, **parameters}, room)
            if reply.status == 200:
                return self._completion(request, end, reply, room)
            refusal = Refusal.of(reply)
            # Another request may have learned the lesson while this one was under way.
            if self._parameters(request) != parameters or self._learns(request, parameters, refusal):
                continue
            raise self._explained(end, request, refusal, reply)
        raise EndpointFailed(
            f"{self.where} refused one parameter after another ({MOST_LESSONS} times); it does not seem to be an "
            "OpenAI-compatible endpoint. Check --base-url and --api."
        )

    def answered(self, request: Request) -> None:
        """Learn that an earlier session had this request answered, so that its model is known to work here."""
        self._succeeded.add(request.model)

    def worst_case(self, request: Request) -> Usage:
        """What one try cannot pass: the bytes of the prompt as tokens, and the token limit.

        Raises:
            SettingsError: the server takes no token limit, so there is no bound.
        """
        parameters = self._parameters(request)
        limit = parameters.get("max_completion_tokens") or parameters.get("max_tokens")
        if limit is None:
            raise self._unbounded(request)
        if "max_tokens" in parameters and "max_tokens" in request.optional and request.model not in self._succeeded:
            limit += REASONING_ROOM  # the first try may learn that it is to be called max_completion_tokens
        size = len(request.text.encode()) + TEMPLATE_TOKENS * max(1, len(request.messages))
        # A schema, tools and the like are a part of the prompt; of several candidates each one is paid for.
        size += sum(len(orjson.dumps(one)) for one in parameters.values() if isinstance(one, Mapping | Sequence))
        return Usage(size, limit * int(parameters.get("best_of") or 1))

    @property
    def limits(self) -> dict[str, str]:
        """What the headers of the last answer said of the server's limits."""
        said = {name.lower(): value for name, value in self._headers.items()}
        return {name.removeprefix("x-"): said[name] for name in sorted(said) if "ratelimit" in name}

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        await self._endpoints.close()

    def _completion(self, request: Request, end: Endpoint, reply: Reply, room: float) -> Completion:
        completion = completion_of(reply.json())
        if completion is None:
            self._endpoints.missed(end)
            raise TransientFailure(self._masked(_no_answer(end.host, reply)), billed=True)
        usage = completion.usage
        used = room if usage is None else usage.prompt_tokens + usage.completion_tokens
        self._endpoints.answered(end, room - used, reply.headers)
        self._headers = reply.headers
        self._succeeded.add(request.model)
        return completion

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
        if "max_tokens" in parameters:
            renamed = request.model in self.settled.renamed
            # Thoughts count as a part of the answer, and the limits of a verdict leave no room for them.
            if "max_tokens" in request.optional and (renamed or "reasoning_effort" in request.sampling):
                parameters["max_tokens"] += REASONING_ROOM
            if renamed:
                parameters["max_completion_tokens"] = parameters.pop("max_tokens")
        return parameters

    def _likely_tokens(self, request: Request, parameters: Mapping[str, Any]) -> float:
        """What a limit of tokens a minute will count for the request, before its usage is known."""
        limit = parameters.get("max_completion_tokens") or parameters.get("max_tokens") or 0
        size = sum(len(one.content) for one in request.messages) + len(request.prompt or "")
        return size / BYTES_PER_TOKEN + float(limit)

    def _learns(self, request: Request, sent: Mapping[str, Any], refusal: Refusal) -> bool:
        """Whether the server refused a parameter that it can be asked without; remembers that for all requests."""
        name = refused_parameter(sent, refusal)
        if name is None:
            return False
        if name == "max_tokens" and "max_completion_tokens" in refusal.message:
            self.settled.renamed.append(request.model)
            logger.warning("%s takes max_completion_tokens in the place of max_tokens", request.model)
            self._on_settled()
            return True
        ours = "max_tokens" if name == "max_completion_tokens" else name
        message = self._masked(refusal.message)
        if ours not in request.optional:
            raise SettingsError(
                f"{request.model} at {self.where} refuses {_option(request, ours)}: {message} "
                "Leave the option out, or choose a value that it takes."
            )
        if ours == "max_tokens" and self._bounded:
            raise self._unbounded(request)
        value = request.sampling[ours] if ours in request.sampling else sent[name]
        self.settled.dropped.setdefault(request.model, []).append(lesson(ours, value))
        logger.warning("%s refuses %s; the run goes on without (%s)", request.model, lesson(ours, value), message)
        self._on_settled()
        return True

    def _unbounded(self, request: Request) -> SettingsError:
        return SettingsError(
            f"{request.model} at {self.where} takes no token limit, so no budget can be kept; "
            "leave --max-cost and --max-tokens-total out, or choose another model"
        )

    def _explained(self, end: Endpoint, request: Request, refusal: Refusal, reply: Reply) -> Exception:
        """The error of the seam for a status that is none of success."""
        status, message = refusal.status, self._masked(refusal.message)
        code = f"{refusal.code} {refusal.type}"
        signs, told = f"{code} {message}", f"{end.host}, HTTP {status}: {message}"
        if status == 402 or (status in (400, 403, 429) and _NO_MONEY.search(code)):
            return self._endpoints.leave(
                end,
                EndpointFailed(f"the quota of the key is used up ({told}). Top it up, or name another --api-key-env."),
            )
        if status not in (401, 404) and TOO_LONG.search(signs):
            return RequestRefused(f"the prompt and max_tokens are too long for {request.model} ({told})")
        # A 403 among answers: a firewall that dislikes one prompt, or a key without its rights; others will show which.
        forbidden = status == 403 and end.answers > 0 and not _FLAGGED.search(signs)
        if status in (408, 409, 425, 429) or status >= 500 or forbidden:
            asked = self._endpoints.missed(end, retry_after(reply.headers))
            # Azure says 408 where the model itself took too long.
            billed = status == 408 or status >= 500
            return TransientFailure(told, retry_after=asked, limited=status == 429, billed=billed)
        if status in (413, 451) or (status in (400, 403, 422) and _FLAGGED.search(signs)):
            return RequestRefused(told)
        # Some proxies say 400 to a wrong key: what the model answered elsewhere proves nothing for this endpoint.
        known_here = end.answers > 0 or len(self._endpoints.ends) == 1
        if status in (400, 422) and request.model in self._succeeded and known_here:
            return RequestRefused(told)
        return self._endpoints.leave(end, EndpointFailed(_diagnosis(status, request.model, told, reply.headers)))

    def _masked(self, text: str) -> str:
        """The text for a message: without keys, on one line, not too long."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:500]


def endpoints_of(base_url: Sequence[str], api_key_env: Sequence[str]) -> list[tuple[str, str | None, str]]:
    """Host, address and key of each endpoint; None as address is OpenAI's own.

    Raises:
        SettingsError: a key that is needed is not in the environment, or an address is none.
    """
    urls: Sequence[str | None] = base_url or [os.environ.get("OPENAI_BASE_URL") or None]
    names = api_key_env or [DEFAULT_KEY_ENV]
    if len(names) not in (1, len(urls)) and len(urls) != 1:
        raise SettingsError(f"{len(names)} keys for {len(urls)} endpoints; give one for all, or one each")
    number = max(len(urls), len(names))
    hosts = [host_of(url or OPENAI) for url in urls]
    keys = [_key(name, needed=bool(api_key_env) or urls[0] is None) for name in names]
    return list(zip(_repeated(hosts, number), _repeated(urls, number), _repeated(keys, number), strict=True))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from retry-after-ms or Retry-After in seconds or as an HTTP date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / unit)
        except ValueError:
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _option(request: Request, name: str) -> str:
    """What the user typed to set a parameter."""
    prefix = _OPTION_PREFIX.get(request.stage, "")
    if name == "seed":
        return "--sampling-seed"
    if name == "reasoning_effort":
        return f"--reasoning-effort (or --{prefix}reasoning-effort)" if prefix else "--reasoning-effort"
    if name in SAMPLING:
        return f"--{prefix}{name.replace('_', '-')}"
    return f"{name} of --extra-body"


def _said(request: Request) -> tuple[str, dict[str, Any]]:
    """The path of the API, and what is asked."""
    if request.prompt is not None:
        return "/completions", {"prompt": request.prompt}
    return "/chat/completions", {"messages": [{"role": one.role, "content": one.content} for one in request.messages]}


def _no_answer(host: str, reply: Reply) -> str:
    """What came in the place of an answer, for a message."""
    answer = reply.json()
    if isinstance(answer, str) and "json" in reply.headers.get("content-type", ""):
        return f"malformed answer from {host}: {answer[:200]!r}"
    said = answer.get("error") or answer if isinstance(answer, dict) else answer
    return f"{host}: HTTP 200 without an answer in it: {said}"


def _diagnosis(status: int, model: str, told: str, headers: Mapping[str, str]) -> str:
    if status in (401, 403):
        return f"the key is refused ({told}). Check the variable that --api-key-env names (default {DEFAULT_KEY_ENV})."
    if status in (404, 405):
        return (
            f"no model {model!r}, or no such API at this address ({told}). "
            "Check --model, --base-url (it mostly ends in /v1) and --api."
        )
    if 300 <= status < 400:
        parts = urlsplit(headers.get("location", ""))
        where = f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path
        return (
            f"the server redirects to {where or 'nowhere'}, which is not followed, so that the key goes where you sent "
            f"it ({told}). Give the right address as --base-url."
        )
    return f"the request is refused ({told}). Check --model, --base-url, --api and the key (--api-key-env)."


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


def _repeated(items: Sequence[Any], number: int) -> Iterator[Any]:
    return itertools.islice(itertools.cycle(items), number)
