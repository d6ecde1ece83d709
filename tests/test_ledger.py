"""The ledger: what is written stays, what is torn goes, what was changed is noticed."""

from __future__ import annotations

import asyncio
import errno
import os

import orjson
import pytest

from selfinstruct import Completion, DiskFull, LedgerCorrupt, Request, RequestRefused, SettingChanged, Usage
from selfinstruct.ledger import Entry, Ledger, Recorded


def entry(number: int, text: str = "answer") -> Entry:
    return Entry(f"instructions/{number}", f"digest{number}", "answer", {"stage": "instructions"}, f"{text} {number}")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


def written(path, count=3):
    ledger = Ledger(path)
    for number in range(count):
        ledger.append(entry(number))
    ledger.close()
    return path.read_bytes()


def test_an_entry_comes_back_as_it_was_written(path):
    """Text of any script, usage and finish reason survive the file."""
    whole = Entry(
        "k", "d", "answer", {"stage": "classify", "instruction": "译"}, "是\n\u2028", "stop",
        {"prompt_tokens": 3, "completion_tokens": 1}, "m", {"sent": 1.5, "received": 2.0},
    )  # fmt: skip
    ledger = Ledger(path)
    ledger.append(whole)
    ledger.close()
    with Ledger(path) as reopened:
        assert reopened.get("k") == whole
        assert reopened.get("k").completion() == Completion("是\n\u2028", "stop", Usage(3, 1), "m")
        assert list(reopened.entries()) == [whole]


def test_a_cut_at_any_byte_keeps_every_whole_line(path):
    """A crash tears at most the last line: every cut reopens with the answers before it, and can be appended to."""
    whole = written(path)
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        ledger = Ledger(path)
        kept = len(ledger)
        # A line that lacks only its newline is whole: it was paid for.
        assert kept == sum(end - 1 <= cut for end in ends), cut
        ledger.append(entry(9))
        ledger.close()
        with Ledger(path) as reopened:
            assert len(reopened) == kept + 1
            assert reopened.get("instructions/9") == entry(9)


def test_a_reader_does_not_touch_a_torn_file(path):
    """`status` looks at a file that another process is writing to, and must not mend it under its hands."""
    torn = written(path)[:-10]
    path.write_bytes(torn)
    ledger = Ledger(path, writable=False)
    assert len(ledger) == 2
    ledger.close()
    assert path.read_bytes() == torn


def test_a_damaged_middle_line_is_named(path):
    """Only the last line can be torn by a crash; any other bad line gives file and number."""
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"v":1,"key":"x"\n' + lines[2])
    with pytest.raises(LedgerCorrupt, match=r"ledger\.jsonl, line 2") as caught:
        Ledger(path)
    assert caught.value.line == 2


def test_a_line_of_a_later_version_is_refused(path):
    """Reading what one does not understand would lose it."""
    path.write_bytes(orjson.dumps({**entry(0)._asdict(), "v": 99}) + b"\n")
    with pytest.raises(LedgerCorrupt, match="later version"):
        Ledger(path)


def test_of_two_lines_with_one_key_the_first_counts(path):
    """What was admitted once stays, whatever was appended later."""
    ledger = Ledger(path)
    ledger.append(entry(0, "first"))
    ledger.append(entry(0, "second"))
    assert ledger.get("instructions/0").text == "first 0"
    assert len(ledger) == 1
    ledger.close()
    with Ledger(path, writable=False) as reopened:
        assert reopened.get("instructions/0").text == "first 0"


def test_an_attempt_answers_nothing(path):
    """Tries without an answer are kept for the accounts only."""
    ledger = Ledger(path)
    ledger.append(Entry("instructions/0", "d", "attempt", {}))
    assert "instructions/0" not in ledger
    ledger.close()


class FullDisk:
    """A file whose device has room for a few more bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, line):
        part = line[: self.room]
        self.room -= len(part)
        if not part:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(part)

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 5])
def test_a_full_disk_is_an_error_that_loses_no_line(path, room):
    """The half-written line is taken back, so that the next one does not stick to it."""
    ledger = Ledger(path)
    ledger.append(entry(0))
    ledger._file = FullDisk(ledger._file, room)
    with pytest.raises(DiskFull, match="1 answers are kept"):
        ledger.append(entry(1))
    ledger._file = ledger._file.file
    ledger.append(entry(2))
    ledger.close()
    with Ledger(path, writable=False) as reopened:
        assert list(reopened) == ["instructions/0", "instructions/2"]


class Counting:
    """A model that counts its calls and fails where it is told to."""

    def __init__(self, text="yes", error=None):
        self.calls, self.text, self.error = 0, text, error

    async def complete(self, request):
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.error:
            raise self.error
        return Completion(self.text)


def test_what_is_recorded_is_not_asked_again(path):
    """Replay is answering from the file."""
    request = Request("m", prompt="hello")
    model = Counting()

    async def ask():
        ledger = Ledger(path)
        recorded = Recorded(model, ledger)
        answers = [await recorded.complete(request), await recorded.complete(request)]
        ledger.close()
        return answers

    assert asyncio.run(ask()) == asyncio.run(ask()) == [Completion("yes")] * 2
    assert model.calls == 1


def test_one_key_is_in_flight_once(path):
    """Two tasks that ask the same question pay for one answer."""
    model = Counting()

    async def ask():
        ledger = Ledger(path)
        recorded = Recorded(model, ledger)
        answers = await asyncio.gather(*(recorded.complete(Request("m", prompt="same")) for _ in range(5)))
        ledger.close()
        return answers

    assert asyncio.run(ask()) == [Completion("yes")] * 5
    assert model.calls == 1


def test_a_failure_for_good_is_recorded_and_replayed(path):
    """A poison prompt is asked once, not at every resume."""
    model = Counting(error=RequestRefused("content policy"))

    async def ask():
        ledger = Ledger(path)
        with pytest.raises(RequestRefused, match="content policy"):
            await Recorded(model, ledger).complete(Request("m", prompt="poison"))
        ledger.close()

    asyncio.run(ask())
    asyncio.run(ask())
    assert model.calls == 1


def test_another_request_under_a_recorded_index_is_refused(path):
    """If code or settings changed what request 0 says, its old answer is not an answer to it."""
    ledger = Ledger(path)
    ledger.append(Entry("instructions/0", "another digest", "answer", {}, "text"))
    recorded = Recorded(Counting(), ledger, package=lambda: "begun with 0.1, this is 0.2")
    with pytest.raises(SettingChanged, match=r"begun with 0\.1, this is 0\.2.*--from"):
        recorded.knows(Request("m", prompt="hello", index=0))
    ledger.close()


def test_half_a_surrogate_is_replaced_before_anything_sees_it(path):
    """JSON can carry text that no file holds; the answer used and the answer kept must be the same."""
    model = Counting(text="bad \ud800 text")

    async def ask():
        ledger = Ledger(path)
        answer = await Recorded(model, ledger).complete(Request("m", prompt="x"))
        ledger.close()
        return answer

    assert asyncio.run(ask()).text == asyncio.run(ask()).text == "bad ? text"
