"""A model and an endpoint for each stage, and the first request of a run, which goes alone."""

from __future__ import annotations

import time

import pytest
from server_run import SEEDS, teacher, write_templates

from selfinstruct import EndpointFailed, generate
from selfinstruct.testing import FaultServer


def grown(path, server, **options):
    prompts = write_templates(path.parent)
    settings = {"num_tasks": 10, "model": "m", "seeds": SEEDS, "prompts": prompts, "progress": False, **options}
    return generate(path, base_url=server.base_url, **settings)


def stage(body):
    return body["messages"][0]["content"].split(" ")[0]


def test_each_stage_is_asked_where_and_what_the_settings_say(tmp_path, monkeypatch):
    """A large model for the instructions, a small local one for the verdicts; a key reaches its own endpoint only."""
    monkeypatch.setenv("BIG_KEY", "key-of-the-big-one")
    with FaultServer(teacher, api_key="key-of-the-big-one") as big, FaultServer(teacher) as small:
        run = grown(
            tmp_path / "run",
            big,
            api_key_env="BIG_KEY",
            classify_base_url=small.base_url,
            classify_model="tiny",
            instance_model="large",
        )
    assert len(run.tasks) == 10
    assert {stage(body) for body in small.requests} == {"Verdict?", "Task:"}, "asked, and asked again"
    assert {body["model"] for body in small.requests} == {"tiny"}
    assert {(stage(body), body["model"]) for body in big.requests} == {
        ("Continue", "m"),
        ("Inputs:", "large"),
        ("Labels:", "large"),
    }
    assert big.counts["401"] == 0


def test_one_endpoint_for_all_stages_is_one_client(tmp_path):
    """Its pace is one, however many models there are."""
    with FaultServer(teacher) as server:
        run = grown(tmp_path / "run", server, classify_model="tiny", concurrency=4)
        assert server.peak <= 4
    assert len(run.tasks) == 10


@pytest.mark.parametrize("concurrency", [1, 32])
def test_the_first_request_goes_alone(tmp_path, concurrency):
    """A bad key, an unknown model or a refused parameter costs one call and not thirty-two."""
    with FaultServer(teacher, faults=["401"] * 99, latency=0.05) as server:
        begun = time.monotonic()
        with pytest.raises(EndpointFailed, match="the key is refused"):
            grown(tmp_path / "run", server, concurrency=concurrency)
    assert len(server.requests) == 1
    assert time.monotonic() - begun < 5


def test_parameters_that_are_refused_are_learned_by_one_request(tmp_path, caplog):
    """Not by all those that were under way with the same mistake."""
    kinds = ["unsupported:presence_penalty", "unsupported:top_p"]
    with FaultServer(
        teacher, faults=lambda body: next((kind for kind in kinds if kind.partition(":")[2] in body), None)
    ) as server:
        run = grown(tmp_path / "run", server)
    assert len(run.tasks) == 10
    refused = [kind for kind in server.counts if kind.startswith("unsupported")]
    assert sorted(refused) == sorted(kinds)
    instructions = [body for body in server.requests if stage(body) == "Continue" and "presence_penalty" in body]
    assert len(instructions) <= 2, "the first request, once for each of the two"


def test_a_resumed_run_asks_its_first_missing_request_alone(tmp_path):
    """The key may have been revoked over night."""
    with FaultServer(teacher) as server:
        grown(tmp_path / "run", server, num_tasks=3)
    with FaultServer(teacher, faults=["401"] * 99) as server, pytest.raises(EndpointFailed):
        grown(tmp_path / "run", server, num_tasks=30)
    assert len(server.requests) == 1
