//! The bare client: reqwest on one thread, so many requests in flight, and nothing else. It checks each answer's status, keeps no answer, and
//! tries nothing again.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Sends so many revocations below a URL, each with a path of its own; prints the seconds that it took.
pub(crate) fn post(url: &str, number: u32, concurrency: usize) -> Result<(), Box<dyn Error>> {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(concurrency).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let next = Rc::new(Cell::new(0));
    let began = Instant::now();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut workers = JoinSet::new();
        for _ in 0..concurrency {
            workers.spawn_local(work(client.clone(), url.to_owned(), Rc::clone(&next), number));
        }
        while let Some(worker) = workers.join_next().await {
            worker?.map_err(|error| format!("a request failed: {error}"))?;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!("{}", began.elapsed().as_secs_f64());
    Ok(())
}

async fn work(client: Client, url: String, next: Rc<Cell<u32>>, number: u32) -> Result<(), Box<dyn Error>> {
    while next.get() < number {
        let id = FIRST_ID + next.replace(next.get() + 1);
        let request = client.put(format!("{url}/certificate/{id}/revoke"));
        let request = request.header(CONTENT_TYPE, "application/json").header("X-DC-DEVKEY", "bench").body(BODY);
        let answer = request.send().await?;
        let status = answer.status();
        answer.bytes().await?;
        if status != StatusCode::CREATED {
            return Err(format!("{status}").into());
        }
    }
    Ok(())
}

const FIRST_ID: u32 = 100_000_000;
/// What certsweep sends for a row of the list.
const BODY: &str = r#"{"comments":"INC-42 leaked key","revocation_reason":"key_compromise","skip_approval":true}"#;
