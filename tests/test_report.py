"""The report as a whole: the function, the command, the page as text, and the page in a browser."""

from __future__ import annotations

import asyncio
import base64
import gzip
import html.parser
import inspect
import json
import re

import pytest
from chromium import browsing, needs_chromium
from click.testing import CliRunner

import selfinstruct as si
from selfinstruct.commands.report import command
from selfinstruct.errors import SettingsError
from selfinstruct.report import report
from selfinstruct.report.novelty import PAIRS

HOSTILE = [
    "Close </script><script>document.title = 'hit'</script> the tag.",
    "Show <img src=x onerror=\"document.title='hit'\"> a picture.",
    "Break <!-- <script> the \u2028 parser & \"quote\" 'it'.",
    "{{ 7 * 7 }} and {% raw %} are no template.",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the demo teacher, large enough for topics."""
    return si.generate(tmp_path_factory.mktemp("runs") / "demo", model="demo", num_tasks=320, progress=False)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The page of a set whose texts try to run."""
    rows = [{"id": text, "instruction": text, "input": text, "output": text} for text in HOSTILE]
    path = tmp_path_factory.mktemp("pages") / "hostile.html"
    report(rows, against=rows, output=path)
    return path


class _Reader(html.parser.HTMLParser):
    """The elements of a page, and the texts of its scripts by class or id."""

    def __init__(self):
        super().__init__()
        self.elements, self.scripts, self._open = [], [], None

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = dict(attrs) if tag == "script" else None

    def handle_data(self, data):
        if self._open is not None:
            self.scripts.append((self._open, data))

    def handle_endtag(self, tag):
        self._open = None


def _read(page):
    reader = _Reader()
    reader.feed(page)
    return reader


def _rows(page, kind):
    """The rows that a page holds, unpacked."""
    chunks = [text for attributes, text in _read(page).scripts if attributes.get("class") == kind]
    return [row for chunk in chunks for row in json.loads(gzip.decompress(base64.b64decode(chunk)))]


# The function -----------------------------------------------------------------------------------------------------


def test_the_page_holds_every_row_and_rejection(run):
    """Nothing is left out of a saved page, and each row tells where it came from."""
    page = report(run).html()
    rows = _rows(page, "rows")
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (row["id"], row["instruction"], row["output"]) for row in run.dataset
    ]
    assert {row[-1] for row in rows} == {"demo"}
    assert _rows(page, "rejected") == [list(row.to_dict().values()) for row in run.rejected]


def test_equal_sets_give_equal_pages(run, tmp_path):
    """Byte for byte: a page can be committed and compared."""
    first, second = report(run).save(tmp_path / "a.html"), report(run.path, seed=0).save(tmp_path / "b.html")
    assert first.read_bytes() == second.read_bytes()


def test_a_page_does_not_tell_where_files_are(run, tmp_path):
    """It may be published: the name of a file or run is there, its folder is not."""
    path = tmp_path / "mine.jsonl"
    path.write_text('{"instruction": "Name a river."}\n')
    for source in (path, run, str(run.location)):
        page = report(source, against=path).html()
        assert "mine.jsonl" in page
        assert str(tmp_path.parent) not in page


def test_the_page_fetches_nothing(run):
    """No element names another resource, and its policy would let none in."""
    reader = _read(report(run).html())
    for tag, attributes in reader.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    policy = next(a["content"] for tag, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "url(" not in report(run).html()


def test_a_demonstration_is_marked(run):
    """In the page and in the text; a set of somebody else's is not."""
    assert "A demonstration." in report(run).html()
    assert "a demonstration, not training data" in str(report(run))
    assert "A demonstration." not in report([{"instruction": "Name a river."}]).html()


def test_texts_of_a_set_are_no_markup(hostile):
    """Neither in the page's own elements nor in the data that its script reads."""
    reader = _read(hostile.read_text())
    assert "img" not in {tag for tag, _ in reader.elements}
    assert all(not any(name.startswith("on") for name in attributes) for _, attributes in reader.elements)
    executable = [attributes for attributes, _ in reader.scripts if attributes.get("type") is None]
    assert len(executable) == 1
    facts = next(text for attributes, text in reader.scripts if attributes.get("id") == "facts")
    assert {text for _, text in json.loads(facts)["reference"].values()} == {" ".join(one.split()) for one in HOSTILE}
    assert "</script" not in facts
    assert "\u2028" not in facts


def test_a_notebook_gets_a_sample_in_a_frame(run):
    """A large set does not fill the notebook file; the frame cannot touch the notebook."""
    many = [{"instruction": f"Count to {number}.", "output": "1, 2, 3"} for number in range(3000)]
    framed = report(many)._repr_html_()
    assert framed.startswith('<iframe sandbox="allow-scripts"')
    page = html.unescape(_read(framed).elements[0][1]["srcdoc"])
    assert "400 of 3,000 rows" in page
    assert len(_rows(page, "rows")) == 400
    assert len(framed) < 300_000
    assert run.report()._repr_html_().startswith("<iframe")


def test_a_report_leaves_the_run_as_it_is(run):
    """The folder of a run holds what the README lists, and nothing else."""
    with pytest.raises(SettingsError, match="folder of a run"):
        report(run, output=run.path / "report.html")


def test_an_empty_set_has_a_page(tmp_path):
    """No division by nought, no chart of nothing."""
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    made = report(path)
    assert made.statistics.profile.counts.rows == 0
    assert "Browse" in made.html()
    assert "near-duplicates" in str(made)


def test_a_page_that_cannot_be_written_says_so(tmp_path):
    """A folder in its place."""
    with pytest.raises(SettingsError, match="cannot be written"):
        report([{"instruction": "Name a river."}], output=tmp_path)


# The command ------------------------------------------------------------------------------------------------------


def _call(*arguments):
    return CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False)


