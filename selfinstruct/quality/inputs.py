"""Rules 1xx: what is wrong with the task, before anybody has answered it."""

from __future__ import annotations

import re

from selfinstruct.quality.phrases import ABOUT_CODE, count_words, in_any_case, is_code, phrases
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule

_NO_INPUT = in_any_case(
    r"[<\[({（【「《]\s*(?:no[\s_-]?input[^<>\[\](){}\n]{0,60}|not applicable|n\s?/\s?a|none|empty|null|blank|"
    r"无(?:需)?输入|没有输入|不需要输入|无|空)\s*[>\])}）】」》][.。]?"
    r"|(?P<plain>no[\s_-]input(?: (?:is )?(?:needed|required|necessary|provided|given))?|n\s?/\s?a|not applicable|"
    r"没有输入)[.。!]?|<?noinput>?[.。]?|none (?:needed|required)[.。]?|(?:无需|不需要|无)输入(?:内容)?[.。]?"
)
# An input such as "No input" may itself be what is to be translated, classified, ...
_ABOUT_INPUT = phrases(
    r"translat\w+|phrases?|messages?|sentences?|text|words?|correct|classify|rewrite|abbreviations?|acronyms?|"
    r"stands? for|means?|labels?|capitali[sz]e",
    "翻译|句子|短语|消息|提示|词|缩写|意思|改写",
)


@rule(
    "SI101", "no-input", "The input only says, in one of many spellings, that there is no input.", "empties the input"
)
def no_input(row: Row) -> Flaw | None:
    found = _NO_INPUT.fullmatch(row.input.strip()) if 0 < len(row.input) < 120 else None
    if found is None or (found["plain"] and _ABOUT_INPUT.search(row.asked)):
        return None
    return Flaw("input", "says that there is no input", excerpt(row.input), instead="")


_URL = in_any_case(r"(?:https?://|www\.[a-z0-9-]+\.|(?:youtu\.be|bit\.ly|imgur\.com)/)[^\s<>()\"'，。）]+")
_LABEL = in_any_case(
    r"(?:(?:here is |see )?(?:the |an? )?(?:link|url|source|image|picture|photo|video|article|website|web ?page|page|"
    r"document|file|song|post)(?: (?:link|url|to|of|the|article|image|video|source|page))*|链接|网址|图片|视频|文章|"
    r"来源|图片链接|视频链接|文章链接)?[\s:：\"'<>()\[\].,，。-]*"
)
_BEHIND_LINK = phrases(
    r"articles?|pages?|web ?pages?|websites?|sites?|images?|pictures?|photos?|videos?|songs?|music|documents?|posts?|"
    r"blog|stor(?:y|ies)|news|papers?|movies?|films?|paintings?|pdf|tweets?|podcasts?|recipes?|reports?|linked|lyrics|"
    r"link (?:below|above|provided)|(?:following|given|provided|this) link|content|text|summari[sz]e|read|watch|listen",
    "文章|网页|网站|图片|照片|图像|视频|歌曲|新闻|论文|报告|电影|页面|博客|帖子|链接(?:中|里|内)|这个链接|该链接|内容",
)
_ABOUT_LINKS = phrases(
    r"urls?|domains?|hyperlinks?|hostnames?|query string|scheme|shorten|cite|citations?|bibliograph\w*|references?|"
    r"anchor|href|requests?|curl|phishing|spam|scam|legitimate|safe|valid|extract|parse|split|links? (?:to|text|tag)|"
    r"e-?mail|slug|apa|mla|sentiment",
    "网址|域名|超链接|短链|参数|引用|参考文献|钓鱼|诈骗|解析|拆分|提取|垃圾",
)


