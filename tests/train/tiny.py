"""Tokenizers of four kinds and models of a few thousand weights, made in seconds: no hub, no GPU."""

from __future__ import annotations

from itertools import product

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from selfinstruct.train.encode import Encoder
from selfinstruct.train.prompts import prompts

NOUNS = ("grass", "snow", "coal", "sand", "blood", "honey", "ink", "milk", "moss", "rust", "sky", "wine")
FIRST = ("green", "white", "black", "yellow", "red", "golden", "blue", "pale", "soft", "brown", "clear", "dark")
SECOND = ("wet", "cold", "hard", "warm", "warm", "sweet", "cold", "wet", "wet", "hard", "cold", "sweet")
ASKED = ("What is it like?", "Describe the thing.", "Tell me about it.", "Name how it looks.")

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def rows(words=FIRST, start="It is", number=None):
    """The task: an adjective for each noun. Another table and opening are a shifted task for a model that knows one."""
    made = [
        {"id": f"{noun}-{at}", "instruction": asked, "input": noun, "output": f"{start} {word}."}
        for at, asked in enumerate(ASKED)
        for noun, word in zip(NOUNS, words, strict=True)
    ]
    return made[:number]


def shifted(number=None):
    """The task that the models are tuned on: other adjectives, another opening."""
    return rows(SECOND, "I find it", number)


def corpus():
    """Texts that hold every word of the tasks and of the prompt templates, many times."""
    texts = [f"{row['instruction']}\n{row['input']}\n{row['output']}" for row in (*rows(), *shifted())]
    frame = (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
        "response that appropriately completes the request.\n\n### Instruction:\n\n### Input:\n\n### Response:\n"
    )
    letters = [a + b for a, b in product("abcdefghijklmnopqrstuvwxyz", "aeiou .,?'\n")]
    words = " ".join((*NOUNS, *FIRST, *SECOND, "It is I find it"))
    return [*texts * 4, *[frame] * 20, words, *letters, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789 <>/|[]#:;!()-_\"'"]


def byte_level():
    """As GPT-2 or Qwen: byte-level BPE, nothing added around a text, a chat template with a stop token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|endoftext|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
        chat_template=CHATML,
    )


def metaspace():
    """As LLaMA: BPE with spaces as signs and bytes for the unknown, <s> in front of each text, no padding token."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    # Cut at words while merges are learnt, as sentencepiece does; the model itself reads whole texts.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(?=▁)|\n"), "isolated")
    tokenizer.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    )
    return _with_start(tokenizer)


def _with_start(tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", add_bos_token=True
    )
    made._tokenizer.post_processor = tokenizer.post_processor
    return made


def unigram():
    """As T5: Unigram, </s> behind each text, a padding token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(
        corpus(),
        trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def word_level():
    """Whole words, <bos> and <eos> around each text, and no padding token: the crudest that people build."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = ["<unk>", "<bos>", "<eos>"]
    tokenizer.train_from_iterator(corpus(), trainers.WordLevelTrainer(special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>")


TOKENIZERS = {"byte-level": byte_level, "metaspace": metaspace, "unigram": unigram, "word-level": word_level}


def llama(folder, tokenizer=None, steps=150):
    """A LLaMA of two layers that knows the first task, saved to a folder as a model of the Hub is."""
    torch.manual_seed(0)
    tokenizer = tokenizer or metaspace()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    return _pretrained(LlamaForCausalLM(config), tokenizer, folder, steps)


def t5(folder, steps=250):
    """A T5 of two layers that knows the first task."""
    torch.manual_seed(0)
    tokenizer = unigram()
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=tokenizer.pad_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return _pretrained(T5ForConditionalGeneration(config), tokenizer, folder, steps)


def _pretrained(model, tokenizer, folder, steps):
    seq2seq = model.config.is_encoder_decoder
    encoder = Encoder(prompts(tokenizer, "plain"), seq2seq=seq2seq)
    # It has met the words of the shifted task elsewhere: an adapter cannot teach a frozen head words that it never saw.
    elsewhere = [
        {"instruction": "Or else?", "input": noun, "output": f"I find it {word}."}
        for noun, word in zip(NOUNS, (*SECOND[5:], *SECOND[:5]), strict=True)
    ]
    examples, _ = encoder.encode([*rows(), *elsewhere])
    batches = [padded(examples[start::3], seq2seq) for start in range(3)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for step in range(steps):
        loss = model(**batches[step % 3]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def padded(examples, seq2seq=False):
    """Examples as one batch; what is padded is neither read nor trained."""
    longest = max(len(one.input_ids) for one in examples)
    labels = max(len(one.labels) for one in examples)
    return {
        "input_ids": torch.tensor([one.input_ids + [0] * (longest - len(one.input_ids)) for one in examples]),
        "attention_mask": torch.tensor(
            [[1] * len(one.input_ids) + [0] * (longest - len(one.input_ids)) for one in examples]
        ),
        "labels": torch.tensor([one.labels + [-100] * (labels - len(one.labels)) for one in examples]),
    }
