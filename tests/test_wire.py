"""The two ways to an endpoint: the same faults end in the same errors, and the key goes nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from server_run import SEEDS, teacher, write_templates

from selfinstruct import EndpointFailed, Message, Request, SettingsError, TransientFailure, generate
from selfinstruct.llm import wire
from selfinstruct.llm.openai import OpenAIClient
from selfinstruct.llm.wire import Wire
from selfinstruct.testing import FATAL, TRANSIENT, FaultServer

KEY = "sk-of-the-user-1234567890"
HELLO = Request("m", (Message("user", "Say hello."),), sampling={"max_tokens": 9})


def outcome(url, backend, request=HELLO, **options):
    async def main():
        client = OpenAIClient([url], backend=backend, timeout=1.0, **options)
        try:
            return await client.complete(request)
        except Exception as error:  # noqa: BLE001 - the tests look at its type
            return error
        finally:
            await client.close()

    return asyncio.run(main())


@pytest.mark.parametrize("kind", ["ok", *TRANSIENT, *FATAL, "hang", "drip", "null_content", "length"])
def test_both_ways_end_alike(kind):
    """The sdk backend is for odd providers, and must not have odd failures of its own."""
    found = {}
    for backend in ("aiohttp", "sdk"):
        with FaultServer(lambda _: "Hello.", faults=[kind], retry_after="3") as server:
            one = outcome(server.base_url, backend)
            assert server.requests == [
                {"model": "m", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 9}
            ]
        found[backend] = (
            one if kind in ("ok", "length", "null_content") else type(one),
            getattr(one, "retry_after", None),
        )
    assert found["aiohttp"] == found["sdk"]


def test_base_models_are_asked_in_both_ways():
    """The completions API."""
    for backend in ("aiohttp", "sdk"):
        with FaultServer(lambda _: " and on.") as server:
            found = outcome(server.base_url, backend, Request("m", prompt="Once upon", sampling={"stop": ["\n"]}))
            assert server.requests == [{"model": "m", "prompt": "Once upon", "stop": ["\n"]}]
        assert found.text == " and on."


class Raw:
    """A server that says one thing to everybody, and keeps what it was sent."""

    def __init__(self, reply, context=None):
        self.reply, self.context, self.heard = reply, context, b""

    def __enter__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)  # a close alone wakes nobody who accepts
        self.listening.close()
        self.thread.join(5)

    def serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            try:
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection:
                    connection.settimeout(2)
                    self.heard += connection.recv(100_000)
                    connection.sendall(self.reply)
            except OSError:
                connection.close()


@pytest.mark.parametrize("backend", ["aiohttp", "sdk"])
def test_a_redirect_does_not_carry_the_key_to_another_host(backend, monkeypatch):
    """It is not followed; the message says where it points, so that the user can decide."""
    monkeypatch.setenv("MY_KEY", KEY)
    with Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as other:
        target = f"http://localhost:{other.port}/v1/chat/completions"
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {target}?x=1\r\nContent-Length: 0\r\n\r\n".encode()
        with Raw(moved) as server:
            found = outcome(f"http://127.0.0.1:{server.port}/v1", backend, api_key_env=["MY_KEY"])
        assert other.heard == b""
    assert KEY.encode() in server.heard
    assert isinstance(found, EndpointFailed)
    assert f"redirects to {target}, which is not followed" in str(found)
    assert "--base-url" in str(found)


def test_an_answer_that_never_ends_is_cut_off(monkeypatch):
    """A broken server must not fill the memory."""
    monkeypatch.setattr(wire, "MOST_BYTES", 2**20)
    huge = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n" + b" " * 3_000_000
    with Raw(huge) as server:
        found = outcome(f"http://127.0.0.1:{server.port}/v1", "aiohttp")
    assert isinstance(found, TransientFailure)
    assert "more than 1 MiB in one answer" in str(found)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
@pytest.mark.parametrize("backend", ["aiohttp", "sdk"])
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, backend, monkeypatch):
    """TLS is verified, and the key is not sent before it is."""
    monkeypatch.setenv("MY_KEY", KEY)
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", context) as server:
        found = outcome(f"https://localhost:{server.port}/v1", backend, api_key_env=["MY_KEY"])
    assert isinstance(found, TransientFailure)
    assert "certificate" in str(found).lower()
    assert server.heard == b""


def test_a_proxy_of_the_environment_is_used_for_other_hosts_only(monkeypatch):
    """A local server is asked directly, a provider through the company's proxy."""
    with Raw(b"HTTP/1.1 503 busy\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        found = outcome("http://models.example/v1", "aiohttp")
        assert b"POST http://models.example/v1/chat/completions" in proxy.heard
        assert "models.example, HTTP 503" in str(found)
        heard = proxy.heard
        with FaultServer(lambda _: "Hello.") as server:
            assert outcome(server.base_url, "aiohttp").text == "Hello."
        assert proxy.heard == heard


def test_a_client_of_the_sdk_can_be_given():
    """An AsyncAzureOpenAI, or one with an authentication of its own; it is its owner's to close."""
    import openai

    with FaultServer(lambda _: "Hello.", api_key="azure-key-1") as server:

        async def main():
            own = openai.AsyncOpenAI(api_key="azure-key-1", base_url=server.base_url)
            client = OpenAIClient(client=own)
            completion = await client.complete(HELLO)
            await client.close()
            assert not own.is_closed()
            await own.close()
            return completion.text

        assert asyncio.run(main()) == "Hello."


def test_a_run_is_the_same_by_both_ways(tmp_path):
    """The backend is how it is sent, not what is said."""
    prompts = write_templates(tmp_path)
    for backend in ("aiohttp", "sdk"):
        with FaultServer(teacher, faults=0.2) as server:
            generate(
                tmp_path / backend, base_url=server.base_url, model="m", backend=backend, num_tasks=8, seeds=SEEDS,
                prompts=prompts, progress=False,
            )  # fmt: skip
    assert (tmp_path / "aiohttp/tasks.jsonl").read_bytes() == (tmp_path / "sdk/tasks.jsonl").read_bytes()


def test_the_fast_way_loads_no_sdk():
    """Which takes a second or more of every start."""
    code = (
        "import sys, asyncio\nfrom selfinstruct.llm.openai import OpenAIClient\n"
        "OpenAIClient(['http://localhost:1/v1'])\nprint('openai' in sys.modules)"
    )
    import sys

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
    assert Wire("http://localhost:1/v1/", "", 1.0)._base == "http://localhost:1/v1"


def test_the_password_of_a_proxy_is_in_no_message(monkeypatch):
    """A message goes to the screen and, as the reason of a try, into the ledger; nothing was sent, so nobody bills it."""
    with Raw(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:topsecret@127.0.0.1:{proxy.port}")
        found = outcome("https://models.example/v1", "aiohttp")
    assert "407 Proxy Authentication Required" in str(found)
    assert "topsecret" not in str(found)
    assert not found.billed


def test_a_proxy_is_one_that_is_spoken_here(monkeypatch):
    """Without a scheme it is an http one, as for curl; SOCKS is refused at once, and not tried for ten minutes."""
    with Raw(b"HTTP/1.1 503 busy\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        assert "models.example, HTTP 503" in str(outcome("http://models.example/v1", "aiohttp"))
        monkeypatch.delenv("http_proxy")
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
        with pytest.raises(SettingsError, match=r"models\.example is a socks5:// one.*set http_proxy"):
            OpenAIClient(["http://models.example/v1"])


@pytest.mark.parametrize("backend", ["aiohttp", "sdk"])
def test_what_was_never_sent_is_never_billed(backend):
    """A server that is down for ten minutes used a budget up without a word having been sent."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    found = outcome(f"http://127.0.0.1:{port}/v1", backend)
    assert isinstance(found, TransientFailure)
    assert not found.billed


def test_a_host_that_takes_no_connection_is_given_up_soon_and_not_billed(monkeypatch):
    """A VPN that is off swallows what is sent; half a minute says so as well as ten."""
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full, contextlib.ExitStack() as clients:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        found = outcome(f"http://127.0.0.1:{full.getsockname()[1]}/v1", "aiohttp")
    assert isinstance(found, TransientFailure)
    assert "no connection within the time" in str(found)
    assert (found.billed, found.slow) == (False, True)
