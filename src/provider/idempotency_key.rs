//! Idempotency keys: values that we make once for an action, by which a provider tells which requests are one and the same. Makes no
//! randomness, and keeps nothing: both are the engine's.

use std::time::Duration;

/// A parameter that tells the provider which requests are one and the same, with a value that is made once for an action and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The parameter.
    pub parameter: String,
    /// What it looks like.
    pub form: KeyForm,
    /// How long the provider knows it; `None` where nothing is said. A request behind that counts as another.
    pub valid_for: Option<Duration>,
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
    /// Whether the provider still knows a key of this age, and will when a request that is sent now arrives: the last tenth of the time does not count.
    pub fn is_known(&self, age: Duration) -> bool {
        self.valid_for.is_none_or(|valid| age < valid - valid / 10)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_until_a_tenth_of_its_time_is_left() {
        let key = |valid_for: Option<u64>| IdempotencyKey {
            parameter: "token".to_owned(),
            form: KeyForm::Hex,
            valid_for: valid_for.map(Duration::from_secs),
        };
        for (valid_for, age, expected) in [
            (None, u64::MAX, true),
            (Some(300), 0, true),
            (Some(300), 269, true),
            (Some(300), 270, false),
            (Some(300), 301, false),
            (Some(300), u64::MAX, false),
        ] {
            assert_eq!(key(valid_for).is_known(Duration::from_secs(age)), expected, "{valid_for:?} {age}");
        }
    }
}
