"""The request line: paths, methods, targets, and the Host beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mutations.change import Change


def path(change: Callable[[str], str]) -> Change:
    return lambda draft: replace(draft, target=change(draft.target))


def method(name: str) -> Change:
    return lambda draft: replace(draft, method=name)


def _absolute(prefix: str) -> Change:
    """An absolute-form target; `{}` in the prefix stands for the right authority."""
    return lambda draft: replace(draft, target=prefix.format(draft.authority) + draft.target)


def _hosts(*values: str) -> Change:
    return lambda draft: replace(draft, hosts=tuple(value.format(draft.authority) for value in values))


PATHS = [
    ("trailing slash", lambda t: t + "/", True),
    ("two trailing slashes", lambda t: t + "//", False),
    ("empty query", lambda t: t + "?", True),
    ("a query", lambda t: t + "?x=y", True),
    ("grant type in the query", lambda t: t + "?grant_type=password", True),
    ("permitted audience in the query", lambda t: t + "?audience=back-end-api", True),
    ("question mark twice", lambda t: t + "??", False),
    ("slash and query", lambda t: t + "/?a=/realms/corp", False),
    ("fragment", lambda t: t + "#x", False),
    ("double slash first", lambda t: "/" + t, False),
    ("double slash inside", lambda t: t.replace("/protocol", "//protocol"), False),
    ("double slash last", lambda t: t.replace("/token", "//token"), False),
    ("dot segment", lambda t: t.replace("/protocol", "/./protocol"), False),
    ("dot-dot segment", lambda t: t.replace("/protocol", "/x/../protocol"), False),
    ("dot-dot through another realm", lambda t: "/realms/partner/.." + t.removeprefix("/realms"), False),
    ("encoded dot-dot", lambda t: t.replace("/protocol", "/x/%2e%2e/protocol"), False),
    ("double-encoded dot-dot", lambda t: t.replace("/protocol", "/x/%252e%252e/protocol"), False),
    ("dot at the end", lambda t: t + "/.", False),
    ("encoded dot at the end", lambda t: t + "/%2e", False),
    ("dot-dot at the end", lambda t: t + "/x/..", False),
    ("encoded letter", lambda t: t.replace("/token", "/%74oken"), False),
    ("encoded letter in the realm", lambda t: t.replace("/corp", "/%63orp"), False),
    ("encoded hyphen", lambda t: t.replace("openid-", "openid%2d"), False),
    ("double-encoded letter", lambda t: t.replace("/token", "/%2574oken"), False),
    ("encoded slash", lambda t: t.replace("/token", "%2ftoken"), False),
    ("encoded slash at the end", lambda t: t + "%2f", False),
    ("backslash", lambda t: t.replace("/token", "\\token"), False),
    ("encoded backslash", lambda t: t.replace("/token", "%5ctoken"), False),
    ("matrix parameter", lambda t: t + ";a=b", False),
    ("matrix parameter inside", lambda t: t.replace("/protocol", ";a=b/protocol"), False),
    ("encoded semicolon", lambda t: t + "%3Ba=b", False),
    ("encoded NUL", lambda t: t + "%00", False),
    ("encoded space", lambda t: t + "%20", False),
    ("encoded tab", lambda t: t + "%09", False),
    ("encoded newline", lambda t: t + "%0a", False),
    ("encoded question mark", lambda t: t + "%3f", False),
    ("upper case last", lambda t: t.replace("/token", "/TOKEN"), False),
    ("upper case realm", lambda t: t.replace("/corp", "/CORP"), False),
    ("upper case first", lambda t: t.replace("/realms", "/Realms"), False),
    ("suffix", lambda t: t + ".json", False),
    ("old prefix", lambda t: "/auth" + t, False),
    ("no leading slash", lambda t: t[1:], False),
    ("overlong slash", lambda t: t.replace("/token", "%c0%aftoken"), False),
    ("full-width letter", lambda t: t.replace("/token", "/%ef%bd%94oken"), False),
    ("plus at the end", lambda t: t + "+", False),
    ("introspection path", lambda t: t + "/introspect", False),
    ("another endpoint", lambda t: t.replace("/token", "/revoke"), False),
    ("the login endpoint", lambda t: t.replace("/token", "/auth"), False),
    ("the admin API", lambda t: "/admin/realms/corp", False),
    ("the root", lambda t: "/", False),
]  # fmt: skip


METHODS = [
    "post",
    "Post",
    "GET",
    "HEAD",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "PROPFIND",
    "POST\t",
    "XPOST",
]


TARGETS = [
    ("absolute form", _absolute("http://{}"), True),
    ("absolute form, other host", _absolute("http://elsewhere.test"), True),
    ("absolute form, https", _absolute("https://{}"), True),
    ("absolute form, upper case scheme", _absolute("HTTP://{}"), True),
    ("absolute form, userinfo", _absolute("http://user:pass@{}"), False),
    ("absolute form, no authority", _absolute("http://"), False),
    ("absolute form, ftp", _absolute("ftp://{}"), False),
    ("absolute form, other port", _absolute("http://127.0.0.1:1"), True),
    ("two hosts", _hosts("{0}", "elsewhere.test"), False),
    ("two equal hosts", _hosts("{0}", "{0}"), False),
    ("no host", _hosts(), False),
    ("empty host", _hosts(""), False),
    ("host with userinfo", _hosts("user@{0}"), False),
    ("host with a path", _hosts("{0}/realms"), False),
    ("host in two parts", _hosts("{0}, {0}"), False),
    ("HTTP/1.0", lambda d: replace(d, version="HTTP/1.0"), True),
    ("HTTP/1.2", lambda d: replace(d, version="HTTP/1.2"), False),
    ("HTTP/2.0 in the line", lambda d: replace(d, version="HTTP/2.0"), False),
    ("http/1.1 in lower case", lambda d: replace(d, version="http/1.1"), False),
    ("no version", lambda d: replace(d, version=""), False),
]  # fmt: skip
