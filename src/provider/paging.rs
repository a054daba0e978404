//! Pages of lists: which one is asked for next, and whether those that were read are all. Pure. A list that never ends, or goes round in a
//! circle, is read so far and no further, and then never taken for whole.

use super::model::{ListEnd, PageForm, Pages};
use serde_json::Value;

/// What the first page is asked by, where that must be said.
pub fn first(pages: &Pages) -> Option<Value> {
    match &pages.form {
        PageForm::Numbered { first, .. } => Some(Value::from(*first)),
        PageForm::Offset { .. } => Some(Value::from(0)),
        PageForm::Token(_) => None,
    }
}

/// What the page after these is asked by; `None` where they are all there is, or where no more can be read.
pub fn next(pages: &Pages, read: &[Value]) -> Option<Value> {
    let seen = u32::try_from(read.len()).ok().filter(|seen| *seen < MAX_PAGES)?;
    match &pages.form {
        PageForm::Numbered { first, .. } => is_longer(pages, read)?.then(|| Value::from(first.saturating_add(seen))),
        PageForm::Offset { size, .. } => is_longer(pages, read)?.then(|| Value::from(seen.saturating_mul(*size))),
        PageForm::Token(_) => token(pages, read.last()?).filter(|token| {
            // The token of a page that was read already leads round in a circle.
            let (_, before) = read.split_last().unwrap_or((&Value::Null, &[]));
            !before.iter().any(|page| self::token(pages, page).as_ref() == Some(token))
        }),
    }
}

/// Whether these pages are all that there are.
pub fn is_whole(pages: &Pages, read: &[Value]) -> bool {
    match &pages.form {
        PageForm::Token(_) => read.last().is_some_and(|page| token(pages, page).is_none()),
        PageForm::Numbered { .. } | PageForm::Offset { .. } => is_longer(pages, read) == Some(false),
    }
}

/// Whether there are more rows than fit into these pages, as the last page declares or by its being full; a page without a total, or without the
/// list, is neither followed nor believed to be the last.
fn is_longer(pages: &Pages, read: &[Value]) -> Option<bool> {
    let (PageForm::Numbered { end, size, .. } | PageForm::Offset { end, size }) = &pages.form else { return None };
    let total = match end {
        ListEnd::Total(total) => total,
        ListEnd::NotFull(rows) => {
            let rows = rows.of(read.last()?)?.as_array()?.len();
            return Some(u32::try_from(rows).is_ok_and(|rows| rows >= *size));
        }
    };
    let all: u64 = total.text_of(read.last()?)?.parse().ok()?;
    let fit = u64::try_from(read.len()).unwrap_or(u64::MAX).saturating_mul(u64::from(*size));
    Some(all > fit)
}

/// The token of the page after this one.
fn token(pages: &Pages, page: &Value) -> Option<Value> {
    let PageForm::Token(pointer) = &pages.form else { return None };
    pointer.of(page).filter(|token| !token.is_null() && token.as_str() != Some("")).cloned()
}

/// Pages. A total is the provider's word: without a bound, a wrong one would keep a query asking for ever.
const MAX_PAGES: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::answer::Pointer;
    use serde_json::json;

    #[test]
    fn pages_are_asked_for_until_all_rows_are_there() {
        let (end, size) = (ListEnd::Total(Pointer::parse("/total").unwrap()), 10);
        let numbered =
            Pages { parameter: "page".to_owned(), form: PageForm::Numbered { first: 1, end: end.clone(), size } };
        let offset = Pages { parameter: "offset".to_owned(), form: PageForm::Offset { end, size } };
        let end = ListEnd::NotFull(Pointer::parse("").unwrap());
        let not_full = Pages { parameter: "position".to_owned(), form: PageForm::Offset { end, size } };
        let rows = |count: usize| Value::Array(vec![json!({}); count]);
        let token = Pages { parameter: "t".to_owned(), form: PageForm::Token(Pointer::parse("/next").unwrap()) };
        let pages = |total: Value, count: usize| vec![json!({"total": total}); count];
        let next_is = |token: &str| json!({"next": token});
        for (form, read, expected, whole) in [
            (&numbered, pages(json!(25), 1), Some(json!(2)), false),
            (&numbered, pages(json!("25"), 2), Some(json!(3)), false),
            (&numbered, pages(json!(25), 3), None, true),
            (&numbered, pages(json!(null), 1), None, false),
            (&numbered, pages(json!(u64::MAX), 1000), None, false),
            (&numbered, Vec::new(), None, false),
            (&offset, pages(json!(25), 1), Some(json!(10)), false),
            (&offset, pages(json!(25), 2), Some(json!(20)), false),
            (&offset, pages(json!(20), 2), None, true),
            (&not_full, vec![rows(10)], Some(json!(10)), false),
            (&not_full, vec![rows(10), rows(3)], None, true),
            (&not_full, vec![rows(10), rows(0)], None, true),
            (&not_full, vec![json!({"code": -16})], None, false),
            (&token, vec![next_is("a")], Some(json!("a")), false),
            (&token, vec![next_is("a"), next_is("b")], Some(json!("b")), false),
            (&token, vec![next_is("a"), next_is("")], None, true),
            (&token, vec![next_is("a"), json!({})], None, true),
            // A page that leads back to itself, or to an earlier one, is not the end.
            (&token, vec![next_is("a"), next_is("a")], None, false),
            (&token, vec![next_is("a"), next_is("b"), next_is("a")], None, false),
            (&token, Vec::new(), None, false),
        ] {
            assert_eq!((next(form, &read), is_whole(form, &read)), (expected, whole), "{form:?} {}", read.len());
        }
        assert_eq!([&numbered, &offset, &token].map(first), [Some(json!(1)), Some(json!(0)), None]);
    }
}
