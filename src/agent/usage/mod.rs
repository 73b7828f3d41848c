//! What the attempt uses of its machine, looked at from time to time.
//!
//! In a pod by the agent's own cgroup, which is the attempt's alone; on a machine, and where no cgroup can be read, by the attempt's
//! processes in `/proc`. The first looks come fast, so that short attempts have figures too, and the pauses grow to
//! [`EVERY`]; a look is paid for by a pause a thousand times as long as it took the processor. The last look comes when the
//! command is gone: what was used in all is known then, and memory by the looks before.

mod cgroup;
mod course;
mod gpu;
mod helper;
mod network;
mod processes;
mod sheet;

use super::{
    environment::{self, Vars},
    link::Link,
    tree::Tree,
};
use crate::wire::Notes;
use cgroup::Cgroup;
use gpu::Gpus;
use helper::Helpers;
use nix::time::{ClockId, clock_gettime};
use processes::Processes;
use sheet::{Look, Sheet};
use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// The pause between two looks once the attempt is some seconds old.
const EVERY: Duration = Duration::from_secs(5);
/// The pause after the first look, and after that at the command's start; each is twice the one before.
const FIRST: Duration = Duration::from_millis(50);
/// The first look that is so long after the start, or the command's, is told at once: nobody waits for a heartbeat to see it.
const TOLD: Duration = Duration::from_secs(1);
/// A look may cost so much of a core: one part of so many.
const SHARE: u32 = 1_000;
/// How long the end of an attempt waits for the meters.
const PATIENCE: Duration = Duration::from_secs(3);

/// Measures until it is told to stop. Dropped, it leaves the figures of its last look.
pub(super) struct Meter {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Meter {
    /// Begins now. `alone`: whether the agent's cgroup and network are the attempt's alone. `agents` is the agent's own
    /// environment, `given` what its machine adds to the command's.
    pub(super) fn start(link: Arc<Link>, alone: bool, agents: &Vars, given: &BTreeMap<String, String>, tree: &Tree) -> Self {
        let helpers = Helpers::new(tree.clone(), agents);
        let chosen = given.get("CUDA_VISIBLE_DEVICES").map(|list| list.split(',').filter_map(|n| n.trim().parse().ok()).collect());
        let program = environment::program(agents, gpu::PROGRAM).filter(|_| chosen.as_ref().is_none_or(|chosen| chosen != &[].into()));
        let gpus = program.map_or_else(Gpus::none, |program| Gpus::watch(program, &helpers, chosen));
        let eye = Eye {
            cgroup: alone.then(Cgroup::own),
            alone,
            processes: Processes::new(tree.clone(), helpers.used_us.clone()),
            cores: thread::available_parallelism().ok().and_then(|cores| u64::try_from(cores.get()).ok()),
        };
        let stop = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(measure(link, eye, gpus, helpers, stop.clone())));
        Self { stop, task }
    }

    /// Looks once more and ends; then nothing that it started is left, but for what cannot die.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if timeout(PATIENCE, self.task).await.is_err() {
            tracing::warn!("the meters do not end; they are left");
        }
    }
}

/// All that is looked at but GPUs.
struct Eye {
    cgroup: Option<Cgroup>,
    alone: bool,
    processes: Processes,
    cores: Option<u64>,
}

impl Eye {
    fn look(&mut self) -> Look {
        let mut look = self.cgroup.as_mut().map(Cgroup::look).unwrap_or_default();
        if look.cpu_us.is_none() || look.memory_bytes.is_none() {
            look = look.or(self.processes.look());
        }
        if self.alone {
            (look.network_received_bytes, look.network_sent_bytes) = network::look().unzip();
        }
        look.cpu_limit_milli = look.cpu_limit_milli.or(self.cores.map(|cores| cores * 1_000));
        look
    }
}

async fn measure(link: Arc<Link>, mut eye: Eye, gpus: Gpus, helpers: Helpers, stop: CancellationToken) {
    let began = link.clock.monotonic();
    let (mut sheet, mut pause, mut last) = (Sheet::default(), FIRST, false);
    let mut phases = link.phase.subscribe();
    let mut untold = Some(Duration::ZERO);
    loop {
        let before = spent();
        let look = eye.look();
        let elapsed = link.clock.monotonic().saturating_sub(began);
        sheet.add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), &look, &gpus.look());
        let tell = |notes: &mut Notes| (notes.usage, notes.course) = (Some(sheet.usage()), Some(sheet.course()));
        if untold.take_if(|since| elapsed.saturating_sub(*since) >= TOLD).is_some() && !last {
            link.notebook.announce(tell);
        } else {
            link.notebook.measure(tell);
        }
        if last {
            break;
        }
        let paid = spent().saturating_sub(before) * SHARE;
        tokio::select! {
            biased;
            () = stop.cancelled() => last = true,
            // The command begins now, or its set-up.
            Ok(()) = phases.changed() => (pause, untold) = (FIRST, Some(link.clock.monotonic().saturating_sub(began))),
            () = sleep(pause.max(paid)) => pause = EVERY.min(pause * 2),
        }
    }
    helpers.stop.cancel();
    gpus.ended().await;
}

/// Processor time of this thread so far.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
