"""The client side by side with the openai package, bare aiohttp and, where they are installed, peers.

    python benchmarks/client.py                          # all but the peers
    python benchmarks/client.py --only cpu --peer curator=ITS/bin/python --peer litellm=ITS/bin/python

Each contestant is a process of its own that sends the same requests to a server of this file on the same machine, one
after the other in each round. What counts is processor time (user and system) for 1,000 requests, which does not depend
on who else is at work; requests a second are printed beside it. Ours has all features on: slots, pace, retries, the
account of money, and each answer in a ledger; with a budget there is a second line for each try, written before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BODY_BYTES = 1_100
ANSWER = "The kettle sings, and the river is not far. " * 22
QUESTION = "Come up with new tasks. " * 80


# The server ----------------------------------------------------------------------------------------------------------


class Server(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and nothing else: one prepared reply, after some time, or a refusal."""

    def __init__(self, options: argparse.Namespace, bucket: dict[str, float]) -> None:
        self.options, self.bucket = options, bucket
        self.buffer = b""
        self.replies: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            if head.startswith(b"get"):
                self.transport.write(_http(200, json.dumps(self.bucket).encode()))
                continue
            reply = GOOD if self._allowed() else self.refusal()
            if self.options.latency:
                asyncio.get_running_loop().call_later(self.options.latency, self._send, reply)
            else:
                self._send(reply)

    def refusal(self) -> bytes:
        said = self.options.retry_after
        more = "" if said == "absent" else f"Retry-After: {said}\r\n"
        return _http(429, b'{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}', more)

    def _send(self, reply: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(reply)

    def _allowed(self) -> bool:
        self.bucket["requests"] += 1
        if not self.options.rate:
            self.bucket["good"] += 1
            return True
        now = time.monotonic()
        level = self.bucket["level"] + (now - self.bucket["at"]) * self.options.rate
        self.bucket["level"], self.bucket["at"] = min(self.options.burst, level), now
        if self.bucket["level"] < 1:
            self.bucket["refused"] += 1
            return False
        self.bucket["level"] -= 1
        self.bucket["good"] += 1
        return True


def _http(status: int, content: bytes, more: str = "") -> bytes:
    kind = "Content-Type: application/json"
    return f"HTTP/1.1 {status} -\r\n{kind}\r\nContent-Length: {len(content)}\r\n{more}\r\n".encode() + content


GOOD = _http(
    200,
    json.dumps(
        {
            "id": "chatcmpl-0123456789",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 500, "completion_tokens": 250, "total_tokens": 750},
        }
    ).encode(),
)


async def serve(options: argparse.Namespace) -> None:
    """Serve until the process is killed."""
    bucket = {"level": options.burst, "at": time.monotonic(), "requests": 0, "good": 0, "refused": 0}
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Server(options, bucket), sock=listening)
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()


# The contestants -----------------------------------------------------------------------------------------------------


def question(number: int) -> str:
    return f"{QUESTION}{number}"


async def pooled(ask, options: argparse.Namespace) -> None:
    """So many workers, each of which pulls the next number."""
    numbers = iter(range(options.requests))

    async def work() -> None:
        for number in numbers:
            await ask(number)

    await asyncio.gather(*(work() for _ in range(options.in_flight)))


async def sdk(options: argparse.Namespace) -> int:
    """AsyncOpenAI as it comes."""
    import openai

    return await _asked(openai.AsyncOpenAI(api_key="k", base_url=options.url, max_retries=options.retries), options)


async def sdk_aiohttp(options: argparse.Namespace) -> int:
    """AsyncOpenAI on its aiohttp transport."""
    import openai

    http = openai.DefaultAioHttpClient()
    client = openai.AsyncOpenAI(api_key="k", base_url=options.url, http_client=http, max_retries=options.retries)
    return await _asked(client, options)


