//! One operation: its method and path, its parameters and body, how its answers are read, and what makes it an action of plans (target,
//! repetition, reason, CSR, wide values, aliases).

use super::parameters::{DeclaredParameters, check_path, split_path};
use super::reader::{DocumentReader, EXTENSION, is_new_certificate};
use super::rules::{self, AnswerReading};
use super::schema;
use super::security::Signing;
use crate::diag::Diagnostic;
use crate::pki::RevocationReason;
use crate::provider::answer::{ResponseContent, is_json, media_type, scalar_text};
use crate::provider::model::{
    ActionRules, ApprovalRule, CertificateRule, CsrRule, Idempotency, IdempotencyKey, KeyForm, Location, Operation,
    Parameter, ParameterType, ReasonRule, SerialRule, TargetKind, TargetRule, ValueFormat, WideRule,
};
use crate::provider::verdict;
use crate::text::nearest;
use crate::tree::{Field, Node};
use serde_json::Value;
use std::borrow::Cow;

/// Reads the operations of one path.
pub(super) fn in_path<'a>(
    reader: &mut DocumentReader<'a>,
    path: &'a Field,
    shared: &AnswerReading,
    signing: &Signing<'_>,
    read: &mut Vec<(Operation, &'a Node)>,
) {
    let known: Vec<&str> = METHODS.iter().map(|(key, _)| *key).chain(["parameters"]).collect();
    let item = &path.value;
    let is_used = |node: &Node| node.fields().iter().any(|field| is_ours(&field.name));
    if item.fields().iter().any(|field| is_used(&field.value) || is_ours(&field.name)) {
        reader.object(item, &known, &["summary", "description", "head", "options", "trace"]);
    }
    for (key, method) in METHODS {
        // What is not used may hold what is not honoured here: documents of vendors are large.
        let Some(node) = item.get(key).filter(|node| is_used(node)) else { continue };
        if let Some(operation) = one(reader, path, method, node, (shared, signing)) {
            read.push((operation, node));
        }
    }
}

/// Whether a key is our extension, or was meant to be.
fn is_ours(name: &str) -> bool {
    name.starts_with("x-") && nearest(name, [EXTENSION]).is_some()
}

