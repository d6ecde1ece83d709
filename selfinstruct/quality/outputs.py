"""Rules 2xx: answers that are none, or none to this task; endings.py and language.py have the others."""

from __future__ import annotations

import re

from selfinstruct.quality.phrases import (
    ABOUT_CODE,
    ABOUT_REPEATING,
    CODE_LANGUAGE,
    count_words,
    in_any_case,
    phrases,
)
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule


@rule("SI201", "empty-output", "The output is empty.", "drops the row")
def empty_output(row: Row) -> Flaw | None:
    return None if row.output.strip() else Flaw("output", "is empty", drop=True)


_MARKER = in_any_case(r"[<\[({（【]\s*no\s?[_-]?(?:in|out)put\s*[>\])}）】][.。]?|<?no(?:in|out)put>?[.。]?")
_NO_ANSWER = in_any_case(
    r"[<\[({（【]?\s*(?:(?P<plain>none|null|nil|无|暂无)|n\s?/\s?a|not applicable|no (?:valid )?output(?: found|"
    r" available)?|error|无输出|没有输出|不适用)\s*[>\])}）】]?[.。!]?"
)
_MAY_BE_NONE = phrases(
    r"n/a|none|null|nil|errors?|not applicable|if (?:there|no|not|any|it)|otherwise|missing|unknown|empty",
    "无|没有|若不|如果不|不适用|否则|缺失|空",
)
_MAKES_TEXT = phrases(
    r"write|create|generate|describe|compose|summari[sz]e|explain|design|suggest|draw|rewrite|paraphrase|develop|tell|"
    r"construct|translate|edit|provide|outline|discuss",
    "请?(?:写|创作|生成|描述|总结|概括|解释|设计|介绍|说明|编|改写|翻译|画|[给为][^，。]{1,12}?(?:起|取|写|设计))",
)


@rule("SI202", "no-answer", 'The whole output is a way to say "nothing": N/A, none, <no output>.', "drops bare markers")
def no_answer(row: Row) -> Flaw | None:
    said = row.output.strip()
    if not said or len(said) > 40:
        return None
    if _MARKER.fullmatch(said):
        return Flaw("output", "is a marker, no answer", excerpt(said), drop=True)
    found = _NO_ANSWER.fullmatch(said)
    if found is None or _MAY_BE_NONE.search(row.asked) or _MAY_BE_NONE.search(row.input.lower()):
        return None
    if found["plain"] and not (_MAKES_TEXT.match(row.asked.strip()) and not ABOUT_CODE.search(row.asked)):
        return None
    return Flaw("output", "says nothing", excerpt(said))


_CODE_THING = rf"(?:{CODE_LANGUAGE})"
_ASKS_FOR_CODE = re.compile(
    r"(?:^|[.!?\n] *)(?:please |can you |could you )?(?:write|create|implement|generate|provide|develop|code|build|"
    r"construct|give me|show me|compose)(?: me| an?| the| some| \d+)*(?: [a-z-]+){0,2}? (?:"
    rf"{_CODE_THING} (?:function|program|script|code|class|method|snippet|query|command|page|module|statement|"
    rf"expression|"
    r"application|app|loop|one-liner|dictionary|decorator|generator)s?"
    rf"|(?:function|program|script|code|class|method|snippet|query|regex|"
    rf"regular expression)s? (?:[a-z-]+ ){{0,2}}?(?:in|using) {_CODE_THING}"
    r"|code snippet|source code|regular expression|regex|sql statement|shell command|(?:function|algorithm) (?:that|"
    r"which) (?:takes|returns|accepts|prints|computes|calculates|reverses|sorts|checks|finds))(?![a-z])|(?:编写|写|"
    r"实现|创建|生成|给出|提供|开发)(?:出)?(?:一)?[个段条份种]?[^，。？！\n]{0,10}?(?:"
    rf"{_CODE_THING}[^，。？！\n]{{0,6}}?(?:函数|程序|代码|脚本|类|查询|语句|方法|命令|页面)|代码片段|正则表达式)"
)
_NO_CODE_NEEDED = phrases(
    r"pseudo-?code|in plain (?:english|words)|explain|description|describe|documentation|tutorial|article|essay|blog|"
    r"story|poem|joke|haiku|comments? on|docstring|name for|title|quiz|questions?|outline|plan|do not (?:write|"
    r"include) code|summary|flowchart|song|lyrics|slogan|readme|e-?mail",
    "伪代码|解释|说明|描述|文档|教程|文章|故事|笑话|诗|注释|标题|命名|问题|概述|总结|邮件",
)
_TINY_CODE = re.compile(r"[=;{}<>\\|^$*#\[\]+]|\w\(|\bSELECT\b|(?<!\w)--?\w|_\w|\w_", re.ASCII)


