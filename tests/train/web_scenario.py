"""A web server and its client in a process of their own, because Gradio leaves sockets and loops open at its end.

Prints what the client saw as JSON; test_web.py looks at it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import sys
import threading
import time
import traceback
from urllib.request import urlopen

from gradio_client import Client
from waiting import until

from selfinstruct.testing import FaultServer
from selfinstruct.train.answer import Decoding
from selfinstruct.train.endpoint import Endpoint
from selfinstruct.train.named import Means, name_models, open_models
from selfinstruct.train.speakers import speaker
from selfinstruct.train.web import launch, page


class Slow:
    """A speaker that writes for ever, until it is stopped."""

    name, elsewhere = "slow", False

    def __init__(self):
        self.begun, self.closed = threading.Event(), threading.Event()

    def notes(self, system):
        return []

    def reply(self, talk, decoding):
        try:
            while not talk.stop.is_set():
                yield f"{talk.question} {len(talk.before)} "
                self.begun.set()
                time.sleep(0.02)
        finally:
            self.closed.set()


class Echo(Slow):
    """A speaker that tells what it was given."""

    name = "echo"

    def reply(self, talk, decoding):
        yield f"{len(talk.before)} {talk.system} "
        yield f"{talk.question} {decoding.temperature:g} {decoding.max_new_tokens}"


def served(*speakers):
    made = page(speakers, [one.name for one in speakers], Decoding(max_new_tokens=12))
    return launch(made, wait=False)


def client(url):
    return Client(url, verbose=False, analytics_enabled=False)


def shown(panel):
    return [(one["role"], "".join(part["text"] for part in one["content"])) for one in panel]


def two_models(tuned):
    base, own = (speaker(one) for one in open_models(name_models(tuned, ["base"], Means()), Means()))
    url = served(own, base)
    visitor = client(url)
    job = visitor.submit("What is it like?", "", 0.0, 12, [], [], api_name="/ask")
    cleared, *panels = job.result(timeout=120)
    return {
        "url": url,
        "cleared": cleared,
        "panels": [shown(panel) for panel in panels],
        "steps": len(job.outputs()),
        "widths": [one["props"]["min_width"] for one in visitor.config["components"] if one["type"] == "chatbot"],
        "one_model": base.model.model is own.model.model,
    }


def settings_and_memory():
    url = served(Echo())
    visitor = client(url)
    _, first = visitor.predict("one", "be kind", 0.5, 7, [], api_name="/ask")
    _, second = visitor.predict("two", "", 0.0, 9, first, api_name="/ask")
    _, other = client(url).predict("three", "", 0.0, 9, [], api_name="/ask")
    with urlopen(url) as response:
        content = response.read().decode()
    with urlopen(f"{url}theme.css") as response:
        theme = response.read().decode()
    loaded = re.findall(r"<(?:script|link|iframe)[^>]*(?:src|href)=[\"'](https?://[^\"']*)", content)
    return {
        "panels": [shown(panel) for panel in (first, second, other)],
        "elsewhere": [one for one in loaded if not one.startswith(url)],
        "theme": theme,
    }


def stopped():
    slow = Slow()
    visitor = client(served(slow))
    job = visitor.submit("go", "", 0.0, 9, [], api_name="/ask")
    begun = slow.begun.wait(30)
    visitor.predict(api_name="/stop")
    closed = slow.closed.wait(30)
    return {"begun": begun, "closed": closed, "kept": shown(job.result(timeout=60)[1])[-1][1].startswith("go 0")}


def endpoints():
    torn_answer = ["Half", {"error": {"message": "overloaded"}}]
    with (
        FaultServer(lambda _: "One two three four five.", pace=0.2) as steady,
        FaultServer(lambda _: torn_answer) as torn,
    ):
        ends = Endpoint("steady", steady.base_url), Endpoint("torn", torn.base_url)
        visitor = client(served(*map(speaker, ends)))
        job = visitor.submit("go", "", 0.0, 9, [], [], api_name="/ask")
        _, *panels = job.result(timeout=60)
        grown = [[shown(panel)[-1][1] for panel in seen[1:]] for seen in job.outputs()]
        again = visitor.submit("on", "", 0.0, 9, *panels, api_name="/ask")
        begun = until(lambda: len(again.outputs()) > 2, 30)
        visitor.predict(api_name="/stop")
        closed = until(lambda: steady.left == 1, 30)
        again.result(timeout=60)
        memory = [one["content"] for one in torn.requests[-1]["messages"]]
    return {"grown": grown, "begun": begun, "closed": closed, "memory": memory}


def main():
    status = 1
    try:
        found = {
            "models": two_models(sys.argv[1]),
            "echo": settings_and_memory(),
            "slow": stopped(),
            "endpoints": endpoints(),
        }
        sys.stdout.write(json.dumps(found) + "\n")
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # threads of the server and of the client would keep a failed process alive


if __name__ == "__main__":
    faulthandler.dump_traceback_later(200, exit=True)  # a hang says where
    main()