fn one<'a>(
    reader: &mut DocumentReader<'a>,
    path: &'a Field,
    method: &str,
    node: &'a Node,
    (shared, signing): (&AnswerReading, &Signing<'_>),
) -> Option<Operation> {
    let known = ["operationId", "parameters", "requestBody", "responses", "security", EXTENSION];
    reader.object(node, &known, &["summary", "description", "tags", "externalDocs", "deprecated"]);
    let name = reader.required(node, "operationId").and_then(|node| reader.name(node));
    let mut declared = DeclaredParameters::default();
    for list in [path.value.get("parameters"), node.get("parameters")].into_iter().flatten() {
        for item in reader.list(list) {
            declared.add(reader, item);
        }
    }
    let (template, told_apart_by) = split_path(path);
    check_path(reader, path, template, &declared.parameters);
    for (header, value) in told_apart_by {
        declared.told_apart_by(reader, path.span, header, value);
    }
    if let Some(body) = node.get("requestBody") {
        // RFC 9110, section 9.3.1: the content of a GET has no meaning.
        if method == "GET" {
            reader.error("not-honoured", body.span, "a GET request has no body");
        }
        declared.add_body(reader, body);
    }
    let extension = node.get(EXTENSION);
    let is_safe = method == "GET" || extension.and_then(|extension| reader.flag(extension, "safe")) == Some(true);
    let security = node.get("security").map(|node| super::security::of_operation(reader, node, signing));
    let own = extension.map(|extension| rules::read(reader, extension)).unwrap_or_default();
    let responses = node.get("responses").map(|node| responses(reader, node, &own)).unwrap_or_default();
    let action = extension.and_then(|extension| action_rules(reader, extension, &mut declared.parameters));
    let mut parameters = declared.parameters;
    // One that a later stage sends is needed as one that is sent at once.
    let csr_rule = action.as_ref().and_then(|rules| rules.csr.as_ref());
    for parameter in parameters.iter_mut().filter(|parameter| parameter.location == Location::StatusQuery) {
        parameter.required |= csr_rule.is_some_and(|rule| rule.field == parameter.name);
    }
    // What a certificate request is held against names something, whether it must be given or not.
    let csr_name = action.as_ref().and_then(|rules| rules.csr.as_ref()?.common_name.as_ref());
    if let Some(named) = parameters.iter_mut().find(|parameter| Some(&parameter.name) == csr_name)
        && named.format == ValueFormat::FreeText
    {
        named.format = ValueFormat::Identifier;
    }
    // A path or a header field is written into logs on the way.
    let is_open = |parameter: &&Parameter| {
        matches!(parameter.format, ValueFormat::PrivateKey { .. }) && parameter.location != Location::Body
    };
    if let Some(open) = parameters.iter().find(is_open) {
        reader.error(
            "not-honoured",
            node.span,
            format!("`{}` is a private key, and goes into a body alone", open.name),
        );
    }
    let properties = parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), &parameter.schema, parameter.required && parameter.fixed.is_none()));
    let schema = schema::object(properties, &declared.dependent);
    let or_shared = |own: Vec<_>, shared: &[_]| if own.is_empty() { shared.to_vec() } else { own };
    Some(Operation {
        name: name?.to_owned(),
        summary: reader.optional_text(node, "summary").unwrap_or_default().to_owned(),
        unconfirmed: extension.map(|extension| reader.unconfirmed(extension)).unwrap_or_default(),
        method: method.to_owned(),
        path: template.to_owned(),
        parameters,
        body: declared.body,
        accept: accept(&responses),
        is_safe,
        security,
        headers: declared.headers,
        action,
        list: None,
        answers: own.rules.iter().chain(&shared.rules).map(|(rule, _)| rule.clone()).collect(),
        responses,
        code: or_shared(own.code, &shared.code),
        message: or_shared(own.message, &shared.message),
        reference: if own.reference.is_empty() { shared.reference.clone() } else { own.reference },
        throttle_hint: own.throttle_hint.or_else(|| shared.throttle_hint.clone()),
        validator: schema::compiled_when_asked_for(schema.clone()),
        schema,
        samples: Vec::new(),
    })
}

/// What the answers' bodies are. Every status that a rule names must be among them: the document has other readers, too.
fn responses<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, own: &AnswerReading) -> Vec<ResponseContent> {
    let mut responses = Vec::new();
    for field in reader.map(node) {
        let content = reader.resolve(&field.value).and_then(|response| response.get("content"));
        let media_types = content.into_iter().flat_map(Node::fields).map(|field| media_type(&field.name));
        responses.push(ResponseContent { status: field.name.clone(), media_types: media_types.collect() });
    }
    for (rule, span) in &own.rules {
        for status in rule.status.iter().filter(|status| verdict::response(&responses, **status).is_none()) {
            reader.error("unknown-name", *span, format!("`responses` declares no answer with status {status}"));
        }
    }
    responses
}

/// What is asked for: what the good answers are declared to be, and JSON in any case, since errors are.
fn accept(responses: &[ResponseContent]) -> String {
    let mut types: Vec<&str> = Vec::new();
    for media_type in responses.iter().filter(|of| of.status.starts_with('2')).flat_map(|of| &of.media_types) {
        if !types.contains(&media_type.as_str()) && !is_json(media_type) {
            types.push(media_type);
        }
    }
    types.push("application/json");
    types.join(", ")
}

const METHODS: [(&str, &str); 5] =
    [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("patch", "PATCH"), ("delete", "DELETE")];
