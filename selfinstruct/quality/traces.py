"""Rules 4xx: what machinery left in the text."""

from __future__ import annotations

import html
import re
import unicodedata

from selfinstruct.parsing.common import split_thinking
from selfinstruct.quality.phrases import ABOUT_CODE, count_words, in_any_case, is_code, phrases
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule

# Category Cc but for newline and tab, the byte order mark, and halves of surrogate pairs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
_LINE_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85]")


@rule(
    "SI401",
    "control-characters",
    "A character stands in the text that no reader sees: NUL, escape sequences of terminals, bare carriage returns.",
    "takes it out, or puts the line break or sign that it stands for",
)
def control_characters(row: Row) -> Flaw | None:
    for field, text in row.fields:
        found = _CONTROL.search(text)
        if found is not None:
            shown = f"U+{ord(found.group()):04X}"
            return Flaw(field, f"holds the control character {shown}", excerpt(text, found.end()), _readable(text))
    return None


def _readable(text: str) -> str:
    from ftfy.fixes import fix_c1_controls, remove_terminal_escapes

    if "\x1b" in text:
        text = remove_terminal_escapes(text)
    text = _LINE_BREAKS.sub("\n", text)
    return _CONTROL.sub("", fix_c1_controls(text))


_ESCAPE = re.compile(r"\\{1,4}[nrt\"'](?![a-z])|\\{1,4}[nrt](?=[a-z][a-z])")
_CERTAIN_ESCAPE = re.compile(r"\\{1,4}n(?=\\{1,4}n|[A-Z0-9*•-]|[\u3400-\u9fff]|\s|$)|\\{1,4}\"|\\{1,4}t(?=[A-Z0-9*•-])")
_OTHER_BACKSLASH = re.compile(r"\\{1,4}(?![nt\"\\])|\\{1,4}[nt](?=[a-z])")
_ENTITY = re.compile(
    r"&(?:amp|lt|gt|quot|apos|nbsp|ldquo|rdquo|lsquo|rsquo|mdash|ndash|hellip|#39|#x27|#34|#8217|#8220|#8221);"
)
_ABOUT_ESCAPES = phrases(
    r"math\w*|equations?|formula\w*|integral|derivative|quot(?:e|ing) the|windows|path|folder|director\w+|json|"
    r"characters?|web ?page|tables?|symbols?|html|separator",
    "数学|方程|公式|积分|路径|文件夹|目录|字符|网页|符号",
)


@rule(
    "SI402",
    "stray-escapes",
    r"Escapes stand in prose as they are written in code: \n for a new line, &quot; for a quotation mark.",
    "puts the characters that they stand for",
)
def stray_escapes(row: Row) -> Flaw | None:
    for field, text in row.fields:
        if "\\" not in text and "&" not in text:
            continue
        if ABOUT_CODE.search(row.asked) or _ABOUT_ESCAPES.search(row.asked) or is_code(text):
            continue
        if found := _ENTITY.search(text):
            return Flaw(
                field, f"holds {found.group()!r}, an entity of HTML", excerpt(text, found.start()), _unescaped(text)
            )
        found = _ESCAPE.search(text)
        if found and _CERTAIN_ESCAPE.search(text) and not _OTHER_BACKSLASH.search(text):
            return Flaw(field, f"holds {found.group()!r} as text", excerpt(text, found.start()), _unescaped(text))
    return None


def _unescaped(text: str) -> str:
    before = None
    while before != text:
        before = text
        text = _ENTITY.sub(lambda found: html.unescape(found.group()).replace("\xa0", " "), text)
    text = re.sub(r"\\{1,4}\"", '"', text)
    return re.sub(r"\\{1,4}t", "\t", re.sub(r"(?:\\{1,4}r)?\\{1,4}n", "\n", text))


_COMMANDS = (
    r"<\|(?:endoftext|startoftext|im_start|im_end|im_sep|eot_id|begin_of_text|end_of_text|start_header_id|"
    r"end_header_id|endofprompt|fim_\w+|assistant|user|system|end|pad|eom_id|python_tag)\|>|</?(?:s|bos|eos|pad|unk)>|"
    r"<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|<｜[^<>｜\n]{1,40}｜>|\[(?:PAD|UNK|CLS|SEP|EOS|BOS)\]|<(?:bos|eos|"
    r"pad|unk)>|<0x[0-9A-F]{2}>"
)
_SPECIAL = re.compile(_COMMANDS)
_LAST_TOKENS = re.compile(
    r"(?:\s*(?:</s>|<eos>|<\|(?:endoftext|im_end|eot_id|end_of_text|end|eom_id)\|>|<end_of_turn>|\[/INST\]|\[EOS\]|"
    r"<｜end▁of▁sentence｜>|<pad>|\[PAD\]))+\s*$"
)
_FIRST_TOKENS = re.compile(
    r"^\s*(?:(?:<s>|<bos>|\[BOS\]|<\|begin_of_text\|>|<\|startoftext\|>|<｜begin▁of▁sentence｜>)\s*)+"
)
_ABOUT_TOKENS = phrases(
    r"tokens?|tokeni[sz]\w+|chat template|prompt template|html|strikethrough|llm|bert|special|markup|tags?|vocabulary|"
    r"sequence model|fine-?tun\w*|end of sequence|llama|gpt",
    "标记|分词|模板|特殊符号|词表|标签|删除线",
)