async def _asked(client, options: argparse.Namespace) -> int:
    import openai

    good = 0

    async def ask(number: int) -> None:
        nonlocal good
        messages = [{"role": "user", "content": question(number)}]
        try:
            answer = await client.chat.completions.create(
                model="m", messages=messages, temperature=0.7, top_p=0.5, max_tokens=1024
            )
            good += bool(answer.choices[0].message.content)
        except openai.OpenAIError:
            pass

    await pooled(ask, options)
    await client.close()
    return good


async def bare(options: argparse.Namespace) -> int:
    """aiohttp and orjson, and nothing else: no limits, no retries, nothing kept."""
    import aiohttp
    import orjson

    good = 0
    headers = {"Content-Type": "application/json", "Authorization": "Bearer k"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def ask(number: int) -> None:
            nonlocal good
            messages = [{"role": "user", "content": question(number)}]
            body = {"model": "m", "messages": messages, "temperature": 0.7, "top_p": 0.5, "max_tokens": 1024}
            async with session.post(
                f"{options.url}/chat/completions", data=orjson.dumps(body), headers=headers
            ) as response:
                answer = orjson.loads(await response.read())
                good += bool(answer["choices"][0]["message"]["content"])

        await pooled(ask, options)
    return good


async def ours(options: argparse.Namespace) -> int:
    """The client of a run, as `generate` builds it, a budget included."""
    from selfinstruct import Message, Request
    from selfinstruct.ledger import Ledger, Recorded
    from selfinstruct.llm.budget import Budget, Metered
    from selfinstruct.llm.limits import RANKS, Slots
    from selfinstruct.llm.openai import OpenAIClient
    from selfinstruct.llm.prices import Price, Prices
    from selfinstruct.llm.retry import Retrying

    good = 0
    slots = Slots(options.in_flight)
    client = OpenAIClient(
        [options.url], concurrency=options.in_flight, on_room=slots.resize, pause=slots.pause, timeout=60
    )
    price = Price(1e-6, 1e-6, 1e-6, "this file")
    budget = Budget(Prices(dict.fromkeys(RANKS, price)), max_cost=1e6 if options.budget else None)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.jsonl") as ledger:
        recorded = Recorded(Retrying(Metered(client, ledger, budget), slots), ledger)
        sampling = {"temperature": 0.7, "top_p": 0.5, "max_tokens": 1024}

        async def ask(number: int) -> None:
            nonlocal good
            request = Request("m", (Message("user", question(number)),), sampling=sampling, index=number)
            await slots.acquire(RANKS[request.stage])
            try:
                completion = await recorded.complete(request)
                good += bool(completion.text)
            finally:
                slots.release()

        await pooled(ask, options)
        await client.close()
    return good


CONTESTANTS = {"openai": sdk, "openai + aiohttp": sdk_aiohttp, "aiohttp + orjson": bare, "selfinstruct": ours}

# Programs for the peers' own environments: what a user of theirs would write, with the tokenizer file that two of them
# would download replaced, and telemetry and caches turned off. `ask` returns the number of answers.
LITELLM = """
import asyncio, os
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm

def ask(questions):
    left, good = iter(questions), 0

    async def work():
        nonlocal good
        for question in left:
            messages = [{"role": "user", "content": question}]
            answer = await litellm.acompletion("openai/m", messages, api_base=url, api_key="k", **sampling)
            good += bool(answer.choices[0].message.content)

    async def pooled():
        await asyncio.gather(*(work() for _ in range(in_flight)))

    asyncio.run(pooled())
    return good
"""
CURATOR = """
import os, tempfile
os.environ.update(TELEMETRY_ENABLED="false", CURATOR_DISABLE_CACHE="true", CURATOR_VIEWER="0", OPENAI_API_KEY="k")
import tiktoken
single = {bytes([i]): i for i in range(256)}
bytes_only = tiktoken.Encoding("bytes", pat_str=".", mergeable_ranks=single, special_tokens={})
tiktoken.get_encoding = tiktoken.encoding_for_model = lambda name: bytes_only
from bespokelabs import curator

def ask(questions):
    limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10, "max_concurrent_requests": in_flight}
    params = {"base_url": url, **limits}
    llm = curator.LLM("gpt-4o-mini", backend="openai", backend_params=params, generation_params=sampling)
    with tempfile.TemporaryDirectory() as folder:
        made = llm(questions, working_dir=folder)
        return sum(bool(row["response"]) for row in getattr(made, "dataset", made))
"""
PEERS = {"litellm": LITELLM, "curator": CURATOR}
MEASURED = """
import json, resource, sys, time
url, number, in_flight, question = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
sampling = {"temperature": 0.7, "top_p": 0.5, "max_tokens": 1024}
PEER
ask([f"{question}{i}" for i in range(50)])
questions = [f"{question}{i}" for i in range(number)]
before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
good = ask(questions)
after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - begun
used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print("RESULT", json.dumps({"good": good, "seconds": seconds, "cpu": used, "mb": after.ru_maxrss / 1024}))
"""
# How many requests each peer makes in a round.
PEER_REQUESTS = 1_000


def contest(options: argparse.Namespace) -> None:
    """Be one contestant; prints what it took as JSON."""
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    if options.loop == "asyncio":
        run = asyncio.run
    warm = argparse.Namespace(**{**vars(options), "requests": 50})
    run(CONTESTANTS[options.name](warm))  # imports and first connections are no part of a request
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    good = run(CONTESTANTS[options.name](options))
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.monotonic() - begun
    print("RESULT", json.dumps({"good": good, "seconds": seconds, "cpu": used, "mb": after.ru_maxrss / 1024}))


# The rounds ----------------------------------------------------------------------------------------------------------


class Serving:
    """The server in a process of its own."""

    def __init__(self, latency: float = 0.0, rate: float = 0.0, burst: float = 50.0, retry_after: str = "1") -> None:
        words = ["--latency", latency, "--rate", rate, "--burst", burst, "--retry-after", retry_after]
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve", *map(str, words)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def counts(self) -> dict[str, float]:
        from urllib.request import urlopen

        with urlopen(self.url) as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@contextmanager
def serving(**options: Any) -> Iterator[Serving]:
    """A server, for a while."""
    server = Serving(**options)
    try:
        yield server
    finally:
        server.stop()


def measured(name: str, url: str, requests: int, in_flight: int, *words: object) -> dict[str, float]:
    """What one contestant took."""
    command = [sys.executable, __file__, "contest", name, url, requests, in_flight, *words]
    return _result([str(word) for word in command])


def _result(command: list[str]) -> dict[str, float]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**clean, "PYTHONWARNINGS": "ignore"}
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1].removeprefix("RESULT"))


