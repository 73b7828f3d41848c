//! The plain Jobs.

use crate::{
    case::Case,
    fleet::{Deed, TASK},
    judge::Stored,
    side::Told,
    sight::{Over, Signal},
};
use serde_json::{Value, json};
use slipway::wire::TaskState;
use std::collections::BTreeMap;

/// What a container asks for, of all sides alike.
pub(crate) fn resources() -> Value {
    json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": "1"}})
}

/// A Job that is one task. It goes as soon as it is over, as ours do. A queue has its label; it decides when the Job may begin.
pub(crate) fn job(task: i64, case: Case, queue: Option<&(String, String)>) -> Value {
    let mut labels = json!({TASK: task.to_string()});
    let container =
        json!({"name": "task", "image": "slipway.test/simulated:1", "command": Deed::live(case.ms).command(), "resources": resources()});
    let spec = json!({"schedulerName": "fleet", "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]});
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    if let Some((key, value)) = queue {
        labels[key] = json!(value);
    }
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": format!("task-{task}"), "labels": labels},
        "spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 0, "suspend": queue.is_some(), "template": template},
    })
}

/// The numbers of all tasks.
pub(crate) fn numbers(case: Case) -> impl Iterator<Item = i64> + use<> {
    (1..).take(case.tasks)
}

/// What is known of Jobs in the end; each is finished by the condition of its Job.
pub(crate) fn told(submitted: BTreeMap<i64, f64>, over: &Over) -> Told {
    let ends = over.by(Signal::Job);
    let state = |well: bool| if well { TaskState::Succeeded } else { TaskState::Failed };
    Told {
        submitted,
        finished: ends.iter().map(|(task, (at, _))| (*task, *at)).collect(),
        stored: ends.iter().map(|(task, (_, well))| (*task, Stored { state: state(*well), attempt: 1 })).collect(),
    }
}