/// Reads an operation's extension. `None` for a status query. Adds aliases, and the parameters that only status queries use.
fn action_rules<'a>(
    reader: &mut DocumentReader<'a>,
    extension: &'a Node,
    parameters: &mut Vec<Parameter>,
) -> Option<ActionRules> {
    let every: Vec<&str> = [rules::KEYS.as_slice(), &["samples", "unconfirmed"]].concat();
    lookup_parameters(reader, extension, parameters);
    if !ACTION.iter().any(|key| extension.get(key).is_some()) {
        reader.closed(extension, &[every.as_slice(), &ACTION, &["safe", "list", "lookup_parameters"]].concat());
        return None;
    }
    reader.closed(extension, &[ACTION.as_slice(), &every, &["lookup_parameters"]].concat());
    aliases(reader, extension, parameters);
    let idempotency_key =
        extension.get("idempotency_key").and_then(|node| idempotency_key(reader, node, parameters.as_mut_slice()));
    let certificate = extension.get("certificate").filter(|node| !is_new_certificate(node));
    let certificate = certificate.and_then(|node| self::certificate(reader, node, parameters));
    let reason = extension.get("reason").and_then(|node| reason(reader, node, parameters));
    reserved(reader, extension, parameters, reason.as_ref());
    let parameters = parameters.as_slice();
    let csr = extension.get("csr").and_then(|node| csr(reader, node, parameters));
    let wide = extension.get("wide").map(|node| wide(reader, node, parameters)).unwrap_or_default();
    let target = reader
        .required(extension, "target")
        .and_then(|node| target(reader, node, parameters, certificate.as_ref(), csr.as_ref()));
    let idempotency = idempotent(reader, extension);
    // Where these are missing the document is refused; to go on with them keeps one defect from looking like many.
    let target = target.unwrap_or(TargetRule { kind: TargetKind::Certificate, parameters: Vec::new() });
    Some(ActionRules {
        target,
        idempotency: idempotency.unwrap_or(Idempotency::NotIdempotent),
        reason,
        csr,
        certificate,
        wide,
        approval: extension.get("approval").and_then(|node| approval(reader, node, parameters)),
        // Read when all operations are known, as are status queries.
        whole_order: None,
        status_queries: Vec::new(),
        outputs: Vec::new(),
        idempotency_key,
        stages: Vec::new(),
        new_certificate: Vec::new(),
        replaced: None,
        previews: Vec::new(),
        poll: None,
    })
}

/// Reads `lookup_parameters`: they go nowhere with this request; its status queries, later stages and reports use them.
fn lookup_parameters<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node, parameters: &mut Vec<Parameter>) {
    let names_target = |name: &str| {
        let named = extension.get("target").and_then(|target| target.get("parameters"));
        named.is_some_and(|list| list.text() == Some(name) || list.items().iter().any(|item| item.text() == Some(name)))
    };
    // What the certificate request fills in, a plan leaves out.
    let is_filled = |name: &str| {
        let rule = extension.get("csr").filter(|rule| rule.get("fills_names").and_then(Node::text) == Some("true"));
        let names = ["common_name", "dns_names"].into_iter();
        rule.is_some_and(|rule| names.filter_map(|key| rule.get(key)?.text()).any(|filled| filled == name))
    };
    for field in extension.get("lookup_parameters").map(|node| reader.map(node)).unwrap_or_default() {
        let read = schema::parameter(reader, &field.value);
        if parameters.iter().any(|parameter| parameter.name == field.name) {
            reader.error("duplicate-name", field.span, format!("there is a parameter `{}` already", field.name));
        } else {
            let is_needed = names_target(&field.name) && !is_filled(&field.name);
            parameters.push(read.named(&field.name, Location::StatusQuery, is_needed, String::new()));
        }
    }
}

/// The parameter that a node names, with a finding where there is none.
pub(super) fn named<'a, 'p>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &'p [Parameter],
) -> Option<&'p Parameter> {
    let name = reader.text(node)?;
    let found = parameters.iter().find(|parameter| parameter.name == name);
    if found.is_none() {
        let names = parameters.iter().map(|parameter| parameter.name.as_str());
        reader.no_such(node.span, format!("the operation has no parameter `{name}`"), name, names);
    }
    found
}

/// `idempotent: true` or `false`; older documents have `repeat: safe` or `unsafe`, and are still read.
fn idempotent<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node) -> Option<Idempotency> {
    let Some(former) = extension.get("repeat") else {
        reader.required(extension, "idempotent")?;
        let flag = reader.flag(extension, "idempotent")?;
        return Some(if flag { Idempotency::Idempotent } else { Idempotency::NotIdempotent });
    };
    if extension.get("idempotent").is_some() {
        reader.error("duplicate-name", former.span, "`idempotent` says it already; leave `repeat` out");
    }
    reader.word(former, &[(Idempotency::Idempotent, "safe"), (Idempotency::NotIdempotent, "unsafe")])
}

