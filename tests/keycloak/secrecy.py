"""What must never be written anywhere: every token and secret that the suite meets is noted here."""

from __future__ import annotations

import re

import realms
from server import BOOTSTRAP_ADMIN

_SEEN: set[str] = {*realms.SECRETS, BOOTSTRAP_ADMIN[1]}
_TOKEN_FIELDS = ("access_token", "refresh_token", "id_token")


def note(answer: dict) -> dict:
    """Note the tokens of a token answer, and give the answer on."""
    _SEEN.update(answer[name] for name in _TOKEN_FIELDS if answer.get(name))
    return answer


def note_value(value: str) -> str:
    """Note a code, a token or a secret that came by another way. A public client's is empty, and in every text."""
    if value:
        _SEEN.add(value)
    return value


# Tokens and long secrets are such a run, or a part of one. Most of a log is shorter words.
_RUN = re.compile(r"[A-Za-z0-9_.~+/=-]{40,}")


def found_in(text: str) -> list[str]:
    """The noted values that a text contains, whole or by their last part: a JWT's signature alone is enough."""
    runs = "\n".join(set(_RUN.findall(text)))
    return [value for value in _SEEN if (part := _telling(value)) in (runs if _RUN.fullmatch(part) else text)]


def is_in(value: str, text: str) -> bool:
    """Whether a text contains this value."""
    return _telling(value) in text


def _telling(value: str) -> str:
    """The signature of a JWT, else the value."""
    signature = value.rsplit(".", 1)[-1]
    return signature if value.count(".") == 2 and len(signature) > 40 else value
