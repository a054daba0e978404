//! Certificates that actions send whole: read, named by their serial numbers, and held against the keys that are to sign for them. A
//! private key is looked at and forgotten; the plan keeps the reference alone.

use super::context::Checker;
use super::files::{self, CertificateResult, MAX_FILE, SentCertificate};
use crate::diag::Diagnostic;
use crate::pki::PrivateKey;
use crate::plan::load;
use crate::provider::Operation;
use crate::provider::model::CertificateRule;
use crate::text::{Span, safe};
use crate::tree::Field;
use serde_json::{Map, Value};
use std::path::PathBuf;

impl Checker<'_> {
    /// Reads the certificate of a field: `file:PATH`, or the PEM text itself.
    pub(super) fn read_certificate(&mut self, field: &Field) -> Option<SentCertificate> {
        let text = self.single(field)?;
        let place = field.value.span;
        let read = match text.strip_prefix("file:") {
            Some(named) => self.sent_certificate_file(named.trim(), place),
            None if text.contains("-----BEGIN") => files::parse_pem(text.as_bytes()),
            // As reports write it that are plans by themselves.
            None if is_sent(text) => files::parse_sent(text),
            None => {
                let what = format!("`{}` is neither a file nor a certificate", field.name);
                let help = format!("write `{}: \"file:PATH\"`, or the PEM text", field.name);
                self.say(Diagnostic::error("certificate", place, what).help(help));
                return None;
            }
        };
        let (certificate, following) = match read {
            Ok(read) => read,
            Err((what, help)) => {
                let error = Diagnostic::error("certificate", place, what);
                self.say(if help.is_empty() { error } else { error.help(help) });
                return None;
            }
        };
        self.certificates.keep_issuers(&certificate, following);
        Some(SentCertificate { certificate, place })
    }

    /// The reference to a key: a file, and nothing else.
    pub(super) fn key_reference(&mut self, field: &Field) -> Option<Value> {
        let text = self.single(field)?;
        if text.strip_prefix("file:").is_some_and(|path| !path.trim().is_empty() && !path.contains('\0')) {
            return Some(Value::String(text.to_owned()));
        }
        // What stands there may be the key itself, so its line is not to be shown.
        let what = format!("`{}` is not a reference to a file; a plan never holds a key", field.name);
        self.say(Diagnostic::error("literal-secret", field.span, what).help("write `file:PATH`"));
        None
    }

    /// Fills in what the certificate tells, and holds what the action says against it. `false` where something will not do, which was
    /// said. `given` holds the field that gave each parameter.
    pub(super) fn name_by_certificate(
        &mut self,
        read: &SentCertificate,
        rule: &CertificateRule,
        operation: &Operation,
        given: &[Option<&Field>],
        map: &mut Map<String, Value>,
    ) -> bool {
        let field = |name: &Option<String>| {
            let name = name.as_ref()?;
            given[operation.parameters.iter().position(|parameter| parameter.name == *name)?]
        };
        let mut good = !(rule.refuses_expired && self.now > read.certificate.ends);
        if !good {
            let what = format!("the certificate has expired, at {}", read.certificate.ends);
            let help = "the provider refuses to revoke it, and nobody accepts it any more: drop this action";
            self.say(Diagnostic::error("expired", read.place, what).help(help));
        } else if self.now > read.certificate.ends {
            let what = format!("the certificate has expired, at {}", read.certificate.ends);
            let help = "nobody accepts it any more: drop this action unless its revocation is asked for";
            self.say(Diagnostic::warning("expired", read.place, what).help(help));
        }
        if let Some(name) = &rule.serial {
            let serial = self.certificates.serial(&read.certificate);
            if let (Some(field), Some(asked)) = (field(&rule.serial), map.get(name).and_then(Value::as_str))
                && !same_serial(asked, &serial)
            {
                let what = format!("the certificate's serial number is {serial}, not `{}`", safe::terminal(asked));
                let error = Diagnostic::error("certificate", field.value.span, what);
                self.say(error.related(read.place, "the certificate").help("is it the right file?"));
                good = false;
            }
            map.insert(name.clone(), serial.into());
        }
        if let (Some(name), Some(field)) = (&rule.key, field(&rule.key)) {
            match self.own_key(field, read) {
                Some(path) => drop(map.insert(name.clone(), format!("file:{}", path.display()).into())),
                None => good = false,
            }
        }
        good
    }

    /// The file of the key that is to sign in the certificate's name.
    fn own_key(&mut self, field: &Field, read: &SentCertificate) -> Option<PathBuf> {
        let place = field.value.span;
        let named = field.value.text()?.strip_prefix("file:")?.trim();
        let path = load::resolve(self.sources, place, named);
        let path = std::path::absolute(&path).unwrap_or(path);
        let text = load::read_secret(&path, MAX_FILE);
        let key = text.and_then(|text| PrivateKey::parse(&text));
        match key {
            Ok(key) if key.is_of(&read.certificate) => Some(path),
            Ok(_) => {
                let what = format!("the key in {} is not the certificate's", safe::terminal(named));
                let error = Diagnostic::error("certificate-key", place, what).related(read.place, "the certificate");
                self.say(error.help("give the certificate's own key, or leave it out to sign with the account's"));
                None
            }
            Err(why) => {
                let what = format!("the key in {} cannot be used: {why}", safe::terminal(named));
                self.say(Diagnostic::error("certificate-key", place, what));
                None
            }
        }
    }

    fn sent_certificate_file(&mut self, named: &str, place: Span) -> CertificateResult {
        let path = load::resolve(self.sources, place, named);
        let read = files::read_sent(&path)?;
        self.copy_once(named, &path);
        Ok(read)
    }
}

/// Whether a text looks as certificates are sent.
fn is_sent(text: &str) -> bool {
    text.starts_with("MI") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether people's way to write a serial number means this one: in upper case, with colons, with zeros before.
fn same_serial(asked: &str, serial: &str) -> bool {
    let plain = |text: &str| {
        let digits: String =
            text.split(' ').next().unwrap_or_default().chars().filter(|letter| *letter != ':').collect();
        digits.to_ascii_lowercase().trim_start_matches('0').to_owned()
    };
    plain(asked) == plain(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_compared_as_people_write_them() {
        for (asked, serial, expected) in [
            ("00:C0:FF", "c0ff", true),
            ("c0ff", "c0ff", true),
            ("0a1b", "a1b", true),
            ("c0fe", "c0ff", false),
            ("c0ff", "c0ff (issuer 0123)", true),
        ] {
            assert_eq!(same_serial(asked, serial), expected, "{asked} {serial}");
        }
    }
}