fn aliases<'a>(reader: &mut DocumentReader<'a>, extension: &'a Node, parameters: &mut [Parameter]) {
    for field in extension.get("aliases").map(|node| reader.map(node)).unwrap_or_default() {
        let is_taken = parameters.iter().any(|parameter| parameter.name == field.name);
        if is_taken || RESERVED.contains(&field.name.as_str()) {
            reader.error("duplicate-name", field.span, format!("`{}` has another meaning already", field.name));
            continue;
        }
        let Some(parameter) = named(reader, &field.value, parameters).map(|parameter| parameter.name.clone()) else {
            continue;
        };
        if let Some(parameter) = parameters.iter_mut().find(|other| other.name == parameter) {
            parameter.aliases.push(field.name.clone());
        }
    }
}

/// A plan must be able to give every parameter, and the plan's own keys hide parameters of the same name.
fn reserved(
    reader: &mut DocumentReader<'_>,
    extension: &Node,
    parameters: &mut [Parameter],
    reason: Option<&ReasonRule>,
) {
    for parameter in parameters {
        let name = parameter.name.as_str();
        let is_reason = name == "reason" && reason.is_some_and(|rule| rule.field == name);
        parameter.hidden = RESERVED.contains(&name) && !is_reason;
        if parameter.hidden && parameter.aliases.is_empty() {
            let what = format!("a plan cannot give the parameter `{name}`: that word is the plan's own");
            reader.push(
                Diagnostic::error("duplicate-name", extension.span, what)
                    .help(format!("give it another name for plans: `aliases: {{certificate_{name}: {name}}}`")),
            );
        }
    }
}

fn target<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &[Parameter],
    certificate: Option<&CertificateRule>,
    csr: Option<&CsrRule>,
) -> Option<TargetRule> {
    let filled = csr.filter(|rule| rule.fills_names).and_then(|rule| rule.common_name.as_ref());
    reader.closed(node, &["kind", "parameters"]);
    let kinds = [TargetKind::Certificate, TargetKind::Order, TargetKind::Request, TargetKind::Ca]
        .map(|kind| (kind, kind.word()));
    let kind = reader.required(node, "kind").and_then(|kind| reader.word(kind, &kinds));
    let list = reader.required(node, "parameters")?;
    let mut names = Vec::new();
    for item in reader.one_or_many(list) {
        let Some(parameter) = named(reader, item, parameters) else { continue };
        let name = &parameter.name;
        let is_filled = certificate.is_some_and(|rule| rule.serial.as_ref() == Some(&parameter.name));
        // Without it two different targets would have one name in reports, and one would pass for a duplicate of the other.
        // The common name is filled in from the certificate request, which must be given.
        if !parameter.required && !is_filled && Some(name) != filled {
            let what = format!("`{}` names the target and must therefore be required", parameter.name);
            reader.error("wrong-value", item.span, what);
        }
        names.push(parameter.name.clone());
    }
    if list.items().is_empty() && list.text().is_none() {
        reader.error("wrong-value", list.span, "at least one parameter must name the target");
    }
    Some(TargetRule { kind: kind?, parameters: names })
}

