"""Any OpenAI-compatible endpoint, through the openai package.

One call of `complete` is one try: the SDK's own retries are off, because `Retrying` decides with knowledge of the other
requests. Everything that a server can do wrong becomes one of the three errors of the seam.
"""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import json
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import openai

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError, TransientFailure
from selfinstruct.llm import Completion, Request, Usage

logger = logging.getLogger("selfinstruct")

DEFAULT_KEY_ENV = "OPENAI_API_KEY"
# Models that take max_completion_tokens count their hidden reasoning as completion tokens, too.
REASONING_ROOM = 4096
MOST_LESSONS = 12

_REFUSED_FOR_GOOD = ("content_policy", "content_filter", "context_length", "string_above_max_length", "moderation")
_NO_SUCH_PARAMETER = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|not permitted|not allowed|unexpected|extra (?:inputs|fields)|"
    r"only the default|invalid|must be|out of range|deprecated",
    re.IGNORECASE,
)


@dataclass
class Settled:
    """What the first answers taught about a server, by model; kept in settings.json so that a resumed run asks alike.

    `dropped` names refused parameters that nobody had asked for, `renamed` says that max_tokens is called
    max_completion_tokens.
    """

    dropped: dict[str, list[str]] = field(default_factory=dict)
    renamed: list[str] = field(default_factory=list)


