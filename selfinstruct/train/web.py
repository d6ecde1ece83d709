"""The same chat in a browser: a panel for each model, in a page that is served here and asks for nothing elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from errno import EADDRINUSE
from itertools import pairwise
from threading import Event
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.train.answer import Decoding
from selfinstruct.train.chat import BROKEN_OFF, NO_ANSWER, Chat
from selfinstruct.train.extras import require
from selfinstruct.train.speakers import Exchange, Speaker

Messages = list[dict[str, Any]]

MOST_TOKENS = 4096
FRAME = 0.08  # seconds between two pictures of an answer that grows; a browser draws the whole of it each time
PANEL = 320  # pixels; where two of them do not fit beside each other they stand below each other
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def page(
    speakers: Sequence[Speaker],
    names: Sequence[str],
    decoding: Decoding,
    system: str = "",
    stops: dict[str, Event] | None = None,
) -> Any:
    """A `gradio.Blocks` with a panel for each speaker, the settings below, and the API name `ask`.

    The panels hold the conversations, so every visitor has their own; `ask` takes question, system message,
    temperature, longest answer and the panels, and gives the panels while the answers grow. `stops` gets what ends the
    answer of each visitor.
    """
    require("web")
    import gradio as gr

    stops = {} if stops is None else stops

    def ask(
        visit: Any, question: str, system: str, temperature: float, max_tokens: float, *panels: Messages
    ) -> Iterator[Any]:
        drawn = replace(decoding, temperature=temperature, max_new_tokens=int(max_tokens))
        stop = stops[visit.session_hash] = Event()
        for shown in answers(speakers, drawn, system, question, panels, stop):
            yield "", *shown

    def halt(visit: Any) -> None:
        # Gradio only stops to read a generator that is cancelled; the model behind it would write on.
        if (stop := stops.pop(visit.session_hash, None)) is not None:
            stop.set()

    for handler in (ask, halt):
        handler.__annotations__["visit"] = gr.Request  # by which Gradio knows what to pass

    with gr.Blocks(analytics_enabled=False, title=f"{' and '.join(names)} - selfinstruct", fill_height=True) as made:
        with gr.Row(scale=1):
            panels = [
                gr.Chatbot(
                    label=name,
                    height="65vh",
                    min_width=PANEL,
                    buttons=["copy"],
                    feedback_options=None,
                    allow_tags=False,
                )
                for name in names
            ]
        with gr.Row():
            question = gr.Textbox(
                placeholder="Ask something; Enter sends it.", show_label=False, container=False, scale=6, autofocus=True
            )
            send = gr.Button("Send", variant="primary", min_width=80)
            stop = gr.Button("Stop", min_width=80)
            clear = gr.Button("New talk", min_width=80)
        with gr.Accordion("Settings", open=False):
            first = gr.Textbox(system, label="System message", lines=2)
            with gr.Row():
                heat = gr.Slider(0, 2, decoding.temperature, step=0.05, label="Temperature (0: the most likely words)")
                most = gr.Slider(1, MOST_TOKENS, decoding.max_new_tokens, step=1, label="Longest answer, tokens")
        notes = [note for one in speakers for note in one.notes(system or "?")]
        if notes:
            gr.Markdown("\n".join(f"- {note}" for note in notes))
        given = [question, first, heat, most, *panels]
        shown = [question, *panels]
        question.submit(ask, given, shown, api_name="ask", concurrency_id="models", concurrency_limit=1)
        send.click(ask, given, shown, api_visibility="private", concurrency_id="models", concurrency_limit=1)
        stop.click(halt, api_name="stop", concurrency_limit=None)
        clear.click(halt, api_visibility="private", concurrency_limit=None).then(
            lambda: [[] for _ in panels], None, panels, api_visibility="private"
        )
        made.unload(halt)
    return made


def answers(
    speakers: Sequence[Speaker],
    decoding: Decoding,
    system: str,
    question: str,
    panels: Sequence[Messages],
    stop: Event,
) -> Iterator[list[Messages]]:
    """The panels with the question in each, again and again as the answers in them grow, until `stop` is set."""
    if not question.strip():
        yield [list(panel) for panel in panels]
        return
    chat = Chat(speakers, decoding, system.strip(), stop)
    chat.said = [_exchanges(panel) for panel in panels]
    shown: list[Messages] = [[*panel, {"role": "user", "content": question}] for panel in panels]
    yield shown
    with closing(chat.ask(question)) as steps:
        for told in steps:
            if stop.is_set():
                return
            yield [
                [*panel, {"role": "assistant", "content": one.shown}] if one.shown else panel
                for panel, one in zip(shown, told, strict=True)
            ]
            stop.wait(FRAME)


def look_at_port(host: str, port: int) -> None:
    """See whether a page can be served there.

    Raises:
        SettingsError: the port is in use, or there is no such address here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        if error.errno == EADDRINUSE:
            raise SettingsError(f"port {port} is in use; leave --port out for a free one") from error
        raise SettingsError(f"no page can be served at {host}, port {port} ({error.strerror}); name another") from error


def launch(made: Any, *, host: str = "127.0.0.1", port: int | None = None, wait: bool = True) -> str:
    """Serve the page and return its address; only this machine can reach it unless `host` says otherwise."""
    import gradio as gr

    theme = gr.themes.Base(font=SANS, font_mono=MONO)
    _, url, _ = made.queue().launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=not wait,
        theme=theme,
        footer_links=[],
    )
    return str(url)


def _exchanges(panel: Messages) -> tuple[Exchange, ...]:
    """What a panel holds, as pairs; a question that got no answer is left out."""
    texts = [(one["role"], _text(one["content"])) for one in panel]
    return tuple(
        Exchange(asked, told.partition(BROKEN_OFF)[0])
        for (role, asked), (next_role, told) in pairwise(texts)
        if (role, next_role) == ("user", "assistant") and not told.startswith(NO_ANSWER)
    )


def _text(content: Any) -> str:
    """The text of a message, which the browser sends back as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
