"""A server that plays AWS (PyPI moto), on loopback: makes a CA, says so on a line, and on the next line what happened to it, as boto3 and its own
store tell."""

import datetime
import importlib.metadata
import json
import sys
import threading

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.acmpca.models import acmpca_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

moto = DomainDispatcherApplication(create_backend_app)


def as_json(environment, start):
    """moto calls the JSON of some services text/html; AWS calls it what its protocol says (JSON 1.1)."""

    def started(status, headers, *rest):
        others = [(name, value) for name, value in headers if name.lower() != "content-type"]
        return start(status, others + [("Content-Type", "application/x-amz-json-1.1")], *rest)

    return moto(environment, started)


asked = json.loads(sys.stdin.readline())
server = make_server("127.0.0.1", asked["port"], as_json, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
keys = {
    "endpoint_url": f"http://127.0.0.1:{asked['port']}",
    "region_name": asked["region"],
    "aws_access_key_id": "a",
    "aws_secret_access_key": "b",
}
pca = boto3.client("acm-pca", **keys)
arn = pca.create_certificate_authority(
    CertificateAuthorityConfiguration={
        "KeyAlgorithm": "RSA_2048",
        "SigningAlgorithm": "SHA256WITHRSA",
        "Subject": {"CommonName": "A CA of moto"},
    },
    CertificateAuthorityType="ROOT",
)["CertificateAuthorityArn"]
of_ca = {"CertificateAuthorityArn": arn}
certificate = pca.issue_certificate(
    **of_ca,
    Csr=pca.get_certificate_authority_csr(**of_ca)["Csr"].encode(),
    SigningAlgorithm="SHA256WITHRSA",
    Validity={"Value": 10, "Type": "YEARS"},
    TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
)["CertificateArn"]
own = pca.get_certificate(**of_ca, CertificateArn=certificate)["Certificate"]
pca.import_certificate_authority_certificate(**of_ca, Certificate=own.encode())
acm = boto3.client("acm", **keys)
names = [f"shop-{number}.example.com" for number in range(3)]
requested = [acm.request_certificate(DomainName=name)["CertificateArn"] for name in names]
key = ec.generate_private_key(ec.SECP256R1())
subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old.example.com")])
now = datetime.datetime.now(datetime.timezone.utc)
old = x509.CertificateBuilder(subject, subject, key.public_key(), 7, now, now + datetime.timedelta(days=30)).sign(key, hashes.SHA256())
plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
imported = acm.import_certificate(
    Certificate=old.public_bytes(serialization.Encoding.PEM), PrivateKey=key.private_bytes(*plain)
)["CertificateArn"]
version = importlib.metadata.version("moto")
print(json.dumps({"version": version, "ca": arn, "root": certificate, "acm": requested, "imported": imported}), flush=True)

sys.stdin.readline()
[ca] = [
    authority
    for account in acmpca_backends
    for backend in acmpca_backends[account].values()
    for authority in backend.certificate_authorities.values()
]
issued = {
    issued: pca.get_certificate(**of_ca, CertificateArn=issued)
    for issued in ca.issued_certificates
    if issued != certificate
}
pem = [{"certificate": one["Certificate"], "chain": one["CertificateChain"]} for one in issued.values()]
reasons = {serial: one["revocation_reason"] for serial, one in ca.revoked_certificates.items()}
in_the_place = acm.get_certificate(CertificateArn=imported)["Certificate"]
print(json.dumps({"issued": pem, "revoked": reasons, "in_the_place": in_the_place}), flush=True)
server.shutdown()
