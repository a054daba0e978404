"""Huawei's own client (PyPI huaweicloudsdkccm, huaweicloudsdkcore). JSON in, JSON out.

`sign`: its signer signs these requests at the date that stands in their header field. `send`: its client puts calls on the wire, at an
endpoint on loopback; what they look like there is for the listener to say."""

import importlib.metadata
import json
import sys
from urllib.parse import unquote

from huaweicloudsdkccm.v1 import (
    CcmClient,
    RevokeCertificateAuthorityRequest,
    RevokeCertificateRequestBody,
    ShowCertificateAuthorityRequest,
)
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest


def credentials(asked):
    made = GlobalCredentials(asked["access_key"], asked["secret_key"], asked.get("domain_id"))
    if asked.get("security_token"):
        made = made.with_security_token(asked["security_token"])
    return made


def sign(asked):
    request = SdkRequest(
        method=asked["method"],
        schema="https",
        host=asked["host"],
        resource_path=asked["path"],
        # The signer takes values as people write them, and encodes them itself.
        query_params=[(unquote(name), unquote(value)) for name, value in asked["query"]],
        header_params=dict(asked["headers"]),
        body=asked["body"].encode() if asked["body"] is not None else None,
    )
    # The domain and the security token it adds by itself.
    return dict(credentials(asked).sign_request(request).header_params)


def send(asked):
    client = CcmClient.new_builder().with_credentials(credentials(asked)).with_endpoint(asked["endpoint"]).build()
    for call in asked["calls"]:
        if call["operation"] == "show-ca":
            client.show_certificate_authority(ShowCertificateAuthorityRequest(ca_id=call["ca_id"]))
        else:
            body = RevokeCertificateRequestBody(reason=call.get("reason"))
            client.revoke_certificate_authority(RevokeCertificateAuthorityRequest(ca_id=call["ca_id"], body=body))


asked = json.load(sys.stdin)
answer = {"version": importlib.metadata.version("huaweicloudsdkccm"), "core": importlib.metadata.version("huaweicloudsdkcore")}
answer["signed"] = [sign(one) for one in asked.get("sign", [])]
for one in asked.get("send", []):
    send(one)
json.dump(answer, sys.stdout)
