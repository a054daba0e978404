"""certbot's own ACME library (PyPI acme) orders certificates at a CA on loopback, one at a time, and reads their states back from
pebble's management port. JSON in, JSON out; it revokes nothing.

asked: directory, roots (a PEM file), and one of
- register: account_key (written there as a JWK, as certbot does, where there is none; read otherwise, PEM too)
- issue: the same, and certificates: a list of {name, key, certificate, kind}: file names to write, kind ec256, ec384 or rsa
- states: a list of serial numbers in hexadecimal; management, the port's URL"""

import importlib.metadata
import json
import os
import sys
import time

import acme.client
import josepy
import requests
from acme import challenges, crypto_util, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


class Patient(acme.client.ClientNetwork):
    """The library tries again once where a nonce is refused; pebble refuses one in five, good ones among them."""

    def post(self, *args, **kwargs):
        for attempt in range(30):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce" or attempt == 29:
                    raise


def new_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP384R1() if kind == "ec384" else ec.SECP256R1())


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_key(path, text):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(text)


def account_key(path):
    if not os.path.exists(path):
        write_key(path, josepy.JWKRSA(key=new_key("rsa")).json_dumps().encode())
    with open(path, "rb") as file:
        text = file.read()
    if text.startswith(b"{"):
        return josepy.JWK.json_loads(text.decode()), josepy.RS256
    return josepy.JWKEC(key=serialization.load_pem_private_key(text, None)), josepy.ES256


def connect(asked):
    key, algorithm = account_key(asked["account_key"])
    net = Patient(key, alg=algorithm, verify_ssl=asked["roots"], user_agent="judge")
    directory = messages.Directory.from_json(net.get(asked["directory"]).json())
    client = acme.client.ClientV2(directory, net)
    client.net.account = client.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    return client


def issue(client, wanted):
    key = new_key(wanted["kind"])
    write_key(wanted["key"], pem(key))
    order = client.new_order(crypto_util.make_csr(pem(key), [wanted["name"]]))
    for authorization in order.authorizations:
        for challenge in authorization.body.challenges:
            if isinstance(challenge.chall, challenges.HTTP01):
                client.answer_challenge(challenge, challenge.response(client.net.key))
    order = client.poll_and_finalize(order)
    with open(wanted["certificate"], "w") as file:
        file.write(order.fullchain_pem)


def state(asked, serial):
    url = f"{asked['management']}/cert-status-by-serial/{serial.lstrip('0')}"
    answer = requests.get(url, verify=asked["roots"], timeout=30)
    if answer.status_code == 404:
        return None
    body = answer.json()
    return {"status": body["Status"], "reason": body.get("Reason")}


asked = json.load(sys.stdin)
pause = time.sleep
# Nothing takes a second here, which is what the library waits between two questions.
acme.client.time.sleep = lambda seconds: pause(min(seconds, 0.01))
answer = {"version": importlib.metadata.version("acme")}
if "states" in asked:
    answer["states"] = [state(asked, serial) for serial in asked["states"]]
else:
    client = connect(asked)
    for wanted in asked.get("certificates", []):
        issue(client, wanted)
json.dump(answer, sys.stdout)
