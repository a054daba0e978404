//! Which rows of a list are taken: `where`, an expression of the Common Expression Language over the row's cells, all of them text. What
//! can never do what its author means (an unknown column, text compared with a number) is found before any row. Reads no list.

use crate::diag::Diagnostic;
use crate::text::damage::unseen;
use crate::text::{Span, nearest, safe};
use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::parser::{Expression, Parser};
use cel::{Context, ExecutionError, Value};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::sync::Arc;

/// An expression that was read, with the columns that it asks for.
pub(super) struct RowFilter {
    expression: Expression,
    /// Columns by the names that the expression has for them.
    variables: Vec<(String, usize)>,
    /// Columns by the names in `row["…"]`.
    members: Vec<(String, usize)>,
    context: Context<'static>,
}

/// The text of a filter, and where it stands.
pub(super) struct FilterText<'a> {
    pub(super) text: &'a str,
    /// Its value in the plan, where it is not the command line's.
    pub(super) place: Option<Span>,
}

/// Why a row can neither be taken nor left out.
#[derive(Debug, PartialEq)]
pub(super) enum FilterError {
    /// Because of a cell.
    Cell(String),
    /// Because of the expression, in every row.
    Expression(String),
}

/// What an expression asks for, and what is wrong with it.
struct Walk<'a> {
    text: &'a FilterText<'a>,
    column: &'a dyn Fn(&str) -> Option<usize>,
    columns: &'a [&'a str],
    variables: Vec<(String, usize)>,
    members: Vec<(String, usize)>,
    findings: Vec<Diagnostic>,
}

impl RowFilter {
    /// Reads a filter. `columns` are the names that a row has, `column` finds one of them.
    ///
    /// # Errors
    /// The findings, where it is no filter for such rows.
    pub(super) fn read(
        text: &FilterText<'_>,
        columns: &[&str],
        column: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let wrong =
            |place: Option<Span>, what: String, help: String| vec![Diagnostic::error("where", place, what).help(help)];
        if text.text.len() > MAX_TEXT {
            let what = format!("`where` has more than {MAX_TEXT} characters");
            return Err(wrong(text.place, what, "make a shorter list instead".to_owned()));
        }
        let expression = match parse(text.text.to_owned()) {
            Ok(expression) => expression,
            Err((offset, why)) => {
                let what = format!("`where` cannot be read: {}", safe::terminal(&why));
                return Err(wrong(text.place_of(offset, 1), what, syntax_help(text.text)));
            }
        };
        if depth(&expression) > MAX_DEPTH {
            let what = format!("`where` has parts that stand more than {MAX_DEPTH} deep in one another");
            return Err(wrong(text.place, what, EXAMPLE.to_owned()));
        }
        let mut walk = Walk { text, column, columns, variables: Vec::new(), members: Vec::new(), findings: Vec::new() };
        walk.expression(&expression);
        let Walk { variables, members, findings, .. } = walk;
        if !findings.is_empty() {
            return Err(findings);
        }
        let mut context = Context::default();
        context.add_function("timestamp", timestamp);
        Ok(Self { expression, variables, members, context })
    }

    /// Whether a row is taken.
    ///
    /// # Errors
    /// The expression gives neither true nor false for it.
    pub(super) fn takes<'c>(&self, cell: impl Fn(usize) -> &'c str) -> Result<bool, FilterError> {
        let mut scope = self.context.new_inner_scope();
        for (name, column) in &self.variables {
            scope.add_variable_from_value(name.as_str(), cell(*column).to_owned());
        }
        if !self.members.is_empty() {
            let members = self.members.iter().map(|(name, column)| (name.clone(), cell(*column).to_owned()));
            scope.add_variable_from_value(ROW, members.collect::<HashMap<String, String>>());
        }
        match scope.resolve(&self.expression) {
            Ok(Value::Bool(taken)) => Ok(taken),
            Ok(other) => Err(FilterError::Expression(format!("it gives {}, not true or false", kind_of(&other)))),
            // The library does not say what it could not read.
            Err(ExecutionError::FunctionError { function, message }) => {
                let cells = self.variables.iter().chain(&self.members);
                let cells: Vec<String> =
                    cells.map(|(name, column)| format!("`{name}` is `{}`", cell(*column))).collect();
                Err(FilterError::Cell(format!("{function}: {message}, where {}", cells.join(" and "))))
            }
            Err(ExecutionError::UndeclaredReference(name)) => {
                Err(FilterError::Expression(format!("there is no function `{name}`")))
            }
            Err(ExecutionError::NoSuchOverload) => {
                Err(FilterError::Expression("it asks for something that cannot be done with these values".to_owned()))
            }
            Err(other) => Err(FilterError::Expression(other.to_string())),
        }
    }
}

