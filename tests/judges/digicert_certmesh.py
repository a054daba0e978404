"""A client of DigiCert's that others wrote (PyPI certmesh). JSON in, JSON out.

`send`: it puts calls on the wire, at an endpoint on loopback; what they look like there is for the listener to say. `follow`: it polls an order
until it is issued, and says what it makes of the answers. `refused`: what it takes refusals for."""

import importlib.metadata
import json
import logging
import os
import sys

import requests
from certmesh import exceptions
from certmesh.providers import digicert_client as client

asked = json.load(sys.stdin)
logging.disable()
os.environ["CM_DIGICERT_API_KEY"] = asked["api_key"]
config = {"base_url": asked["endpoint"], "retry": {"max_attempts": 1}}


def send(call):
    call = dict(call)
    function = getattr(client, call.pop("function"))
    function(config, {}, None, **call)


def follow(order_id):
    session = client._build_session(config, {}, None)
    plain = lambda function: function
    url = f"{asked['endpoint']}/order/certificate/{order_id}"
    try:
        # So short that each order is looked at once.
        return client._poll_order_until_issued(session, url, order_id, plain, plain, poll_interval=1, max_wait=1)
    except exceptions.DigiCertPollingTimeoutError:
        return "pending"
    except exceptions.DigiCertAPIError:
        return "rejected"


def refused(status, body):
    answer = requests.Response()
    answer.status_code = status
    answer._content = json.dumps(body).encode()
    try:
        client._raise_for_digicert_error(answer)
    except exceptions.DigiCertError as error:
        return type(error).__name__
    return "none"


for call in asked["send"]:
    send(call)
answer = {
    "version": importlib.metadata.version("certmesh"),
    "reasons": sorted(client._VALID_REVOCATION_REASONS),
    "followed": [follow(order) for order in asked["follow"]],
    "refused": [refused(*one) for one in asked["refused"]],
}
json.dump(answer, sys.stdout)
