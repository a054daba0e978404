# Which PEM files of a tree have a key, by Python's cryptography: KEY TREE.
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

key, tree = sys.argv[1:]
with open(key, "rb") as file:
    wanted = load_pem_private_key(file.read(), None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
for directory, _, names in os.walk(tree):
    for name in names:
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            for certificate in x509.load_pem_x509_certificates(file.read()):
                if certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == wanted:
                    print(path)
