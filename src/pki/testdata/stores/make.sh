#!/bin/sh
# Makes the stores of this directory anew, by openssl, of the key and certificate beside. They protect nothing.
set -eu
cd "$(dirname "$0")"
store() { openssl pkcs12 -export -inkey ../keys/p256.pem -in ../keys/p256-certificate.pem -name shop "$@"; }
store -passout pass:secret -out modern.p12
# RC2 and Triple-DES, as Windows and OpenSSL before 3 write them.
store -legacy -passout pass:secret -out legacy.p12
store -passout pass: -out no-password.p12
