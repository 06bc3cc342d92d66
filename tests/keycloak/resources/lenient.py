"""An authorization server that exchanges tokens (RFC 8693) and takes a request in whatever way any reader could read it.

Nobody runs such a server. It stands for all the readers that might stand behind Cambio: where one of them finds an
exchange in a request to the token endpoint, however that is spelt, or in an ordinary form to another path, this one finds
it too. Arguments: port, and a file with {issuer, key}: the private key (PEM).
`GET /performed` lists the exchanges so far, `DELETE /performed` forgets them.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import jwt

sys.path.insert(0, str(Path(__file__).parents[1]))
import forgery

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
FORM = "application/x-www-form-urlencoded"

# A form as one reader sees it; names may be repeated.
Form = list[tuple[str, str]]


def is_token_endpoint(target: str, path: str, root: bool) -> bool:
    """Whether any normalisation of a target leads to the path: to exactly this path, if it is at the root of the host."""
    found = map(_normalised, _targets(target))
    return any(one == path if root else one.endswith(path) for one in found)


def _targets(target: str) -> Iterator[str]:
    yield target
    with suppress(ValueError):
        yield urlsplit(target).path


def _normalised(target: str) -> str:
    path = re.split("[?#]", target)[0]
    for _ in range(3):
        path = unquote_to_bytes(path).decode("utf-8", "replace")
    path = re.sub(r"/+", "/", re.sub(";[^/]*", "", path.replace("\\", "/")).casefold())
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and kept:
            kept.pop()
        elif part not in (".", ".."):
            kept.append(part.strip(" \t\r\n\0+?"))
    return "/".join(kept).rstrip("/").removesuffix(".json")


def decoded(body: bytes) -> Iterator[bytes]:
    """The body, and what each content coding would make of it, whatever the headers say."""
    yield body
    for decode in (gzip.decompress, zlib.decompress, lambda data: zlib.decompress(data, -15)):
        with suppress(OSError, EOFError, zlib.error):
            once = decode(body)
            yield once
            with suppress(OSError, EOFError, zlib.error):
                yield gzip.decompress(once)


def texts(body: bytes) -> Iterator[str]:
    """The body in each of the charsets that a header might name."""
    for charset in ("utf-8-sig", "utf-16", "cp037", "latin-1"):
        with suppress(UnicodeDecodeError):
            yield body.decode(charset)


def _pairs(text: str, separator: str) -> Form:
    pairs = (pair.partition("=") for pair in re.split(separator, text))
    return [(_plain(name), _plain(value)) for name, _, value in pairs]


def _plain(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def _json(text: str) -> Form:
    document = json.loads(text)
    if not isinstance(document, dict):
        return []
    return [(name, value) for name, value in document.items() if isinstance(value, str)]


def _multipart(text: str) -> Form:
    return re.findall(r'name="([^"]*)"[^\r\n]*\r?\n\r?\n(.*?)\r?\n--', text, re.S)


def _xml(text: str) -> Form:
    return re.findall(r"<([a-z_]+)>([^<]*)</\1>", text)


READERS: list[Callable[[str], Form]] = [
    lambda text: _pairs(text, "&"),
    lambda text: _pairs(text, r"&amp;|[&;,\r\n?]+"),
    lambda text: _pairs(_plain(text), "&"),
    _json,
    _multipart,
    _xml,
]


def forms(body: bytes, query: str) -> Iterator[Form]:
    """Every form that some reader finds in a request, with the query's fields beside it."""
    beside = _pairs(query, "&")
    for text in itertools.chain.from_iterable(map(texts, decoded(body))):
        for read in READERS:
            with suppress(ValueError):
                yield [*read(text), *beside]


def values(form: Form, name: str) -> set[str]:
    """A field's values; its name and they may be padded, in another case, or an array's."""
    return {
        value.strip(" \t\r\n\0").casefold() if name == "grant_type" else value.strip(" \t\r\n\0")
        for key, value in form
        if re.sub(r"[^a-z_]", "", key.casefold()) == name
    } - {""}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    issuer: str
    # Where its endpoints are, and whether the whole host is its realm.
    root: bool
    token_path: str
    certs_path: str
    key: object
    performed: list[str]

    def _serve(self) -> None:
        body = self._body()
        if self.path == "/performed":
            self._performed()
        elif self.path.endswith(self.certs_path):
            self._json(200, {"keys": [forgery.public_jwk(self.key, "key")]})
        elif self.path.endswith("/.well-known/openid-configuration"):
            self._json(200, self._discovery())
        else:
            self._token(body)

    def _token(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if is_token_endpoint(self.path, self.token_path, self.root):
            found = forms(body, query)
        elif self.headers.get("Content-Type", "").casefold().startswith(FORM):
            # A form that is a form is read wherever it comes to.
            found = iter([_pairs(body.decode("utf-8", "replace"), "&")])
        else:
            return self._json(404, {"error": f"nothing at {path}"})
        for form in found:
            if EXCHANGE in values(form, "grant_type") and (claims := self._subject(form)):
                return self._exchange(form, claims)
        return self._json(400, {"error": "invalid_request"})

    def _subject(self, form: Form) -> dict | None:
        for token in values(form, "subject_token"):
            with suppress(jwt.PyJWTError):
                return jwt.decode(
                    token, self.key.public_key(), algorithms=["RS256"], options={"verify_aud": False}
                )
        return None

    def _exchange(self, form: Form, claims: dict) -> None:
        audience = " ".join(sorted(values(form, "audience"))) or "none"
        self.performed.append(f"{audience}: {self.command} {self.path} {self.headers.get('Content-Type')}")
        now = int(time.time())
        own = {"jti": f"exchanged-{len(self.performed)}-{now}", "aud": audience, "iat": now, "exp": now + 300}
        token = jwt.encode({**claims, **own}, self.key, "RS256", {"kid": "key"})
        document = {
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 300,
        }
        self._json(200, document)

    def _discovery(self) -> dict:
        origin = self.issuer.removesuffix(urlsplit(self.issuer).path)
        return {
            "issuer": self.issuer,
            "token_endpoint": origin + self.token_path,
            "jwks_uri": origin + self.certs_path,
        }

    def _performed(self) -> None:
        if self.command == "DELETE":
            self.performed.clear()
        self._json(200, {"performed": list(self.performed)})

    def _json(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").casefold():
            length = self.headers.get("Content-Length", "0").strip("+")
            return self.rfile.read(int(length)) if length.isdigit() else b""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def __getattr__(self, name: str) -> Callable[[], None]:
        # Whatever the method is.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Its output is for faults."""


def main(port: str, file: str) -> None:
    given = json.loads(Path(file).read_text())
    paths = {"root": given["root"], "token_path": given["token"], "certs_path": given["certs"]}
    own = {"issuer": given["issuer"], **paths, "key": forgery.load(given["key"]), "performed": []}
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer.request_queue_size = 64
    ThreadingHTTPServer(("127.0.0.1", int(port)), type("Handler", (Server,), own)).serve_forever()


main(*sys.argv[1:])