def test_the_command_prints_table_1_and_says_where_the_page_is(run, tmp_path, monkeypatch):
    """Figures on stdout, the notice on stderr, the page in the folder where one stands."""
    monkeypatch.chdir(tmp_path)
    shown = _call(run.location)
    assert shown.return_value == 0, shown.exception
    assert re.search(r"instructions +320 +200 +52,445", shown.stdout)
    assert "best ROUGE-L of each instruction to it: mean 0." in shown.stdout
    assert shown.stderr == "the page is demo-report.html\n"
    assert (tmp_path / "demo-report.html").is_file()


def test_json_has_all_figures(run, tmp_path):
    """For scripts: stdout is one JSON value."""
    shown = _call(run.location, "--json", "-o", tmp_path / "page.html")
    found = json.loads(shown.stdout)
    assert found["profile"]["counts"]["instructions"] == 320
    assert found["growth"]["verdict"]
    assert found["reviews"] == []


def test_the_options_have_the_defaults_of_the_function():
    """The command does not load the package to say them."""
    named = {option.name: option.default for option in command.params}
    assert named["pairs"] == PAIRS
    defaults = inspect.signature(report).parameters
    assert all(named[name] == defaults[name].default for name in ("pairs", "seed"))


def test_sheets_by_the_command(run, tmp_path):
    """Written, filled in, read back by itself, and shown on the page."""
    sheet = tmp_path / "sheet.csv"
    assert _call(run.location, "--review", 20, "-o", sheet).return_value == 0
    lines = sheet.read_text(encoding="utf-8-sig")
    sheet.write_text(lines.replace(",,,,\r\n", ",yes,no,yes,\r\n").replace(",,,,\n", ",yes,no,yes,\n"), newline="")
    shown = _call("--reviewed", sheet, "--reviewed", sheet)
    assert "input fits?: 0.0% of 20, 0.0% of 20" in shown.stdout
    assert json.loads(_call("--reviewed", sheet, "--json").stdout)["kind"] == "quality"
    page = tmp_path / "page.html"
    assert "valid task?: 100.0% of 20" in _call(run.location, "--reviewed", sheet, "-o", page).stdout
    assert "Judged by hand" in page.read_text()


def test_without_a_set_the_command_says_what_it_needs():
    """A usage error, not a trace."""
    assert "SOURCE" in str(_call().exception)
    assert "one at a time" in str(_call("x.jsonl", "--review", 3, "--rate", "y.jsonl").exception)


# The browser ------------------------------------------------------------------------------------------------------


def in_browser(path, steps):
    """Open a page in Chromium, take some steps, and check that it complained of nothing and fetched nothing."""

    async def go():
        async with browsing() as page:
            await page.size(1280, 800)
            await page.open(path)
            found = await steps(page)
            assert page.complaints == []
            assert [url for url in page.requests if not url.startswith("file:")] == []
            return found

    return asyncio.run(go())


def _type(text):
    """JavaScript that searches for a text."""
    return f"""(() => {{ const box = document.querySelector("[name=search]"); box.value = {json.dumps(text)};
        box.dispatchEvent(new Event("input", {{ bubbles: true }})); }})()"""


async def _count(page):
    return await page.evaluate("document.getElementById('count').textContent")


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    """The page of the run."""
    return report(run).save(tmp_path_factory.mktemp("pages") / "demo.html")


@needs_chromium
def test_search_and_filters(run, saved):
    """Words, phrases and choices narrow the list to the rows that have them; nothing found is said."""

    def number(*words):
        texts = ["\n".join([row["instruction"], row["input"], row["output"], row["id"]]).lower() for row in run.dataset]
        return sum(all(word in text for word in words) for text in texts)

    async def steps(page):
        assert await _count(page) == f"{len(run.dataset):,} rows"
        for text, words in (("Bakery", ["bakery"]), ("the write", ["the", "write"]), ('"write a"', ["write a"])):
            await page.evaluate(_type(text))
            expected = f"{number(*words):,} of {len(run.dataset):,} rows"
            await page.until(f"document.getElementById('count').textContent === {json.dumps(expected)}")
            assert 0 < number(*words) < len(run.dataset)
        assert await page.evaluate("document.querySelectorAll('#list mark').length") > 0
        await page.evaluate(_type("no such words anywhere"))
        await page.until("document.getElementById('detail').textContent === 'Nothing matches.'")
        await page.evaluate(_type(""))
        await page.until(f"document.getElementById('count').textContent === '{len(run.dataset):,} rows'")
        await page.evaluate(
            """(() => { const kind = document.querySelector("[name=classification]"); kind.value = "classification";
            kind.dispatchEvent(new Event("input", { bubbles: true })); })()"""
        )
        rows = sum(len(task.instances) for task in run.tasks if task.is_classification)
        assert await _count(page) == f"{rows:,} of {len(run.dataset):,} rows"

    in_browser(saved, steps)


