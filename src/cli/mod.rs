//! Arguments, wiring, exit codes, signals: the only floor that knows all others. A file holds a command, or commands of one subject; each reads
//! like a table of contents of what the command does.

pub mod args;
pub mod completions;
pub mod context;
pub mod control;
pub mod csr;
pub mod execute;
pub mod find;
pub mod init;
pub mod options;
pub mod outlets;
pub mod preview;
pub mod preview_data;
pub mod process;
pub mod providers;
pub mod report;
pub mod run;
mod run_page;
pub mod runs;
pub mod simulate;
pub mod status;
pub mod verify;

use crate::text::file::{directory_reason, reason};
use crate::view::printer::{Printer, PrinterOptions};
use args::{Cli, Command, LogFormat};
use clap::Parser;
use context::{Context, Exit};
use std::path::Path;
use std::process::ExitCode;

/// Runs the program: parses the arguments, carries out the command, returns its exit code.
pub fn main() -> ExitCode {
    match completions::answer_shell() {
        Ok(false) => {}
        Ok(true) => return Exit::Well.into(),
        Err(error) => {
            drop(error.print());
            return Exit::Usage.into();
        }
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed standard error is no failure of its own: the exit code still says that the command line was wrong.
            drop(error.print());
            return if error.exit_code() == 0 { Exit::Well.into() } else { Exit::Usage.into() };
        }
    };
    process::set_limits();
    process::fail_too_large_writes();
    let log_json = (cli.global.log_format == LogFormat::Json).then_some(process::now as fn() -> _);
    process::show_requests(if cli.global.quiet { 0 } else { cli.global.verbose }, log_json);
    let printer = Printer::standard(PrinterOptions {
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
        color: cli.global.color.into(),
        no_progress: cli.global.no_progress,
        json: cli.global.json,
        log_json,
    });
    process::tell_panics(&printer);
    let context = Context::new(printer.clone(), cli.global);
    let exit = process::survive(&printer, || carry_out(&context, cli.command));
    // A full disk behind `> file` shows only when the buffer is flushed: it must not exit with 0.
    match printer.finish() {
        Ok(()) => exit.into(),
        Err(error) => {
            printer.error(&format!("writing to standard output failed: {}", reason(&error)));
            if exit == Exit::Well { Exit::Environment.into() } else { exit.into() }
        }
    }
}

fn carry_out(context: &Context, mut command: Command) -> Exit {
    if let Err(exit) = runs::find_named_run(context, &mut command) {
        return exit;
    }
    match command {
        Command::Check(args) => preview::check(context, &args),
        Command::Preview(args) => {
            preview::preview(context, (&args.source, args.shard), args.report.as_deref(), args.latency, &args.online)
        }
        Command::Csr(args) => csr::csr(context, &args),
        Command::Init(args) => init::init(context, &args),
        Command::Find(args) => find::find(context, &args),
        Command::Run(args) => run::run(context, &args),
        Command::Resume(args) => run::resume(context, &args, None),
        Command::Status(args) => match args.serve {
            Some(address) => run_page::serve(context, args.run_dir.as_deref().unwrap_or(Path::new(".")), address),
            None => status::status(context, &args),
        },
        Command::Pause(args) => control::pause(context, &args),
        Command::Unpause(args) => control::unpause(context, &args),
        Command::SetRate(args) => control::set_rate(context, &args),
        Command::Report(args) => report::report(context, &args),
        Command::Settle(args) => control::settle(context, &args),
        Command::Verify(args) => verify::verify(context, &args),
        Command::Providers(args) => providers::providers(context, args.command.as_ref()),
        Command::Schema(args) => providers::schema(context, args.of),
        Command::Runs => runs::runs(context),
        Command::Simulate(args) => simulate::simulate(context, &args),
        Command::Completions(args) => match completions::script(args.shell) {
            Ok(script) => {
                context.printer.result(script.trim_end());
                Exit::Well
            }
            Err(error) => context.failed(&error),
        },
        Command::Man(args) => match completions::write_manual(&args.directory) {
            Ok(()) => Exit::Well,
            Err(error) => context.failed(&format!("{}: {}", args.directory.display(), directory_reason(&error))),
        },
    }
}
