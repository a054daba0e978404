//! The fields of a plan's actions: which names there are, a [`Row`] as read from YAML or CSV, the defaults behind it, and whether rows name another
//! provider than their entry. Checks no value.

use crate::diag::{Diagnostic, Diagnostics};
use crate::plan::read::texts;
use crate::provider::model::{ActionRules, Operation};
use crate::text::{Span, nearest, safe};
use crate::tree::{Field, Node, Shape};

/// One entry of a plan as read: fields with places, scalars as raw text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Where the entry begins.
    pub(super) span: Span,
    /// Its fields. In a row of a CSV list an absent field has [`Shape::Null`].
    pub(super) fields: &'a [Field],
    /// Where a field that is missing in every row is missed: the CSV list's header; the entry itself in YAML.
    pub(super) header: Option<Header<'a>>,
    /// The values of the columns that are carried through to the report.
    pub(super) kept: &'a [String],
    /// Which names its fields have.
    pub(super) names: NameSet,
}

/// A Bloom filter of field names: the check looks most names up in vain, and each would cost a comparison with every field.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NameSet(u64);

/// What a field is to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldUse {
    /// It means the same for every action.
    Common,
    /// It gives the operation's parameter of this index.
    Parameter(usize),
    /// It is for people: a column of the lists of `certsweep find`.
    Descriptive,
    /// It gives a reason, and the operation takes none.
    Reason,
    /// A `<<` that merges nothing, which the YAML reader has reported.
    Merge,
    /// The operation does not know it.
    Unknown,
}

/// What the fields of the row before were to an operation. Nearly all rows have the same ones in the same places: their names need not be compared
/// with all that there are, a million times.
#[derive(Debug, Default)]
pub(super) struct FieldUses(Vec<(String, FieldUse)>);

/// The header of a row's CSV list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    /// Its line.
    pub(super) span: Span,
    /// The field names that it gives.
    pub(super) fields: &'a [Field],
    /// Whether it has all columns of the lists that `certsweep find` writes.
    pub(super) is_of_find: bool,
    /// Whether the list is a plan by itself.
    pub(super) is_bare: bool,
}

/// The field names that the rows of a list can have.
pub(super) struct KnownFields {
    names: Vec<String>,
    /// Those of the operation, where the list has only one.
    pub(super) parameters: Vec<String>,
    /// Of the operations that the list is for, by all their names: what each needs, and what takes serial numbers.
    needed: Vec<Vec<String>>,
    serials: Vec<Vec<String>>,
}

/// Defaults for what a row does not have, nearest first.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    /// The row's, where its entry has steps: the nearest fields are those of the step then.
    pub(super) row: &'a [Field],
    /// The entry's, where the row comes from a list.
    pub(super) entry: &'a [Field],
    /// The plan's `defaults`.
    pub(super) plan: &'a [Field],
}

/// Rows of a list that are of another provider than the entry says. A row counts before its entry, and whoever wrote `provider` beside `from` may
/// not know of the column: the actions would go elsewhere. Of other fields that is what an entry's defaults are for.
pub(super) struct Elsewhere<'a> {
    /// The entry's `provider`.
    said: &'a Field,
    rows: u64,
    /// What the first of the rows says, and where.
    first: Option<(String, Span)>,
}

impl<'a> Elsewhere<'a> {
    /// Of an entry that says a provider.
    pub(super) fn of(entry: &'a [Field]) -> Option<Self> {
        let said = entry.iter().find(|field| field.name == "provider")?;
        Some(Self { said, rows: 0, first: None })
    }

    /// Looks at the next row.
    pub(super) fn count(&mut self, row: &Row<'_>) {
        let Some(own) = row.field("provider").filter(|own| own.value.text() != self.said.value.text()) else { return };
        self.rows += 1;
        self.first.get_or_insert_with(|| (own.value.text().unwrap_or_default().to_owned(), own.value.span));
    }

