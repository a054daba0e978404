# Asking whether a million revocations are seen: by one list of as many entries, which is fetched once; and by a request for each.
import functools
import http.server
import subprocess
import threading

from measure import OursFailed, Server
from part_check import keep
from table import absolutes, least, most

CONCURRENCY = 64
# What the provider allows in a second, to the run and to the questions alike.
ALLOWED = 1_000


def by_list(bench):
    """`verify` of a run of many, by a CRL that has them all."""
    number = 20_000 if bench.quick else 1_000_000
    peak = most(f"Q12 verify of {number:,} revocations by one CRL of {number:,} entries: peak memory", 64, unit=" MB")
    if not bench.tools.have("openssl"):
        peak.missing = bench.tools.why_missing("openssl")
        return [peak]
    ours, place, done = bench.ours, bench.scratch / "authority", {}
    write_authority(place, number)
    handler = functools.partial(Quiet, directory=place)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as lists, Server(bench.tools.paths["bare"]) as server:
        threading.Thread(target=lists.serve_forever, daemon=True).start()
        plan = place / "plan.yaml"
        plan.write_text(
            f"version: 1\nproviders:\n  digicert: {{base_url: {server.url}, rate: [1000000/1s], concurrency: {CONCURRENCY}}}\n"
            f"defaults: {{provider: digicert, reason: superseded, comments: bench, issuer: \"file:ca.pem\", crl: \"http://127.0.0.1:{lists.server_port}/ca.crl\"}}\n"
            "actions:\n  - {from: revoked.csv, action: revoke, skip_approval: true}\n")
        directory = bench.scratch / "run"
        ran = ours.process([ours.program, "run", plan, "--yes", "--run-dir", directory], 900)
        if ran.code:
            raise OursFailed(f"the run to be verified ended with {ran.code}: {ours.last_words()}")
        for _ in bench.rounds("verify", at_most=3):
            asked = ours.process([ours.program, "verify", directory, "--only", "crl"], 900)
            if asked.code:
                raise OursFailed(f"verify ended with {asked.code}: {ours.last_words()}")
            peak.ratios.append(asked.peak_mb)
            keep(done, f"certsweep verify, {number:,} by one CRL", number, asked)
            bench.told({"MB": f"{asked.peak_mb:.0f}", "s": f"{asked.wall:.2f}"})
        lists.shutdown()
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [peak]


def by_state_calls(bench):
    """`verify` of a run of many, by a state call for each, under the limit of its account: a thousand seconds for a million, after as many for the run."""
    number = 5_000 if bench.quick else 1_000_000
    what = f"Q12 verify of {number:,} revocations by state calls, {ALLOWED:,}/s allowed"
    peak, share = most(f"{what}: peak memory", 64, unit=" MB"), least(f"{what}: share of the limit used", 0.99)
    ours, place, done = bench.ours, bench.scratch / "orders", {}
    place.mkdir()
    with Server(bench.tools.paths["bare"]) as server:
        (place / "orders.csv").write_text("order_id\n" + "".join(f"{order}\n" for order in range(1, number + 1)))
        plan = place / "plan.yaml"
        plan.write_text(
            f"version: 1\nproviders:\n  digicert: {{base_url: {server.url}, rate: [{ALLOWED}/1s], concurrency: {CONCURRENCY}}}\n"
            "defaults: {provider: digicert, reason: superseded, comments: bench}\n"
            "actions:\n  - {from: orders.csv, action: revoke-order, skip_approval: true}\n")
        directory = place / "run"
        ran = ours.process([ours.program, "run", plan, "--yes", "--run-dir", directory], 1_800)
        if ran.code:
            raise OursFailed(f"the run to be verified ended with {ran.code}: {ours.last_words()}")
        for _ in bench.rounds("verify by state calls", at_most=1):
            asked = server.count(lambda: ours.process([ours.program, "verify", directory, "--only", "state"], 1_800))
            if asked.took.code or asked.requests < number:
                raise OursFailed(f"verify ended with {asked.took.code} after {asked.requests} requests: {ours.last_words()}")
            lasted = (asked.seen["last"] - asked.seen["first"]) / 1e9
            # The first request is there when the first second begins.
            share.ratios.append((asked.requests - 1) / lasted / ALLOWED)
            peak.ratios.append(asked.took.peak_mb)
            keep(done, f"certsweep verify, {number:,} by state calls", number, asked.took)
            bench.told({"MB": f"{asked.took.peak_mb:.0f}", "share": f"{share.ratios[-1]:.4f}"})
    bench.table(absolutes((name, *numbers) for name, numbers in done.items()))
    return [peak, share]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_):
        pass


def write_authority(place, number):
    """A CA, a list of serial numbers, and its CRL with all of them."""
    place.mkdir()
    openssl = functools.partial(subprocess.run, check=True, capture_output=True, timeout=900, cwd=place)
    openssl(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", "/CN=Bench CA", "-keyout", "ca.key", "-out", "ca.pem"])
    (place / "ca.cnf").write_text("[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=365\n")
    # 16 bytes, as CAs make them: a million are some 40 MB of CRL.
    serials = [f"4A{index:030X}" for index in range(1, number + 1)]
    with open(place / "index.txt", "w") as index:
        index.writelines(f"R\t360101000000Z\t260101000000Z,superseded\t{serial}\tunknown\t/CN=x\n" for serial in serials)
    (place / "index.txt.attr").write_text("unique_subject = no\n")
    openssl(["openssl", "ca", "-config", "ca.cnf", "-gencrl", "-cert", "ca.pem", "-keyfile", "ca.key", "-out", "ca.crl.pem"])
    openssl(["openssl", "crl", "-in", "ca.crl.pem", "-outform", "DER", "-out", "ca.crl"])
    with open(place / "revoked.csv", "w") as rows:
        rows.write("certificate_id,serial_number\n")
        rows.writelines(f"{number},0x{serial}\n" for number, serial in enumerate(serials, 1))
