//! Idempotency keys: values that we make once for an action, by which a provider tells which requests are one and the same. Makes no
//! randomness, and keeps nothing: both are the engine's.

/// A parameter that tells the provider which requests are one and the same, with a value that is made once for an action and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The parameter.
    pub parameter: String,
    /// What it looks like.
    pub form: KeyForm,
}

/// The forms of an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// A UUID (RFC 9562, version 4). `uuid`.
    Uuid,
    /// 32 hexadecimal digits. `hex`.
    Hex,
}

impl IdempotencyKey {
    /// A key of 16 random octets.
    pub fn of(&self, random: [u8; 16]) -> String {
        match self.form {
            KeyForm::Hex => hex::encode(random),
            KeyForm::Uuid => {
                let mut octets = random;
                // RFC 9562, sections 4.1 and 4.2: the bits of the variant and of the version.
                octets[6] = octets[6] & 0x0f | 0x40;
                octets[8] = octets[8] & 0x3f | 0x80;
                let digits = hex::encode(octets);
                [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
            }
        }
    }
}