@rule(
    "SI403",
    "special-tokens",
    "A token that a model reads as a command, such as </s> or <|im_end|>, stands in the text.",
    "takes it off the ends of a text",
)
def special_tokens(row: Row) -> Flaw | None:
    for field, text in row.fields:
        found = _SPECIAL.search(text) if "<" in text or "[" in text else None
        if found is None or _ABOUT_TOKENS.search(row.asked):
            continue
        if (
            found.group() in ("<s>", "</s>")
            and ("<s>" in text)
            and ("</s>" in text)
            and not text.strip().endswith("</s>")
        ):
            continue  # a struck-out passage of HTML
        trimmed = _FIRST_TOKENS.sub("", _LAST_TOKENS.sub("", text))
        return Flaw(
            field, f"holds {found.group()!r}", excerpt(text, found.start()), trimmed if trimmed != text else None
        )
    return None


_REMNANT = in_any_case(
    r"^\s*#{2,}\s*(?:instructions?|inputs?|responses?|outputs?|human|assistant|user|system|指令|输入|输出|回答|"
    r"回复)\s*[:：]|below is an instruction that describes a task|以下是描述任务的指令|^\s*(?:human|assistant|user|"
    r"USER|ASSISTANT)\s*[:：]\s*\S[\s\S]*?^\s*(?:assistant|user|human)\s*[:：]|\{\{\s*\w+\s*\}\}|\{%\s*\w+|"
    r"\{(?:instruction|input|output|response|question|context|prompt|指令|输入|输出)\}"
)
_LINES_REMNANT = re.compile(_REMNANT.pattern, re.IGNORECASE | re.MULTILINE)
_MAY_BE_REMNANT = re.compile(r"[#{]|instruction that|任务的指令|(?:human|user|assistant)\s*[:：]", re.IGNORECASE)
_FIRST_LABEL = in_any_case(r"\s*#{2,}\s*(?:response|output|assistant|回答|输出|回复)\s*[:：]\s*")
_ABOUT_PROMPTS = phrases(
    r"prompts?|templates?|placeholders?|instruction-?tun\w*|fine-?tun\w*|dialogues?|conversations?|chats?|interviews?|"
    r"transcripts?|jinja|mustache|f-string|variables?|format|markdown|headings?|scripts?|chatbot|role-?play|django|"
    r"flask",
    "提示词|模板|占位|微调|对话|聊天|访谈|变量|格式|标题|剧本|扮演",
)


@rule(
    "SI404",
    "prompt-remnants",
    "Labels or empty slots of a prompt template stand in the text: ### Response:, {instruction}.",
    "takes a label off the beginning of the output",
)
def prompt_remnants(row: Row) -> Flaw | None:
    for field, text in row.fields:
        found = _LINES_REMNANT.search(text) if _MAY_BE_REMNANT.search(text) else None
        if found is None or _ABOUT_PROMPTS.search(row.asked) or _ABOUT_PROMPTS.search(row.input[:200].lower()):
            continue
        if "{" in found.group() and (ABOUT_CODE.search(row.asked) or is_code(text)):
            continue
        label = _FIRST_LABEL.match(text) if field == "output" else None
        instead = text[label.end() :] if label and text[label.end() :].strip() else None
        return Flaw(field, f"holds {excerpt(found.group()[:40])!r}", excerpt(text, found.start()), instead)
    return None


_THOUGHT = in_any_case(
    r"</?(?:think|thinking|reasoning)>|<\|(?:begin|end)_of_thought\|>|◁/?think▷|</?(?:thought|scratchpad)>"
)
_ABOUT_THOUGHT = phrases(
    r"tags?|reasoning model|chain[- ]of[- ]thought|scratchpad|xml|<think>|html", "标签|推理模型|思维链"
)


@rule(
    "SI405",
    "thinking",
    "A reasoning model's thinking, or a mark of it such as </think>, stands in the text.",
    "takes out what is thought, where an answer follows it",
)
def thinking(row: Row) -> Flaw | None:
    for field, text in row.fields:
        found = _THOUGHT.search(text) if "<" in text or "◁" in text else None
        if found is None or _ABOUT_THOUGHT.search(row.asked):
            continue
        answer, thought = split_thinking(text) if field == "output" else (text, "")
        instead = answer.strip() if thought and answer.strip() and not _THOUGHT.search(answer) else None
        return Flaw(field, f"holds {found.group()!r}", excerpt(text, found.start()), instead)
    return None


_ABOUT_ENCODING = phrases(
    r"mojibake|encod\w*|utf-?8|unicode|latin-?1|garbled|corrupted|characters?|decode|cp1252", "乱码|编码|解码|字符"
)


@rule(
    "SI406",
    "mojibake",
    "Text was decoded with the wrong encoding: cafÃ© for café, or signs that were lost (U+FFFD).",
    "decodes it rightly (ftfy)",
)
def mojibake(row: Row) -> Flaw | None:
    for field, text in row.fields:
        if text.isascii() or _ABOUT_ENCODING.search(row.asked):
            continue
        repaired = _decoded(text)
        if repaired != text:
            at = next((n for n, (a, b) in enumerate(zip(text, repaired, strict=False)) if a != b), 0)
            return Flaw(field, "was decoded with the wrong encoding", excerpt(text, max(at - 10, 0)), repaired)
        if "\ufffd" in text:
            return Flaw(field, "has lost a sign (U+FFFD)", excerpt(text, max(text.index("\ufffd") - 10, 0)))
    return None


def _decoded(text: str) -> str:
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    if not is_bad(text):
        return text
    repaired = fix_encoding(text)
    # A repair that leaves as much rubbish, or makes strange letters of ordinary ones, is a guess.
    sound = not is_bad(repaired) and all(unicodedata.category(each) != "Co" for each in repaired)
    return repaired if sound and count_words(repaired) > 0 else text
