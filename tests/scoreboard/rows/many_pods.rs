//! Row 20: half of all tasks run at once, each in a pod of its own, and the glue is killed while they do; then the other half
//! follows.

use crate::{
    fleet::{Counts, Deed},
    ground::{Ground, on_ground},
    kit::audit,
    procs::{status_kib, uptime},
    row::{Absent, Form, Outcome, Row},
    score::{Level, Size},
    service::status,
    support::{Dice, eventually, free_address, within},
    tail::Tail,
};
use serde_json::json;
use slipway::wire::{TaskId, Times};
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};
use tokio::time::{Instant, sleep};

pub(crate) const ROW: Row = Row { number: 20, level: Level::W, short: 100, full: 20_000, run: |form| Box::pin(run(form)) };

/// The most pods in one namespace: what Kubernetes itself is good for.
const IN_A_NAMESPACE: usize = 3_000;
/// The glue's memory at its peak.
const RSS_KIB: u64 = 300 << 10;
/// How long a new glue may take until it knows what there is.
const RELIST: Duration = Duration::from_secs(15);
/// Jobs created a second while there is room.
const CREATES: f64 = 20.0;
/// From a claim to the creation of its Job, for 99 in 100, in milliseconds.
const CREATED_MS: i64 = 5_000;
/// Writes to the API server for a task.
const WRITES: f64 = 4.0;
/// Where no command begins or ends for so long, nothing will.
const STILL: Duration = Duration::from_mins(3);
/// How long all that is over may take to go from the cluster.
const CLEARED: Duration = Duration::from_mins(5);

async fn run(form: Form) -> Result<Outcome, Absent> {
    let at_once = form.tasks.div_ceil(2);
    // The cluster's own collector of garbage has the time that it has with the real times.
    let times = if form.size == Size::Full { Times::default() } else { Times { sweep_ms: 30_000, ..crate::kit::times() } };
    on_ground("many_pods", times, at_once.div_ceil(IN_A_NAMESPACE), async |ground| crowd(ground, form, at_once).await).await
}

async fn crowd(ground: &mut Ground, form: Form, at_once: usize) -> Outcome {
    let mut dice = Dice::of(form.seed);
    // In a cluster every agent has an address of its own.
    let shared = [ground.world.url.trim_start_matches("http://").split(':').next().unwrap_or_default()];
    ground.world.configure(&json!({"connections": {"sharedAddresses": shared}})).await;
    let listen = free_address(Ipv4Addr::LOCALHOST.into());
    let config = json!({"maxPods": at_once, "maxUnstarted": 100, "listen": listen});
    ground.glue("k8s", config).await;

    // They run until all do, and then end over some minutes: ends cost the API server as much as starts, and it is not what is
    // tried here.
    let mut tasks = ground.submit((0..at_once).map(|_| Deed::hold(dice.below(form.of(3_000, 240_000)))).collect::<Vec<_>>()).await;
    let began = Instant::now();
    let running = filled(ground, at_once).await;
    let filled = began.elapsed();
    let mut peak = status_kib(ground.world.pid("k8s"), "VmHWM").unwrap_or_default();

    ground.world.kill("k8s");
    let struck = Instant::now();
    ground.world.revive("k8s");
    within(Duration::from_mins(2), "a new glue to be ready", async || (status(listen, "/readyz").await == Some(200)).then_some(())).await;
    let relist = struck.elapsed();

    tasks.extend(ground.submit((at_once..form.tasks).map(|_| Deed::live(dice.below(1_000))).collect::<Vec<_>>()).await);
    let turned = uptime();
    ground.fleet.go();
    all_over(ground, tasks.len()).await;
    let took = began.elapsed();
    peak = peak.max(status_kib(ground.world.pid("k8s"), "VmHWM").unwrap_or_default());

    let mut outcome = ground.judged_within(&tasks, CLEARED).await;
    let traffic = Traffic::read(ground, &tasks).await;
    let rate = ratio(running, filled.as_secs_f64());
    let writes = ratio(traffic.writes, ratio(tasks.len(), 1.0));
    eprintln!(
        "{running} of {at_once} pods at once after {filled:.0?}, {rate:.1} Jobs a second; all {} tasks in {took:.0?}; a new glue is ready after \
         {relist:.1?}; {} MiB of memory at its peak; {writes:.2} writes a task; claim to create {} ms in the median, {} ms for 99 of 100",
        tasks.len(),
        peak >> 10,
        traffic.claim_to_create(50),
        traffic.claim_to_create(99),
    );
    outcome.must(running == at_once, || format!("{running} of {at_once} pods ran at once"));
    outcome.must(writes <= WRITES, || format!("{writes:.2} writes a task"));
    // Times are asserted where they were meant: at full size.
    if form.size == Size::Full {
        outcome.must(peak <= RSS_KIB, || format!("the glue took {} MiB", peak >> 10));
        outcome.must(relist <= RELIST, || format!("a new glue was ready after {relist:?}"));
        outcome.must(rate >= CREATES, || format!("{rate:.1} Jobs a second"));
        outcome.must(traffic.claim_to_create(99) <= CREATED_MS, || format!("{} ms from claim to create", traffic.claim_to_create(99)));
    }
    let starts = ground.lines().into_iter().filter(|line| line.word == "start" && line.at >= turned).map(|line| line.at);
    outcome.worst_recovery = starts.min_by(f64::total_cmp).map(|first| first - turned);
    outcome.api_writes_per_task = Some(writes);
    outcome
}

