"""A resource server written by others: PyJWT verifies tokens, its keys found through the issuer's discovery alone.

Arguments: issuer, audience, algorithms (comma-separated). Each line of standard input is a token; the answer is a line:
"ok" and the claims, or "no" and why.
"""

from __future__ import annotations

import json
import sys
import urllib.request

import jwt


def main(issuer: str, audience: str, algorithms: str) -> None:
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=20) as answer:
        discovery = json.load(answer)
    assert discovery["issuer"] == issuer, discovery["issuer"]
    keys = jwt.PyJWKClient(discovery["jwks_uri"])
    for line in sys.stdin:
        try:
            claims = jwt.decode(
                line.strip(), keys.get_signing_key_from_jwt(line.strip()), algorithms=algorithms.split(","),
                audience=audience, issuer=issuer, options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )  # fmt: skip
            print("ok", json.dumps(claims), flush=True)
        except jwt.PyJWTError as error:
            print("no", f"{type(error).__name__} {error}".replace("\n", " "), flush=True)


main(*sys.argv[1:])
