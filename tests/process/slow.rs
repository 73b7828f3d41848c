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

/// The pause between two bytes of one caller: slow enough that all of them together leave a small machine to the server.
const PACE: Duration = Duration::from_millis(400);

/// One slow caller, until the server ends it: after how long it did.
async fn drip(address: SocketAddr, beginning: Vec<u8>, open: Arc<Semaphore>) -> Option<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(&beginning).await.expect("the beginning");
    open.add_permits(1);
    while began.elapsed() < LONGEST {
        if stream.write_all(b"x").await.is_err() {
            return Some(began.elapsed());
        }
        sleep(PACE).await;
    }
    None
}

fn quantile(times: &mut [Duration], hundredth: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * hundredth / 100]
}

/// Submits one after the other for as long as `more` says of the number that are through: how long each took to its answer.
async fn submits(world: &World, mut more: impl FnMut(usize) -> bool) -> Vec<Duration> {
    // One that takes long is measured, not given up.
    let client = world.client().await.with_timeout(LONGEST);
    let task = NewTask { command: Some(vec!["true".to_owned()]), ..NewTask::default() };
    let mut times = Vec::new();
    while more(times.len()) {
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
    // No slow caller lives much longer than this; how many submits are answered meanwhile is the machine's affair.
    let bound = Duration::from_secs(12);
    let bounds = "connections: {headSeconds: 12, bodyPauseSeconds: 12, bodyStartSeconds: 12}\n";
    fs::write(&file, bounds).expect("the server's file");
    world.more = vec!["--config".to_owned(), file.display().to_string()];
    world.start(Part::Server);
    world.ready().await;
    let address: SocketAddr = world.url.trim_start_matches("http://").parse().expect("an address");
    let token = fs::read_to_string(world.data().join("admin-token")).expect("a token");
    let mut before = submits(&world, |count| count < 100).await;

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
    // Until the first of them ends: so long all of them live.
    let mut ended = None;
    let mut during = submits(&world, |_| {
        ended = slow.try_join_next();
        ended.is_none()
    })
    .await;
    let mut lives = vec![ended.expect("one of them ended").expect("a slow caller")];
    while let Some(ended) = slow.join_next().await {
        lives.push(ended.expect("a slow caller"));
    }
    let soon = lives.iter().flatten().filter(|life| **life < bound).count();
    assert_eq!((lives.iter().flatten().count(), soon), (SLOW, 0), "the server ends every one of them, and none too soon");
    assert!(during.len() >= 5, "{} submits were answered beside slow callers", during.len());
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
