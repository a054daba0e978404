"""Google's own client (PyPI google-cloud-private-ca) by REST. JSON in, JSON out: puts these calls on a socket, and reads these answers as its own
messages, which know no other field."""

import importlib.metadata
import json
import sys

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud.security import privateca_v1
from google.cloud.security.privateca_v1.services.certificate_authority_service import transports
from google.protobuf import json_format


def message(name, value):
    kind = getattr(privateca_v1, name)
    return kind(json_format.ParseDict(value, kind.pb(kind())))


def send(asked):
    transport = transports.CertificateAuthorityServiceRestTransport(
        host=asked["host"], url_scheme="http", credentials=AnonymousCredentials()
    )
    client = privateca_v1.CertificateAuthorityServiceClient(transport=transport)
    for call in asked["calls"]:
        try:
            getattr(client, call["method"])(message(call["request"], call["arguments"]), retry=None)
        except GoogleAPICallError:
            pass


asked = json.load(sys.stdin)
send(asked["send"])
for name, body in asked["answers"]:
    message(name, body)
reasons = {reason.name: reason.value for reason in privateca_v1.RevocationReason}
version = importlib.metadata.version("google-cloud-private-ca")
json.dump({"version": version, "reasons": reasons}, sys.stdout)
