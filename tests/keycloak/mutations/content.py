"""What the body is said to be, and what it is: media types, charsets, codings, other encodings."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace

import drafts
from drafts import Fields
from mutations.change import Change
from peer import FORM


def types(*values: str) -> Change:
    return lambda draft: replace(draft, content_types=values)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _typed_body(encode: Callable[[Fields], bytes], *values: str) -> Change:
    return lambda draft: replace(draft, content_types=values, encode=encode)


def _recode(change: Callable[[bytes], bytes], *lines: tuple[str, str]) -> Change:
    return lambda draft: replace(draft, recode=change, lines=(*draft.lines, *lines))


TYPES = [
    ("charset utf-8", [FORM + "; charset=utf-8"], True),
    ("charset UTF-8 unspaced", [FORM + ";charset=UTF-8"], True),
    ("charset quoted", [FORM + '; charset="utf-8"'], True),
    ("charset latin-1", [FORM + "; charset=ISO-8859-1"], True),
    ("charset utf-16", [FORM + "; charset=UTF-16"], False),
    ("charset utf-7", [FORM + "; charset=utf-7"], True),
    ("charset ebcdic", [FORM + "; charset=IBM037"], False),
    ("charset unknown", [FORM + "; charset=nonsense"], False),
    ("charset empty", [FORM + "; charset="], False),
    ("charset twice", [FORM + "; charset=utf-8; charset=utf-16"], False),
    ("a boundary", [FORM + "; boundary=cut"], True),
    ("a quality", [FORM + ";q=0.1"], True),
    ("a version", [FORM + "; version=1"], True),
    ("a bare semicolon", [FORM + ";"], False),
    ("a nameless parameter", [FORM + "; x"], False),
    ("a quoted semicolon", [FORM + '; x="a;b"'], False),
    ("upper case", [FORM.upper()], True),
    ("mixed case", ["Application/X-WWW-Form-URLEncoded"], True),
    ("padded", ["  " + FORM + "  "], True),
    ("a tab before the parameter", [FORM + "\t;\tcharset=utf-8"], False),
    ("a comma", [FORM + ", application/json"], False),
    ("a comma first", ["application/json, " + FORM], False),
    ("twice the same", [FORM, FORM], False),
    ("form, then json", [FORM, "application/json"], True),
    ("json, then form", ["application/json", FORM], False),
    ("text/plain, then form", ["text/plain", FORM], False),
    ("none", [], True),
    ("empty", [""], False),
    ("text/plain", ["text/plain"], True),
    ("text/html", ["text/html"], False),
    ("application/json label", ["application/json"], False),
    ("octet-stream", ["application/octet-stream"], True),
    ("any", ["*/*"], False),
    ("any application", ["application/*"], False),
    ("without x-", ["application/www-form-urlencoded"], False),
    ("a suffix", [FORM + "+x"], False),
    ("xml", ["application/xml"], False),
    ("multipart label", ["multipart/form-data; boundary=cut"], False),
    ("no slash", ["form"], False),
]


def _gzip_label(body: bytes) -> bytes:
    return body


CODINGS = [
    ("identity", _recode(_gzip_label, ("Content-Encoding", "identity")), True),
    ("empty coding", _recode(_gzip_label, ("Content-Encoding", "")), True),
    ("gzip", _recode(_gzip, ("Content-Encoding", "gzip")), False),
    ("x-gzip", _recode(_gzip, ("Content-Encoding", "x-gzip")), False),
    ("GZIP", _recode(_gzip, ("Content-Encoding", "GZIP")), False),
    ("deflate", _recode(zlib.compress, ("Content-Encoding", "deflate")), False),
    ("raw deflate", _recode(lambda b: zlib.compress(b)[2:-4], ("Content-Encoding", "deflate")), False),
    ("gzip twice", _recode(lambda b: _gzip(_gzip(b)), ("Content-Encoding", "gzip, gzip")), False),
    ("gzip, then identity", _recode(_gzip, ("Content-Encoding", "gzip"), ("Content-Encoding", "identity")), False),
    ("gzip in name only", _recode(_gzip_label, ("Content-Encoding", "gzip")), False),
    ("br in name only", _recode(_gzip_label, ("Content-Encoding", "br")), True),
    ("zstd in name only", _recode(_gzip_label, ("Content-Encoding", "zstd")), False),
    ("aes in name only", _recode(_gzip_label, ("Content-Encoding", "aes128gcm")), False),
    ("coding by transfer-encoding name", _recode(_gzip_label, ("Content-Transfer-Encoding", "base64")), True),
    ("gzip without a label", _recode(_gzip), False),
    ("byte order mark", _recode(lambda b: b"\xef\xbb\xbf" + b), False),
    ("utf-16", _recode(lambda b: b.decode().encode("utf-16")), False),
    ("utf-16 with its charset", lambda d: replace(d, recode=lambda b: b.decode().encode("utf-16"), content_types=(FORM + "; charset=UTF-16",)), False),
    ("ebcdic with its charset", lambda d: replace(d, recode=lambda b: b.decode().encode("cp037"), content_types=(FORM + "; charset=IBM037",)), False),
    ("newline at the end", _recode(lambda b: b + b"\r\n"), True),
    ("newline at the start", _recode(lambda b: b"\r\n" + b), False),
    ("NUL at the end", _recode(lambda b: b + b"\0"), False),
    ("space at the start", _recode(lambda b: b" " + b), False),
    ("ampersand at the start", _recode(lambda b: b"&" + b), True),
    ("ampersand at the end", _recode(lambda b: b + b"&"), True),
    ("question mark at the start", _recode(lambda b: b"?" + b), False),
    ("ampersands doubled", _recode(lambda b: b.replace(b"&", b"&&")), True),
    ("semicolons for ampersands", _recode(lambda b: b.replace(b"&", b";")), False),
    ("newlines for ampersands", _recode(lambda b: b.replace(b"&", b"\n")), False),
    ("commas for ampersands", _recode(lambda b: b.replace(b"&", b",")), False),
    ("encoded ampersands", _recode(lambda b: b.replace(b"&", b"%26")), False),
    ("html ampersands", _recode(lambda b: b.replace(b"&", b"&amp;")), False),
    ("spaces after ampersands", _recode(lambda b: b.replace(b"&", b"& ")), False),
    ("empty pair", _recode(lambda b: b"=&" + b), True),
    ("nameless value", _recode(lambda b: b"=x&" + b), False),
    ("valueless name", _recode(lambda b: b"x&" + b), True),
    ("broken percent elsewhere", _recode(lambda b: b"x=%zz&" + b), False),
    ("truncated percent at the end", _recode(lambda b: b + b"&x=%4"), False),
    ("raw non-ASCII elsewhere", _recode(lambda b: b"x=\xe9&" + b), True),
    ("raw UTF-8 elsewhere", _recode(lambda b: "x=é&".encode() + b), True),
]  # fmt: skip


BODIES = [
    ("multipart", _typed_body(drafts.multipart, "multipart/form-data; boundary=cut"), True),
    ("multipart under the form's label", _typed_body(drafts.multipart, FORM + "; boundary=cut"), False),
    ("mixed", _typed_body(drafts.multipart, "multipart/mixed; boundary=cut"), False),
    ("json", _typed_body(lambda f: json.dumps(dict(f)).encode(), "application/json"), False),
    ("json under the form's label", _typed_body(lambda f: json.dumps(dict(f)).encode(), FORM), False),
    ("text lines", _typed_body(lambda f: "\r\n".join(f"{k}={v}" for k, v in f).encode(), "text/plain"), False),
    ("xml", _typed_body(lambda f: ("<f>" + "".join(f"<{k}>{v}</{k}>" for k, v in f) + "</f>").encode(), "text/xml"), False),
]  # fmt: skip
