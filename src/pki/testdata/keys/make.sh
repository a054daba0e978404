#!/bin/sh
# Makes the keys and certificates of this directory anew, by openssl. They protect nothing.
set -eu
cd "$(dirname "$0")"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem
openssl ecparam -name secp384r1 -genkey -noout -out p384-sec1.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem
openssl rsa -in rsa.pem -traditional -out rsa-pkcs1.pem
openssl genpkey -algorithm ED25519 -out ed25519.pem
openssl pkey -in p256.pem -pubout -out public.pem
openssl pkcs8 -topk8 -in p256.pem -passout pass:example -out encrypted.pem
openssl rsa -in rsa.pem -traditional -aes128 -passout pass:example -out encrypted-rsa.pem
openssl req -x509 -new -key p256.pem -subj "/CN=shop.example.com" -days 36500 -set_serial 0x00c0ffee01 -out p256-certificate.pem
openssl req -x509 -new -key rsa.pem -subj "/CN=rsa.example.com" -days 36500 -set_serial 0x7a01 -out rsa-certificate.pem
# As certbot writes keys, by its library josepy (PyPI).
python3 -c '
import josepy
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load
for pem, jwk, kind in [("rsa", "rsa", josepy.JWKRSA), ("p256", "p256", josepy.JWKEC), ("p384-sec1", "p384", josepy.JWKEC)]:
    with open(pem + ".pem", "rb") as read, open(jwk + ".jwk", "w") as write:
        write.write(kind(key=load(read.read(), None)).json_dumps() + "\n")
'
# Too short, and signed over SHA-1.
openssl genrsa -traditional -out rsa1024.pem 1024
openssl rsa -in rsa1024.pem -RSAPublicKey_out -out rsa1024-public.pem
openssl req -x509 -new -key rsa1024.pem -sha1 -subj "/CN=old.example.com" -days 36500 -set_serial 0x7a02 -out rsa1024-certificate.pem
