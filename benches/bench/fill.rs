//! Many tasks at once.

use crate::{Failure, driver::BODY, http, server::Server};
use futures::future::try_join_all;

const CONNECTIONS: usize = 4;
/// The most that a call takes.
const BATCH: usize = 1_000;

/// Submits so many tasks.
pub(crate) async fn fill(server: &Server, count: usize) -> Result<(), Failure> {
    let share = |nth: usize| count / CONNECTIONS + usize::from(nth < count % CONNECTIONS);
    let fillers = (0..CONNECTIONS).map(share).map(|mut left| async move {
        let mut stream = http::connect(&server.address).await?;
        while left > 0 {
            let some = left.min(BATCH);
            let body = format!(r#"{{"tasks":[{}]}}"#, vec![BODY; some].join(","));
            http::exchange(&mut stream, &Server::request("POST", "/api/v1/tasks:batch", &server.token, &body), &["201"]).await?;
            left -= some;
        }
        Ok::<_, Failure>(())
    });
    try_join_all(fillers).await?;
    Ok(())
}
