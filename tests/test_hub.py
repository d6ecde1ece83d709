"""Pushing to the Hub with its own client, against a Hub on this machine; what comes back is what was there."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import pytest
from hub_server import TOKEN, HubServer
from huggingface_hub import HfApi, constants

import selfinstruct as si
from selfinstruct.errors import HubError
from selfinstruct.export import to_dataset
from selfinstruct.export.card import Stated
from selfinstruct.export.folder import Contents, write_folder
from selfinstruct.export.hub import open_source, push
from selfinstruct.records import InMemory
from selfinstruct.testing import FakeLLM

DATA = "data/train-00000-of-00001.parquet"
A_KEY = "AKIA" + "QX7ZPL2M9RT4WB6K"  # in two parts, so that no scanner takes this file for a leak
ANYTHING = Contents(force=True, report=False)
QUICK = Contents(report=False)

# huggingface_hub hands files to its HTTP client in a way that this one calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(autouse=True)
def no_xet(monkeypatch):
    """Uploads go the way of Git LFS, which can be served from here; xet has servers of its own."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hub():
    """An empty Hub."""
    with HubServer() as server:
        yield server


@pytest.fixture
def api(hub):
    """Its client, logged in."""
    return HfApi(endpoint=hub.url, token=TOKEN)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A small run of the demo teacher."""
    return si.generate(tmp_path_factory.mktemp("runs") / "demo", model="demo", num_tasks=20, progress=False)


def a_set(*rows, name="rows"):
    """A set of some rows."""
    return InMemory(list(rows), name)


def a_run(path, output="It is green, and it flickers."):
    """A run of one task, which no demo teacher wrote, with an output of ours; another task is turned down."""

    def answer(request):
        if "Number them" in request.text:
            return f"9. Describe the lamp on your desk in two sentences.\n10. Draw {output}"
        return "No" if request.text.endswith("Classification:") else f"Output: {output}"

    return si.generate(path, model=FakeLLM(answer), num_tasks=1, progress=False)


def outside(hub, home, *arguments, token=TOKEN):
    """A process of its own, as a user starts it: the client reads where the Hub is when it is imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "OPENAI"))}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "COLUMNS": "100"}
    environment |= {"HF_TOKEN": token} if token else {}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )


LOAD = """
import datasets, json, sys
datasets.disable_progress_bars()
found = datasets.load_dataset(sys.argv[1], split="train")
print(json.dumps({"rows": found.to_list(), "features": {name: str(one) for name, one in found.features.items()}}))
"""


def loaded(hub, home, repo):
    """Rows and features of a data set of the Hub, as `datasets.load_dataset` gives them."""
    shown = outside(hub, home, "-W", "error", "-c", LOAD, repo)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_a_demo_run_comes_back_as_it_was(hub, demo, tmp_path):
    """Same rows, same features, and the card that says what it is: by the command, and by load_dataset."""
    pushed = outside(hub, tmp_path, "-m", "selfinstruct", "push", demo.location, "me/demo", "--force", "--json")
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stderr == "", "quiet on a pipe"
    said = json.loads(pushed.stdout)
    assert (said["rows"], said["private"]) == (len(demo.dataset), True)
    assert {"README.md", DATA, "pictures/verbs.svg"} < set(said["files"])
    found = loaded(hub, tmp_path, "me/demo")
    assert found["rows"] == demo.dataset
    assert found["features"] == {name: str(one) for name, one in to_dataset(demo.dataset).features.items()}
    assert "This is a demonstration" in hub.files("me/demo")["README.md"].decode()
    assert len(hub.repos["me/demo"].commits) == 2, "the one that the Hub begins with, and ours"