@rule("SI102", "unreachable-link", "The task asks about what stands behind a link, which no text-only model can open.")
def unreachable_link(row: Row) -> Flaw | None:
    for field in ("input", "instruction"):
        text = getattr(row, field)
        found = _URL.search(text) if ("." in text and "/" in text) or "www." in text else None
        if found is None or _ABOUT_LINKS.search(row.asked) or ABOUT_CODE.search(_URL.sub(" ", row.asked)):
            continue
        alone = field == "instruction" or _LABEL.fullmatch(_URL.sub("", text).strip())
        if (
            alone
            and _BEHIND_LINK.search(_URL.sub(" ", row.asked))
            and not (field == "instruction" and row.input.strip())
        ):
            return Flaw(field, "asks about what stands behind a link", excerpt(text, found.start(), found.end()))
    return None


_THING = (
    r"images?|pictures?|photos?|photographs?|videos?|audio|screenshots?|files?|documents?|pdf|graphs?|charts?|tables?|"
    r"maps?|paintings?|drawings?|attachments?|links?|articles?|songs?|spreadsheets?|datasets?|recordings?"
)
_BRACKETED = in_any_case(
    rf"[<\[({{（【「]\s*(?:(?:an?|the|some|insert(?:ed)?|attach(?:ed)?|link(?:ed)?|upload(?:ed)?|sample|your|"
    rf"here)\s+){{0,3}}(?:{_THING})\b[^<>\[\](){{}}=/\n]{{0,80}}[>\])}}]|"
    r"[<\[({（【「]\s*(?:insert|paste|attach|upload|put)\s[^<>\[\](){}\n]{1,60}[>\])}）】」]|"
    r"[<\[({（【「]\s*(?:(?:此处)?(?:插入|粘贴|上传|附上|附)|附件|图片|照片|图像|视频|音频|截图|表格)"
    r"[^<>\[\](){}（）【】，。\n]{0,12}[>\])}）】」]"
)
_FILE_NAME = in_any_case(r"[\w-]+\.(?:png|jpe?g|gif|bmp|webp|mp4|mov|avi|mp3|wav|pdf|docx?|xlsx?|pptx?)")
_EMBEDDED = in_any_case(
    r"!\[[^\]\n]*\]\(\s*https?:|<img\s[^<>]*src\s*=|\[(?:image|picture|photo|video|图片|视频)\s*[:：]\s*https?:"
)
_ATTACHED = phrases(
    rf"(?:attached|enclosed|uploaded) (?:{_THING})|(?:see|in|from|with) the attach(?:ment|ed)",
    "附件(?:中|里|内|的|所)|(?:所附|附上的|上传的|附带的)(?:图片|文件|照片|文档|表格|音频|视频)|(?:如图|下图|"
    "上图)(?:所示|中|里)",
)
_ABOUT_MARKUP = phrases(
    r"tags?|html|elements?|alt text|syntax|convert|placeholders?|extensions?|rename|format|e-?mail|letter|message|memo|"
    r"reply|note|template|quiz",
    "标签|占位|扩展名|重命名|格式|邮件|信|模板|回复",
)


@rule("SI103", "missing-attachment", "A picture, file or placeholder stands where the text to work on should be.")
def missing_attachment(row: Row) -> Flaw | None:
    if _ABOUT_MARKUP.search(row.asked) or ABOUT_CODE.search(row.asked):
        return None
    given = row.input.strip()
    if given and (_BRACKETED.fullmatch(given) or _FILE_NAME.fullmatch(given)):
        return Flaw("input", "names something that is not there", excerpt(given))
    if found := _EMBEDDED.search(row.input) or _EMBEDDED.search(row.instruction):
        return Flaw("input" if found.string is row.input else "instruction", "embeds a picture", excerpt(found.group()))
    if (found := _ATTACHED.search(row.asked)) and count_words(given) < 15:
        return Flaw("instruction", "speaks of an attachment", excerpt(found.group()))
    return None


