//! Judges that nobody here wrote: Prism validates our requests against our documents, the vendors' SDKs sign what we
//! sign, a client of DigiCert's sends what we send, openssl reads and writes CRLs and OCSP answers as we do, pebble is a real CA that revokes, Chromium opens the reports, axe-core judges them. `.ci/run`
//! installs them and names their directory in CERTSWEEP_JUDGES; without them only the tables are tested.

mod accepted;
mod acme;
mod acme_orders;
mod acme_prism;
mod aws;
mod aws_wire;
mod browser;
mod campaign;
mod deploy;
mod digicert;
mod ejbca;
mod google;
mod google_wire;
mod huawei;
mod huawei_wire;
mod installed;
mod naver;
mod openbao;
mod openssl;
mod pages;
mod prism;
mod program;
mod prometheus;
mod refused;
mod said;
mod said_enterprise;
mod sectigo;
mod verified;
