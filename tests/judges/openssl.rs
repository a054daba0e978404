//! openssl as CA, as OCSP responder and as reader of CRLs: it answers our questions, we read its answers and lists, and both say the
//! same of every certificate.

use super::installed;
use certsweep::pki::ocsp::{self, Nonce, NonceCheck};
use certsweep::pki::{CertId, Certificate, Crl, RevocationReason, RevocationStatus, SerialNumber, UnknownReason};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::rc::Rc;

/// A CA in a directory of its own.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    certificate: Certificate,
}

#[test]
#[ignore = "asks openssl; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn openssl_and_we_say_the_same_of_every_certificate() {
    let mut compared = 0;
    for (key, digest) in KEYS {
        let authority = Authority::new(key, digest);
        for (name, reason) in CERTIFICATES {
            authority.issue(name);
            match reason {
                Some("") => drop(authority.openssl(&["ca", "-config", "ca.cnf", "-revoke", &format!("{name}.pem")])),
                Some(reason) => {
                    let file = format!("{name}.pem");
                    authority.openssl(&["ca", "-config", "ca.cnf", "-revoke", &file, "-crl_reason", reason]);
                }
                None => {}
            }
        }
        authority.openssl(&["ca", "-gencrl", "-config", "ca.cnf", "-crldays", "1", "-out", "ca.crl"]);
        let list = Crl::parse(authority.read("ca.crl"), &authority.certificate).unwrap();
        for (name, reason) in CERTIFICATES {
            let place = format!("{key:?} {name}");
            let file = format!("{name}.pem");
            let certificate = Certificate::parse(&authority.read(&file)).unwrap();
            let expected = reason.map(|reason| RevocationReason::parse(renamed(reason)));
            let issuer = Rc::new(authority.certificate.clone());
            let bare = CertId::bare(SerialNumber::parse(&authority.printed_serial(&file)).unwrap(), Rc::clone(&issuer));
            for id in [CertId::of(&certificate, &issuer).unwrap(), bare] {
                assert_eq!(said(&list.status(&id, now())), expected, "CRL, {place}");
                assert_eq!(said(&authority.ask(&id)), expected, "OCSP, {place}");
            }
            let verified = authority.run(&["verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "ca.crl", &file]);
            let stderr = String::from_utf8_lossy(&verified.stderr).into_owned();
            assert_eq!(verified.status.success(), expected.is_none(), "openssl verify, {place}: {stderr}");
            assert_eq!(stderr.contains("certificate revoked"), expected.is_some(), "openssl verify, {place}: {stderr}");
            compared += 1;
        }
    }
    let judged = format!(
        "{compared} certificates of {} CAs, the same by CRL and by OCSP, by the certificate and by its serial number alone",
        KEYS.len()
    );
    installed::log("openssl", &version(), &judged);
}

/// Its version.
pub(crate) fn version() -> String {
    let version = Command::new("openssl").arg("version").output().unwrap();
    String::from_utf8(version.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

impl Authority {
    pub(crate) fn new(key: &[&str], digest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = String::from("[ca]\ndefault_ca = this\n[any]\ncommonName = supplied\n[this]\ndir = .\n");
        for (name, value) in [
            ("database", "index.txt"),
            ("serial", "serial"),
            ("crlnumber", "crlnumber"),
            ("new_certs_dir", "."),
            ("certificate", "ca.pem"),
            ("private_key", "ca.key"),
            ("policy", "any"),
            ("default_days", "30"),
            ("unique_subject", "no"),
            ("default_md", digest),
        ] {
            writeln!(config, "{name} = {value}").unwrap();
        }
        let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        file("ca.cnf", &config);
        file("index.txt", "");
        // A serial number whose first bit is set has a zero before it in DER.
        file("serial", "80FF00\n");
        file("crlnumber", "01\n");
        let run = |args: &[&str]| {
            let done = Command::new("openssl").args(args).current_dir(directory.path()).stdin(Stdio::null()).output();
            let done = done.expect("this test needs `openssl` (Debian: apt-get install openssl)");
            assert!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        run(&[&["genpkey", "-out", "ca.key"], key].concat());
        run(&["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Example CA", "-days", "30", "-out", "ca.pem"]);
        let certificate = Certificate::parse(&std::fs::read(directory.path().join("ca.pem")).unwrap()).unwrap();
        Self { directory, certificate }
    }

    /// Issues a certificate that says where to ask about it; `places` are lines of an extensions section.
    pub(crate) fn issue_with(&self, name: &str, places: &str) {
        let (subject, asked, issued) = (format!("/CN={name}"), format!("{name}.csr"), format!("{name}.pem"));
        std::fs::write(self.path("places.cnf"), format!("[places]\nbasicConstraints = critical,CA:FALSE\n{places}\n"))
            .unwrap();
        self.openssl(&["req", "-new", "-key", "ca.key", "-subj", &subject, "-out", &asked]);
        let sign = ["ca", "-batch", "-notext", "-config", "ca.cnf", "-in", &asked, "-out", &issued];
        self.openssl(&[&sign[..], &["-extfile", "places.cnf", "-extensions", "places"]].concat());
    }

    fn issue(&self, name: &str) {
        let (subject, asked, issued) = (format!("/CN={name}"), format!("{name}.csr"), format!("{name}.pem"));
        self.openssl(&["req", "-new", "-key", "ca.key", "-subj", &subject, "-out", &asked]);
        self.openssl(&["ca", "-batch", "-notext", "-config", "ca.cnf", "-in", &asked, "-out", &issued]);
    }

    /// A certificate's serial number as openssl prints it.
    pub(crate) fn printed_serial(&self, file: &str) -> String {
        let printed = self.openssl(&["x509", "-in", file, "-noout", "-serial"]).stdout;
        String::from_utf8(printed).unwrap().trim().strip_prefix("serial=").unwrap().to_owned()
    }

    /// Our question, openssl's answer, our reading.
    fn ask(&self, id: &CertId) -> RevocationStatus {
        let nonce = Nonce::random().unwrap();
        let question = ocsp::request(id, Some(&nonce)).unwrap();
        std::fs::write(self.path("question"), question).unwrap();
        self.openssl(&[
            "ocsp",
            "-index",
            "index.txt",
            "-CA",
            "ca.pem",
            "-rsigner",
            "ca.pem",
            "-rkey",
            "ca.key",
            "-reqin",
            "question",
            "-respout",
            "answer",
            "-ndays",
            "1",
        ]);
        let answer = self.read("answer");
        // openssl repeats it, as RFC 9654 has it; of another question it is no answer.
        let other = Nonce::random().unwrap();
        let replayed = ocsp::status(&answer, id, NonceCheck::Repeated(&other), now());
        assert_eq!(replayed, RevocationStatus::Unknown(UnknownReason::OtherNonce));
        ocsp::status(&answer, id, NonceCheck::Required(&nonce), now())
    }

    pub(crate) fn openssl(&self, args: &[&str]) -> Output {
        let done = self.run(args);
        assert!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        done
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new("openssl").args(args).current_dir(self.directory.path()).stdin(Stdio::null()).output().unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Good is `None`, revoked its reason.
#[track_caller]
fn said(status: &RevocationStatus) -> Option<Option<RevocationReason>> {
    match status {
        RevocationStatus::Revoked { at, reason } => {
            assert!(now().as_second() - at.as_second() < 600, "{at}");
            Some(*reason)
        }
        RevocationStatus::OnHold { .. } => Some(Some(RevocationReason::CertificateHold)),
        RevocationStatus::Lifted { .. } => panic!("no list of changes"),
        RevocationStatus::Good => None,
        RevocationStatus::Unknown(doubt) => panic!("{doubt}"),
    }
}

/// openssl's word in RFC 5280, where no word is one too (section 5.3.1).
fn renamed(reason: &str) -> &str {
    match reason {
        "CACompromise" => "cACompromise",
        "" => "unspecified",
        same => same,
    }
}

fn now() -> Timestamp {
    std::time::SystemTime::now().try_into().unwrap()
}

/// Kinds of CA keys, with the digests of their signatures.
pub(crate) const KEYS: [(&[&str], &str); 4] = [
    (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "sha256"),
    (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "sha384"),
    (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "sha256"),
    (&["-algorithm", "ED25519"], "default"),
];

/// Names, and the reasons that openssl can write; without a reason is one too.
const CERTIFICATES: [(&str, Option<&str>); 11] = [
    ("good", None),
    ("unspecified", Some("unspecified")),
    ("compromised", Some("keyCompromise")),
    ("ca-compromised", Some("CACompromise")),
    ("renamed", Some("affiliationChanged")),
    ("good-too", None),
    ("superseded", Some("superseded")),
    ("closed", Some("cessationOfOperation")),
    ("held", Some("certificateHold")),
    ("without-reason", Some("")),
    ("good-last", None),
];