class OpenAIClient:
    """Asks one model family at one or more equal endpoints, in turn.

    Args:
        base_url: endpoints; none means OPENAI_BASE_URL or OpenAI itself.
        api_key_env: environment variables that hold the keys, one for all endpoints or one each.
        timeout: seconds for one try, the whole body included (a server that drips bytes does not hold it open).
        settled: what an earlier session learned; `on_settled` is called when there is more.

    Raises:
        SettingsError: a key that is needed is not in the environment.
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
        self._on_settled, self._timeout, self._succeeded = on_settled, timeout, False
        urls: Sequence[str | None] = base_url or [os.environ.get("OPENAI_BASE_URL") or None]
        keys = api_key_env or [DEFAULT_KEY_ENV]
        if len(keys) not in (1, len(urls)) and len(urls) != 1:
            raise SettingsError(f"{len(keys)} keys for {len(urls)} endpoints; give one for all, or one each")
        pairs = zip(itertools.cycle(urls) if len(urls) == 1 else urls, itertools.cycle(keys), strict=False)
        ends = list(itertools.islice(pairs, max(len(urls), len(keys))))
        self._secrets = [key for name in keys if (key := os.environ.get(name))]
        self._clients = itertools.cycle([self._client(url, name) for url, name in ends])
        self._number = len(ends)
        self.where = ", ".join(sorted({urlsplit(url).netloc if url else "api.openai.com" for url, _ in ends}))

    def _client(self, url: str | None, key_env: str) -> openai.AsyncOpenAI:
        key = os.environ.get(key_env)
        if not key and url is None:
            raise SettingsError(
                f"no key: the environment variable {key_env} is not set. Set it (export {key_env}=...), give "
                "--base-url for a local server, or try --model demo, which needs neither."
            )
        return openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=url,
            max_retries=0,
            timeout=self._timeout,
            http_client=openai.DefaultAioHttpClient(timeout=self._timeout),
        )

    async def complete(self, request: Request) -> Completion:
        """Make one try.

        Raises:
            TransientFailure, RequestRefused, EndpointFailed: see `selfinstruct.llm.LLM`.
            SettingsError: the server refuses a parameter that the user set.
        """
        client = next(self._clients)
        for _ in range(MOST_LESSONS):
            parameters = self._parameters(request)
            try:
                answer = await asyncio.wait_for(self._send(client, request, parameters), self._timeout)
            except (asyncio.TimeoutError, openai.APITimeoutError) as error:
                raise TransientFailure(f"no complete answer within {self._timeout:g} s (--timeout)") from error
            except openai.APIStatusError as error:
                # Another request may have learned the lesson while this one was under way.
                if self._parameters(request) != parameters or self._learns(request, parameters, error):
                    continue
                raise self._explained(error, request) from error
            except openai.APIConnectionError as error:
                raise TransientFailure(f"cannot reach {self.where}: {error.__cause__ or error}") from error
            except (json.JSONDecodeError, UnicodeDecodeError, openai.APIError) as error:
                raise TransientFailure(f"malformed answer: {self._masked(str(error))}") from error
            completion = _completion(answer)
            self._succeeded = True
            return completion
        raise EndpointFailed(f"{self.where} refused one parameter after another ({MOST_LESSONS} times)")

    async def close(self) -> None:
        """Close the connections."""
        for _ in range(self._number):
            await next(self._clients).close()

    async def _send(self, client: openai.AsyncOpenAI, request: Request, parameters: dict[str, Any]) -> Any:
        if request.response_format is not None:
            parameters = {**parameters, "response_format": request.response_format}
        if request.prompt is not None:
            return await client.completions.create(model=request.model, prompt=request.prompt, **parameters)
        messages: Any = [{"role": one.role, "content": one.content} for one in request.messages]
        return await client.chat.completions.create(model=request.model, messages=messages, **parameters)

    def _parameters(self, request: Request) -> dict[str, Any]:
        dropped = self.settled.dropped.get(request.model, ())
        sampling = {name: value for name, value in request.sampling.items() if name not in dropped}
        if request.model in self.settled.renamed and "max_tokens" in sampling:
            room = REASONING_ROOM if "max_tokens" in request.optional else 0
            sampling["max_completion_tokens"] = sampling.pop("max_tokens") + room
        return sampling

    def _learns(self, request: Request, sent: dict[str, Any], error: openai.APIStatusError) -> bool:
        """Whether the server refused a parameter that it can be asked without; remembers that for all requests."""
        if error.status_code not in (400, 422):
            return False
        message, parameter = _message(error), _field(error, "param")
        if "max_completion_tokens" in message and "max_tokens" in sent:
            self.settled.renamed.append(request.model)
            logger.warning("%s takes max_completion_tokens in the place of max_tokens", request.model)
            self._on_settled()
            return True
        names = [parameter] if parameter in sent else [name for name in sent if re.search(rf"\b{name}\b", message)]
        if not names or not _NO_SUCH_PARAMETER.search(message):
            return False
        set_by_user = [name for name in names if name not in request.optional]
        if set_by_user:
            raise SettingsError(
                f"{request.model} at {self.where} refuses {', '.join(set_by_user)}: {self._masked(message)} "
                "Leave the option out, or choose a value that it takes."
            )
        self.settled.dropped.setdefault(request.model, []).extend(names)
        logger.warning(
            "%s refuses %s; the run goes on without (%s)", request.model, ", ".join(names), self._masked(message)
        )
        self._on_settled()
        return True

    def _explained(self, error: openai.APIStatusError, request: Request) -> Exception:
        status, message = error.status_code, self._masked(_message(error))
        code = f"{_field(error, 'code') or ''} {_field(error, 'type') or ''}"
        if "insufficient_quota" in code:
            return EndpointFailed(f"{self.where}: the quota is used up ({message})")
        if status in (408, 409, 429) or status >= 500:
            wait = _retry_after(error)
            limited = status == 429 or wait is not None
            return TransientFailure(f"HTTP {status}: {message}", retry_after=wait, limited=limited)
        hopeless = any(sign in code or sign in message.lower() for sign in _REFUSED_FOR_GOOD) or status == 413
        if hopeless or (self._succeeded and status in (400, 422)):
            return RequestRefused(f"HTTP {status}: {message}")
        if status in (401, 403):
            return EndpointFailed(f"{self.where} refuses the key (HTTP {status}): {message}")
        if status == 404:
            return EndpointFailed(
                f"{self.where} has no model {request.model!r}, or no such API at this address (HTTP 404): {message} "
                "Check --model, --base-url (it mostly ends in /v1) and --api."
            )
        return EndpointFailed(f"{self.where} refuses the request (HTTP {status}): {message}")

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _completion(answer: Any) -> Completion:
    """The answer of either API as a completion; anything else that came with status 200 is a failure to repeat."""
    choices = getattr(answer, "choices", None)
    if not choices:
        raise TransientFailure(f"HTTP 200 without an answer in it: {str(getattr(answer, 'error', None) or answer)[:200]}")
    choice = choices[0]
    message = getattr(choice, "message", None)
    text = getattr(choice, "text", None) if message is None else message.content or getattr(message, "refusal", None)
    used = getattr(answer, "usage", None)
    usage = Usage(used.prompt_tokens or 0, used.completion_tokens or 0) if used else None
    return Completion(text or "", choice.finish_reason, usage, answer.model)


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    found = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    return str(found or error.message)[:500]


def _field(error: openai.APIStatusError, name: str) -> str | None:
    value = error.body.get(name) if isinstance(error.body, dict) else None
    return value if isinstance(value, str) else None


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds that the server asks to wait, from retry-after-ms or Retry-After in seconds or as an HTTP date."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) / unit)
        except ValueError:
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
