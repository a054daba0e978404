//! What came of one exchange, whatever it was for: in the same words for the limits, the circuit breaker and those who read it. Pure.

use super::circuit_breaker::Contact;
use crate::provider::model::Window;
use crate::provider::{Answer, AnswerClass, Verdict, verdict};
use jiff::Timestamp;
use std::time::Duration;

/// What came of an exchange.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nine of ten are the large one, and few are there at once")]
pub enum ExchangeResult {
    /// Nothing was sent: there was nothing to ask, or what others were answered says it.
    Nothing,
    /// It was not sent, since it could not be signed. That says nothing about the provider.
    Unsigned(String),
    /// It surely did not reach the provider.
    NotSent(String),
    /// The same, and none will before a person has changed something.
    Barred(String),
    /// It may have, and no whole answer was received.
    Lost(String),
    /// A whole answer, and how it is read.
    Answered(Answer, Verdict),
}

/// What the limits must know of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSignal {
    /// It was answered, and not because of limits.
    Answered,
    /// It was given up; the provider may have counted it.
    Lost,
    /// There were too many.
    Throttled {
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// The limit that the answer declares.
        limit: Option<Window>,
    },
    /// Nothing was sent.
    Unsent,
}

impl ExchangeResult {
    /// What the limits must know.
    pub fn limits(&self) -> LimitSignal {
        match self {
            Self::Nothing => LimitSignal::Unsent,
            Self::Unsigned(_) | Self::NotSent(_) | Self::Barred(_) | Self::Lost(_) => LimitSignal::Lost,
            Self::Answered(_, verdict) if verdict.class == AnswerClass::Throttled => {
                LimitSignal::Throttled { retry_after: verdict.retry_after, limit: verdict.limit }
            }
            Self::Answered(..) => LimitSignal::Answered,
        }
    }

    /// Whether the provider was reached, where a request was sent.
    pub fn contact(&self) -> Option<Contact> {
        match self {
            Self::Nothing | Self::Unsigned(_) => None,
            Self::NotSent(_) => Some(Contact::NotSent),
            Self::Barred(_) => Some(Contact::Barred),
            Self::Lost(_) => Some(Contact::Lost),
            Self::Answered(answer, verdict) => {
                Some(Contact::of_answer(verdict.class, answer.status, verdict.is_the_providers))
            }
        }
    }

    /// Whether it was answered with a word about the credentials.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Answered(_, verdict) if verdict.class == AnswerClass::Unauthorized)
    }

    /// What came, in a few words; the caller masks credentials in it.
    pub fn cause(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Unsigned(cause) => cause.clone(),
            Self::NotSent(cause) | Self::Barred(cause) => format!("not sent: {cause}"),
            Self::Lost(cause) => format!("no answer: {cause}"),
            Self::Answered(answer, verdict) => match words(answer, verdict) {
                Some(words) if words.starts_with("HTTP ") => words,
                Some(words) => format!("HTTP {} {words}", answer.status),
                None => format!("HTTP {}", answer.status),
            },
        }
    }
}

/// What an answer says, in the provider's words and those of its document; what came, where it is not understood.
pub fn words(answer: &Answer, verdict: &Verdict) -> Option<String> {
    // What is not the provider's answer is described, and not quoted as if it were.
    let is_foreign = verdict.class == AnswerClass::Unknown && !verdict.is_the_providers;
    match (verdict.message.as_ref().filter(|_| !is_foreign), &verdict.explanation) {
        (Some(message), Some(explanation)) => Some(format!("{message}; {explanation}")),
        (Some(text), None) => Some(text.clone()),
        (None, Some(explanation)) if verdict.class == AnswerClass::Unknown => {
            Some(format!("{}; {explanation}", not_understood(answer)))
        }
        (None, None) if verdict.class == AnswerClass::Unknown => Some(not_understood(answer)),
        (None, explanation) => explanation.clone(),
    }
}

/// What came that is no answer of the provider's, and what it may be.
fn not_understood(answer: &Answer) -> String {
    let what = format!("{} is not an answer that the provider documents", answer.describe());
    if answer.status == 404 || (answer.header("location").is_some() && (300..400).contains(&answer.status)) {
        return format!("{what}; is `base_url` right?");
    }
    what
}

/// How the answer to a log-in is read, as far as the limits and the circuit breaker go: what it brought is the signer's to say.
pub fn read_log_in(answer: &Answer, at: Timestamp) -> Verdict {
    let retry_after = answer.header("retry-after").and_then(|text| verdict::retry_after(text, at));
    let class = match answer.status {
        429 => AnswerClass::Throttled,
        503 if retry_after.is_some() => AnswerClass::Throttled,
        408 | 500.. => AnswerClass::TryLater,
        400.. => AnswerClass::Rejected,
        _ => AnswerClass::Succeeded,
    };
    Verdict {
        class,
        declared: false,
        is_the_providers: true,
        code: None,
        message: None,
        reference: None,
        explanation: None,
        retry_after,
        limit: None,
    }
}

/// Whether an answer leaves its connection to other requests: after bad news something may follow that nobody asked for.
pub const fn is_good(class: AnswerClass) -> bool {
    matches!(class, AnswerClass::Succeeded | AnswerClass::PendingApproval | AnswerClass::Pending)
}