impl FilterText<'_> {
    /// A place within the text: so many characters behind its beginning. The whole where the plan writes it in another way.
    fn place_of(&self, offset: Option<usize>, length: usize) -> Option<Span> {
        let place = self.place?;
        let characters = self.text.chars().count();
        // Between quotes, or without: then every character stands where it is in the text.
        let quote = match (place.length as usize).checked_sub(characters) {
            Some(0) => 0,
            Some(2) => 1,
            _ => return Some(place),
        };
        let offset = offset.filter(|offset| *offset < characters);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Some(offset.map_or(place, |offset| Span {
            column: place.column.saturating_add(number(offset + quote)),
            length: number(length),
            ..place
        }))
    }

    /// The place of a word, the first one.
    fn place_of_word(&self, word: &str) -> Option<Span> {
        let at = self.text.find(word).map(|at| self.text[..at].chars().count());
        self.place_of(at, word.chars().count())
    }
}

impl Walk<'_> {
    fn expression(&mut self, expression: &Expression) {
        match &expression.expr {
            Expr::Ident(name) => self.variable(name),
            Expr::Call(call) => self.call(call),
            Expr::Select(SelectExpr { operand, field, .. }) => match &operand.expr {
                Expr::Ident(row) if row == ROW => self.member(field),
                _ => self.expression(operand),
            },
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element)),
            Expr::Literal(_) => {}
            Expr::Unspecified | Expr::Comprehension(_) | Expr::Map(_) | Expr::Struct(_) => {
                let what = "`where` takes comparisons, `&&`, `||`, `!`, `in` and functions of cells, nothing else";
                self.findings.push(Diagnostic::error("where", self.text.place, what).help(EXAMPLE));
            }
        }
    }

    fn call(&mut self, call: &CallExpr) {
        if let (operators::INDEX, [row, key]) = (call.func_name.as_str(), call.args.as_slice())
            && matches!(&row.expr, Expr::Ident(name) if name == ROW)
        {
            match &key.expr {
                Expr::Literal(LiteralValue::String(name)) => self.member(name.inner()),
                _ => {
                    let what = "in `row[…]` stands the name of a column, in quotes";
                    self.findings.push(Diagnostic::error("where", self.text.place, what).help(EXAMPLE));
                }
            }
            return;
        }
        self.compared(call);
        call.target.iter().for_each(|target| self.expression(target));
        call.args.iter().for_each(|argument| self.expression(argument));
    }

    /// A cell is text, and text is never a number: such a comparison would be false, or wrong, in every row and in silence.
    fn compared(&mut self, call: &CallExpr) {
        let [left, right] = call.args.as_slice() else { return };
        let is_order = [operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS]
            .contains(&call.func_name.as_str());
        let is_equality = [operators::EQUALS, operators::NOT_EQUALS].contains(&call.func_name.as_str());
        let mut pairs: Vec<(&Expr, &Expr)> = Vec::new();
        if is_order || is_equality {
            pairs.extend([(&left.expr, &right.expr), (&right.expr, &left.expr)]);
        } else if call.func_name == operators::IN
            && let Expr::List(list) = &right.expr
        {
            pairs.extend(list.elements.iter().map(|element| (&left.expr, &element.expr)));
        }
        for (cell, other) in pairs {
            let (Some(column), Expr::Literal(literal)) = (column_of(cell), other) else { continue };
            let text = match literal {
                LiteralValue::String(text) => Some(text.inner()),
                _ => None,
            };
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit() || digit == b'.');
            let what = match text {
                None => format!("`{column}` is text, as every cell is, and is compared with texts alone"),
                Some(text) if is_order && is_number(text) => {
                    format!("`{column}` is text, and texts are compared letter by letter: \"9\" is greater than \"10\"")
                }
                Some(_) => continue,
            };
            let help =
                format!("write \"…\" for a text, `int({column}) < 30` for a number, `timestamp({column})` for a date");
            self.findings.push(Diagnostic::error("where", self.text.place_of_word(&column), what).help(help));
        }
    }

    fn variable(&mut self, name: &str) {
        // A leading dot means the same name.
        let column = name.trim_start_matches('.');
        match (self.column)(column) {
            Some(index) => self.variables.push((name.to_owned(), index)),
            None => self.unknown(column),
        }
    }

    fn member(&mut self, name: &str) {
        match (self.column)(name) {
            Some(index) => self.members.push((name.to_owned(), index)),
            None => self.unknown(name),
        }
    }

    fn unknown(&mut self, name: &str) {
        let shown = safe::terminal(name);
        let what = format!("the list has no column `{shown}`");
        let place = self.text.place_of_word(name);
        let written = |column: &str| {
            let plain = column.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
                && !column.bytes().next().is_some_and(|first| first.is_ascii_digit());
            let column = safe::terminal(column);
            if plain { format!("`{column}`") } else { format!("`row[\"{column}\"]`") }
        };
        let help = match nearest(name, self.columns.iter().copied()) {
            Some(right) => format!("did you mean {}?{}", written(right), unseen(name)),
            None => {
                let all: Vec<String> = self.columns.iter().map(|column| written(column)).collect();
                format!("a text stands in quotes: `\"{shown}\"`; the columns are {}", all.join(", "))
            }
        };
        self.findings.push(Diagnostic::error("no-such-column", place, what).help(help));
    }
}

