//! The samples of a document's operations, as values: what a request must be, and how answers must be read. Reading them is in `openapi`,
//! holding a document against them in [`super::samples`].

use serde_json::{Map, Value};

/// A sample of an operation: what `providers check` runs and the simulator serves.
#[derive(Debug, Clone)]
pub struct Sample {
    /// What it shows.
    pub name: String,
    /// The parameters, by name.
    pub parameters: Map<String, Value>,
    /// The path and query below the base URL that they must give.
    pub path: String,
    /// The JSON body that they must give; `None` for none.
    pub body: Option<Value>,
    /// The action for which a status query's or a stage's answers are read; `None` in samples of actions.
    pub for_action: Option<SampleAction>,
    /// Answers, each with its expected class (action) or state (status query).
    pub answers: Vec<SampleAnswer>,
}

/// For which action the answers of a status query's or a stage's sample are read.
#[derive(Debug, Clone)]
pub struct SampleAction {
    /// The action's name.
    pub action: String,
    /// The stage of it by whose rules they are read; `None` in samples of status queries.
    pub stage: Option<String>,
    /// The action's parameters, by name.
    pub parameters: Map<String, Value>,
}

/// An answer and its expected reading.
#[derive(Debug, Clone)]
pub struct SampleAnswer {
    /// HTTP status.
    pub status: u16,
    /// Header fields beside those of every answer, names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON body; `None` for none.
    pub body: Option<Value>,
    /// A body that is not JSON, verbatim; `None` where `body` has it.
    pub text: Option<String>,
    /// The word of the expected [`super::answer::AnswerClass`] (actions, stages), or of the expected [`super::answer::TargetState`] (status queries, read for the action
    /// of [`Sample::for_action`]).
    pub expected: String,
    /// The rows that the answer of a list holds, by column; `None` where they are not compared.
    pub rows: Option<Value>,
    /// What a status query's answer shows, by column; `None` where that is not compared.
    pub columns: Option<Value>,
    /// What the answer brings; only what is named here is compared.
    pub outputs: Map<String, Value>,
    /// The expected reference, where the sample gives one.
    pub reference: Option<String>,
}
