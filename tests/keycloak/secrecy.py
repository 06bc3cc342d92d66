"""What must never be written anywhere: every token and secret that the suite meets is noted here."""

from __future__ import annotations

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


def found_in(text: str) -> list[str]:
    """The noted values that a text contains, whole or by their last part: a JWT's signature alone is enough."""
    return [value for value in _SEEN if value in text or _signature_in(value, text)]


def _signature_in(value: str, text: str) -> bool:
    signature = value.rsplit(".", 1)[-1]
    return value.count(".") == 2 and len(signature) > 40 and signature in text