@rule("SI203", "missing-code", "The task asks for code, and nothing in the output looks like code.")
def missing_code(row: Row) -> Flaw | None:
    found = _ASKS_FOR_CODE.search(row.asked)
    if found is None or not row.answer or _TINY_CODE.search(row.output) or _NO_CODE_NEEDED.search(row.asked):
        return None
    if count_words(row.answer) < 6:  # a command may be a word or two
        return None
    return Flaw("output", f"has no code, though asked to {found.group().strip(' .')!r}", excerpt(row.output))


_AI = r"(?:ai|artificial intelligence|language)(?:[ -](?:language|powered|based))?(?: model| assistant| chatbot)?"
_AI_HAN = "(?:一个|一款|一名|一种)?(?:ai|人工智能)(?:语言)?(?:模型|助手|程序)"
# The model has to speak of itself: that something works as an AI language model is a fact like another.
_AS_AN_AI = re.compile(
    rf"(?:^|[.!?\n\"]\s*|\bbut |\bsorry,? )as an? {_AI},? (?:[a-z]+ ){{0,4}}?i\b|"
    rf"\bi(?:'m| am) (?:just |only )?an? {_AI}[,.]? (?:and |so |i )*(?:can(?:'t|not)|do(?:n't| not)|am (?:not|unable))|"
    rf"(?:作为|身为){_AI_HAN}[，,、]?我|我(?:只)?是{_AI_HAN}[，,、]?(?:我)?(?:不能|没有|无法)"
)
_MAY_SPEAK_OF_ITSELF = re.compile(r"\ban? (?:ai|artificial|language)\b|人工智能|ai语言|ai模型|ai助手|ai程序")
_SORRY = (
    r"(?:i(?:'m| am) (?:so |very |really )?sorry|sorry|i apologi[sz]e|my apologies|unfortunately)?[\s,.!]*(?:but )?"
)
_CANNOT = (
    r"i (?:can(?:'t|not| not)|won't(?: be able to)?|will not|must decline to|am (?:unable|not able|not allowed) to|"
    r"do(?:n't| not) have (?:access|the ability) to)|i'm (?:unable|not able|not allowed) to"
)
# What a model is asked for, not what somebody in a story cannot do.
_HELP = (
    r"(?:assist|fulfill?|comply|browse|provide|access|help (?:you )?with (?:that|this|your|any)|(?:generate|create|"
    r"complete|answer|process) (?:that|this|your|such|images?|the (?:request|task|question))|(?:open|view|see|"
    r"read) (?:the|any|this|that|an?|your|external) (?:links?|urls?|web\w*|files?|images?|pictures?|photos?|"
    r"attachments?|videos?|documents?|pages?|articles?))"
)
_DECLINES = re.compile(
    rf"{_SORRY}(?:{_CANNOT})[\s,]*(?:directly )?{_HELP}\b|"
    r"(?:很)?(?:抱歉|对不起|遗憾)[，,。！]?(?:但是?)?(?:我|作为)[^。！？\n]{0,12}?(?:无法|不能|没有办法|没办法|不可以)"
    r"(?:提供|回答|完成|协助|帮助|帮你|帮您|满足|生成|访问|查看|打开|执行|处理|为您|为你)|"
    r"我(?:无法|不能)(?:提供|回答|完成|协助|帮助|帮你|满足|生成|访问|查看|打开|处理)(?:这|该|此|您|你|外部|图|任何|"
    r"链接|实时)"
)
_SPEAKS_FOR_OTHERS = phrases(
    r"chat ?bots?|assistant|dialogues?|conversations?|refus\w+|apolog\w+|role-?play|pretend|act as|e-?mail|letter|"
    r"message|respond\w*|decline\w*|customer|script|scene|story|translate|reply|response|persona|rewrite|paraphrase",
    "聊天机器人|助手|对话|拒绝|道歉|扮演|邮件|信|客户|剧本|故事|翻译|回复|婉拒|改写",
)


