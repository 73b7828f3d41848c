//! A feeder without a queue: it keeps as many Jobs in flight as there are slots, and creates the next as soon as it sees that one
//! is over. It has no limit of its own on its calls, and loses everything when it dies.

use crate::{
    Failure,
    case::Case,
    ground::Ground,
    jobs::{job, numbers, told},
    side::Told,
    sight::{Signal, uptime},
};
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, api::PostParams};
use tokio::task::JoinSet;

pub(crate) async fn play(ground: &Ground, case: Case, signal: Signal) -> Result<Told, Failure> {
    // All are handed over at once.
    let handed = uptime();
    let api: Api<Job> = Api::namespaced(ground.client(), ground.namespace());
    let mut waiting = numbers(case);
    let (mut begun, mut over, mut creates) = (0, 0, JoinSet::new());
    loop {
        for task in waiting.by_ref().take(case.slots - (begun - over)) {
            begun += 1;
            let (api, job) = (api.clone(), serde_json::from_value::<Job>(job(task, case, None))?);
            creates.spawn(async move { api.create(&PostParams::default(), &job).await });
        }
        while let Some(created) = creates.try_join_next() {
            created??;
        }
        if over == case.tasks {
            break;
        }
        over = ground.sight.more(signal, over).await?;
    }
    // Users wait for the Job, whatever frees the slot.
    ground.all_over(Signal::Job, case).await?;
    Ok(told(numbers(case).map(|task| (task, handed)).collect(), &ground.sight.over()))
}