def test_another_push_replaces_columns_and_stale_files_in_one_commit(hub, api, tmp_path):
    """Stale features in the card, or data files of before, break the viewer and load_dataset."""
    push(a_set({"instruction": "Say hello.", "output": "Hello"}), "me/set", api=api)
    files = hub.files("me/set")
    before = {"data/train-00000-of-00002.parquet": files[DATA], "data/train-00001-of-00002.parquet": files[DATA]}
    mine = {"notes.md": b"of mine", "dataset_infos.json": b"{}"}
    hub.repos["me/set"].add({"README.md": files["README.md"], **before, **mine})
    again = push(a_set({"question": "2 + 2", "answer": 4}, {"question": "1 + 1", "answer": 2}), "me/set", api=api)
    assert set(again.deleted) == {*before, "dataset_infos.json"}
    assert set(hub.files("me/set")) == {"README.md", DATA, "notes.md"}
    assert len(hub.repos["me/set"].commits) == 4
    found = loaded(hub, tmp_path, "me/set")
    assert found["rows"] == [{"question": "2 + 2", "answer": 4}, {"question": "1 + 1", "answer": 2}]
    assert found["features"] == {"question": "Value('string')", "answer": "Value('int64')"}


def test_nested_columns_come_back(hub, api, tmp_path):
    """Chat records are lists of objects; the features in the card have to say so."""
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "score": 0.5}
    push(a_set(row, {**row, "score": 1.0}), "me/chat", api=api)
    assert loaded(hub, tmp_path, "me/chat")["rows"] == [row, {**row, "score": 1.0}]


