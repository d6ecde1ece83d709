"""What an OpenAI-compatible server sends: answers whole and in pieces, and refusals in the words of OpenAI."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from selfinstruct.testing.model import tokens

Body = dict[str, Any]
Piece = str | Mapping[str, Any] | None

REFUSALS = {
    "429": (429, "Rate limit reached for requests.", "rate_limit_exceeded"),
    "500": (500, "The server had an error while processing your request.", "server_error"),
    "503": (503, "The engine is currently overloaded.", "overloaded"),
    "408": (408, "Request timeout.", "timeout"),
    "quota": (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
    ),
    "400": (400, "We could not parse your request.", "invalid_request"),
    "context_length": (
        400,
        "This model's maximum context length is 4096 tokens. Please reduce the length of the messages.",
        "context_length_exceeded",
    ),
    "content_policy": (
        400,
        "Your request was rejected by our safety system.",
        "content_policy_violation",
    ),
    "401": (401, "Incorrect API key provided.", "invalid_api_key"),
    "404": (404, "The model does not exist or you do not have access to it.", "model_not_found"),
}


def refusal(kind: str) -> tuple[int, Body]:
    """Status and body of a kind of `REFUSALS`, or of "unsupported:PARAMETER"."""
    parameter = kind.partition(":")[2]
    if not parameter:
        status, message, code = REFUSALS[kind]
        return status, error(message, code)
    advice = " Use 'max_completion_tokens' instead." if parameter == "max_tokens" else ""
    message = f"Unsupported parameter: '{parameter}' is not supported with this model.{advice}"
    return 400, error(message, "unsupported_parameter", parameter)


def error(message: str, code: str, parameter: str | None = None) -> Body:
    """The body of a refusal."""
    return {"error": {"message": message, "type": code, "param": parameter, "code": code}}


def completion(path: str, body: Body, text: str | None, *, finish: str, number: int) -> Body:
    """The body of an answer, chat or plain as the path says; `number` tells answers apart."""
    chat = path.endswith("/chat/completions")
    said = "\n\n".join(str(one["content"]) for one in body["messages"]) if chat else str(body["prompt"])
    choice: Body = {"index": 0, "finish_reason": finish, "logprobs": None}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    prompt_tokens, completion_tokens = tokens(said), tokens(text or "")
    return {
        "id": f"fake-{number}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": body.get("model"),
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def in_pieces(text: str) -> list[str]:
    """A text in words, each with the white space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def events(whole: Body, pieces: Sequence[Piece], *, usage: bool) -> list[bytes]:
    """The server-sent events of an answer, and the mark of the end.

    Args:
        whole: the same answer in one piece.
        pieces: its text; a mapping is a chunk of its own, sent as it is.
        usage: whether the last chunk tells the usage.
    """
    chat = whole["object"] == "chat.completion"
    frame = {name: whole[name] for name in ("id", "created", "model")}
    frame["object"] = "chat.completion.chunk" if chat else "text_completion"

    def chunk(said: Body, finish: str | None = None) -> Body:
        choice = {"index": 0, "finish_reason": finish, **({"delta": said} if chat else said)}
        return {**frame, "choices": [choice] if whole["choices"] else []}

    name = "content" if chat else "text"
    chunks = [chunk({"role": "assistant", name: ""})] if chat else []
    chunks += [dict(one) if isinstance(one, Mapping) else chunk({name: one}) for one in pieces]
    chunks += [chunk({} if chat else {name: ""}, finish) for finish in _finishes(whole)]
    if usage:
        chunks.append({**frame, "choices": [], "usage": whole["usage"]})
    return [b"data: %s\n\n" % data for data in (*map(orjson.dumps, chunks), b"[DONE]")]


def _finishes(whole: Body) -> list[str]:
    return [choice["finish_reason"] for choice in whole["choices"]]


def http(status: int, content: Body | bytes, kind: str = "application/json", more: str = "") -> bytes:
    """A response as bytes; `more` are further lines of its head."""
    if isinstance(content, dict):
        content = orjson.dumps(content)
    return head(status, kind, f"Content-Length: {len(content)}\r\n{more}") + content


def head(status: int, kind: str, more: str) -> bytes:
    """What stands in front of the body."""
    return f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\n{more}\r\n".encode()


def waiting(retry_after: float | str | None) -> str:
    """The header that asks to wait."""
    if retry_after is None:
        return ""
    text = str(retry_after)
    return f"retry-after-ms: {text[:-2]}\r\n" if text.endswith("ms") else f"Retry-After: {text}\r\n"