_GIVEN = (
    r"sentences?|paragraphs?|texts?|passages?|articles?|poems?|stor(?:y|ies)|words?|lists?|numbers?|equations?|"
    r"expressions?|e-?mails?|reviews?|tweets?|images?|pictures?|photos?|videos?|dialogues?|conversations?|statements?|"
    r"documents?|essays?|tables?|data|datasets?|phrases?|questions?|inputs?|problems?|quotes?|recipes?|speech|titles?|"
    r"headlines?|sequences?|items?|information|facts|scenarios?|situations?|topics?|ingredients|prompts?|lyrics"
)
_REFERENCE = phrases(
    rf"(?:the|this|these) (?:following|given|provided|below|above)(?: [a-z-]+){{0,2}}? (?:{_GIVEN})|"
    rf"the (?:{_GIVEN}) (?:below|above|provided|given|that follows?)",
    r"(?:以下|下面|给定|所给|给出|上述|下列|上面)(?:的|这[个段句首篇些]|"
    r"[一二两三四五]?[个段句首篇组些])*[\u4e00-\u9fff]{0,4}?(?:句子|段落|文字|文本|文章|诗|故事|单词|词语|列表|数字|"
    r"方程|邮件|评论|图片|照片|视频|对话|陈述|文档|表格|数据|短语|问题|信息|标题|情景|主题|食材|歌词|内容)",
)
_HELD = re.compile(r"[:：\"“”「『《`\n\d=]|(?<!\w)'|'(?!\w)|- ")
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？]")
_SOMETHING_MADE = phrases(
    r"explain how|how (?:to|would|do|can)|steps|template|design|tips|method|describe a|quiz|create a \w+ that|"
    r"generate a \w+ that",
    "如何|怎样|步骤|模板|设计|方法",
)


@rule("SI104", "missing-input", "The instruction works on a given text, and none is given.")
def missing_input(row: Row) -> Flaw | None:
    given = row.input.strip()
    if (given and not _NO_INPUT.fullmatch(given)) or _HELD.search(row.instruction):
        return None
    references = list(_REFERENCE.finditer(row.asked))
    if not references or ABOUT_CODE.search(row.asked) or _SOMETHING_MADE.search(row.asked):
        return None
    found = references[-1]  # what follows an earlier one may be what is meant
    if _SENTENCE_END.search(row.asked.rstrip(), found.end(), len(row.asked.rstrip()) - 1):
        return None
    if count_words(row.asked[found.end() :]) > 15:
        return None
    return Flaw("instruction", f"speaks of {found.group()!r}, and the input is empty", excerpt(row.instruction))


_MEDIUM = (
    r"images?|pictures?|photos?|photographs?|logos?|paintings?|drawings?|sketch(?:es)?|illustrations?|portraits?|"
    r"infographics?|cartoons?|videos?|animations?|gifs?|audio clips?|memes?"
)
_MAKE_MEDIA = re.compile(
    r"(?:please |can you |could you |i want you to )?(?:"
    r"(?:draw|paint|sketch|create|generate|design|make|produce|render|record)(?: me| us)?(?: an?| the| some| \d+)?"
    rf"(?: (?!(?:an?|the|of|for|about|describing|with|that|this|to)\b)[a-z-]+){{0,3}}? (?:{_MEDIUM})(?= (?:of|for|"
    rf"showing|depicting|that|which|with|in|to|based|from|representing|"
    r"illustrating|using|about|and|inspired)\b|[.,!?]|$)|(?:draw|sketch|paint)(?: me| us)? (?:an?|"
    r"the)(?: [a-z-]+){0,2}? (?:graph|chart|diagram|flowchart|map|scene|landscape|house|tree|cat|dog|circle|triangle|"
    r"square|flower|face|horse|bird|sunset)\b)|(?:请)?(?:帮我|为我|给我|[为给替][^，。]{1,12}?)?(?:画(?:一|出|个|张|"
    r"幅|只)|(?:绘制|生成|创作|设计|制作|录制)(?:出)?(?:一)?(?:张|幅|个|段|副|款)[^，。！？\n]{0,20}?(?:图片|图像|"
    r"照片|插画|海报|标志|logo|徽标|漫画|肖像|素描|视频|动画|音频)(?=[。！？，]|$))"
)
_DONE_IN_TEXT = phrases(
    r"in words|text|describe|description|captions?|ideas?|concepts?|prompts?|emojis?|characters|word art|storyboard|"
    r"script|slogan|dialogue|mind map|conclusion",
    "描述|文案|说明|方案|字符|创意|提示词|思路|文字|配文|标题|台词|剧本",
)


