"""A server of OpenAI's Files and Batches on this machine, which misbehaves as it is told to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from selfinstruct import Completion

ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass
class Plan:
    """What becomes of one job.

    `looks` is how often it is in progress when it is looked at, `status` how it ends. `rows` makes the rows of the
    output and of the error file from the requests and their answers; `errors` are those of the validation.
    """

    looks: int = 1
    status: str = "completed"
    rows: Callable = lambda asked, answered: ([answered(one) for one in asked], [])
    errors: list = field(default_factory=list)


def answer_row(request, body, status=200):
    return {
        "id": f"batch_req_{request['custom_id']}",
        "custom_id": request["custom_id"],
        "response": {"status_code": status, "request_id": "r", "body": body},
        "error": None,
    }


def error_row(request, status, message, code="error", param=None):
    return answer_row(request, {"error": {"message": message, "type": code, "code": code, "param": param}}, status)


def unreached_row(request, code="batch_expired"):
    error = {"code": code, "message": "This request could not be executed before the completion window expired."}
    return {"id": "x", "custom_id": request["custom_id"], "response": None, "error": error}


class BatchServer:
    """Answers from a function of the body, live and in jobs.

    Args:
        answer: a function from a body to a text or a `Completion`.
        refuses: a parameter that every request is refused with.
        plans: what becomes of the jobs, in order; after that all go well.
        trouble: a function from the name of a call ("upload", "create", "created", "retrieve", "list", "content",
            "half", "live") and how often it came before to "drop" (the connection closes), a status, or None. "created"
            is the moment after the job exists and before the reply; "half" is within a result file.

    Attributes:
        jobs: the requests of each job, in order. `paid` counts answers by the text of the request's body.
        calls: how often each call came.
    """

    def __init__(self, answer, plans=(), trouble=lambda _call, _number: None, refuses=None):
        self.refuses = refuses
        self._answer, self._plans, self._trouble = answer, list(plans), trouble
        self.jobs, self.live = [], []
        self.paid, self.calls = Counter(), Counter()
        self._files, self._batches = {}, {}
        self._ready = threading.Event()
        self._error = None

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="batch-server")
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    async def _run(self):
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=10**9)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._live),
                web.post("/v1/completions", self._live),
                web.post("/v1/files", self._upload),
                web.get("/v1/files/{id}/content", self._content),
                web.post("/v1/batches", self._create),
                web.get("/v1/batches", self._list),
                web.get("/v1/batches/{id}", self._retrieve),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _troubled(self, request, call):
        """Play the trouble of a call; a response that is no success, or None where all goes well."""
        number = self.calls[call]
        self.calls[call] += 1
        trouble = self._trouble(call, number)
        if trouble == "drop":
            request.transport.abort()
            return web.Response(status=500)
        if trouble is not None:
            return web.json_response({"error": {"message": f"trouble at {call}", "code": "trouble"}}, status=trouble)
        return None

    def _answered(self, body):
        if self.refuses in body:
            return None
        self.paid[orjson.dumps(body)] += 1
        finish = "stop"
        try:
            text = self._answer(body)
        except Exception as error:
            self._error = error
            raise
        if isinstance(text, Completion):
            text, finish = text.text, text.finish_reason
        content = {"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
        said = str(body.get("messages") or body.get("prompt"))
        return {
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": finish, **content}],
            "usage": {"prompt_tokens": len(said), "completion_tokens": len(text), "total_tokens": 0},
        }

    async def _live(self, request):
        body = orjson.loads(await request.read())
        self.live.append(body)
        if (response := await self._troubled(request, "live")) is not None:
            return response
        answer = self._answered(body)
        if answer is None:
            return web.json_response({"error": self._refusal()}, status=400)
        return web.json_response(answer)

    def _refusal(self):
        return {
            "message": f"Unsupported parameter: '{self.refuses}'",
            "code": "unsupported_parameter",
            "param": self.refuses,
        }

    def _row(self, one):
        answer = self._answered(one["body"])
        return answer_row(one, answer) if answer is not None else answer_row(one, {"error": self._refusal()}, 400)

    async def _upload(self, request):
        form = {part.name: await part.read() async for part in await request.multipart()}
        assert form["purpose"] == b"batch"
        if (response := await self._troubled(request, "upload")) is not None:
            return response
        name = f"file-{len(self._files)}"
        self._files[name] = bytes(form["file"])
        return web.json_response(
            {
                "id": name,
                "object": "file",
                "bytes": 1,
                "created_at": 1,
                "filename": "x",
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def _create(self, request):
        body = orjson.loads(await request.read())
        if (response := await self._troubled(request, "create")) is not None:
            return response
        assert body["completion_window"] == "24h"
        asked = [orjson.loads(line) for line in self._files[body["input_file_id"]].splitlines()]
        assert all(one["url"] == body["endpoint"] and one["method"] == "POST" for one in asked)
        assert len({one["body"]["model"] for one in asked}) == 1, "a job has one model"
        assert len({one["custom_id"] for one in asked}) == len(asked)
        name = f"batch_{len(self.jobs)}"
        plan = self._plans.pop(0) if self._plans else Plan()
        self.jobs.append(asked)
        self._batches[name] = {
            "row": {
                "id": name,
                "object": "batch",
                "endpoint": body["endpoint"],
                "completion_window": "24h",
                "created_at": int(time.time()),
                "input_file_id": body["input_file_id"],
                "metadata": body.get("metadata"),
                "status": "validating",
            },
            "plan": plan,
            "asked": asked,
        }
        return await self._troubled(request, "created") or web.json_response(self._batches[name]["row"])

    async def _list(self, request):
        if (response := await self._troubled(request, "list")) is not None:
            return response
        rows = [one["row"] for one in reversed(self._batches.values())]
        after = request.query.get("after")
        ids = list(reversed(self._batches))
        start = ids.index(after) + 1 if after else 0
        page = rows[start : start + 2]  # small pages, so that more than one is needed
        return web.json_response({"object": "list", "data": page, "has_more": start + 2 < len(rows)})

    async def _retrieve(self, request):
        if (response := await self._troubled(request, "retrieve")) is not None:
            return response
        found = self._batches.get(request.match_info["id"])
        if found is None:
            return web.json_response({"error": {"message": "No batch found", "code": "not_found"}}, status=404)
        self._advance(found)
        return web.json_response(found["row"])

    def _advance(self, found):
        row, plan = found["row"], found["plan"]
        if row["status"] in ENDED:
            return
        if plan.looks > 0:
            plan.looks -= 1
            row["status"] = "in_progress"
            return
        row["status"] = plan.status
        if plan.status == "failed":
            row["errors"] = {"object": "list", "data": plan.errors}
            return
        output, errors = plan.rows(found["asked"], self._row)
        for kind, rows in (("output", output), ("error", errors)):
            if rows:
                name = f"file-{kind}-{row['id']}"
                lines = [one if isinstance(one, bytes) else orjson.dumps(one) + b"\n" for one in rows]
                self._files[name] = b"".join(lines)
                row[f"{kind}_file_id"] = name
        row["request_counts"] = {"total": len(found["asked"]), "completed": len(output), "failed": len(errors)}

    async def _content(self, request):
        if (response := await self._troubled(request, "content")) is not None:
            return response
        content = self._files[request.match_info["id"]]
        stream = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await stream.prepare(request)
        await stream.write(content[: len(content) // 2])
        if await self._troubled(request, "half") is not None:
            request.transport.abort()
            return stream
        await stream.write(content[len(content) // 2 :])
        return stream
