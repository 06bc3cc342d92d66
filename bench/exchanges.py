"""What `bench/mint` and `bench/instructions` send: a token of a foreign issuer, and the form of its exchange."""

import json
import pathlib
import subprocess
import time
import urllib.parse

from measure import Failure

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATH = "/realms/corp/protocol/openid-connect/token"
CORP, PARTNER = "https://sso.example.org/realms/corp", "https://login.partner.example/realms/partner"
SECRET = "front-end-secret-7a1f0c9e2b"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def build_crypto(optimised):
    """Builds benches/crypto.rs; gives the program's path. Not optimised, the profile is that of the tests, because its own
    speed counts for nothing then; cryptography is optimised in both."""
    command = ["bench", "--no-run"] if optimised else ["build"]
    done = subprocess.run(["cargo", *command, "--quiet", "--bench", "crypto", "--message-format=json"],
                          cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    messages = (json.loads(line) for line in done.stdout.splitlines())
    for message in messages:
        if message.get("executable") and message["target"]["name"] == "crypto":
            return pathlib.Path(message["executable"])
    raise Failure("cargo could not build benches/crypto.rs")


def subject_claims():
    """What Keycloak puts into the token of a user with its default roles, and a group."""
    now = int(time.time())
    return {
        "exp": now + 6 * 3600, "iat": now, "jti": "onrtte:3e1c7e41-5b0c-4d57-8d5e-96c6a4a1d6c3", "iss": PARTNER, "aud": CORP,
        "sub": "c0ffee00-1d2e-4f30-8a40-5b6c7d8e9f00", "typ": "Bearer", "azp": "partner-app",
        "sid": "0b0f6f3e-3a3e-4f7e-9a57-7b6a3d0a2c11", "acr": "1", "allowed-origins": ["https://app.example.org"],
        "realm_access": {"roles": ["default-roles-partner", "offline_access", "uma_authorization"]},
        "resource_access": {"partner-app": {"roles": ["partner_user"]}}, "groups": ["staff"], "scope": "email profile",
        "email_verified": True, "name": "Carol Example", "preferred_username": "carol", "given_name": "Carol",
        "family_name": "Example", "email": "carol@example.org",
    }


def exchange_form(token, client, secret, audience):
    return urllib.parse.urlencode({
        "grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN, "audience": audience, "client_id": client, "client_secret": secret})