@rule("SI204", "refusal", 'The answer refuses, or speaks "as an AI language model".')
def refusal(row: Row) -> Flaw | None:
    said = row.answer.replace("’", "'")
    found = _DECLINES.match(said) or (_MAY_SPEAK_OF_ITSELF.search(said) and _AS_AN_AI.search(said))
    if found is None or _SPEAKS_FOR_OTHERS.search(row.asked) or said[found.start() : found.end()] in row.input.lower():
        return None
    return Flaw("output", "refuses or speaks of itself as a model", excerpt(row.output.strip(), found.start()))


_CHANGES_TEXT = re.compile(
    r"(?:please )?(?:translate|summari[sz]e|paraphrase|rephrase|shorten|simplify|expand|reword|condense)\b|"
    r"(?:请)?(?:把|将)?.{0,12}(?:翻译|概括|总结|缩写|扩写|简化)"
)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".。!?！？:：")


@rule("SI206", "echo", "The output repeats the instruction, or an input that it was to change.")
def echo(row: Row) -> Flaw | None:
    said, asked = _plain(row.output), _plain(row.instruction)
    if said.startswith(asked) and count_words(asked) >= 5 and not ABOUT_REPEATING.search(asked):
        return Flaw("output", "begins with the instruction", excerpt(row.output))
    given = row.input.strip()
    if given and row.output.strip() == given and count_words(given) >= 10 and _CHANGES_TEXT.match(asked):
        return Flaw("output", "is the input as it was, though it was to be changed", excerpt(row.output))
    return None


_NEXT_TASK = in_any_case(
    r"\n\s*(?:#{2,}\s*)?(?:\d{1,2}\s?[.)]\s*(?:instruction|指令)|#{2,}\s*(?:\d{1,2}[.)]?\s*)?(?:instruction|task|指令|"
    r"任务)(?:\s?\d+)?)\s*[:：]"
)
_FIELDS = in_any_case(r"^[ \t]*(?:\d{1,2}[.)]\s*)?(?:#+\s*)?(instruction|input|output|指令|输入|输出)\s*[:：]")
_ABOUT_TASKS = phrases(
    r"(?<!number of )instructions?|tasks?|prompts?|fine-?tun\w+|exercises?|data ?sets?|examples?|inputs?|outputs?",
    "指令|任务|提示|微调|练习|示例|输入|输出",
)


@rule("SI208", "merged-tasks", "Another task, with its own labels, stands in the same row.", "cuts it off the output")
def merged_tasks(row: Row) -> Flaw | None:
    for field in ("output", "input"):
        text = getattr(row, field)
        if ":" not in text and "：" not in text:
            continue
        labels = set(_labels(text))
        at = _NEXT_TASK.search("\n" + text)
        whole = len(labels & {"instruction", "指令"}) > 0 and len(labels) > 1
        if (at or whole or (field == "output" and _goes_on(row, labels))) and not _ABOUT_TASKS.search(row.asked):
            start = at.start() if at else 0
            first = text[: max(start - 1, 0)].rstrip().rstrip("#").rstrip()
            instead = first if field == "output" and first and labels & {"output", "输出"} and whole else None
            return Flaw(field, "holds another task", excerpt(text, start), instead)
    return None


def _goes_on(row: Row, labels: set[str]) -> bool:
    """Whether a model went on with further examples, as base models do."""
    more = labels >= {"input", "output"} or labels >= {"输入", "输出"}
    return more and not ABOUT_CODE.search(row.asked)


def _labels(text: str) -> list[str]:
    return [found.group(1).lower() for line in text.split("\n") if (found := _FIELDS.match(line))]
