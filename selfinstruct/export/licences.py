"""What the known families of teacher models ask of those who use their output, with the place to read it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """The terms of one family: who sets them, where they stand, and one thing that they are known to say.

    `pattern` finds the family in the name of a model, whatever its case and whoever serves it. The note says what a
    reader of a card should look up first; it does not stand for the terms, which change.
    """

    family: str
    pattern: str
    provider: str
    link: str
    note: str


_LLAMA_NAME = 'A model trained with its outputs and passed on has a name that begins with "Llama".'
_LLAMA_ONLY = "Its outputs may not be used to improve any other large language model than Llama."

FAMILIES = (
    Terms(
        "gpt-oss",
        r"\bgpt-oss",
        "OpenAI",
        "https://huggingface.co/openai/gpt-oss-120b",
        "The weights are under Apache-2.0, with a usage policy.",
    ),
    Terms(
        "GPT",
        r"\bgpt-?[345](?!\w*all)|\bchatgpt|\bo[134](?:-|$)|davinci|\bgpt-3\.5",
        "OpenAI",
        "https://openai.com/policies/",
        "Output may not be used to develop models that compete with OpenAI.",
    ),
    Terms(
        "Claude",
        r"\bclaude",
        "Anthropic",
        "https://www.anthropic.com/legal/commercial-terms",
        "The service may not be used to train competing AI models.",
    ),
    Terms(
        "Gemini",
        r"\bgemini",
        "Google",
        "https://ai.google.dev/gemini-api/terms",
        "The service may not be used to develop models that compete with it.",
    ),
    Terms(
        "Gemma 1 to 3",
        r"\bgemma(?!-?[4-9](?!b))",
        "Google",
        "https://ai.google.dev/gemma/terms",
        "A model trained on its output to perform like it counts as a derivative, to which the same terms apply.",
    ),
    Terms(
        "Llama 2",
        r"llama-?2",
        "Meta",
        "https://ai.meta.com/llama/license/",
        _LLAMA_ONLY,
    ),
    Terms(
        "Llama 3",
        r"llama-?3(?![.\d]|-[123](?!\d*b))",
        "Meta",
        "https://www.llama.com/llama3/license/",
        _LLAMA_ONLY + ' A model made with it has a name that begins with "Llama 3".',
    ),
    Terms("Llama 3.1", r"llama-?3[.-]1(?!\d*b)", "Meta", "https://www.llama.com/llama3_1/license/", _LLAMA_NAME),
    Terms("Llama 3.2", r"llama-?3[.-]2(?!\d*b)", "Meta", "https://www.llama.com/llama3_2/license/", _LLAMA_NAME),
    Terms("Llama 3.3", r"llama-?3[.-]3(?!\d*b)", "Meta", "https://www.llama.com/llama3_3/license/", _LLAMA_NAME),
    Terms("Llama 4", r"llama-?4", "Meta", "https://www.llama.com/llama4/license/", _LLAMA_NAME),
    Terms(
        "Mistral",
        r"mistral|mixtral|ministral|magistral|codestral|devstral",
        "Mistral AI",
        "https://mistral.ai/terms",
        "Models differ: some weights are under Apache-2.0, others under a licence for research only.",
    ),
    Terms(
        "Qwen",
        r"\bqwen|\bqwq",
        "Alibaba",
        "https://huggingface.co/Qwen",
        "Models differ: many weights are under Apache-2.0, others under a Qwen licence; the page of the model says.",
    ),
    Terms(
        "DeepSeek",
        r"\bdeepseek",
        "DeepSeek",
        "https://huggingface.co/deepseek-ai",
        "Models differ: R1 is under the MIT licence; a distilled model also has the terms of the model it is based on.",
    ),
    Terms(
        "Cohere",
        r"\bcommand-(?:r|a|light|nightly)|\baya-|\bc4ai",
        "Cohere",
        "https://cohere.com/terms-of-use",
        "The open weights of Command R are under CC BY-NC 4.0, without commercial use.",
    ),
    Terms(
        "Grok",
        r"\bgrok-",
        "xAI",
        "https://x.ai/legal",
        "Output may not be used to develop models that compete with xAI.",
    ),
    Terms(
        "Phi",
        r"\bphi-?(?:3|3\.5|4)",
        "Microsoft",
        "https://huggingface.co/microsoft",
        "The weights are under the MIT licence.",
    ),
)


def terms_of(model: str) -> tuple[Terms, ...]:
    """The terms that the name of a model points to; a distilled model may have those of two families.

    None for an unknown one: nothing is said of it then, but that its terms have to be looked up.
    """
    return tuple(one for one in FAMILIES if re.search(one.pattern, model, re.IGNORECASE))
