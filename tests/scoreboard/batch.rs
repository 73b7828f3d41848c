//! Many submits at once.

use crate::support::{Front, eventually};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{BatchRequest, NewTask, TaskId, limits::MAX_BATCH},
};

/// Submits tasks until all are acknowledged.
pub(crate) async fn submit(front: &Front, tasks: &[NewTask]) -> Vec<TaskId> {
    let (client, mut ids) = (front.client().await, Vec::new());
    for part in tasks.chunks(MAX_BATCH) {
        let (batch, key) = (BatchRequest { tasks: part.to_vec() }, SystemRng.uuid());
        ids.extend(eventually("a batch to be acknowledged", async || client.submit_batch(&batch, key).await.ok()).await.ids);
    }
    ids
}