    /// One for all rows: a million of them have one cause.
    pub(super) fn warning(self) -> Option<Diagnostic> {
        let (other, place) = self.first?;
        let said = safe::terminal(self.said.value.text()?);
        let rows = if self.rows == 1 {
            "a row of the list says".to_owned()
        } else {
            format!("{} rows of the list say", self.rows)
        };
        let what = format!("`provider` is `{said}` here, and {rows} otherwise: a row counts before its entry");
        let help = format!(
            "if all are for `{said}`, leave the column out with `ignore_columns`, or out of `columns`; if the rows are right, drop `provider` here"
        );
        let warning = Diagnostic::warning("provider-of-rows", self.said.value.span, what).help(help);
        Some(warning.related(place, format!("the first says `{}`", safe::terminal(&other))))
    }
}

impl<'a> Row<'a> {
    /// The field of a name, where the row has it.
    // Inlined: then the filter's bit for a literal is a constant, and most names are looked up in vain.
    #[inline]
    pub(super) fn field(&self, name: &str) -> Option<&'a Field> {
        if self.names.may_have(name) { self.find(name) } else { None }
    }

    fn find(&self, name: &str) -> Option<&'a Field> {
        // An empty cell is an absent field. In YAML a field without a value is there, and is reported.
        self.fields.iter().find(|field| field.name == name && (self.header.is_none() || has_value(field)))
    }

    /// The fields that are there, each with its place among all.
    pub(super) fn present(&self) -> impl Iterator<Item = (usize, &'a Field)> + use<'a> {
        let from_csv = self.header.is_some();
        self.fields.iter().enumerate().filter(move |(_, field)| !from_csv || has_value(field))
    }

    /// The field of a name: the row's, else the nearest default.
    #[inline]
    pub(super) fn field_or_default(&self, layers: Layers<'a>, name: &str) -> Option<&'a Field> {
        self.field(name).or_else(|| layers.find(name))
    }

    /// The field of a name: the step's, else the row's. No default gives what every row has of its own.
    pub(super) fn own_field(&self, layers: Layers<'a>, name: &str) -> Option<&'a Field> {
        self.field(name).or_else(|| layers.row.iter().find(|field| field.name == name && has_value(field)))
    }

    /// Where to show that a field is missing: at the header, once, where the whole list has no such column.
    pub(super) fn place_of_missing(&self, names: &[&str]) -> Span {
        match self.header {
            // Findings at one place with one text are reported once, so a million rows give one.
            Some(header) if !header.fields.iter().any(|field| names.contains(&field.name.as_str())) => header.span,
            _ => self.span,
        }
    }
}

impl NameSet {
    /// The names of these fields.
    pub(super) fn of(fields: &[Field]) -> Self {
        Self(fields.iter().fold(0, |names, field| names | Self::bit(&field.name)))
    }

    #[inline]
    fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// Names of one length with the same first letter share theirs: a wrong hit only costs the comparisons.
    #[inline]
    fn bit(name: &str) -> u64 {
        let first = name.bytes().next().map_or(0, usize::from);
        1 << ((first + 5 * name.len()) % 64)
    }
}

impl KnownFields {
    /// The common ones, and these.
    pub(super) fn new<'a>(others: impl Iterator<Item = &'a str>) -> Self {
        let names = COMMON_FIELDS.iter().copied().chain(others).map(str::to_owned).collect();
        Self { names, parameters: Vec::new(), needed: Vec::new(), serials: Vec::new() }
    }

    /// Adds those of an operation; whether it is one that the list is for.
    pub(super) fn add(&mut self, operation: &Operation, rules: &ActionRules, is_of_list: bool) {
        for name in names_of(operation) {
            if !self.has(name) {
                self.names.push(name.to_owned());
            }
            if is_of_list {
                self.parameters.push(name.to_owned());
            }
        }
        for parameter in operation.parameters.iter().filter(|parameter| is_of_list && parameter.fixed.is_none()) {
            let reason = rules.reason.as_ref().filter(|rule| rule.field == parameter.name);
            let own = parameter.name_in_plans();
            let others = std::iter::once(&parameter.name).chain(&parameter.aliases).map(String::as_str);
            let names = std::iter::once(own).chain(others.filter(|name| *name != own));
            let names: Vec<String> = names.map(str::to_owned).collect();
            if parameter.serial().is_some() {
                self.serials.push(names.clone());
            }
            if parameter.required && reason.is_none() {
                self.needed.push(names);
            }
        }
    }

    /// The field that a column of another name may give: one that its name means, or is near to, or that is needed; never one that the list has a
    /// column of. Of a column whose name means something else, or of one for people, nothing is guessed.
    pub(super) fn meant_by<'a>(&'a self, column: &'a str, is_given: &dyn Fn(&str) -> bool) -> Option<&'a str> {
        let first_open = |fields: &'a [Vec<String>]| {
            let open = fields.iter().find(|names| !names.iter().any(|name| is_given(name)));
            open.and_then(|names| names.first()).map(String::as_str)
        };
        let called = field_called(column);
        let serial = if called == Some("serial_number") { first_open(&self.serials) } else { None };
        let called_so = || called.filter(|field| self.has(field) && !is_given(field));
        if let Some(found) = serial.or_else(called_so) {
            return Some(found);
        }
        if let Some(near) = nearest(column, self.iter()) {
            return Some(near).filter(|near| !is_given(near));
        }
        if called.is_some() || is_descriptive(&column.to_lowercase()) {
            return None;
        }
        if self.parameters.is_empty() { Some(self.example()) } else { first_open(&self.needed) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// A field for examples: the first of the operation, where the list has only one.
    pub(super) fn example(&self) -> &str {
        self.parameters.first().map_or("FIELD", String::as_str)
    }
}

impl FieldUse {
    fn of(name: &str, operation: &Operation, rules: &ActionRules) -> Self {
        let index = index_of(operation, name);
        match name {
            "<<" => Self::Merge,
            _ if index.is_none() && is_descriptive(name) => Self::Descriptive,
            "reason" if rules.reason.is_none() && index.is_none() => Self::Reason,
            _ if is_common(name, operation, rules) => Self::Common,
            _ => index.map_or(Self::Unknown, Self::Parameter),
        }
    }
}

impl FieldUses {
    /// What the field of a name is, which stands in this place of its row.
    pub(super) fn find(&mut self, place: usize, name: &str, operation: &Operation, rules: &ActionRules) -> FieldUse {
        match self.0.get(place) {
            Some((known, found)) if known == name => *found,
            _ => {
                let found = FieldUse::of(name, operation, rules);
                if place >= self.0.len() {
                    self.0.resize_with(place + 1, || (String::new(), FieldUse::Unknown));
                }
                let (known, was) = &mut self.0[place];
                name.clone_into(known);
                *was = found;
                found
            }
        }
    }
}

impl<'a> Layers<'a> {
    /// No defaults.
    pub(super) const NONE: Self = Self { row: &[], entry: &[], plan: &[] };

    /// All of them, nearest first.
    pub(super) fn iter(self) -> impl Iterator<Item = &'a Field> {
        // An empty cell is an absent field.
        self.row.iter().filter(|field| has_value(field)).chain(self.entry).chain(self.plan)
    }

    fn find(self, name: &str) -> Option<&'a Field> {
        self.iter().find(|field| field.name == name)
    }
}

