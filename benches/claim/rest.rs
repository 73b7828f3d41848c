//! Over REST: the real `slipway server`, one connection.

use crate::{
    Effort, Failure,
    figures::{self, Figures},
    fresh,
    world::World,
};
use slipway::{
    client::Client,
    wire::{ClaimRequest, NewTask, QueueAsk, RegisterRequest, RunnerName},
};
use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use uuid::Uuid;

const INSTANCE: Uuid = Uuid::from_u128(0xB);

struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts it and waits until it says where it is; how long that took.
    fn start(data: &Path) -> Result<(Self, Duration), Failure> {
        let began = figures::now();
        let file = data.with_extension("yaml");
        // One runner claims as fast as it can.
        std::fs::write(&file, "rates: {runner: {perSecond: 0, burst: 1}, write: {perSecond: 0, burst: 1}}\n")?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_slipway"))
            .args(["server", "--listen", "127.0.0.1:0", "--log", "error", "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(data)
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let line = BufReader::new(stderr).lines().map_while(Result::ok).find(|line| line.contains("http://"));
        let took = began.elapsed();
        let line = line.ok_or("the server did not start")?;
        let url = format!("http://{}", line.rsplit("http://").next().unwrap_or_default());
        Ok((Self { child, url }, took))
    }

    /// Memory of its own and shared that is resident, in MB.
    fn resident(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Caller<'a> {
    world: &'a World,
    server: Server,
    runner: Client,
    admin: Client,
    before: u64,
    submitted: usize,
    served: HashSet<i64>,
}

pub(crate) async fn measure(worlds: &[World], effort: Effort, figures: &mut Figures) -> Result<(), Failure> {
    let mut callers = Vec::new();
    for world in worlds {
        let mut starts = Vec::new();
        for _ in 0..5 {
            starts.push(Server::start(&world.data)?.1);
        }
        starts.sort_unstable();
        let goal = (world.depth > 1_000).then_some(250.0);
        figures.one(&format!("{} {}: cold start, median of 5", world.name, world.depth), figures::millis(starts[2]), "ms", goal);
        let server = Server::start(&world.data)?.0;
        let token = std::fs::read_to_string(world.data.join("admin-token"))?.trim().to_owned();
        let admin = Client::new(&server.url, Some(token.into()), "bench/0")?;
        let runner = Client::new(&server.url, Some(world.token.clone()), "bench/0")?;
        let before = left(&admin).await?;
        callers.push(Caller { world, server, runner, admin, before, submitted: 0, served: HashSet::new() });
    }
    for round in 0..=effort.rounds {
        for caller in &mut callers {
            caller.round(round, effort.claims, figures).await?;
        }
    }
    for caller in &callers {
        caller.verify().await?;
        let goal = (caller.world.depth > 1_000).then_some(200.0);
        figures.one(
            &format!("{} {}: resident memory of the server", caller.world.name, caller.world.depth),
            caller.server.resident()?,
            "MB",
            goal,
        );
    }
    Ok(())
}

impl Caller<'_> {
    async fn round(&mut self, round: usize, claims: usize, figures: &mut Figures) -> Result<(), Failure> {
        let (name, depth) = (self.world.name, self.world.depth);
        let runner: RunnerName = "r1".parse()?;
        let offer = RegisterRequest {
            kind: "process".into(),
            instance: INSTANCE,
            version: "0".into(),
            slots: 1_000,
            gpus: 8,
            queues: vec!["*".into()],
            cluster: None,
        };
        self.runner.register(&runner, &offer).await?;
        let mut taken = Vec::new();
        for _ in 0..claims {
            let nth = self.submitted * 104_729 + 13;
            self.submitted += 1;
            let spec = self.world.spec(nth, nth);
            let task: NewTask = serde_json::from_value(serde_json::json!({
                "queue": spec.queue, "command": ["python", "train.py", "--lr", "3e-4"], "priority": spec.priority, "resources": spec.resources,
            }))?;
            let began = figures::now();
            self.admin.submit(&task, fresh()).await?;
            figures.note(&format!("{name}, REST: submit"), depth, round, began.elapsed());
            let request = ClaimRequest {
                runner: runner.clone(),
                instance: INSTANCE,
                claim_id: fresh(),
                max: 1,
                gpus: 8,
                queues: vec![QueueAsk { name: "*".into(), max: None }],
                wait_seconds: 0,
                unserved: Vec::new(),
            };
            let began = figures::now();
            let got = self.runner.claim(&request, Duration::from_secs(10)).await?.items.pop().ok_or("a claim came back empty")?;
            figures.note(&format!("{name}, REST: claim of 1"), depth, round, began.elapsed());
            if !self.served.insert(got.task.0) {
                return Err(format!("task {} was served twice", got.task).into());
            }
            taken.push(got.task);
        }
        for task in taken {
            self.admin.cancel_task(task, fresh()).await?;
        }
        Ok(())
    }

    async fn verify(&self) -> Result<(), Failure> {
        let (left, expected) = (left(&self.admin).await?, self.before + self.submitted as u64 - self.served.len() as u64);
        if left != expected {
            return Err(format!("{} {}: {left} tasks are left, not {expected}", self.world.name, self.world.depth).into());
        }
        Ok(())
    }
}

/// The tasks that have not ended.
async fn left(admin: &Client) -> Result<u64, Failure> {
    Ok(admin.queues().await?.items.iter().map(|queue| queue.counts.waiting + queue.counts.queued + queue.counts.active).sum())
}