STANDARD_LOOP = ("--loop", "asyncio")
ENTRIES: dict[str, tuple[Any, ...]] = {
    "openai": ("openai", 400, *STANDARD_LOOP),
    "openai + aiohttp": ("openai + aiohttp", 400, *STANDARD_LOOP),
    "aiohttp + orjson": ("aiohttp + orjson", 4000, *STANDARD_LOOP),
    "selfinstruct": ("selfinstruct", 4000, *STANDARD_LOOP),
    "aiohttp + orjson, uvloop": ("aiohttp + orjson", 4000),
    "selfinstruct, uvloop": ("selfinstruct", 4000),
    "selfinstruct, uvloop, with a budget": ("selfinstruct", 4000, "--budget", 1),
}


def cpu_rounds(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Each contestant in each round, against a server that answers at once."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in (*ENTRIES, *options.peers)}
    with serving() as server:
        for _ in range(options.rounds):
            for entry, (name, requests, *words) in ENTRIES.items():
                row = measured(name, server.url, requests, 64, *words)
                found[entry].append({**row, "requests": requests})
            for name, python in options.peers.items():
                program = MEASURED.replace("PEER", PEERS[name])
                words = [python, "-c", program, server.url, str(PEER_REQUESTS), "64", QUESTION]
                found[name].append({**_result(words), "requests": PEER_REQUESTS})
    return found


def per_thousand(rows: list[dict[str, float]]) -> float:
    """Median of processor seconds for 1,000 requests."""
    return statistics.median(1000 * row["cpu"] / row["requests"] for row in rows)


def main(options: argparse.Namespace) -> None:
    """Print the tables."""
    found = cpu_rounds(options)
    own = per_thousand(found["selfinstruct"])
    print(f"0 ms, 64 in flight, median of {options.rounds} interleaved rounds")
    print(f"{'':36}{'CPU s/1,000':>12}{'times ours':>12}{'requests/s':>12}{'MB':>8}")
    for name, rows in found.items():
        cost = per_thousand(rows)
        speed = statistics.median(row["requests"] / row["seconds"] for row in rows)
        print(f"{name:36}{cost:12.3f}{cost / own:12.2f}{speed:12.0f}{max(row['mb'] for row in rows):8.0f}")
        assert all(row["good"] == row["requests"] for row in rows), f"{name} lost answers"
    if options.only == "cpu":
        return

    print("\n200 ms: share of what the latency allows")
    with serving(latency=0.2) as server:
        for in_flight, requests in ((256, 12_000), (1024, 20_000)):
            row = measured("selfinstruct", server.url, requests, in_flight)
            share = requests / row["seconds"] / (in_flight / 0.2)
            print(
                f"selfinstruct, {in_flight:5,} in flight: {requests / row['seconds']:6,.0f}/s, {share:4.0%}, "
                f"CPU {1000 * row['cpu'] / requests:.3f} s/1,000, {row['mb']:.0f} MB"
            )
        row = measured("openai", server.url, 1_000, 256)
        print(f"openai,         256 in flight: {1000 / row['seconds']:6,.0f}/s, {1000 / row['seconds'] / 1280:4.0%}")

    print("\na server that allows 200 requests a second (burst 50, 100 ms), 128 in flight, 4,000 requests")
    for retry_after in ("1", "absent", "0", "30", "3600"):
        with serving(latency=0.1, rate=200, retry_after=retry_after) as server:
            row = measured("selfinstruct", server.url, 4_000, 128)
            refused = server.counts()["refused"]
        lost = 4_000 - row["good"]
        # The burst is given away before the rate counts.
        share = (row["good"] - 50) / row["seconds"] / 200
        print(
            f"Retry-After {retry_after:>6}: {row['good'] / row['seconds']:4.0f}/s, {share:4.0%} of the rate, "
            f"{lost:.0f} lost, {refused / row['good']:.3f} refusals an answer"
        )
    with serving(latency=0.1, rate=200, retry_after="1") as server:
        row = measured("openai", server.url, 2_000, 128, "--retries", 2)
        refused = server.counts()["refused"]
    print(
        f"openai with its 2 retries: {row['good'] / row['seconds']:4.0f}/s, {2_000 - row['good']:.0f} of 2,000 lost, "
        f"{refused / row['good']:.3f} refusals an answer"
    )


def parsed() -> argparse.Namespace:
    """The command line of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["cpu"], help="the first table and no other")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help=f"one of {', '.join(PEERS)}, and the Python of an environment that has it",
    )
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("serve")
    one.add_argument("--latency", type=float)
    one.add_argument("--rate", type=float)
    one.add_argument("--burst", type=float)
    one.add_argument("--retry-after")
    one = commands.add_parser("contest")
    one.add_argument("name")
    one.add_argument("url")
    one.add_argument("requests", type=int)
    one.add_argument("in_flight", type=int)
    one.add_argument("--retries", type=int, default=0)
    one.add_argument("--budget", type=int, default=0)
    one.add_argument("--loop", default="uvloop")
    options = parser.parse_args()
    options.peers = dict(word.partition("=")[::2] for word in options.peer)
    if unknown := [name for name, python in options.peers.items() if name not in PEERS or not python]:
        parser.error(f"--peer {unknown[0]}: give NAME=PYTHON with one of {', '.join(PEERS)}")
    return options


if __name__ == "__main__":
    chosen = parsed()
    if chosen.command == "serve":
        try:
            import uvloop

            uvloop.run(serve(chosen))
        except ImportError:
            asyncio.run(serve(chosen))
    elif chosen.command == "contest":
        contest(chosen)
    else:
        main(chosen)
