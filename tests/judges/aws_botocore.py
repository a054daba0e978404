"""AWS's own signer (PyPI botocore). JSON in, JSON out: signs these requests at the moment that each names."""

import datetime
import importlib.metadata
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(asked):
    moment = datetime.datetime.strptime(asked["at"], "%Y-%m-%dT%H:%M:%SZ")
    botocore.auth.get_current_datetime = lambda *_, **__: moment
    request = AWSRequest(
        method=asked["method"],
        url=asked["url"],
        headers=asked["headers"],
        data=asked["body"].encode() if asked["body"] is not None else None,
    )
    keys = Credentials(asked["access_key"], asked["secret_key"], asked.get("session_token"))
    botocore.auth.SigV4Auth(keys, asked["service"], asked["region"]).add_auth(request)
    return request.headers["Authorization"]


asked = json.load(sys.stdin)
answer = {"version": importlib.metadata.version("botocore"), "signed": [sign(one) for one in asked["sign"]]}
json.dump(answer, sys.stdout)
