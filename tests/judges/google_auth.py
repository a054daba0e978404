"""Google's own library for service accounts (PyPI google-auth). JSON in, JSON out: verifies these assertions by the key's public half at the
moment that each names, and says what it would assert itself then."""

import datetime
import importlib.metadata
import json
import sys

from cryptography.hazmat.primitives import serialization
from google.auth import _helpers, jwt
from google.oauth2 import service_account


def judge(asked):
    moment = datetime.datetime.fromtimestamp(asked["at"], datetime.timezone.utc).replace(tzinfo=None)
    _helpers.utcnow = lambda: moment
    key = serialization.load_pem_private_key(asked["file"]["private_key"].encode(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    ours = asked["assertion"]
    # Signature, iat and exp are verified there.
    claims = dict(jwt.decode(ours, certs=public, audience="https://oauth2.googleapis.com/token"))
    made = service_account.Credentials.from_service_account_info(asked["file"], scopes=asked["scopes"])
    theirs = made._make_authorization_grant_assertion()
    return {
        "header": jwt.decode_header(ours),
        "claims": claims,
        "their_header": jwt.decode_header(theirs),
        "their_claims": dict(jwt.decode(theirs, verify=False)),
    }


asked = json.load(sys.stdin)
answer = {"version": importlib.metadata.version("google-auth"), "judged": [judge(one) for one in asked["judge"]]}
json.dump(answer, sys.stdout)
