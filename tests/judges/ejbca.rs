//! nginx asks for a client's certificate in front of Prism, as EJBCA's own server does: openssl makes the PKCS #12 store, nginx takes what we show,
//! and what it does not take is told. EJBCA itself is not there.

use super::installed;
use super::prism::Prism;
use crate::support::mock::{Mock, json};
use crate::support::place::Place;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[ignore = "asks nginx, openssl and Prism; `.ci/run` installs them and sets CERTSWEEP_JUDGES"]
fn a_clients_certificate_is_taken_by_nginx_and_what_it_does_not_take_is_told() {
    let prism = Prism::start("src/provider/documents/ejbca.yaml".as_ref());
    let mut place = Place::bare();
    let (ours, stranger) = (Authority::new("in-house"), Authority::new("stranger"));
    place.file("ca.pem", ours.certificate.pem());
    for (authority, name, file) in
        [(&ours, "localhost", "server"), (&ours, "operator", "operator"), (&stranger, "somebody", "stranger")]
    {
        let (certificate, key) = authority.issue(name);
        place.file(&format!("{file}.pem"), certificate);
        place.file(&format!("{file}.key"), key);
    }
    let store = [
        "pkcs12",
        "-export",
        "-in",
        "operator.pem",
        "-inkey",
        "operator.key",
        "-passout",
        "pass:store-secret",
        "-out",
        "operator.p12",
    ];
    assert!(place.command("openssl", &store).status().unwrap().success());
    place.file("password", "store-secret\n");
    let nginx = Nginx::start(&place, &prism.url());

    let tokens = Mock::start(|_, _| {
        json(200, r#"{"access_token": "EXAMPLE-token", "token_type": "Bearer", "expires_in": 3600}"#)
    });
    place.set("EJBCA_CLIENT_ID", "EXAMPLE-id");
    place.set("EJBCA_CLIENT_SECRET", "EXAMPLE-secret");
    let plan = |credentials: &str| {
        format!(
            "version: 1\nretry: {{attempts: 1}}\nproviders:\n  ejbca: {{base_url: \"https://localhost:{}\", {credentials}}}\nactions:\n  \
             - {{provider: ejbca, action: revoke, issuer: \"CN=Sub CA,O=A/B\", serial_number: \"0a:0b\", reason: keyCompromise}}\n  \
             - {{provider: ejbca, action: revoke, issuer: CN=ExampleCA, serial_number: \"0a:0c\", reason: superseded}}\n",
            nginx.port
        )
    };
    let run = |credentials: &str, directory: &str| {
        place.file("plan.yaml", plan(credentials));
        place.certsweep(&["run", "plan.yaml", "--yes", "--again", "--ca-file", "ca.pem", "--run-dir", directory])
    };
    let pem = |name: &str| {
        format!("credentials: {{client_certificate: \"file:{name}.pem\", client_key: \"file:{name}.key\"}}")
    };
    run(&pem("operator"), "pem").exits(0);
    run(
        "credentials: {client_certificate: \"file:operator.p12\", client_certificate_password: \"file:password\"}",
        "store",
    )
    .exits(0);
    // In header fields alone: nginx wants a certificate. And one that its CA did not issue.
    for (credentials, directory, words) in [
        (format!("auth_url: \"{}/token\"", tokens.url()), "without", "No required SSL certificate was sent"),
        (pem("stranger"), "stranger", "The SSL certificate error"),
    ] {
        run(&credentials, directory).exits(1);
        let report = place.read(&format!("{directory}/report.csv"));
        assert!(report.contains(words), "{report}");
    }
    let log = prism.log();
    assert_eq!(log.matches("Request received").count(), 4, "{log}");
    let judged = "4 requests with a client's certificate, from PEM and from openssl's PKCS#12 store: taken; without one, or with a stranger's: refused, and so told";
    installed::log("nginx", &version(), judged);
}

/// A CA, and what it issues.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// nginx on loopback, which asks for certificates of the CA in `ca.pem`.
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(place: &Place, behind: &str) -> Self {
        let port = installed::free_port();
        let below = place.path("").display().to_string();
        place.file(
            "nginx.conf",
            format!(
                "daemon off; pid {below}/nginx.pid; error_log {below}/nginx.log; events {{}}\n\
                 http {{\n  access_log off; client_body_temp_path {below}/body; proxy_temp_path {below}/proxy; fastcgi_temp_path {below}/fastcgi;\n  \
                 uwsgi_temp_path {below}/uwsgi; scgi_temp_path {below}/scgi;\n  server {{\n    listen 127.0.0.1:{port} ssl; server_name localhost;\n    \
                 ssl_certificate {below}/server.pem; ssl_certificate_key {below}/server.key;\n    \
                 ssl_client_certificate {below}/ca.pem; ssl_verify_client on;\n    location / {{ proxy_pass {behind}; }}\n  }}\n}}\n"
            ),
        );
        let child = Command::new("nginx")
            .args(["-p", &below, "-e", &format!("{below}/nginx.log"), "-c", &format!("{below}/nginx.conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is Debian's: apt-get install nginx-light");
        let mut nginx = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = nginx.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < PATIENCE,
                "nginx: {ended:?}: {:?}",
                std::fs::read_to_string(place.path("nginx.log"))
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with the master, which a signal to it alone reaches.
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
    }
}

fn version() -> String {
    let output = Command::new("nginx").arg("-v").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    text.trim().rsplit('/').next().unwrap_or_default().to_owned()
}

/// Longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