@needs_chromium
def test_rejections_show_reason_and_neighbour(run, saved):
    """A rule of the funnel leads to what it turned down; the detail has the nearest task."""
    row = next(row for row in run.rejected if row.rule == "rouge")

    async def steps(page):
        await page.evaluate("document.querySelector('[data-filter=rule][data-value=rouge]').click()")
        assert await _count(page) == f"{run.rejections['rouge']:,} of {len(run.rejected):,} rejections"
        shown = await page.evaluate("document.getElementById('detail').innerText")
        assert row.text in shown
        assert row.detail in shown
        assert f"rouge {row.score:.2f} with" in shown

    in_browser(saved, steps)


@needs_chromium
def test_keys_alone_are_enough(run, saved):
    """Arrows, End and Enter in the list; "/" reaches the search; a slice of the sunburst takes Enter."""

    async def press(page, key, target):
        await page.evaluate(
            f"{target}.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true }}))"
        )

    async def steps(page):
        listed = "document.getElementById('list')"
        for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
            await press(page, key, listed)
        assert await page.evaluate(f"{listed}.getAttribute('aria-activedescendant')") == "row-1"
        assert run.dataset[1]["id"] in await page.evaluate("document.getElementById('detail').innerText")
        await press(page, "End", listed)
        assert run.dataset[-1]["id"] in await page.evaluate("document.getElementById('detail').innerText")
        await press(page, "/", "document.body")
        assert await page.evaluate("document.activeElement.name") == "search"
        await press(page, "Enter", "document.querySelector('.slice[tabindex=\"0\"]')")
        verb = await page.evaluate("document.querySelector('.slice').dataset.verb")
        assert await page.evaluate("document.querySelector('[name=verb]').value") == verb

    in_browser(saved, steps)


@needs_chromium
def test_hostile_texts_do_nothing(hostile):
    """They are shown as they are; none runs, and the policy had nothing to stop."""

    async def steps(page):
        shown = await page.evaluate("document.getElementById('detail').innerText")
        assert "</script><script>document.title = 'hit'</script>" in shown
        for place in range(len(HOSTILE)):
            await page.evaluate(f"document.getElementById('row-{place}').click()")
        assert "hit" not in await page.evaluate("document.title")
        assert await page.evaluate("document.images.length") == 0

    in_browser(hostile, steps)


@needs_chromium
def test_it_fits_a_phone_and_the_dark(saved):
    """No sideways scrolling at 390 pixels; a row opens over the page and closes; dark is dark, and can be switched."""

    async def steps(page):
        await page.size(390, 844, dark=True)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        background = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)[0]"
        assert await page.evaluate(background) < 60
        await page.evaluate("document.getElementById('theme').click()")
        assert await page.evaluate(background) > 200
        await page.evaluate("document.querySelector('#list .row').click()")
        assert await page.evaluate("getComputedStyle(document.getElementById('detail')).position") == "fixed"
        await page.evaluate("document.querySelector('#detail .close').click()")
        assert await page.evaluate("getComputedStyle(document.getElementById('detail')).display") == "none"

    in_browser(saved, steps)


@needs_chromium
def test_it_works_in_the_frame_of_a_notebook(run, tmp_path):
    """A sandboxed frame has no origin: storage and the like would raise there."""
    outer = tmp_path / "notebook.html"
    outer.write_text(
        f"<!doctype html><meta charset=utf-8><title>n</title>{run.report()._repr_html_()}"
        "<script>document.querySelector('iframe').onload = () => {document.documentElement.dataset.ready = 'yes'}</script>"
    )
    in_browser(outer, lambda page: page.until("true"))


@needs_chromium
@pytest.mark.slow
def test_52_000_rows_open_and_scroll(tmp_path):
    """The list draws only what is seen, whatever the number of rows; how fast it is, benchmarks/report.py shows."""
    rows = [
        {"instruction": f"Count {number % 7}, {number % 997} to {number}.", "output": "word"}
        for number in range(52_000)
    ]
    path = tmp_path / "large.html"
    report(rows, pairs=1_000_000, output=path)

    async def steps(page):
        assert await _count(page) == "52,000 rows"
        await page.evaluate("document.getElementById('list').scrollTop = 1e9")
        await page.until("document.querySelector('#list .row:last-child').textContent.includes('51999')")
        assert await page.evaluate("document.querySelectorAll('#list .row').length") < 60
        await page.evaluate(_type('"to 40123."'))
        await page.until("document.getElementById('count').textContent === '1 of 52,000 rows'")

    in_browser(path, steps)
