//! `certsweep providers` and `certsweep schema`: what there is to plan with.

use super::context::{Context, Exit};
use super::options::{ProvidersCommand, SchemaKind};
use crate::diag::Diagnostics;
use crate::plan::schema::schema as plan_schema;
use crate::provider::catalog::{MAX_DOCUMENT_BYTES, read_document};
use crate::provider::{openapi, samples};
use crate::text::{SourceMap, file};
use crate::view::diagnostics;
use crate::view::providers::{list, list_json, show, show_json};
use crate::view::schemas::{self, SchemaOf};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Lists providers, shows one, or checks documents.
pub fn providers(context: &Context, command: Option<&ProvidersCommand>) -> Exit {
    if let Some(ProvidersCommand::Check { files }) = command {
        return check(context, files);
    }
    if let Some(ProvidersCommand::New { file, operation }) = command {
        return new(context, file, operation);
    }
    let catalog = match context.catalog(&context.provider_directories()) {
        Ok(catalog) => catalog,
        Err(exit) => return exit,
    };
    let all = || catalog.iter().map(|provider| &**provider);
    match command {
        Some(ProvidersCommand::Show { id }) => match catalog.get(id) {
            Some(provider) if context.global.json => context.printer.result_json(&show_json(provider)),
            Some(provider) => context.printer.result(show(provider).trim_end()),
            None => {
                context.printer.error(&catalog.no_provider(id));
                return Exit::Usage;
            }
        },
        _ if context.global.json => context.printer.result_json(&list_json(all())),
        _ => context.printer.result(list(all()).trim_end()),
    }
    Exit::Well
}

/// Prints the plan's JSON Schema.
pub fn schema(context: &Context, of: SchemaKind) -> Exit {
    let of = match of {
        SchemaKind::Plan => return schema_of_plans(context),
        SchemaKind::Events => SchemaOf::Events,
        SchemaKind::Report => SchemaOf::Report,
        SchemaKind::Status => SchemaOf::Status,
        SchemaKind::Preview => SchemaOf::Preview,
    };
    context.printer.result_document(&schemas::schema(of));
    Exit::Well
}

fn schema_of_plans(context: &Context) -> Exit {
    match context.catalog(&context.provider_directories()) {
        Ok(catalog) => {
            context.printer.result_document(&plan_schema(&catalog));
            Exit::Well
        }
        Err(exit) => exit,
    }
}

/// Prints the draft of an overlay, for a file beside the document.
fn new(context: &Context, path: &Path, operation: &str) -> Exit {
    let name = path.display().to_string();
    let beside = path.file_name().map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
    let read = file::read_text(path, MAX_DOCUMENT_BYTES).map_err(|error| file::reason(&error).to_string());
    let draft = read.and_then(|text| {
        let source = SourceMap::default().add_text(name.clone(), None, text.as_str().into());
        openapi::draft(&text, source, &beside, operation)
    });
    match draft {
        Ok(draft) => {
            context.printer.result(draft.trim_end());
            context.printer.note("write it into a file beside the document, replace each FILL-IN, and run `certsweep providers check` on it");
            Exit::Well
        }
        Err(why) => {
            context.printer.error(&format!("{name}: {why}"));
            Exit::Usage
        }
    }
}

fn check(context: &Context, files: &[PathBuf]) -> Exit {
    let (mut exit, mut checked) = (Exit::Well, Vec::new());
    for path in files {
        let name = path.display().to_string();
        let text = match file::read_text(path, MAX_DOCUMENT_BYTES) {
            Ok(text) => text,
            Err(error) => {
                let reason = file::reason(&error);
                context.printer.error(&format!("{name}: {reason}"));
                checked.push(json!({"file": name, "ok": false, "error": reason}));
                exit = Exit::Usage;
                continue;
            }
        };
        let mut sources = SourceMap::default();
        let source = sources.add_text(name.clone(), Some(path.clone()), text.as_str().into());
        let mut diagnostics = Diagnostics::default();
        let provider = read_document(path, &text.as_str().into(), source, &mut sources, &mut diagnostics);
        // With `--json` standard output holds one document, on all files.
        if !context.global.json {
            context.findings(&diagnostics, &sources);
        }
        let findings = diagnostics::to_json(&diagnostics, &sources);
        let Some(provider) = provider.filter(|_| !diagnostics.has_errors()) else {
            checked.push(json!({"file": name, "ok": false, "diagnostics": findings}));
            exit = Exit::Usage;
            continue;
        };
        // A document that is well formed may still read its provider's answers wrongly; its own samples show that.
        let failures = samples::run(&provider);
        for failure in &failures {
            let (operation, sample, what) = (&failure.operation, &failure.sample, &failure.what);
            context.printer.error(&format!("{name}: {operation}, sample `{sample}`: {what}"));
            exit = Exit::Usage;
        }
        let actions: Vec<&str> = provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
        let samples: usize = provider.operations.iter().map(|operation| operation.samples.len()).sum();
        if failures.is_empty() && !context.global.json {
            context.printer.result(&format!(
                "{name}: ok: {} ({}), {samples} samples hold",
                provider.id,
                actions.join(", ")
            ));
        }
        let failure = |one: &samples::SampleFailure| json!({"operation": one.operation, "sample": one.sample, "message": one.what});
        checked.push(json!({
            "file": name,
            "ok": failures.is_empty(),
            "provider": provider.id,
            "actions": actions,
            "samples": samples,
            "failures": failures.iter().map(failure).collect::<Vec<_>>(),
            "diagnostics": findings,
        }));
    }
    if context.global.json {
        context.printer.result_json(&checked);
    }
    exit
}
