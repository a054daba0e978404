//! Pages of lists: which one is asked for next, and whether those that were read are all. Pure. A list that never ends, or goes round in a
//! circle, is read so far and no further, and then never taken for whole.

use super::answer::Pointer;
use serde_json::Value;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Paging of a list: one page can resolve many actions.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The parameter that says which page is asked for.
    pub parameter: String,
    /// What it says.
    pub form: PageForm,
}

/// How pages are asked for.
#[derive(Debug, Clone)]
pub enum PageForm {
    /// By the page's number.
    Numbered {
        /// The first page's number.
        first: u32,
        /// By what the last page is known.
        end: ListEnd,
        /// Rows in one page.
        size: u32,
    },
    /// By the number of rows before it.
    Offset {
        /// By what the last page is known.
        end: ListEnd,
        /// Rows in one page.
        size: u32,
    },
    /// By what the page before holds here; the last page holds nothing.
    Token(Pointer),
}

/// By what the last page of a list is known.
#[derive(Debug, Clone)]
pub enum ListEnd {
    /// Each answer holds here how many rows there are in all.
    Total(Pointer),
    /// The list here has fewer rows than fit into a page.
    NotFull(Pointer),
}

/// How far a list was read whose pages are not kept: it may have a million rows.
#[derive(Debug, Default)]
pub struct PageCursor {
    pages: u32,
    /// Items of the outermost list.
    items: u64,
    /// Rows, which may stand in lists of those.
    rows: u64,
    /// What each page held and was asked by, as hashes.
    seen: HashSet<u64>,
}

/// What follows on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterPage {
    /// The page that is asked by this.
    Next(Value),
    /// That was all.
    End,
    /// There is more, or may be, and it cannot be read; why.
    Broken(String),
}

impl PageCursor {
    /// Takes a page with so many rows; `list` is its outermost list.
    pub fn take(&mut self, pages: Option<&Pages>, page: &Value, list: Option<&Value>, rows: usize) -> AfterPage {
        let items = list.and_then(Value::as_array).map_or(0, Vec::len);
        let (items, rows) = (items as u64, rows as u64);
        (self.pages, self.items, self.rows) = (self.pages + 1, self.items + items, self.rows + rows);
        let Some(pages) = pages else { return AfterPage::End };
        if items > 0 && !self.is_new(list) {
            return AfterPage::Broken(format!("page {} is the same as an earlier one", self.pages));
        }
        let next = match &pages.form {
            PageForm::Token(pointer) => match token(pages, page) {
                None => return AfterPage::End,
                Some(token) if token.is_array() || token.is_object() => {
                    return AfterPage::Broken(format!("{pointer} of page {} is no token", self.pages));
                }
                Some(token) if !self.is_new(Some(&token)) => {
                    let what = format!("page {} leads back to an earlier one by its {pointer}", self.pages);
                    return AfterPage::Broken(what);
                }
                Some(token) => token,
            },
            PageForm::Numbered { end, size, .. } | PageForm::Offset { end, size } => {
                match end {
                    ListEnd::Total(total) => {
                        let all: Option<u64> = total.text_of(page).and_then(|text| text.parse().ok());
                        // Providers count either.
                        let came = self.items.max(self.rows);
                        match all {
                            None => {
                                return AfterPage::Broken(format!(
                                    "page {} does not say at {total} how many rows there are in all",
                                    self.pages
                                ));
                            }
                            Some(all) if came >= all => return AfterPage::End,
                            Some(all) if items == 0 => {
                                return AfterPage::Broken(format!(
                                    "{total} says {all} rows, and no more than {came} came"
                                ));
                            }
                            Some(_) => {}
                        }
                    }
                    ListEnd::NotFull(_) if items < u64::from(*size) => return AfterPage::End,
                    ListEnd::NotFull(_) => {}
                }
                match &pages.form {
                    PageForm::Numbered { first, .. } => Value::from(u64::from(*first) + u64::from(self.pages)),
                    PageForm::Offset { .. } | PageForm::Token(_) => Value::from(self.items),
                }
            }
        };
        if self.pages >= MAX_LIST_PAGES {
            return AfterPage::Broken(format!("it has more than {MAX_LIST_PAGES} pages"));
        }
        AfterPage::Next(next)
    }

    fn is_new(&mut self, value: Option<&Value>) -> bool {
        let mut hasher = DefaultHasher::new();
        value.map(Value::to_string).hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }
}

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
/// Pages of a list that is read for itself, of which none is kept.
const MAX_LIST_PAGES: u32 = 100_000;

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

    #[test]
    fn a_list_is_read_to_its_end_or_said_to_be_broken() {
        let total = || Pointer::parse("/total").unwrap();
        let form = |form| Pages { parameter: "p".to_owned(), form };
        let numbered = form(PageForm::Numbered { first: 1, end: ListEnd::Total(total()), size: 2 });
        let offset = form(PageForm::Offset { end: ListEnd::Total(total()), size: 2 });
        let not_full = form(PageForm::Offset { end: ListEnd::NotFull(Pointer::parse("/rows").unwrap()), size: 2 });
        let token = form(PageForm::Token(Pointer::parse("/next").unwrap()));
        let page = |rows: &[u32], total: Value| json!({"rows": rows, "total": total});
        let next_is = |rows: &[u32], token: Value| json!({"rows": rows, "next": token});
        for (pages, read, expected) in [
            (Some(&numbered), vec![page(&[1, 2], json!(3))], "next 2"),
            (Some(&numbered), vec![page(&[1, 2], json!("3")), page(&[3], json!(3))], "end"),
            (
                Some(&numbered),
                vec![page(&[1, 2], json!(3)), page(&[], json!(3))],
                "/total says 3 rows, and no more than 2 came",
            ),
            (
                Some(&numbered),
                vec![page(&[1, 2], json!(4)), page(&[1, 2], json!(4))],
                "page 2 is the same as an earlier one",
            ),
            (
                Some(&numbered),
                vec![page(&[1], json!(null))],
                "page 1 does not say at /total how many rows there are in all",
            ),
            // A server that gives less than was asked for skips nothing.
            (Some(&offset), vec![page(&[1], json!(3))], "next 1"),
            (Some(&offset), vec![page(&[], json!(0))], "end"),
            (Some(&not_full), vec![page(&[1, 2], json!(null))], "next 2"),
            (Some(&not_full), vec![page(&[1, 2], json!(null)), page(&[3], json!(null))], "end"),
            (Some(&token), vec![next_is(&[1], json!("a"))], "next \"a\""),
            (Some(&token), vec![next_is(&[1], json!("a")), next_is(&[2], json!(""))], "end"),
            (
                Some(&token),
                vec![next_is(&[1], json!("a")), next_is(&[2], json!("a"))],
                "page 2 leads back to an earlier one by its /next",
            ),
            (Some(&token), vec![next_is(&[1], json!({"a": 1}))], "/next of page 1 is no token"),
            (None, vec![page(&[1], json!(7))], "end"),
        ] {
            let mut cursor = PageCursor::default();
            let mut last = AfterPage::End;
            for page in &read {
                let list = page.get("rows");
                last = cursor.take(pages, page, list, list.and_then(Value::as_array).map_or(0, Vec::len));
            }
            let shown = match last {
                AfterPage::Next(value) => format!("next {value}"),
                AfterPage::End => "end".to_owned(),
                AfterPage::Broken(why) => why,
            };
            assert_eq!(shown, expected, "{read:?}");
        }
    }
}
