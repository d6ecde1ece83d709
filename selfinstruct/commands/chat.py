"""`selfinstruct chat`."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING

import click

from selfinstruct.commands.options import json_option
from selfinstruct.settings import Api

if TYPE_CHECKING:
    from selfinstruct.train.answer import Decoding
    from selfinstruct.train.speakers import Speaker


@click.command("chat")
@click.argument("model")
@click.option("--compare", multiple=True, metavar="MODEL", help="Another model, or base: MODEL's own. Repeatable.")
@click.option("--web", is_flag=True, help="In a browser instead of the terminal; needs selfinstruct[web].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Of --web: the address that it is served at.")
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Of --web (default: the first free one from 7860)."
)
@click.option("--system", default="", metavar="TEXT", help="What the models are told they are.")
@click.option("--format", help="How prompts are written (default: as the model was tuned, else chat, else alpaca).")
@click.option("--temperature", default=0.7, show_default=True, help="0 is always the most likely word.")
@click.option("--top-p", default=0.9, show_default=True, help="Share of the likely words that are drawn from.")
@click.option("--max-new-tokens", default=512, show_default=True, help="Longest answer.")
@click.option("--seed", default=0, show_default=True, help="Of the drawing.")
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--base-url", metavar="URL", help="MODEL is a name at this OpenAI-compatible endpoint.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable that holds the key of endpoints.")
@click.option(
    "--api",
    type=click.Choice(["chat", "completions"]),
    default="chat",
    show_default=True,
    help="Of endpoints: messages, or prompts in the --format.",
)
@json_option
def command(
    model: str,
    compare: tuple[str, ...],
    web: bool,
    host: str,
    port: int | None,
    system: str,
    format: str | None,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
    seed: int,
    dtype: str,
    device: str,
    base_url: str | None,
    api_key_env: str | None,
    api: Api,
    as_json: bool,
) -> int:
    """Talk with MODEL, beside others: in the terminal, in a browser, or on a pipe with a question a line.

    MODEL is a folder or Hub id (a base, an adapter, a merged model), or a model at an endpoint: NAME@http://host/v1.
    An adapter and its base answer from one copy of the weights. Needs selfinstruct[train].

    \b
    In the talk:
      /reset  /system TEXT  /temperature X  /max-new-tokens N  /help  /quit

    \b
    Examples:
      selfinstruct chat adapters/first --compare base
      selfinstruct chat adapters/first --compare gpt-oss@http://localhost:8000/v1 --web
      echo "Name three rivers." | selfinstruct chat adapters/first --temperature 0
    """
    from selfinstruct.train.extras import require

    if web:
        require("web")
        from selfinstruct.train.web import look_at_port

        if port is not None:
            look_at_port(host, port)
    from selfinstruct.train.answer import Decoding
    from selfinstruct.train.chat import Chat
    from selfinstruct.train.named import Means, labels, name_models, open_models, tuned_format
    from selfinstruct.train.speakers import speaker

    decoding = Decoding(max_new_tokens, temperature, top_p, seed)
    means = Means(base_url=base_url, api_key_env=api_key_env, api=api, dtype=dtype, device=device)
    named = name_models(model, compare, means)
    asked_in = format or tuned_format(named)
    models = open_models(named, means, format)
    called = labels([one.name for one in models])
    *others, own = [speaker(one, asked_in, called[one.name]) for one in models]
    speakers = [own, *others]
    if web:
        return _in_browser(speakers, decoding, system, host, port)
    from selfinstruct.train.terminal import run

    return run(Chat(speakers, decoding, system), [one.name for one in speakers], as_json=as_json)


def _in_browser(speakers: Sequence[Speaker], decoding: Decoding, system: str, host: str, port: int | None) -> int:
    """Serve the page until Ctrl-C."""
    from selfinstruct.train.web import launch, page

    stops: dict[str, Event] = {}
    made = page(speakers, [one.name for one in speakers], decoding, system, stops)
    click.echo(f"{launch(made, host=host, port=port, wait=False)}  Ctrl-C ends", err=True)
    try:
        made.block_thread()
    finally:
        for stop in stops.values():  # a model that writes on would keep the process
            stop.set()
    return 0
