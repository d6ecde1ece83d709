"""Rules 5xx: personal data and secrets."""

from __future__ import annotations

import re

from selfinstruct.quality.keys import MASK, detect_keys
from selfinstruct.quality.phrases import in_any_case
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule

_EMAIL = re.compile(
    r"(?<![\w.+%/:@-])(?P<local>[A-Za-z0-9][\w.+%-]{0,63})@(?P<domain>(?:[A-Za-z0-9-]+\.)+(?P<top>[A-Za-z]{2,12}))(?![\w@(])",
    re.ASCII,
)
# Domains that belong to nobody (RFC 2606), and those that people write where they mean none.
_NOBODYS_DOMAIN = in_any_case(
    r"(?:[\w-]+\.)*(?:(?:example|test|invalid|localhost)(?:\.\w+)*|(?:your|my|the|our|some|a|abc|xyz|acme|foo|bar|"
    r"fake|dummy|sample|placeholder|demo)-?(?:company|corp|business|domain|email|mail|site|website|store|shop|"
    r"organi[sz]ation|school|university)?\.\w+|(?:e-?mail|mail|domain|company|website|site|business|organi[sz]ation|"
    r"school|university|provider|server|host|xx+)\.\w+|[a-z]\.\w+)"
)
_NOBODY = in_any_case(
    r"(?:user(?:name)?|name|your[._-]?(?:name|email)|first(?:name)?[._-]?last(?:name)?|e-?mail|someone|somebody|"
    r"example|abc|xyz|test|foo|info|support|contact|sales|help|hello|hi|admin|administrator|noreply|no-reply|"
    r"donotreply|office|press|hr|jobs|careers|team|customer(?:[._-]?(?:service|support|care))?|service|billing|"
    r"marketing|webmaster|feedback|enquiries|inquiries|events?|rsvp|j(?:ohn|ane)?[._-]?(?:doe|smith)\d*|x+|git|"
    r"alerts?|news|newsletter|me|you)"
)


@rule("SI501", "email", "An e-mail address of what may be a person; examples and addresses of offices are let pass.")
def email(row: Row) -> Flaw | None:
    for field, text in row.fields:
        for found in _EMAIL.finditer(text) if "@" in text else ():
            if _NOBODYS_DOMAIN.fullmatch(found["domain"]) or _NOBODY.fullmatch(found["local"]):
                continue
            return Flaw(field, "holds an e-mail address", f"{found['local'][0]}{MASK}@{found['domain']}")
    return None


# What may be a phone number: an international one, one in North American groups, or a Chinese mobile.
_PHONE = re.compile(
    r"(?<![\w.,/=+*^$€£-])(?:\+\d{1,3}[\s.-]?(?:\(\d{1,4}\)[\s.-]?)?\d(?:[\s.-]?\d){6,12}|"
    r"(?:1[\s.-])?\(\d{3}\)\s?\d{3}[-.\s]\d{4}|(?:1[-.])?\d{3}[-.]\d{3}[-.]\d{4}|"
    r"1[3-9]\d(?P<han>[\s-]?)\d{4}(?P=han)\d{4})(?![\w/=*^-]|[.,]\d)",
    re.ASCII,
)
_FICTION = re.compile(r"555\D?01\d\d$|555|(\d)\1{4}|12345|98765|0{4}")


@rule(
    "SI502",
    "phone",
    "A telephone number that could ring (phonenumbers); 555 and other numbers of fiction are let pass.",
)
def phone(row: Row) -> Flaw | None:
    for field, text in row.fields:
        for found in _PHONE.finditer(text):
            if _could_ring(found.group()):
                return Flaw(field, "holds a telephone number", f"{found.group()[:5]}{MASK}")
    return None


def _could_ring(text: str) -> bool:
    import phonenumbers

    digits = re.sub(r"\D", "", text)
    if _FICTION.search(digits):
        return False
    region = None if text.startswith("+") else "CN" if re.fullmatch(r"1[3-9]\d{9}", digits) else "US"
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


@rule("SI503", "secret", "A key, a token, a private key or a password in an address (detect-secrets).")
def secret(row: Row) -> Flaw | None:
    for field, text in row.fields:
        if kinds := detect_keys(text):
            return Flaw(field, f"holds a secret: {', '.join(kinds)}", excerpt(text))
    return None
