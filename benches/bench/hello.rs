//! H: the least that a web server could do with a submit, over the same connections.

use crate::{
    Failure,
    driver::{BODY, Done, Driver, Load, Parts},
    http, machine,
};
use futures::future::BoxFuture;
use tokio::{net::TcpListener, task::JoinSet};

/// A bare axum route that reads the body and answers with it.
pub(crate) struct Hello {
    address: String,
}

impl Hello {
    pub(crate) async fn open() -> Result<Self, Failure> {
        let answer = |axum::Json(body): axum::Json<serde_json::Value>| async { (axum::http::StatusCode::CREATED, axum::Json(body)) };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/tasks", axum::routing::post(answer))).await });
        Ok(Self { address })
    }
}

impl Driver for Hello {
    fn name(&self) -> &'static str {
        "H"
    }

    fn submit(&mut self, load: Load) -> BoxFuture<'_, Result<Done, Failure>> {
        Box::pin(async move {
            if load.batch > 1 {
                return Ok(Done::default());
            }
            let request = format!(
                "POST /tasks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
                BODY.len()
            );
            let began = machine::now();
            let mut callers = JoinSet::new();
            for _ in 0..load.connections {
                let (request, address) = (request.clone(), self.address.clone());
                callers.spawn(async move {
                    let mut stream = http::connect(&address).await?;
                    let mut count = 0;
                    while began.elapsed() < load.time {
                        http::exchange(&mut stream, request.as_bytes(), &["201"]).await?;
                        count += 1;
                    }
                    Ok::<usize, Failure>(count)
                });
            }
            let mut count = 0;
            while let Some(ended) = callers.join_next().await {
                count += ended??;
            }
            Ok(Done::since(began, count))
        })
    }

    fn drain(&mut self, _: Load) -> BoxFuture<'_, Result<Parts, Failure>> {
        Box::pin(async { Ok(Parts::new()) })
    }

    fn verify(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