@rule("SI105", "media-task", "The task wants a picture, a video or a sound, which a text-only model cannot make.")
def media_task(row: Row) -> Flaw | None:
    found = _MAKE_MEDIA.match(row.asked.lstrip())
    if found is None or _DONE_IN_TEXT.search(row.asked) or ABOUT_CODE.search(row.asked) or is_code(row.output):
        return None
    return Flaw("instruction", "asks for a picture, a video or a sound", excerpt(row.instruction))


_DEED = re.compile(
    r"(?:please |can you |could you )?(?:turn (?:on|off|up|down) (?:the|my) \w+|set (?:an?|the|my) (?:alarm|timer|"
    r"reminder)|call (?:my (?:mom|mother|dad|father|friend|doctor|boss|brother|sister|wife|husband)|a (?:taxi|cab))|"
    r"order (?:me )?(?:an?|some) (?:pizza|taxi|cab|uber|food)|book (?:me )?an? (?:flight|hotel|table|ticket|cab|room)|"
    r"take an? (?:photo|picture|selfie|screenshot)|play (?:the|a|some|my) (?:song|music|video|playlist|audio)|(?:open|"
    r"close|lock|unlock) (?:the|my) (?:door|window|browser|car)|(?:freeze|heat|boil|bake|chop|stir) the \w+|"
    r"(?:increase|decrease|change|enlarge) the (?:font|volume|brightness)|print (?:this|the|out the) (?:page|"
    r"document)|buy (?:me )?(?:a|some|the) \w+|go to the (?:store|shop|supermarket|library|bank))|(?:what(?:'s|"
    r" is) (?:the current|today's) (?:time|date|weather|temperature)|what time is it|what day is (?:it )?today|"
    r"(?:how(?:'s| is)|what(?:'s| is)) the weather(?: like)?(?: today| now| outside| right now)?)[^,.]{0,20}\?*$|"
    r"(?:请)?(?:帮我)?(?:(?:打开|关闭|关上)(?:客厅|卧室)?的?(?:灯|电视|空调|窗户?|门)|设(?:置|定)?一?个?(?:早上|"
    r"明天)?[^，。]{0,6}(?:闹钟|计时器)|播放一?[首段个]?[^，。]{0,6}(?:歌|音乐|视频)|拍一?张|"
    r"[订点叫]一?[张份辆个](?:[^，。]{0,6})(?:机票|外卖|披萨|出租车|酒店)|现在几点|今天(?:的)?天气(?:怎么样|如何)|"
    r"今天(?:是)?(?:几号|星期几)|把[^，。]{1,8}(?:冷冻起来|加热一下|放进冰箱|字体放大))"
)


# A deed is all that such an instruction says; where more follows, the deed is what is spoken of.
_NO_DEED = re.compile(r"^\s+(?:is|means|in|with)\b|[.!?。！？]\s*\w")
MOST_OF_A_DEED = 90  # characters


@rule("SI106", "impossible-task", "The task is a deed in the world, or needs to know the present moment.")
def impossible_task(row: Row) -> Flaw | None:
    asked = row.asked.strip()
    found = _DEED.match(asked) if len(asked) <= MOST_OF_A_DEED else None
    if found is None or count_words(row.input) > 3 or _NO_DEED.search(asked, found.end()):
        return None
    if ABOUT_CODE.search(asked) or is_code(row.output):
        return None
    return Flaw("instruction", "asks for a deed, or for what only the present moment tells", excerpt(row.instruction))
