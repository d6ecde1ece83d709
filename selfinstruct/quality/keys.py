"""Secrets in text: their kinds, and the text without them. A secret itself is never part of a message."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

MASK: Final = "[…]"
_BLACK: Final = "\ue000"  # of a private area, so in no text

# What every key has: a long run of key characters, a private key's first line, or a password in an address.
_MAY_HOLD_KEY = re.compile(r"[\w+/=.-]{20}|PRIVATE KEY|://[^\s/]{1,200}:[^\s/]{1,200}@", re.ASCII)

# What detect-secrets 1.5 does not know, and private keys with all of their lines.
_OWN: Final = {
    "Anthropic Token": re.compile(r"(?<![A-Za-z0-9])sk-ant-[a-z0-9]+-[\w-]{20,}"),
    "Google API Key": re.compile(r"(?<![A-Za-z0-9])AIza[\w-]{35}"),
    "Hugging Face Token": re.compile(r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}"),
    "OpenAI Token": re.compile(r"(?<![A-Za-z0-9])sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}"),
    "GitHub Token": re.compile(r"(?<![A-Za-z0-9])github_pat_\w{50,}"),
    "Private Key": re.compile(r"BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY[\s\S]*?(?:END [A-Z0-9 ]{0,30}PRIVATE KEY|\Z)"),
}
# Its plugins whose patterns name a provider. Those that go by entropy, by words like "password" or by internal names
# see secrets in every second program.
_PLUGINS: Final = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
_PLACEHOLDER = re.compile(
    r"x{6}|X{6}|\*{3}|\.{3}|0{8}|1234567|abcdefg|example|your|placeholder|dummy|sample|changeme|<|>|\{|\}|"
    r"(?:^|[:/])(?:user(?:name)?|pass(?:word)?|pwd|secret|token|admin|root|key)$",
    re.IGNORECASE,
)


def detect_keys(text: str) -> list[str]:
    """The kinds of the secrets that stand in a text, such as "AWS Access Key", sorted; none where there is none.

    Keys of well-known providers, private keys and passwords in addresses are found (detect-secrets). Placeholders such
    as "sk-xxxxxxxx" and the examples of manuals are none.
    """
    return sorted({kind for kind, _ in _found(text)})


def mask_keys(text: str, start: int = 0, end: int | None = None) -> str:
    """The text, or a part of it, with a mark in the place of each secret, also of one that the part cuts through."""
    for _, secret in _found(text):
        text = text.replace(secret, _BLACK * len(secret))
    return re.sub(f"{_BLACK}+", MASK, text[start:end])


def _found(text: str) -> list[tuple[str, str]]:
    if _MAY_HOLD_KEY.search(text) is None:
        return []
    found = [(kind, each.group()) for kind, pattern in _OWN.items() for each in pattern.finditer(text)]
    for line in text.splitlines():
        if _MAY_HOLD_KEY.search(line):
            found += [(kind, secret) for kind, pattern in _patterns() for secret in _secrets(pattern, line)]
    return [(kind, secret) for kind, secret in found if not _PLACEHOLDER.search(secret)]


def _secrets(pattern: re.Pattern[str], line: str) -> list[str]:
    """What a plugin's expression means by the secret: its last group that matched, or all of it."""
    found = [next(filter(None, reversed(each.groups())), each.group()) for each in pattern.finditer(line)]
    # A group may hold the prefix alone, as that of GitHub's tokens does.
    return [
        secret if len(secret) > 5 else each.group() for secret, each in zip(found, pattern.finditer(line), strict=True)
    ]


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """The kinds and expressions of detect-secrets' plugins."""
    from importlib import import_module

    found = []
    for module, name in _PLUGINS.items():
        plugin = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
        found += [(str(plugin.secret_type), pattern) for pattern in plugin.denylist]
    return found