def test_the_method_of_a_run_pushes_and_returns_the_address(hub, demo, monkeypatch):
    """run.push_to_hub, with the login and the place of the environment."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert demo.push_to_hub("me/demo", force=True, license="mit", private=False) == f"{hub.url}/datasets/me/demo"
    assert not hub.repos["me/demo"].private
    assert "license: mit" in hub.files("me/demo")["README.md"].decode()


def test_a_set_that_is_there_stays_as_public_as_it_is_and_that_is_said(hub, api, caplog):
    """A public set does not become private by itself, so whoever thinks that it does has to be told."""
    rows = a_set({"instruction": "Say hello."})
    push(rows, "me/set", private=False, api=api, contents=QUICK)
    with caplog.at_level(logging.WARNING, "selfinstruct"):
        again = push(rows, "me/set", api=api, contents=QUICK)
    assert not again.private
    assert "me/set is PUBLIC already, and stays so" in caplog.text


def test_the_ledger_goes_along_on_request_only(hub, api, tmp_path):
    """Every answer stands in it; a later push without it takes it away. Half a line, of a writer, stays at home."""
    run = a_run(tmp_path / "run")
    ledger = run.location / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"v":1,"key":"instr')
    push(run, "me/run", api=api, contents=Contents(ledger=True, report=False))
    assert hub.files("me/run")["ledger.jsonl"] == whole
    assert "`ledger.jsonl` holds every answer" in hub.files("me/run")["README.md"].decode()
    assert push(run, "me/run", api=api, contents=QUICK).deleted == ("ledger.jsonl",)
    assert "ledger.jsonl" not in hub.files("me/run")
    with pytest.raises(si.SettingsError, match="only a run has a ledger"):
        push(a_set({"a": "b"}), "me/set", api=api, contents=Contents(ledger=True, report=False))


def test_pictures_lie_beside_the_card_that_shows_them(hub, api):
    """And go when the rows that they are of go."""
    push(a_set({"instruction": "Say hello.", "output": "Hello"}), "me/set", api=api)
    pictures = {name for name in hub.files("me/set") if name.startswith("pictures/")}
    assert "pictures/output-lengths.svg" in pictures
    assert "![output lengths](pictures/output-lengths.svg)" in hub.files("me/set")["README.md"].decode()
    assert set(push(a_set({"question": "2 + 2"}), "me/set", api=api).deleted) == pictures


def test_figures_and_pictures_can_be_left_out(hub, api):
    """They take minutes for a large set."""
    push(a_set({"instruction": "Say hello.", "output": "Hi"}), "me/set", api=api, contents=Contents(report=False))
    assert set(hub.files("me/set")) == {".gitattributes", "README.md", DATA}
    assert "What is in it" not in hub.files("me/set")["README.md"].decode()


def test_a_demonstration_is_pushed_by_force_only(hub, api, demo):
    """It would be taken for training data, also where the rows of the run are named instead of the run."""
    for source in (demo, open_source(demo.location), open_source(demo.location / "dataset.jsonl")):
        with pytest.raises(si.SettingsError, match="--force publishes it all the same"):
            push(source, "me/demo", api=api)
    assert hub.requests == []


def test_keys_stop_a_push_before_anything_is_sent(hub, api):
    """The rows and the kinds are named, never the key; --force does not change it, --allow-keys does."""
    rows = a_set(*({"id": f"r{n}", "instruction": f"Use {A_KEY if n % 2 else 'no key'} here."} for n in range(20)))
    for force in (False, True):
        with pytest.raises(si.SettingsError) as refused:
            push(rows, "me/set", api=api, contents=Contents(force=force))
        assert "row r1 (AWS Access Key); row r3 (AWS Access Key)" in str(refused.value)
        assert "and 5 more" in str(refused.value)
        assert A_KEY not in str(refused.value)
    assert hub.requests == []
    assert push(rows, "me/set", api=api, contents=Contents(allow_keys=True)).rows == 20


def test_keys_in_rejected_answers_stop_a_push_with_the_ledger(hub, api, tmp_path):
    """The ledger holds what no row does."""
    run = a_run(tmp_path / "run")
    ledger = run.location / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"Draw It is green", b"Draw it with " + A_KEY.encode()))
    with pytest.raises(si.SettingsError, match=r"ledger\.jsonl, line 1 \(AWS Access Key\)"):
        push(run, "me/run", api=api, contents=Contents(ledger=True, report=False))
    assert hub.requests == []


@pytest.mark.parametrize("kind", [503, "reset"])
def test_an_upload_that_breaks_off_is_tried_again(hub, api, demo, kind):
    """By the client itself."""
    hub.fail("PUT /storage", kind)
    push(demo, "me/demo", api=api, contents=ANYTHING)
    assert sum(request.startswith("PUT") for request in hub.requests) == 2
    assert DATA in hub.files("me/demo")


@pytest.mark.parametrize(
    ("request_line", "kind", "said"),
    [
        ("POST /api/repos/create", 500, "500"),
        ("GET /api/datasets", "reset", "Error"),
        ("POST /api/validate-yaml", 502, "JSONDecodeError"),
        ("PUT /storage", 400, "400"),
        ("POST /api/datasets/.*/commit", 500, "500 it was told to fail"),
        ("POST /api/datasets/.*/commit", 412, "412"),
        ("POST /api/datasets/.*/commit", "reset", "Error"),
    ],
)
def test_a_failure_halfway_changes_nothing_and_the_same_push_goes_on(hub, api, demo, request_line, kind, said):
    """The commit is whole or not there; the address of an upload, which is signed, is not printed."""
    push(demo, "me/demo", api=api, contents=ANYTHING)
    before = dict(hub.files("me/demo"))
    rows = a_set({"instruction": "Say hello.", "output": "Hello"})
    hub.fail(request_line, kind)
    with pytest.raises(HubError, match="as a whole or not at all; the same command tries again") as failed:
        push(rows, "me/demo", api=api, contents=QUICK)
    assert said in str(failed.value)
    assert "signature" not in str(failed.value)
    assert hub.files("me/demo") == before
    hub.requests.clear()
    push(rows, "me/demo", api=api, contents=QUICK)
    sent = any(request.startswith("PUT") for request in hub.requests)
    assert sent == ("commit" not in request_line), "what has arrived is not sent again"
    assert hub.files("me/demo")[DATA] != before[DATA]


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, api, demo):
    """The client cannot know that it was made; the same push finds it and adds nothing."""
    hub.fail("POST /api/datasets/.*/commit", "lost")
    with pytest.raises(HubError):
        push(demo, "me/demo", api=api, contents=ANYTHING)
    made = hub.repos["me/demo"].sha
    assert push(demo, "me/demo", api=api, contents=ANYTHING).commit == made
    assert len(hub.repos["me/demo"].commits) == 2


def test_a_commit_that_came_in_between_is_not_overwritten(hub, demo):
    """What was read of the set is no longer so; the same push looks again."""

    class Crowded(HfApi):
        def dataset_info(self, repo, **options):
            found = super().dataset_info(repo, **options)
            hub.repos[repo].add({"data/of_somebody.parquet": b"rows"})
            return found

    with pytest.raises(HubError, match="412 A commit has happened since"):
        push(demo, "me/demo", api=Crowded(endpoint=hub.url, token=TOKEN), contents=ANYTHING)
    assert set(hub.files("me/demo")) == {"data/of_somebody.parquet"}


def test_an_owner_of_others_is_refused_with_what_to_type(hub, api):
    """The token itself is in no message."""
    with pytest.raises(si.SettingsError, match=r"refused the login \(403 .*hf auth login") as refused:
        push(a_set({"a": "b"}), "somebody/set", api=api)
    assert TOKEN not in str(refused.value)
    with pytest.raises(si.SettingsError, match=r"refused the login \(401"):
        push(a_set({"a": "b"}), "me/set", api=HfApi(endpoint=hub.url, token="hf_wrong"), contents=QUICK)
    assert hub.repos == {}


def test_without_a_login_nothing_is_asked_of_the_hub(hub, demo, tmp_path):
    """The command says how to log in; a dry run needs none."""
    command = ("-m", "selfinstruct", "push", demo.location, "me/demo")
    refused = outside(hub, tmp_path, *command, "--force", token=None)
    assert refused.returncode == 2
    assert "hf auth login" in refused.stderr
    assert "Traceback" not in refused.stderr
    shown = outside(hub, tmp_path, *command, "--dry-run", tmp_path / "set", token=None)
    assert shown.returncode == 0, shown.stderr
    assert f"{len(demo.dataset)} rows as they would stand in me/demo" in shown.stdout
    assert hub.requests == []


def test_an_unknown_licence_is_refused_before_the_data_is_sent(hub, api):
    """In the words of the Hub, which knows its licences."""
    with pytest.raises(si.SettingsError, match=r'"license" must be one of apache-2\.0'):
        push(a_set({"a": "b"}), "me/set", api=api, stated=Stated(license="mine-alone"))
    assert not any(request.startswith("PUT") for request in hub.requests)


def test_the_folder_of_a_dry_run_is_the_data_set(demo, tmp_path):
    """load_dataset reads it like that of the Hub, and a folder that holds something is not touched."""
    import datasets

    rows = write_folder(demo, tmp_path / "new" / "set", "me/demo", contents=Contents(force=True, ledger=True))
    folder = tmp_path / "new" / "set"
    assert rows == len(demo.dataset)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert {"README.md", DATA, "ledger.jsonl", "pictures/verbs.svg"} < files
    assert [path.name for path in folder.parent.iterdir()] == ["set"], "nothing temporary is left"
    found = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert found.to_list() == demo.dataset
    with pytest.raises(si.SettingsError, match="stands there already"):
        write_folder(demo, folder, "me/demo", contents=ANYTHING)
    (tmp_path / "empty").mkdir()
    with pytest.raises(si.SettingsError, match="AWS Access Key"):
        write_folder(a_set({"a": A_KEY}), tmp_path / "empty", "me/set")
    assert list((tmp_path / "empty").iterdir()) == [], "the folder appears whole or not at all"
    write_folder(a_set({"a": "b"}), tmp_path / "empty", "me/set")
    assert (tmp_path / "empty" / "README.md").is_file()


@pytest.mark.parametrize("repo", ["set", "me/my set", "a/b/c", "me/.set.", ""])
def test_a_name_that_no_data_set_can_have_is_refused_first(hub, api, repo):
    """With an example of one."""
    with pytest.raises(si.SettingsError, match="OWNER/NAME, such as me/"):
        push(a_set({"a": "b"}), repo, api=api)
    assert hub.requests == []


def test_a_set_without_rows_is_not_pushed(hub, api):
    """An empty file has no columns to load."""
    with pytest.raises(si.SettingsError, match="there are no rows to push"):
        push(a_set(), "me/set", api=api)
    assert hub.requests == []


def test_a_lost_ledger_is_named(demo, tmp_path):
    """It was asked for, so a data set without it is not what was wanted."""
    run = a_run(tmp_path / "run")
    (run.location / "ledger.jsonl").unlink()
    with pytest.raises(si.SettingsError, match=r"ledger\.jsonl: No such file .* was not made"):
        write_folder(run, tmp_path / "set", "me/run", contents=Contents(ledger=True, report=False))
    assert not (tmp_path / "set").exists()
