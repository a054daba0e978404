//! The commands that tell a run what to do while it goes on in another process, exactly as typed.

use crate::provider::model::Window;
use clap::Args;
use std::path::PathBuf;

/// `pause`
#[derive(Debug, Args)]
pub struct Pause {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
}

/// `unpause`
#[derive(Debug, Args)]
pub struct Unpause {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
}

/// `set-rate`
#[derive(Debug, Args)]
pub struct SetRate {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: PathBuf,
    /// A configured provider and its limits from now on, such as `digicert=50/5s` or `naver-kr=10/1s,100/60s`
    #[arg(value_name = "PROVIDER=LIMITS", required = true, value_parser = parse_limit)]
    pub limits: Vec<Limit>,
}

/// One value of `set-rate`: a configured provider, and the windows that hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The configured provider.
    pub account: String,
    /// Its windows.
    pub windows: Vec<Window>,
}

/// The last `=` divides: a provider's name may hold one, a limit does not.
fn parse_limit(text: &str) -> Result<Limit, String> {
    let (account, windows) = text
        .rsplit_once('=')
        .filter(|(account, _)| !account.trim().is_empty())
        .ok_or_else(|| "write PROVIDER=LIMITS, such as `digicert=50/5s`".to_owned())?;
    let windows: Result<Vec<Window>, String> = windows.split(',').map(Window::parse).collect();
    Ok(Limit { account: account.trim().to_owned(), windows: windows? })
}