/// The name of the column that an expression is.
fn column_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(SelectExpr { operand, field, .. }) if matches!(&operand.expr, Expr::Ident(row) if row == ROW) => {
            Some(format!("{ROW}.{field}"))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [row, key] => match (&row.expr, &key.expr) {
                (Expr::Ident(row), Expr::Literal(LiteralValue::String(name))) if row == ROW => {
                    Some(format!("{ROW}[\"{}\"]", name.inner()))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Seconds since 1970 of a date, with a time or without; where it says no offset, in UTC.
#[expect(clippy::needless_pass_by_value, reason = "the library hands values to its functions")]
fn timestamp(text: Arc<String>) -> Result<i64, ExecutionError> {
    let trimmed = text.trim();
    let civil = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let read = trimmed
        .parse::<Timestamp>()
        .or_else(|_| trimmed.parse::<DateTime>().and_then(civil))
        .or_else(|_| trimmed.parse::<Date>().and_then(|date| civil(date.at(0, 0, 0, 0))));
    read.map(Timestamp::as_second).map_err(|_| {
        let message = "no date such as 2026-12-01 or 2026-12-01T01:00:00Z".to_owned();
        ExecutionError::FunctionError { function: "timestamp".to_owned(), message }
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::List(_) => "a list",
        Value::Null => "nothing",
        _ => "another kind of value",
    }
}

/// Parses an expression; else why not, and the character where, counted from 0, where that can be said.
fn parse(text: String) -> Result<Expression, (Option<usize>, String)> {
    // ANTLR takes some hundred kilobytes of stack for each bracket: more than a main thread has, for a text that a slip can make.
    let parser = std::thread::Builder::new().stack_size(PARSER_STACK);
    let parsed = parser.spawn(move || Parser::new().parse(&text)).map_err(|error| (None, error.to_string()))?;
    let parsed = parsed.join().map_err(|_| (None, "the parser failed".to_owned()))?;
    parsed.map_err(|errors| {
        let Some(first) = errors.errors.first() else { return (None, "it is no expression".to_owned()) };
        let (line, column) = first.pos;
        let why = first.msg.lines().next().unwrap_or_default().to_owned();
        (usize::try_from(column - 1).ok().filter(|_| line == 1), why)
    })
}

/// How many calls, selections and lists stand in one another: each takes stack again, for every row.
fn depth(expression: &Expression) -> usize {
    let deepest = match &expression.expr {
        Expr::Call(call) => call.target.iter().map(|target| depth(target)).chain(call.args.iter().map(depth)).max(),
        Expr::Select(select) => Some(depth(&select.operand)),
        Expr::List(list) => list.elements.iter().map(depth).max(),
        _ => None,
    };
    1 + deepest.unwrap_or_default()
}

/// What people write who come from other languages.
fn syntax_help(text: &str) -> String {
    let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let has = |word: &str| words.iter().any(|other| other.eq_ignore_ascii_case(word));
    if has("and") || has("or") || has("not") {
        "write `&&`, `||` and `!`".to_owned()
    } else if text.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "").contains('=') {
        "write `==` for equality".to_owned()
    } else if text.contains(['“', '”', '„', '‘', '’']) {
        "write straight quotes: `\"`".to_owned()
    } else {
        format!("{EXAMPLE}; a column whose name is no word is `row[\"Order Status\"]`")
    }
}

/// The name of all cells together.
const ROW: &str = "row";
const EXAMPLE: &str = "write such as `status == \"issued\" && int(days) < 30`";
/// A longer expression than this many bytes is none that anybody reads.
const MAX_TEXT: usize = 2000;
/// Parts within parts, at most.
const MAX_DEPTH: usize = 20;
/// In bytes; it is taken from the system only as far as it is used.
const PARSER_STACK: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [&str; 4] = ["status", "days", "Order Status", "not_after"];

    fn read(text: &str) -> Result<RowFilter, Vec<String>> {
        let column = |name: &str| COLUMNS.iter().position(|column| *column == name);
        let findings = |findings: Vec<Diagnostic>| {
            findings.into_iter().map(|found| format!("{} [{}]", found.what, found.help.unwrap_or_default())).collect()
        };
        RowFilter::read(&FilterText { text, place: None }, &COLUMNS, &column).map_err(findings)
    }

    #[test]
    fn rows_are_taken_by_what_their_cells_say() {
        let row = ["issued", "7", "On Hold", "2026-12-01T00:00:00Z"];
        for (text, expected) in [
            (r#"status == "issued""#, Ok(true)),
            ("status != 'issued'", Ok(false)),
            (r#"status in ["issued", "expired"] && int(days) < 30"#, Ok(true)),
            (r#"row["Order Status"] == "On Hold""#, Ok(true)),
            (r#"row["Order Status"].startsWith("On") || row.status == "x""#, Ok(true)),
            (r#"!(status.contains("sue"))"#, Ok(false)),
            (r#"timestamp(not_after) < timestamp("2026-12-02")"#, Ok(true)),
            (r#"timestamp(not_after) == timestamp("2026-12-01T09:00:00+09:00")"#, Ok(true)),
            (r#"not_after < "2026-12""#, Ok(false)),
            (r#"days != "" && double(days) > 6.5"#, Ok(true)),
            (r#"size(status) == 6"#, Ok(true)),
            ("status", Err("it gives a text, not true or false")),
            ("int(days)", Err("it gives a number, not true or false")),
            ("nothing(days)", Err("there is no function `nothing`")),
            (
                "int(status) < 3",
                Err("int: string parse error: invalid digit found in string, where `status` is `issued`"),
            ),
            (
                "timestamp(status) < 3",
                Err("timestamp: no date such as 2026-12-01 or 2026-12-01T01:00:00Z, where `status` is `issued`"),
            ),
        ] {
            let filter = read(text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
            let taken = filter.takes(|column| row[column]).map_err(|error| match error {
                FilterError::Cell(what) | FilterError::Expression(what) => what,
            });
            assert_eq!(taken, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_can_never_be_meant_is_found_before_any_row() {
        for (text, words) in [
            ("statu == \"x\"", "no column `statu` [did you mean `status`?]"),
            ("status == issued", "no column `issued` [a text stands in quotes: `\"issued\"`; the columns are `status`"),
            ("row[\"order status\"] == \"x\"", "did you mean `row[\"Order Status\"]`?"),
            ("row[days] == \"x\"", "stands the name of a column, in quotes"),
            ("days == 7", "`days` is text, as every cell is"),
            ("7 != days", "`days` is text"),
            ("days < 30", "`int(days) < 30` for a number"),
            ("days < \"30\"", "letter by letter"),
            ("row[\"days\"] == true", "`row[\"days\"]` is text"),
            ("days in [\"7\", 8]", "`days` is text"),
            ("status = \"issued\"", "[write `==` for equality]"),
            ("status == \"a\" and days == \"7\"", "[write `&&`, `||` and `!`]"),
            ("status == “issued”", "[write straight quotes"),
            ("Order Status == \"x\"", "cannot be read"),
            ("status == \"", "cannot be read"),
            ("", "cannot be read"),
            ("[status].exists(x, x == \"a\")", "nothing else"),
            ("{\"a\": status}", "nothing else"),
        ] {
            let findings = read(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(findings.iter().any(|found| found.contains(words)), "{text}: {findings:#?}");
        }
        let deep = [
            format!("{}status{} == \"x\"", "(".repeat(900), ")".repeat(900)),
            format!("{}true", "true ? true : ".repeat(100)),
            "status".to_owned() + &".a".repeat(900),
            "1 + ".repeat(450) + "1 == 1",
            format!("{}status{} == status", "[".repeat(60), "]".repeat(60)),
        ];
        for text in deep {
            assert!(read(&text).is_err(), "{text}");
        }
        let many = "status == \"x\" || ".repeat(100) + &format!("status in [{}\"y\"]", "\"z\", ".repeat(40));
        assert!(read(&many).is_ok_and(|filter| filter.takes(|_| "y") == Ok(true)));
        assert!(read(&("!".repeat(1900) + "true")).is_ok());
        assert!(read(&format!("status == \"{}\"", "x".repeat(5000))).is_err());
    }

    #[test]
    fn no_text_makes_it_panic() {
        let text = "status == \"issued\" && (int(days) < 30 || row[\"Order Status\"].startsWith('x'))";
        for cut in 0..text.len() {
            let _ = read(&text[cut..]);
            let _ = read(&text[..cut]);
            for letter in ["\u{0}", "\\", "\"", "'", "[", "?", "-", "9", "가", "@", "."] {
                let _ = read(&format!("{}{letter}{}", &text[..cut], &text[cut..]));
            }
        }
    }
}
