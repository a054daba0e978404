//! The base that `benches/compare` measures against: the least that each part of the work needs, with the crates that certsweep
//! itself uses. It shares no code with certsweep, and keeps no plan, no journal and no report.
//!
//!     bare --serve PORT --delay MS            a server that answers each revocation alike, and counts
//!     bare --post URL N CONCURRENCY           N revocations, one thread
//!     bare --read FILE                        the csv crate reads a list
//!
//! Without a mode it says so and ends, so that `cargo bench` passes over it.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::error::Error;

#[path = "bare/post.rs"]
mod post;
#[path = "bare/serve.rs"]
mod serve;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", port, "--delay", milliseconds] => serve::serve(port.parse()?, milliseconds.parse()?),
        ["--post", url, number, concurrency] => post::post(url, number.parse()?, concurrency.parse()?),
        ["--read", file] => read(file),
        _ => {
            println!("bare has nothing to do by itself: see benches/compare");
            Ok(())
        }
    }
}

/// Reads a list with one reused record, and prints how many rows it has.
fn read(file: &str) -> Result<(), Box<dyn Error>> {
    let mut reader = csv::Reader::from_path(file)?;
    let mut record = csv::StringRecord::new();
    let mut rows = 0_u64;
    while reader.read_record(&mut record)? {
        rows += 1;
    }
    println!("{rows}");
    Ok(())
}
