"""A model of transformers in this process: no server and no key; extra `selfinstruct[local]`.

Concurrent requests become batches: those that are sampled alike go together, sorted by length and padded on the left.
Everything heavy happens in one thread of its own, so the event loop stays alive.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from jinja2 import TemplateError

from selfinstruct.errors import EndpointFailed, RequestRefused, SettingsError
from selfinstruct.llm import Completion, Request, Usage

logger = logging.getLogger("selfinstruct")
T = TypeVar("T")

PREFIX = "hf:"
PACKAGES = ("accelerate", "torch", "transformers")
# While a batch is made up, requests that are on their way join it.
GATHER_SECONDS = 0.02
BATCH_ON_GPU, BATCH_ON_CPU = 32, 8
DEFAULT_MAX_TOKENS = 1024
DTYPES = ("auto", "bfloat16", "float16", "float32")
KNOWN = {
    *("max_tokens", "max_completion_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty"),
    *("stop", "seed", "logprobs", "top_logprobs"),
}


@dataclass(eq=False)
class _Asked:
    request: Request
    answer: asyncio.Future[Completion]
    prompt: Sequence[int] = ()
    sampling: Any = None


class LocalModel:
    """A language model of transformers, from a folder or the Hub, as `--model hf:PATH_OR_ID` does.

    The same request gets the same answer: what is random is drawn from its digest, which covers a `seed` that it has.
    Only the rounding of logits depends on what else is in a batch, so that a near tie may fall otherwise, in half
    precision more often than in float32; `batch_size=1` rules that out.

    Args:
        name: a folder or an id of the Hub, with or without "hf:".
        device: "cuda", "cuda:1", "mps", "cpu", ...; by default the best that there is, several GPUs together.
        dtype: "bfloat16", "float16", "float32", or "auto" for what the model was saved in, which is the default
            everywhere but on a CPU, where it is float32.
        batch_size: most requests at once (32; 8 on a CPU); halved when memory runs out.

    Raises:
        SettingsError: a package of the extra is not installed, or the dtype is unknown.
    """

    def __init__(
        self, name: str, device: str | None = None, dtype: str | None = None, batch_size: int | None = None
    ) -> None:
        if missing := [package for package in PACKAGES if find_spec(package) is None]:
            raise SettingsError(f"{', '.join(missing)} not installed; type: pip install 'selfinstruct[local]'")
        if dtype is not None and dtype not in DTYPES:
            raise SettingsError(f"dtype is one of {', '.join(DTYPES)}, not {dtype!r}")
        self.name = name.removeprefix(PREFIX)
        self.model = f"{PREFIX}{self.name}"
        self.batch_size = batch_size
        self._device, self._dtype = device, dtype
        self._loaded: tuple[Any, Any] | None = None
        self._queue: list[_Asked] = []
        self._batch: list[_Asked] = []
        self._serving: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._halted = threading.Event()
        self._told: set[str] = set()
        self._succeeded = False

    @classmethod
    def of(cls, model: Any, tokenizer: Any, batch_size: int | None = None) -> LocalModel:
        """Wrap a model and a tokenizer that are loaded already."""
        local = cls(str(model.config.name_or_path or type(model).__name__), batch_size=batch_size)
        local._loaded = model, tokenizer
        return local

    async def complete(self, request: Request) -> Completion:
        """Answer, together with whatever else is asked at the time.

        Raises:
            RequestRefused: the prompt and max_tokens are longer than the context, or need more memory than there is.
            SettingsError: the model cannot be loaded or has no chat template, or a parameter is not known here.
            EndpointFailed: the model does not run.
        """
        asked = _Asked(request, asyncio.get_running_loop().create_future())
        self._queue.append(asked)
        if self._serving is None or self._serving.done():
            self._halted.clear()
            self._serving = asyncio.get_running_loop().create_task(self._serve())
            self._serving.add_done_callback(self._ended)
        return await asked.answer

    def worst_case(self, request: Request) -> Usage:
        """What an answer cannot pass, for a budget: a byte of text is a token at the most, or nearly."""
        return Usage(len(request.text.encode()) + 64 * max(1, len(request.messages)), _max_tokens(request))

    async def close(self) -> None:
        """End the batch that is computed, without its answers. The model stays loaded for a later request."""
        self._halted.set()
        if self._serving is not None and not self._serving.done():
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await asyncio.to_thread(thread.shutdown)

    async def _serve(self) -> None:
        """Make batches until nobody waits."""
        while self._queue:
            await asyncio.sleep(GATHER_SECONDS)
            self._queue = [one for one in self._queue if not one.answer.done()]
            new = [one for one in self._queue if one.sampling is None]
            for asked, refused in zip(new, await self._in_thread(self._read, new), strict=True):
                if refused is not None:
                    _settle(asked, refused)
            self._batch = self._next_batch()
            for asked, answer in zip(self._batch, await self._in_thread(self._answers, self._batch), strict=True):
                _settle(asked, answer)

    def _ended(self, serving: asyncio.Task[None]) -> None:
        """Let nobody wait for a thread that has failed or was stopped."""
        error = None if serving.cancelled() else serving.exception()
        if error is None and not serving.cancelled():
            return  # the queue is empty, or another task serves it already
        for asked in (*self._batch, *self._queue):
            if error is None:
                asked.answer.cancel()
            else:
                _settle(asked, error)
        self._batch, self._queue = [], []

    async def _in_thread(self, work: Callable[[list[_Asked]], T], asked: list[_Asked]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "selfinstruct-local")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, asked)

    def _next_batch(self) -> list[_Asked]:
        """The one who has waited longest, with those of about its length that are sampled alike."""
        waiting = [one for one in self._queue if not one.answer.done()]
        if not waiting:
            self._queue = []
            return []
        first = waiting[0]
        alike = sorted((one for one in waiting if one.sampling == first.sampling), key=lambda one: len(one.prompt))
        size = self._size()
        start = alike.index(first) // size * size
        batch = alike[start : start + size]
        self._queue = [one for one in waiting if one not in batch]
        return batch

    def _size(self) -> int:
        if self.batch_size is None:
            assert self._loaded is not None
            self.batch_size = BATCH_ON_CPU if self._loaded[0].device.type == "cpu" else BATCH_ON_GPU
        return self.batch_size

    # In the thread --------------------------------------------------------------------------------------------------

    def _read(self, asked: list[_Asked]) -> list[RequestRefused | None]:
        """Turn new requests into tokens; what is refused of them."""
        from selfinstruct.llm.decoding import Sampling

        model, tokenizer = self._loaded or self._load()
        most = _context(model.config)
        outcomes: list[RequestRefused | None] = []
        for one in asked:
            self._check_parameters(one.request)
            one.prompt, wanted = self._tokens(tokenizer, one.request), _max_tokens(one.request)
            one.sampling = Sampling.of(one.request.sampling, wanted)
            told = f"the prompt ({len(one.prompt):,} tokens) and max_tokens ({wanted:,}) are longer than the context"
            too_long = len(one.prompt) + wanted > most
            outcomes.append(RequestRefused(f"{told} of {self.name} ({most:,})") if too_long else None)
        return outcomes

    def _load(self) -> tuple[Any, Any]:
        """Open the model; an adapter of `selfinstruct train` comes with its base."""
        import torch
        from transformers import AutoModelForCausalLM

        from selfinstruct.train.models import is_adapter, load_model, load_tokenizer, opening

        device = self._device or best_device()
        dtype = self._dtype or ("float32" if device == "cpu" else "auto")
        try:
            if is_adapter(self.name):
                self._loaded = load_model(self.name, dtype=dtype, device="cpu" if device == "cpu" else "auto")
                return self._loaded
            tokenizer = load_tokenizer(self.name)
            with opening(self.name):
                model = AutoModelForCausalLM.from_pretrained(self.name, dtype=dtype, device_map=device)
        except torch.OutOfMemoryError as error:
            raise SettingsError(
                f"{self.name} does not fit into the memory of {device}; choose a smaller one"
            ) from error
        self._loaded = model.eval(), tokenizer
        return self._loaded

    def _tokens(self, tokenizer: Any, request: Request) -> list[int]:
        if request.prompt is not None:
            # A model without a mark for the beginning of a text needs one token to go on from.
            return list(tokenizer(request.prompt)["input_ids"]) or [tokenizer.eos_token_id or 0]
        if tokenizer.chat_template is None:
            raise SettingsError(
                f"{self.name} has no chat template, so it is a base model: use --api completions, or choose its "
                "instruction-tuned version"
            )
        turns = [{"role": one.role, "content": one.content} for one in request.messages]
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise SettingsError(f"the chat template of {self.name} does not take these messages: {error}") from error
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def _check_parameters(self, request: Request) -> None:
        """Pass over parameters that are not known here and that nobody asked for; refuse those that the user set."""
        asked = {name for name, value in request.sampling.items() if value is not None}
        for name in sorted((asked | ({"response_format"} if request.response_format else set())) - KNOWN):
            if name not in request.optional:
                raise SettingsError(f"a model in this process takes no {name}; leave it out, or use an endpoint")
            if name not in self._told:
                self._told.add(name)
                logger.warning("%s takes no %s; the run goes on without", self.name, name)

    def _answers(self, batch: list[_Asked]) -> list[Completion | Exception]:
        """Answer a batch, in smaller parts where memory runs out."""
        from selfinstruct.llm.decoding import generate

        done: list[Completion | Exception] = []
        while len(done) < len(batch):
            part = batch[len(done) : len(done) + self._size()]
            prompts, seeds = [one.prompt for one in part], [_seed(one.request) for one in part]
            try:
                assert self._loaded is not None
                done += generate(*self._loaded, prompts, seeds, part[0].sampling, self._halted)
                self._succeeded = True
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise EndpointFailed(f"{self.name} does not run: {' '.join(str(error).split())[:500]}") from error
                if len(part) == 1:
                    done.append(self._too_big(part[0], error))
                else:
                    self.batch_size = max(1, len(part) // 2)
                    logger.warning("out of memory: %s goes on with %s requests at once", self.name, self.batch_size)
                free_memory()
        return done

    def _too_big(self, asked: _Asked, error: RuntimeError) -> Exception:
        told = f"out of memory for one request of {len(asked.prompt):,} tokens: {' '.join(str(error).split())[:200]}"
        if self._succeeded:
            return RequestRefused(told)
        raise EndpointFailed(f"{told}. Choose a smaller model, a shorter --max-tokens or another dtype.") from error


def best_device() -> str:
    """The fastest device of this machine; "auto" spreads a model over several GPUs."""
    import torch

    if torch.cuda.is_available():
        return "auto" if torch.cuda.device_count() > 1 else "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether any of the devices ran out of memory; each says it in its own words."""
    import torch

    said = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(sign in said for sign in signs)


def free_memory() -> None:
    """Give what a batch has used back to the device, so that a smaller one finds room in one piece."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _context(config: Any) -> int:
    """How many tokens fit; more than there ever are where the model does not say."""
    inner = config.get_text_config()
    return int(getattr(inner, "max_position_embeddings", None) or 2**31)


def _max_tokens(request: Request) -> int:
    sampling = request.sampling
    return int(sampling.get("max_completion_tokens") or sampling.get("max_tokens") or DEFAULT_MAX_TOKENS)


def _seed(request: Request) -> int:
    """The digest covers the `seed` of the request, where it has one."""
    return int(request.digest[:15], 16)


def _settle(asked: _Asked, answer: Completion | BaseException) -> None:
    if asked.answer.done():
        return
    if isinstance(answer, BaseException):
        asked.answer.set_exception(answer)
    else:
        asked.answer.set_result(answer)
