//! `certsweep providers` and `certsweep schema`: what there is to plan with.

use super::args::ProvidersCommand;
use super::context::Context;
use super::exit::Exit;
use crate::diag::Diagnostics;
use crate::plan::schema::schema as plan_schema;
use crate::provider::{catalog, openapi, samples};
use crate::text::SourceMap;
use crate::view::providers::{list, list_json, show, show_json};
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
                let nearest =
                    catalog.nearest(id).map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
                context.printer.error(&format!("there is no provider `{id}`{nearest}"));
                return Exit::Usage;
            }
        },
        _ if context.global.json => context.printer.result_json(&list_json(all())),
        _ => context.printer.result(list(all()).trim_end()),
    }
    Exit::Well
}

/// Prints the plan's JSON Schema.
pub fn schema(context: &Context) -> Exit {
    match context.catalog(&context.provider_directories()) {
        Ok(catalog) => {
            context.printer.result_json(&plan_schema(&catalog));
            Exit::Well
        }
        Err(exit) => exit,
    }
}

/// Prints the draft of an overlay, for a file beside the document.
fn new(context: &Context, file: &Path, operation: &str) -> Exit {
    let name = file.display().to_string();
    let beside = file.file_name().map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
    let draft = std::fs::read_to_string(file).map_err(|error| error.to_string()).and_then(|text| {
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
    let mut exit = Exit::Well;
    for path in files {
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                context.printer.error(&format!("{name}: {error}"));
                exit = Exit::Usage;
                continue;
            }
        };
        let mut sources = SourceMap::default();
        let source = sources.add_text(name.clone(), Some(path.clone()), text.as_str().into());
        let mut diagnostics = Diagnostics::default();
        let provider = catalog::read_document(path, &text.as_str().into(), source, &mut sources, &mut diagnostics);
        context.findings(&diagnostics, &sources);
        let Some(provider) = provider.filter(|_| !diagnostics.has_errors()) else {
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
        if failures.is_empty() {
            let actions: Vec<&str> = provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
            let samples: usize = provider.operations.iter().map(|operation| operation.samples.len()).sum();
            context.printer.result(&format!(
                "{name}: ok: {} ({}), {samples} samples hold",
                provider.id,
                actions.join(", ")
            ));
        }
    }
    exit
}
