"""NAVER's own client (PyPI ncloud-server) signs requests with a pinned clock. JSON in, JSON out; sends nothing.

Each request: base (up to where the path begins), method, path, query as pairs as they stand on the wire, milliseconds, access_key,
secret_key. The client joins a query's pairs as they are, so they come here encoded. It calls its header field `-v1`; the formula is
the same."""

import importlib.metadata
import json
import sys

import ncloud_server
import ncloud_server.api_client


class PinnedTime:
    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def time(self):
        # Half a millisecond more, so that the client's rounding down meets no rounding error.
        return (self.milliseconds + 0.5) / 1000


def sign(asked):
    configuration = ncloud_server.Configuration()
    configuration.host = asked["base"]
    configuration.access_key = asked["access_key"]
    configuration.secret_key = asked["secret_key"]
    client = ncloud_server.ApiClient(configuration)
    ncloud_server.api_client.time = PinnedTime(asked["milliseconds"])
    headers = {}
    query = [tuple(pair) for pair in asked["query"]]
    client.update_params_for_auth(asked["method"], asked["path"], headers, query, ["x-ncp-iam"])
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}


asked = json.load(sys.stdin)
json.dump({"version": importlib.metadata.version("ncloud-server"), "signed": [sign(one) for one in asked]}, sys.stdout)