/// The field that a column means by what inventories call it.
pub fn field_called(column: &str) -> Option<&'static str> {
    let name = bare(column);
    CALLED.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(field, _)| *field)
}

/// The right name for a wrong one: the nearest, or the field that inventories call so.
pub(super) fn right_name<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    nearest(wrong, known.iter().copied()).or_else(|| field_called(wrong).filter(|field| known.contains(field)))
}

/// Names in a list: a YAML list, or one name. Unlike [`texts`], a column's or a file's name may have blanks in it.
pub(super) fn names(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<(String, Span)>> {
    match node.text() {
        Some(text) => Some(vec![(text.to_owned(), node.span)]),
        None => texts(node, diagnostics),
    }
}

/// A column's name as it is compared, without case, blanks and marks: `Serial Number`, `serial_number` and `serialNumber` are one.
pub(super) fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a field has a value.
pub(super) fn has_value(field: &Field) -> bool {
    !matches!(field.value.shape, Shape::Null)
}

/// A field that gives nothing yet.
pub(super) fn empty_field(name: &str, span: Span) -> Field {
    Field { name: name.to_owned(), span, value: Node { span, shape: Shape::Null } }
}

/// The finding for a field without a value.
pub(super) fn no_value(field: &Field) -> Diagnostic {
    let what = format!("`{}` has no value", safe::terminal(&field.name));
    Diagnostic::error("no-value", field.span, what).help("leave the field out, or write `\"\"` for an empty text")
}

/// The finding for a field that must have a single value and has a list or a map.
pub(super) fn no_single_value(field: &Field) -> Diagnostic {
    let what = format!("`{}` must be a single value, not {}", safe::terminal(&field.name), field.value.kind());
    Diagnostic::error("wrong-kind", field.value.span, what)
}

/// Whether a field means the same for every action. An operation's own field of such a name wins where it can.
fn is_common(name: &str, operation: &Operation, rules: &ActionRules) -> bool {
    COMMON_FIELDS.contains(&name)
        && match name {
            "reason" => rules.reason.is_some(),
            // ACME's `certificate`, for one, is what is sent, not what only `verify` reads.
            _ if CERTIFICATE_FIELDS.contains(&name) => operation.parameter(name).is_none(),
            _ => true,
        }
}

/// Whether a column of `certsweep find` or `certsweep csr` is for people, or for other actions than the row's.
pub(super) fn is_descriptive(name: &str) -> bool {
    DESCRIPTIVE_COLUMNS.contains(&name) || ["csr", "weakness"].contains(&name)
}

/// The names of an operation's fields, aliases included.
pub(super) fn names_of(operation: &Operation) -> impl Iterator<Item = &str> {
    // What the document fixes is no plan's to say.
    let open = operation.parameters.iter().filter(|parameter| parameter.fixed.is_none());
    let names = open.flat_map(|parameter| std::iter::once(&parameter.name).chain(&parameter.aliases));
    names.map(String::as_str)
}

/// The place of a parameter that a field name means.
pub(super) fn index_of(operation: &Operation, name: &str) -> Option<usize> {
    let by_name = operation.parameters.iter().position(|parameter| parameter.name == name);
    // Names before aliases: an alias of one parameter may be the name of another.
    by_name.or_else(|| {
        operation.parameters.iter().position(|parameter| parameter.aliases.iter().any(|alias| alias == name))
    })
}

/// The fields that every action can have.
pub(in crate::plan) const COMMON_FIELDS: [&str; 15] = [
    "id",
    "provider",
    "action",
    "reason",
    "needs",
    "not_before",
    "certificate",
    "ca_certificate",
    "serial_number",
    "issuer",
    "crl",
    "ocsp",
    "drop_names",
    "as_written",
    "serial_notation",
];
/// Those among them that describe the certificate, for `verify` or for a reissue. An operation's own field of such a name wins.
pub const CERTIFICATE_FIELDS: [&str; 7] =
    ["certificate", "ca_certificate", "serial_number", "issuer", "crl", "ocsp", "drop_names"];
/// Those of them that are every action's own, and so no defaults.
pub(in crate::plan) const UNSHARED_FIELDS: [&str; 3] = ["certificate", "ca_certificate", "serial_number"];
/// The columns of the lists that `certsweep find` writes that describe a certificate for people. A list that has them all is taken as it is:
/// where an action has no field of such a name, it is passed over.
pub const DESCRIPTIVE_COLUMNS: [&str; 6] =
    ["common_name", "dns_names", "not_after", "key_sha256", "status", "found_in"];
/// What inventories call fields that say which certificate a row is about, without case and marks.
const CALLED: [(&str, &[&str]); 3] = [
    (
        "serial_number",
        &[
            "serialnumber",
            "serial",
            "serialno",
            "sn",
            "certserial",
            "certserialnumber",
            "certificateserial",
            "certificateserialnumber",
            "serialnumberhex",
        ],
    ),
    ("common_name", &["commonname", "cn", "primarydomain", "domain", "subjectcn", "subjectcommonname"]),
    (
        "dns_names",
        &[
            "dnsnames",
            "sans",
            "san",
            "subjectalternativenames",
            "subjectalternativename",
            "subjectaltnames",
            "subjectaltname",
            "altnames",
            "alternativenames",
            "namevalue",
            "additionaldomains",
            "domains",
        ],
    ),
];
/// The fields of an entry with `from` that describe its CSV list.
pub(super) const LIST_FIELDS: [&str; 7] =
    ["from", "columns", "ignore_columns", "keep_columns", "header_row", "where", "except"];