fn ratio(count: usize, by: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / by.max(f64::EPSILON)
}

/// Waits until so many commands run, or no more begin; how many do.
async fn filled(ground: &Ground, at_once: usize) -> usize {
    let running = || usize::try_from(Counts::of(&ground.fleet.yard.counts.running)).unwrap_or(usize::MAX);
    let (mut most, mut since, mut told) = (0, Instant::now(), Instant::now());
    while most < at_once && since.elapsed() < STILL {
        if running() > most {
            (most, since) = (running(), Instant::now());
        }
        if told.elapsed() > Duration::from_secs(20) {
            told = Instant::now();
            let rss = status_kib(ground.world.pid("k8s"), "VmRSS").unwrap_or_default() >> 10;
            eprintln!("{most} of {at_once} run; the glue takes {rss} MiB");
        }
        sleep(Duration::from_millis(50)).await;
    }
    most
}

/// Waits until so many commands have ended, or none ends any more.
async fn all_over(ground: &Ground, tasks: usize) {
    let (mut tail, mut over, mut since, mut told) = (Tail::of(ground.record()), 0, Instant::now(), Instant::now());
    while over < tasks && since.elapsed() < STILL {
        let fresh = tail.fresh();
        if !fresh.is_empty() {
            since = Instant::now();
        }
        over += fresh.iter().filter(|line| line.word == "end").count();
        if told.elapsed() > Duration::from_secs(20) {
            told = Instant::now();
            eprintln!("{over} of {tasks} commands have ended");
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// What the API server's own log says of the glue.
struct Traffic {
    writes: usize,
    /// From claim to create, in milliseconds, sorted; of a sample.
    created: Vec<i64>,
}

impl Traffic {
    async fn read(ground: &Ground, tasks: &[TaskId]) -> Self {
        let requests = audit::of_glue(&ground.scene, "k8s");
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for request in requests.iter().filter(|request| request.writes()) {
            *kinds.entry(format!("{} {} {}", request.verb, request.resource(), request.response_status.code)).or_default() += 1;
        }
        let writes = kinds.values().sum();
        eprintln!("writes to the API server: {kinds:?}");
        let jobs = requests.iter().filter(|request| request.verb == "create" && request.resource() == "jobs");
        let at: BTreeMap<i64, i64> = jobs.filter_map(|r| Some((r.task()?, r.stage_timestamp.as_millisecond()))).collect();
        let client = ground.world.client().await;
        let mut created = Vec::new();
        for id in tasks.iter().step_by(tasks.len().div_ceil(1_000)) {
            let attempts = eventually("the attempts", async || client.attempts(*id).await.ok()).await;
            let claimed = attempts.items.first().map(|attempt| attempt.claimed_at.as_millisecond());
            created.extend(claimed.and_then(|claimed| Some(at.get(&id.0)? - claimed)));
        }
        created.sort_unstable();
        Self { writes, created }
    }

    /// The value below which so many of 100 are, in milliseconds.
    fn claim_to_create(&self, percent: usize) -> i64 {
        self.created.get((self.created.len() * percent / 100).min(self.created.len().saturating_sub(1))).copied().unwrap_or(i64::MAX)
    }
}
