#!/bin/sh
# Makes these fixtures anew with openssl, in the working directory: a CA, another of the same name with another key, certificates, CRLs
# and OCSP answers. Afterwards put the second that it prints into NOW in src/pki/world_tests.rs.
set -eu
rm -rf work; mkdir work; cd work
conf() {
  cat > "$1.cnf" <<END
[ca]
default_ca = this
[this]
dir = .
database = $1.index
serial = $1.serial
crlnumber = $1.crlnumber
new_certs_dir = .
certificate = $1.pem
private_key = $1.key
default_md = sha256
policy = any
default_days = 3650
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
crlDistributionPoints = URI:http://crl.example/ca.crl
authorityInfoAccess = OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/ca.crt
[responder]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = OCSPSigning
[crl_ext]
authorityKeyIdentifier = keyid
[partial_ext]
issuingDistributionPoint = critical,@idp
[idp]
onlysomereasons = keyCompromise
[here_ext]
issuingDistributionPoint = critical,@here
[here]
fullname = URI:http://crl.example/ca.crl
[elsewhere_ext]
issuingDistributionPoint = critical,@elsewhere
[elsewhere]
fullname = URI:http://crl.example/2.crl
[cas_ext]
issuingDistributionPoint = critical,@cas
[cas]
onlyCA = TRUE
[indirect_ext]
issuingDistributionPoint = critical,@indirect
[indirect]
indirectCRL = TRUE
[delta_ext]
2.5.29.27 = critical,ASN1:INTEGER:1
END
  : > "$1.index"; echo 1000 > "$1.serial"; echo 01 > "$1.crlnumber"
}
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }
ca() {
  key "$1"; conf "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=Example CA" -days 3650 -out "$1.pem" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,$2"
}
leaf() {
  key "$2"
  openssl req -new -key "$2.key" -subj "/CN=$2.example.com" -out "$2.csr"
  openssl ca -batch -config "$1.cnf" -extensions "$3" -in "$2.csr" -out "$2.pem" -notext 2>/dev/null
}
crl() { out=$1; shift; openssl ca -gencrl -config ca.cnf "$@" 2>/dev/null | openssl crl -outform DER -out "$out"; }
answer() {
  out=$1; certificate=$2; shift 2
  openssl ocsp -issuer ca.pem -cert "$certificate.pem" -no_nonce -reqout asked.der >/dev/null 2>&1
  openssl ocsp -index ca.index -CA ca.pem -reqin asked.der -respout "$out" "$@" >/dev/null 2>&1
}
ca ca keyCertSign,cRLSign
leaf ca good leaf
leaf ca revoked leaf
leaf ca held leaf
leaf ca bare leaf
leaf ca responder responder
# The same name and the same serial numbers, but another key.
ca other keyCertSign,cRLSign
leaf other twin leaf
leaf other stranger responder
# A CA that may not sign CRLs, with the key of the first.
openssl req -x509 -new -key ca.key -subj "/CN=Example CA" -days 3650 -out no-crls.pem \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
openssl ca -config ca.cnf -revoke revoked.pem -crl_reason keyCompromise 2>/dev/null
openssl ca -config ca.cnf -revoke held.pem -crl_reason certificateHold 2>/dev/null
openssl ca -config ca.cnf -revoke bare.pem 2>/dev/null
crl ca.crl -crldays 30
crl expired.crl -crl_lastupdate 20250101000000Z -crl_nextupdate 20250102000000Z
crl future.crl -crl_lastupdate 20990101000000Z -crl_nextupdate 20990201000000Z
for part in partial here elsewhere cas indirect delta; do crl $part.crl -crldays 30 -crlexts ${part}_ext; done
openssl crl -in ca.crl -inform DER -out ca.crl.pem
# The same list, signed by the other.
openssl ca -gencrl -config ca.cnf -keyfile other.key -cert other.pem -crldays 30 2>/dev/null | openssl crl -outform DER -out forged.crl
answer good.ocsp good -rsigner responder.pem -rkey responder.key -ndays 30
answer revoked.ocsp revoked -rsigner responder.pem -rkey responder.key -ndays 30
answer direct.ocsp revoked -rsigner ca.pem -rkey ca.key -ndays 30
answer by-key.ocsp good -rsigner responder.pem -rkey responder.key -ndays 30 -resp_key_id
answer endless.ocsp good -rsigner responder.pem -rkey responder.key
answer without-certificate.ocsp good -rsigner responder.pem -rkey responder.key -ndays 30 -resp_no_certs
answer stranger.ocsp good -rsigner stranger.pem -rkey stranger.key -ndays 30
# Signed by a certificate of the CA that is no responder's.
answer no-responder.ocsp good -rsigner held.pem -rkey held.key -ndays 30
: > empty.index; openssl ocsp -issuer ca.pem -cert good.pem -no_nonce -reqout asked.der >/dev/null 2>&1
openssl ocsp -index empty.index -CA ca.pem -reqin asked.der -respout unknown.ocsp -rsigner responder.pem -rkey responder.key -ndays 30 >/dev/null 2>&1
printf '\060\003\012\001\003' > try-later.ocsp
for name in ca other no-crls good revoked held bare twin responder stranger; do openssl x509 -in $name.pem -outform DER -out ../$name.der; done
cat ca.pem other.pem > cas.pem; openssl crl2pkcs7 -nocrl -certfile cas.pem -outform DER -out ../cas.p7c
cp good.pem ./*.crl ca.crl.pem ./*.ocsp ..; cp asked.der ../good.asked
cd ..; rm -r work; date +%s
