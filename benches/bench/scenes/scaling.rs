//! Claims of one task a call, over 8 and over 256 connections, each of a runner of its own.

use super::{Home, Stage, homes};
use crate::{Failure, figures::Figures, fill::fill, machine, runner::Runner, server::Server};
use futures::future::try_join_all;
use slipway::wire::ClaimedTask;
use std::{collections::HashSet, time::Duration};

const CROWDS: [usize; 2] = [8, 256];
/// The most that are claimed of a crowd in a round.
const MOST: usize = 6_000;

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    let mut places = Vec::new();
    for Home { prefix, dir, database } in homes(stage, "scaling").await? {
        let server = Server::start(&dir, &database)?;
        let token = Runner::token(&server).await?;
        let crowd = try_join_all((0..CROWDS[1]).map(|nth| {
            let (server, token) = (&server, &token);
            async move { Runner::register(server, token, &format!("r{nth}"), 1).await }
        }));
        places.push((prefix, crowd.await?, server));
    }
    let time = Duration::from_secs_f64(stage.options.seconds);
    for round in 0..=stage.options.rounds {
        for (prefix, runners, server) in &mut places {
            for size in CROWDS {
                fill(server, MOST).await?;
                let (rate, tasks) = claims(&mut runners[..size], time).await?;
                // The first round warms caches and files.
                if round > 0 {
                    figures.note(format!("{prefix}claims on {size} connections"), "tasks/s", rate);
                }
                if tasks.iter().map(|task| task.task).collect::<HashSet<_>>().len() != tasks.len() {
                    return Err("a task was claimed twice".into());
                }
                let share = tasks.len().div_ceil(16).max(1);
                try_join_all(runners.iter_mut().zip(tasks.chunks(share)).map(|(runner, tasks)| runner.finish(tasks))).await?;
            }
        }
    }
    Ok(())
}

/// All claim until the time is over or their share is taken.
async fn claims(runners: &mut [Runner], time: Duration) -> Result<(f64, Vec<ClaimedTask>), Failure> {
    let (began, share) = (machine::now(), MOST / runners.len());
    let claimed = try_join_all(runners.iter_mut().map(|runner| async move {
        let mut tasks = Vec::new();
        while began.elapsed() < time && tasks.len() < share {
            tasks.extend(runner.claim(1, 0).await?);
        }
        Ok::<_, Failure>(tasks)
    }));
    let tasks: Vec<_> = claimed.await?.into_iter().flatten().collect();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tasks.len() as f64 / began.elapsed().as_secs_f64();
    Ok((rate, tasks))
}