fn reason<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<ReasonRule> {
    reader.closed(node, &["field", "values"]);
    let field = reader.required(node, "field").and_then(|field| named(reader, field, parameters));
    if field.is_some_and(|field| !matches!(field.kind, ParameterType::String | ParameterType::Integer)) {
        reader.error("wrong-value", node.span, "a reason's field must be a string or a whole number");
    }
    let allowed: Option<Vec<String>> = field.and_then(|field| {
        let list = field.schema.get("enum")?.as_array()?;
        Some(list.iter().filter_map(scalar_text).map(Cow::into_owned).collect())
    });
    let mut values: Vec<(RevocationReason, String)> = Vec::new();
    let list = reader.required(node, "values")?;
    for entry in reader.map(list) {
        let names = RevocationReason::ALL.map(RevocationReason::name);
        let reason = RevocationReason::parse(&entry.name);
        if reason.is_none() {
            let what = format!("`{}` is no revocation reason of RFC 5280", entry.name);
            reader.no_such(entry.span, what, &entry.name, names);
        }
        let Some(spelling) = reader.text(&entry.value) else { continue };
        if let Some(allowed) = allowed.as_ref().filter(|allowed| !allowed.iter().any(|word| word == spelling)) {
            let what = format!("the field's `enum` does not hold `{spelling}`");
            reader.no_such(entry.value.span, what, spelling, allowed.iter().map(String::as_str));
        }
        if values.iter().any(|(_, other)| other == spelling) {
            reader.error("duplicate-name", entry.value.span, format!("two reasons are spelled `{spelling}`"));
        }
        values.extend(reason.map(|reason| (reason, spelling.to_owned())));
    }
    for word in allowed.into_iter().flatten() {
        if !list.fields().iter().any(|entry| entry.value.text() == Some(&word)) {
            let what = format!("`{word}` of the field's `enum` is not given to any reason of RFC 5280");
            reader.error("missing-key", list.span, what);
        }
    }
    Some(ReasonRule { field: field?.name.clone(), values })
}

fn csr<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<CsrRule> {
    reader.closed(node, &["field", "common_name", "dns_names", "fills_names", "replaces"]);
    let fills_names = reader.flag(node, "fills_names") == Some(true);
    let mut of = |key: &str, kind: ParameterType| {
        let item = node.get(key)?;
        let parameter = named(reader, item, parameters)?;
        if parameter.kind != kind {
            let word = if kind == ParameterType::String { "a string" } else { "a list of strings" };
            reader.error("wrong-value", item.span, format!("`{}` must be {word}", parameter.name));
        }
        Some(parameter.name.clone())
    };
    let (field, common_name, dns_names) = (
        of("field", ParameterType::String),
        of("common_name", ParameterType::String),
        of("dns_names", ParameterType::Strings),
    );
    reader.required(node, "field")?;
    let replaces = node.get("replaces").is_none() || reader.flag(node, "replaces") == Some(true);
    Some(CsrRule { field: field?, common_name, dns_names, fills_names, replaces })
}

/// Reads `certificate`, and adds the parameters that it brings.
fn certificate<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &mut Vec<Parameter>,
) -> Option<CertificateRule> {
    reader.closed(node, &["field", "serial", "key", "expired", "renewal_id", "new"]);
    let expired = node.get("expired");
    let refuses_expired = expired.and_then(|node| reader.text(node)).is_some_and(|text| text == REFUSED);
    if let Some(node) = expired.filter(|_| !refuses_expired) {
        reader.error("wrong-value", node.span, format!("write `{REFUSED}`, or leave it out"));
    }
    let field = reader.required(node, "field")?;
    let parameter = named(reader, field, parameters)?;
    let is_sent = parameter.location != Location::StatusQuery;
    if parameter.kind != ParameterType::String || (is_sent && !parameter.required) {
        reader.error("wrong-value", field.span, "a certificate's parameter must be a required string");
    }
    let field = parameter.name.clone();
    let mut add = |key: &str, schema: Value, format: ValueFormat, location: Location, description: &str| {
        let name = node.get(key)?;
        let text = reader.text(name)?;
        if parameters.iter().any(|parameter| parameter.name == text) {
            reader.error("duplicate-name", name.span, format!("there is a parameter `{text}` already"));
        } else {
            let read = schema::ParameterSchema {
                kind: ParameterType::String,
                fixed: None,
                format: Some(format),
                item: None,
                schema,
                description: String::new(),
            };
            parameters.push(read.named(text, location, false, description.to_owned()));
        }
        Some(text.to_owned())
    };
    let serial = add(
        "serial",
        serde_json::json!({"type": "string"}),
        ValueFormat::Serial(SerialRule::default()),
        Location::StatusQuery,
        "The serial number; read from the certificate where it is not given",
    );
    let key = serde_json::json!({"type": "string", "pattern": "^file:."});
    let key = add(
        "key",
        key,
        ValueFormat::Identifier,
        Location::Signer,
        "`file:PATH` of the certificate's private key, to sign with it instead of the account's",
    );
    let renewal_id =
        node.get("renewal_id").and_then(|name| named(reader, name, parameters)).map(|known| known.name.clone());
    Some(CertificateRule { field, serial, key, renewal_id, refuses_expired })
}

