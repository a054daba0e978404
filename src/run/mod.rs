//! What the floors above say of a run: which action, who began the run and which part of its plan it is, how an action ended, what happened
//! meanwhile, what is waited for. Decides nothing; which action is in which part of a plan is `plan::shard`'s to say.

mod event;
mod outcome;

pub use event::{Awaited, Event, StopReason, WaitReason, WaveQuestion};
pub use outcome::{DoubtMessage, Effect, Outcome, Seen, StatusSource, StatusSources};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An action's place in its plan, from 0: the key by which a run knows it.
pub type Ordinal = u64;

/// Who began a run, where, and with which command. It holds no secret: credentials are never on a command line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RunOrigin {
    /// Who answers for the run, as they named themselves (`--operator`).
    pub operator: Option<String>,
    /// The ticket or incident that it belongs to (`--ticket`).
    pub ticket: Option<String>,
    /// The user of the operating system.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The command line, program first.
    pub command_line: Vec<String>,
    /// certsweep's version.
    pub version: String,
}

/// One of the parts that a plan is carried out in, each by a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which, from 1.
    number: u32,
    /// Of how many, at least 1.
    of: u32,
}

/// The part of a plan that a run carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanPart {
    /// Which.
    #[serde(flatten)]
    pub shard: Shard,
    /// How many actions the whole plan has.
    pub plan_actions: u64,
}

impl Shard {
    /// Reads `2/4`, or `1+1/4`, which is the same for whoever counts from 0.
    ///
    /// # Errors
    /// A sentence, where it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
        // Schedulers that count from 0 put their number into a command line, and cannot add.
        let number = |text: &str| match text.strip_suffix("+1") {
            Some(index) => digits(index)?.checked_add(1),
            None => digits(text),
        };
        let Some((number, of)) = text.split_once('/').and_then(|(one, of)| number(one).zip(digits(of))) else {
            return Err("a shard is K/N, such as `2/4`: the second of four parts".to_owned());
        };
        if of == 0 || of > MAX_SHARDS {
            return Err(format!("a plan goes in 1 to {MAX_SHARDS} parts, not {of}"));
        }
        if number == 0 || number > of {
            return Err(format!("the parts are numbered from 1: 1/{of} to {of}/{of}"));
        }
        Ok(Self { number, of })
    }

    /// Which, from 1.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Of how many.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether two runs of one plan can have an action in common: all but two different parts of one division can. `None` is the whole plan.
    pub fn overlap(one: Option<Self>, other: Option<Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one.of != other.of || one.number == other.number,
            _ => true,
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

/// Characters of an operator or a ticket at most: both stand in every row of a report.
pub const MAX_ORIGIN_TEXT: usize = 200;
/// More processes than any scheduler is asked for in one go.
const MAX_SHARDS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_of_a_number() {
        for (text, expected) in [
            ("1/1", Ok((1, 1))),
            ("2/4", Ok((2, 4))),
            ("10000/10000", Ok((10_000, 10_000))),
            ("0+1/4", Ok((1, 4))),
            ("3+1/4", Ok((4, 4))),
            ("4+1/4", Err("1/4 to 4/4")),
            ("1+2/4", Err("such as `2/4`")),
            ("+1/4", Err("such as `2/4`")),
            ("4294967295+1/4", Err("such as `2/4`")),
            ("0/4", Err("1/4 to 4/4")),
            ("5/4", Err("1/4 to 4/4")),
            ("1/0", Err("1 to 10000 parts, not 0")),
            ("1/10001", Err("1 to 10000 parts")),
            ("2", Err("such as `2/4`")),
            ("", Err("such as `2/4`")),
            ("/", Err("such as `2/4`")),
            ("a/b", Err("such as `2/4`")),
            ("-1/4", Err("such as `2/4`")),
            ("1/4/2", Err("such as `2/4`")),
            ("1 / 4", Err("such as `2/4`")),
            ("99999999999/4", Err("such as `2/4`")),
        ] {
            match (Shard::parse(text), expected) {
                (Ok(shard), Ok(expected)) => {
                    assert_eq!((shard.number(), shard.of()), expected);
                    assert_eq!(shard.to_string(), format!("{}/{}", expected.0, expected.1));
                }
                (Err(said), Err(part)) => assert!(said.contains(part), "{text}: {said}"),
                (parsed, _) => panic!("{text}: {parsed:?}"),
            }
        }
    }

    #[test]
    fn only_different_parts_of_one_division_are_apart() {
        let shard = |text| Some(Shard::parse(text).unwrap());
        for (one, other, expected) in [
            (None, None, true),
            (None, shard("1/2"), true),
            (shard("1/2"), shard("1/2"), true),
            (shard("1/2"), shard("2/2"), false),
            (shard("1/2"), shard("2/3"), true),
        ] {
            assert_eq!(Shard::overlap(one, other), expected, "{one:?} {other:?}");
        }
    }
}
