//! Two servers over one Postgres: one serves, the other stands by and takes over.

use crate::{
    endings::exit,
    eventually,
    postgres::Postgres,
    service::{Service, status},
    support::{Dice, Program, free_address},
    within,
    world::{Part, World},
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::Instant;

pub(crate) const LINES: &str = "i=0; while [ $i -lt 150 ]; do i=$((i+1)); emit \"line $i of $id\"; sleep 0.02; done";

/// Two servers, each with a data directory of its own; they share a database, a place for bytes, and an address.
pub(crate) struct Pair {
    pub(crate) world: World,
    addresses: [SocketAddr; 2],
    servers: [Option<Program>; 2],
    database: String,
    _service: Service,
}

impl Pair {
    pub(crate) async fn over(postgres: &Postgres) -> Self {
        let addresses = [(); 2].map(|()| free_address(Ipv4Addr::LOCALHOST.into()));
        let service = Service::before(addresses.to_vec()).await;
        let mut world = World::new();
        world.at(service.address);
        let bytes = world.root.join("bytes");
        fs::create_dir(&bytes).expect("a folder");
        let file = world.root.join("server.yaml");
        fs::write(&file, format!("blobs: {{url: \"file://{}\"}}\n", bytes.display())).expect("the servers' file");
        let mut pair = Self { world, addresses, servers: [None, None], database: postgres.url(), _service: service };
        pair.start(0);
        within(Duration::from_secs(30), "the first server", async || pair.serves(0).await.then_some(())).await;
        pair.start(1);
        eventually("the second one stands by", async || (status(pair.addresses[1], "/readyz").await == Some(503)).then_some(())).await;
        pair
    }

    fn start(&mut self, nth: usize) {
        let listen = self.addresses[nth].to_string();
        let data = if nth == 0 { self.world.data() } else { self.world.root.join("second") };
        let (data, config) = (data.display().to_string(), self.world.root.join("server.yaml").display().to_string());
        let args = ["server", "--listen", &listen, "--data-dir", &data, "--database", &self.database, "--config", &config];
        let server = self.world.program(&args);
        self.world.known.push(server.pid());
        self.servers[nth] = Some(server);
    }

    fn server(&mut self, nth: usize) -> &mut Program {
        self.servers[nth].as_mut().expect("it was started")
    }

    async fn serves(&self, nth: usize) -> bool {
        status(self.addresses[nth], "/readyz").await == Some(200)
    }

    /// Kills the one that serves, and measures until the other does; it stands by from then on.
    pub(crate) async fn strike(&mut self, nth: usize) -> Duration {
        self.server(nth).kill();
        let began = Instant::now();
        let other = 1 - nth;
        within(Duration::from_secs(20), "the other one serves", async || self.serves(other).await.then_some(())).await;
        let took = began.elapsed();
        self.start(nth);
        took
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_that_stands_by_serves_within_five_seconds_and_nothing_is_lost() {
    let mut dice = Dice::roll("the_one_that_stands_by");
    let postgres = Postgres::start().await;
    let mut pair = Pair::over(&postgres).await;
    assert_eq!(status(pair.addresses[1], "/livez").await, Some(200));
    assert_eq!(status(pair.addresses[1], "/api/v1/tasks").await, Some(503));
    // Whoever counts servers rather than calling them takes the one that stands by for as good.
    eventually("it could take over", async || (status(pair.addresses[1], "/readyz?standby=ok").await == Some(200)).then_some(())).await;
    pair.world.start(Part::Runner);
    pair.world.ready().await;
    let long = pair.world.submit(&pair.world.recorder.task(LINES)).await;
    let mut tasks = vec![long];
    let mut follower = pair.world.command(&["logs", "-f", &long.to_string()]);
    eventually("the first lines", async || follower.out().ends_with(b"\n").then_some(())).await;
    let mut took = Vec::new();
    for round in 0..4 {
        for _ in 0..2 {
            tasks.push(pair.world.submit(&pair.world.recorder.task("emit one; sleep 0.2; emit two")).await);
        }
        dice.pause(100, 600).await;
        took.push(pair.strike(round % 2).await);
    }
    took.sort_unstable();
    eprintln!("from the end of one to the other's service: {took:?}");
    assert!(took[3] < Duration::from_secs(5), "{took:?}");
    assert_eq!(exit(&mut follower).await, Some(0), "{}", follower.err());
    let written = pair.world.recorder.copy(long, 1).expect("what it wrote");
    assert!(follower.out() == written, "the follower has {} bytes of {}", follower.out().len(), written.len());
    pair.world.check(&tasks).await;
    pair.world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_killed_again_and_again_loses_and_repeats_nothing() {
    let mut dice = Dice::roll("a_database_killed_again_and_again");
    let mut postgres = Postgres::start().await;
    let mut pair = Pair::over(&postgres).await;
    pair.world.start(Part::Runner);
    pair.world.ready().await;
    let mut tasks = Vec::new();
    for _ in 0..6 {
        for _ in 0..3 {
            tasks.push(pair.world.submit(&pair.world.recorder.task("emit one; sleep 0.3; emit two")).await);
        }
        dice.pause(50, 400).await;
        postgres.strike();
    }
    pair.world.check(&tasks).await;
    pair.world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_while_another_took_over_ends_and_writes_nothing() {
    use nix::sys::signal::Signal;
    let postgres = Postgres::start().await;
    let mut pair = Pair::over(&postgres).await;
    // Its connection is gone although it lives, as after a partition: the lock goes to the other one.
    pair.server(0).signal(Signal::SIGSTOP);
    postgres.disconnect().await;
    within(Duration::from_secs(20), "the other one serves", async || pair.serves(1).await.then_some(())).await;
    pair.server(0).signal(Signal::SIGCONT);
    let ended = eventually("the first one ends", async || pair.servers[0].as_mut().and_then(Program::ended)).await;
    let said = pair.server(0).err();
    assert!(!ended.success() && said.contains("another server has taken over this database"), "{said}");
}
