"""Keys come from the environment and are found nowhere else."""

from __future__ import annotations

import pytest
from server_run import SEEDS, write_templates
from server_run import teacher as answer
from test_cli import run

from selfinstruct.testing import FaultServer

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
OTHER = "the-key-of-the-classifier-0123456789"


def left_behind(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", [None, "401", "400", "500", "reset", "html", "quota", "echo"])
def test_no_key_is_left_in_files_output_or_tracebacks(tmp_path, kind):
    """Of a run that passes and of runs that fail, by a server that repeats the key in what it says."""
    import json

    (tmp_path / "seeds.jsonl").write_text("\n".join(json.dumps(seed) for seed in SEEDS))
    said = f"Incorrect API key provided: {KEY}. Authorization: Bearer {KEY}"

    def teacher(body):
        if kind == "echo":
            return 400, {"error": {"message": said, "code": "invalid_request_error"}}
        return answer(body)

    faults = [] if kind in (None, "echo") else [kind] * 200
    run_path = tmp_path / "run"
    with (
        FaultServer(teacher, faults=faults, api_key=None if kind else KEY) as server,
        FaultServer(teacher, api_key=OTHER) as other,
    ):
        shown = run(
            "generate", run_path, "-n", 5, "-m", "m", "--base-url", server.base_url, "--api-key-env", "MY_KEY",
            "--classify-base-url", other.base_url, "--classify-api-key-env", "OTHER_KEY", "--give-up", 0.5,
            "--seeds", tmp_path / "seeds.jsonl", "--prompts", write_templates(tmp_path), "--max-tokens-total", 1_000_000,
            MY_KEY=KEY, OTHER_KEY=OTHER,
        )  # fmt: skip
    assert shown.returncode == (0 if kind is None else 4), shown.stderr
    printed = {"stdout": shown.stdout.encode(), "stderr": shown.stderr.encode()}
    for name, content in {**left_behind(tmp_path), **printed}.items():
        for secret in (KEY, OTHER):
            assert secret.encode() not in content, name
            assert secret[:20].encode() not in content, name
    assert "Traceback" not in shown.stderr
    assert b"MY_KEY" in (run_path / "settings.json").read_bytes(), "the name of the variable is no secret"


def test_there_is_no_option_for_a_key():
    """It would end up in a shell's history and in the list of processes."""
    shown = run("generate", "--help").stdout
    assert "--api-key-env" in shown
    assert "--api-key " not in shown
