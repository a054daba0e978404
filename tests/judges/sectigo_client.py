"""The universities' client for Sectigo Certificate Manager (PyPI cert-manager). JSON in, JSON out: puts its calls on the wire, at an endpoint on
loopback; what they look like there is for the listener to say."""

import importlib.metadata
import json
import sys

from cert_manager import Client
from cert_manager.ssl import SSL

asked = json.load(sys.stdin)
for one in asked["send"]:
    client = Client(**one["client"])
    if "client_id" in one["client"]:
        # Its headers for a token are not those of its session.
        client.session.headers.update(client.headers)
    ssl = SSL(client=client)
    for call in one["calls"]:
        # A list is made as it is read.
        list(getattr(ssl, call["name"])(**call["arguments"]) or [])
json.dump({"version": importlib.metadata.version("cert_manager")}, sys.stdout)
