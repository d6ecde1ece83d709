"""Rules 9xx: what no rule can decide, asked of a language model, one verdict a row."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from selfinstruct.asking import Answer, ask_all, endpoint
from selfinstruct.errors import RequestRefused, RunLocked, SettingsError
from selfinstruct.ledger import Ledger
from selfinstruct.llm import LLM, Message, Request
from selfinstruct.llm.limits import Slots
from selfinstruct.parsing.common import split_thinking
from selfinstruct.prompts import Prompts
from selfinstruct.quality.report import Finding
from selfinstruct.quality.rules import RULES, Flaw, Row, Rule, enter_rule, excerpt

TEMPLATE = Path(__file__).parent / "templates" / "judge.j2"
GIVE_UP = 600.0
TIMEOUT = 600.0

# Nearly greedy, and room for one sentence (AlpacaDataCleaned asks for its verdicts alike).
SAMPLING = {"temperature": 0.0, "max_tokens": 200}

CLASSES = {
    "SI901": ("wrong", "wrong-answer", "The output is wrong, or does not do what the instruction asks."),
    "SI902": (
        "unclear",
        "unclear-task",
        "The task is unclear, lacks what it speaks of, or cannot be done by a text-only model.",
    ),
    "SI903": (
        "invented",
        "invented-facts",
        "The output states facts, sources, names or links as true that do not exist.",
    ),
}
for _code, (_, _name, _meaning) in CLASSES.items():
    enter_rule(Rule(_code, _name, f"{_meaning[:-1]} (a language model decides: --judge)."))


@dataclass(frozen=True)
class Opinion:
    """What a judge said of a row: `sound` is None where it said neither yes nor no; `code` is the class of a no."""

    sound: bool | None
    code: str | None = None
    why: str = ""


_YES_OR_NO = re.compile(
    r"\W*(?:(?:answer|verdict|fit)\W+)?(?:(?P<yes>yes|是)|(?P<no>no|否|不是))(?![a-z])", re.IGNORECASE
)


def read_opinion(text: str, codes: Sequence[str] = tuple(CLASSES)) -> Opinion:
    """Read "yes || why" or "no || class || why", with or without bars, marks, reasoning and lines around it.

    A no without one of the classes asked for counts as the first of them.

    >>> read_opinion("No || invented || There is no such book.")
    Opinion(sound=False, code='SI903', why='There is no such book.')
    """
    answer, _ = split_thinking(text)
    for line in filter(str.strip, answer.splitlines()):
        found = _YES_OR_NO.match(line)
        if found is None:
            continue
        parts = [part.strip(" *`").lstrip(".,:;-\"' ") for part in re.split(r"\|+", line[found.end() :])]
        parts = [part for part in parts if part]
        why = ", ".join(parts)
        if found["yes"]:
            return Opinion(True, why=why)
        code = next(
            (code for text in (*parts[:1], why) for code in codes if CLASSES[code][0] in text.lower()), codes[0]
        )
        said = re.sub(rf"^{CLASSES[code][0]}[\s,:.-]*", "", why, flags=re.IGNORECASE)
        return Opinion(False, code, said or why)
    return Opinion(None, why=excerpt(answer))


@dataclass(frozen=True)
class Judge:
    """A language model that decides about rows, with the ledger that keeps what it said.

    `own` says that the model was made here, and so is closed here; one of the user's is theirs to close.
    """

    llm: LLM
    model: str
    ledger: Path
    codes: Sequence[str]
    slots: Slots
    own: bool = False

    @classmethod
    def of(
        cls,
        judge: str | LLM,
        ledger: str | os.PathLike[str] | None,
        rules: Sequence[Rule],
        base_url: str | Sequence[str] = (),
        api_key_env: str | Sequence[str] = (),
        concurrency: int = 32,
    ) -> Judge:
        """The judge that a name or a model stands for.

        Raises:
            SettingsError: there is no ledger, no class to decide, or no key for the endpoint.
        """
        codes = [rule.code for rule in rules if rule.code in CLASSES]
        if not codes:
            raise SettingsError("judge: no class for a language model is selected; these are SI901, SI902 and SI903")
        if concurrency < 1:
            raise SettingsError(f"judge: concurrency is 1 or more, not {concurrency}")
        if ledger is None:
            raise SettingsError(
                "judge: its answers are paid for and kept; say where (judge_ledger, --judge-ledger FILE)"
            )
        model = judge if isinstance(judge, str) else str(getattr(judge, "model", "own"))
        slots = Slots(concurrency)
        llm = _client(judge, base_url, api_key_env, slots) if isinstance(judge, str) else judge
        return cls(llm, model, Path(ledger), codes, slots, own=isinstance(judge, str))

    def decide(self, rows: Sequence[Row]) -> tuple[list[Finding], list[int]]:
        """What the judge finds, and the numbers of the rows about which it said neither yes nor no.

        Raises:
            EndpointFailed: the endpoint gave no answer any more.
            KeyboardInterrupt: stopped by Ctrl-C, once the answers in flight were there.
            RunLocked: another process is writing to the ledger.
        """
        requests = list(self._requests(rows))
        with _opened(self.ledger) as ledger:
            answers = ask_all(self.llm, requests, ledger, self.slots, give_up=GIVE_UP, close=self.own)
        opinions = [self._opinion(answer) for answer in answers]
        findings = [_finding(row, said) for row, said in zip(rows, opinions, strict=True) if said.sound is False]
        return findings, [row.number for row, said in zip(rows, opinions, strict=True) if said.sound is None]

    def _opinion(self, answer: Answer) -> Opinion:
        """What an answer says; a request that was refused for good leaves the row undecided."""
        if isinstance(answer, RequestRefused):
            return Opinion(None, why=str(answer))
        return read_opinion(answer.text, self.codes)

    def _requests(self, rows: Sequence[Row]) -> Iterator[Request]:
        prompts = Prompts({TEMPLATE.name: TEMPLATE.read_text(encoding="utf-8")}, "chat")
        classes = [(CLASSES[code][0], CLASSES[code][2]) for code in self.codes]
        for row in rows:
            yield Request(
                self.model,
                (Message("user", prompts.render("judge", classes=classes, row=row)),),
                sampling=SAMPLING,
                stage="judge",
                about={"row": row.number, "id": row.id},
                optional=frozenset(SAMPLING),
            )


def _client(model: str, base_url: str | Sequence[str], api_key_env: str | Sequence[str], slots: Slots) -> LLM:
    if model == "demo" and not base_url:
        raise SettingsError("judge: the demo teacher makes tasks up and judges none; name a model at an endpoint")
    urls, keys = ([given] if isinstance(given, str) else list(given) for given in (base_url, api_key_env))
    return endpoint(urls, keys, slots, timeout=TIMEOUT)


def _finding(row: Row, said: Opinion) -> Finding:
    assert said.code is not None
    field = "instruction" if CLASSES[said.code][0] == "unclear" else "output"
    shown = excerpt(getattr(row, field))
    return Finding.of(row, RULES[said.code], Flaw(field, f"is flawed, says the judge: {said.why}", shown))


@contextmanager
def _opened(path: Path) -> Iterator[Ledger]:
    """The ledger, with nobody else writing to it."""
    lock = FileLock(f"{path}.lock", timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise RunLocked(f"{path}: another process is writing to it; wait for it or stop it") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written to ({error.strerror}); name another --judge-ledger") from error
    try:
        with Ledger(path) as ledger:
            yield ledger
    finally:
        lock.release()
