//! Callers that are slow on purpose: five hundred connections whose heads or bodies drip.

use crate::{
    support::Program,
    within,
    world::{Part, World},
};
use slipway::{app::ambient::SystemRng, domain::Rng, wire::NewTask};
use std::{fs, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};

/// Half of them drip the head of a request, half the body of one that a good token came with.
const SLOW: usize = 500;
/// After this a slow caller gives up by itself, whatever the server does.
const LONGEST: Duration = Duration::from_mins(1);

/// One slow caller, until the server ends it; whether it did.
async fn drip(address: SocketAddr, beginning: Vec<u8>, open: Arc<Semaphore>) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(&beginning).await.expect("the beginning");
    open.add_permits(1);
    let until = Instant::now() + LONGEST;
    while Instant::now() < until {
        if stream.write_all(b"x").await.is_err() {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}

fn quantile(times: &mut [Duration], hundredth: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * hundredth / 100]
}

/// Submits one after the other: how long each took to its answer.
async fn submits(world: &World, count: usize) -> Vec<Duration> {
    let client = world.client().await;
    let task = NewTask { command: Some(vec!["true".to_owned()]), ..NewTask::default() };
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        client.submit(&task, SystemRng.uuid()).await.expect("an answer to the submit");
        times.push(began.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_slow_callers_stop_no_submit() {
    let mut world = World::new();
    let file = world.root.join("server.yaml");
    // No slow caller lives longer than this, but all of them live while the submits are measured.
    let bounds = "connections: {headSeconds: 12, bodyPauseSeconds: 12, bodyStartSeconds: 12}\n";
    fs::write(&file, bounds).expect("the server's file");
    world.more = vec!["--config".to_owned(), file.display().to_string()];
    world.start(Part::Server);
    world.ready().await;
    let address: SocketAddr = world.url.trim_start_matches("http://").parse().expect("an address");
    let token = fs::read_to_string(world.data().join("admin-token")).expect("a token");
    let mut before = submits(&world, 100).await;

    let open = Arc::new(Semaphore::new(0));
    let mut slow = JoinSet::new();
    for n in 0..SLOW {
        let head = format!(
            "POST /api/v1/tasks HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
            token.trim()
        );
        let beginning = if n % 2 == 0 { head + "x-drip: " } else { head + "content-length: 500000\r\n\r\n{" };
        slow.spawn(drip(address, beginning.into_bytes(), open.clone()));
    }
    let all = open.acquire_many(u32::try_from(SLOW).expect("a number"));
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("all of them are connected").expect("it is open").forget();
    let mut during = submits(&world, 100).await;
    assert!(slow.try_join_next().is_none(), "they ended before the submits did");

    let ended = async {
        let mut by_server = 0;
        while let Some(ended) = slow.join_next().await {
            by_server += usize::from(ended.expect("a slow caller"));
        }
        by_server
    };
    assert_eq!(ended.await, SLOW, "the server ends every one of them");
    let of = |times: &mut Vec<Duration>| (quantile(times, 50), quantile(times, 99));
    let (before, during) = (of(&mut before), of(&mut during));
    eprintln!("submits, p50 and p99: {before:?} alone, {during:?} beside {SLOW} slow callers");
    // Far above what is seen, far below what a server that waits for them would show.
    assert!(during.1 < Duration::from_secs(2), "{during:?}");
    let program: &mut Program = world.part(Part::Server);
    assert!(program.ended().is_none());
    within(Duration::from_secs(20), "the connections are gone", async || {
        let text = world.client().await.call(reqwest::Method::GET, "metrics").response().await.ok()?.text().await.ok()?;
        let left = text.lines().find_map(|line| line.strip_prefix("slipway_connections "))?.parse::<u32>().ok()?;
        (left < 20 && text.contains("slipway_connections_dropped_total{why=\"slowHead\"} 250")).then_some(())
    })
    .await;
}
