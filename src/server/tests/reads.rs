//! Tasks that many ask for at once.

use super::rig::{Rig, Who};
use futures::future::join_all;

#[tokio::test]
async fn of_many_who_ask_at_once_each_gets_what_it_asked_for() {
    let rig = Rig::new().await;
    let (one, other) = (rig.task().await, rig.task().await);
    for asked in [vec![one], vec![one, other], vec![one, other, one], vec![other, 4711], vec![4711, one, 4711, other, other]] {
        // The reader gets no turn before all of them have asked.
        let calls = asked.iter().map(|id| rig.get(Who::Viewer, format!("/api/v1/tasks/{id}")).into_future());
        for (id, reply) in asked.iter().zip(join_all(calls).await) {
            if *id == 4711 {
                reply.problem(404, "TASK_NOT_FOUND");
            } else {
                assert_eq!(reply.expect(200)["id"], *id, "of {asked:?}");
            }
        }
    }
}