fn approval<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Option<ApprovalRule> {
    reader.closed(node, &["unless", "takes"]);
    let takes = reader.optional_text(node, "takes").map(str::to_owned);
    let name = reader.required(node, "unless")?;
    let parameter = named(reader, name, parameters)?;
    if parameter.kind != ParameterType::Boolean {
        reader.error("wrong-value", name.span, format!("`{}` must be `true` or `false`", parameter.name));
    }
    Some(ApprovalRule { unless: parameter.name.clone(), takes })
}

/// Reads `idempotency_key`: the parameter, which a plan then need not give, and the form of the value that is made for it.
fn idempotency_key<'a>(
    reader: &mut DocumentReader<'a>,
    node: &'a Node,
    parameters: &mut [Parameter],
) -> Option<IdempotencyKey> {
    reader.closed(node, &["parameter", "form", "valid_for"]);
    let form = reader.required(node, "form");
    let form = form.and_then(|form| reader.word(form, &[(KeyForm::Uuid, "uuid"), (KeyForm::Hex, "hex")]));
    let name = reader.required(node, "parameter")?;
    let valid_for = node.get("valid_for").and_then(|length| {
        let read = reader.text(length).map(crate::time::parse_duration);
        let read = read.and_then(Result::ok).filter(|length| !length.is_zero());
        if read.is_none() {
            reader.error("wrong-value", length.span, "say how long the provider knows a key, such as `5m`");
        }
        read
    });
    let key = IdempotencyKey { parameter: named(reader, name, parameters)?.name.clone(), form: form?, valid_for };
    let parameter = parameters.iter_mut().find(|parameter| parameter.name == key.parameter)?;
    let example = Value::from(key.of([0xa5; 16]));
    let takes = schema::compile(&parameter.schema).is_ok_and(|validator| validator.is_valid(&example));
    if parameter.kind != ParameterType::String || !takes {
        let what = format!("`{}` does not take such a key: {example}", parameter.name);
        reader.error("wrong-value", name.span, what);
    }
    parameter.required = false;
    Some(key)
}

fn wide<'a>(reader: &mut DocumentReader<'a>, node: &'a Node, parameters: &[Parameter]) -> Vec<WideRule> {
    let mut rules = Vec::new();
    for item in reader.list(node) {
        reader.closed(item, &["parameter", "value", "reaches"]);
        let parameter = reader.required(item, "parameter").and_then(|name| named(reader, name, parameters));
        let value = reader.required_text(item, "value");
        let reaches = reader.required_text(item, "reaches");
        if let (Some(parameter), Some(value), Some(reaches)) = (parameter, value, reaches) {
            let (parameter, value, reaches) = (parameter.name.clone(), value.to_owned(), reaches.to_owned());
            rules.push(WideRule { parameter, value, reaches });
        }
    }
    rules
}

/// The keys that make an operation an action.
const ACTION: [&str; 17] = [
    "target",
    "idempotent",
    "repeat",
    "aliases",
    "reason",
    "csr",
    "certificate",
    "wide",
    "approval",
    "whole_order",
    "lookups",
    "replaced",
    "preview",
    "outputs",
    "stages",
    "poll",
    "idempotency_key",
];
/// The value of `expired` for providers that refuse expired certificates.
const REFUSED: &str = "refused";
/// Keys of a plan's action: a parameter of the same name could not be given there.
pub(super) const RESERVED: [&str; 13] = [
    "id",
    "provider",
    "action",
    "reason",
    "needs",
    "not_before",
    "from",
    "columns",
    "ignore_columns",
    "keep_columns",
    "as_written",
    "serial_notation",
    EXTENSION,
];
