//! What the store knows, as it travels.

use super::{caches, state::App};
use crate::{
    domain::{AttemptRef, Dependency, DependencyKind, Indices, Outcome, Phase, TaskId, TaskState, array},
    store::{
        ArrayRecord, AttemptRecord, BudgetRecord, EventRecord, Halt, Known, LeaseRecord, Place, QueueRecord, RunnerRecord, TaskRecord,
        TokenRecord,
    },
    wire::{self, timestamp},
};
use std::sync::Arc;

impl App {
    /// A task, with what only the memory of this server knows.
    pub(super) fn task(&self, record: TaskRecord) -> wire::Task {
        let heartbeat_lost = self.is_silent(&record);
        let work = match &record.place {
            Some(Place::Element { index, .. }) => array::work_of(&record.spec.work, *index),
            _ => record.spec.work,
        };
        let (command, script) = match work {
            wire::Work::Command(argv) => (Some(argv), None),
            wire::Work::Script(text) => (None, Some(text)),
            wire::Work::Entrypoint => (None, None),
        };
        let lease = record.lease.as_ref();
        let array_cancelled = match &record.place {
            Some(Place::Array(array)) => array.cancel_at,
            _ => None,
        };
        wire::Task {
            id: record.id,
            name: record.spec.name,
            queue: record.spec.queue,
            user: record.user,
            state: record.state,
            phase: lease.map(|l| l.phase.unwrap_or(Phase::Claimed)),
            attempt: record.attempt,
            runner: lease.map(|l| l.runner.clone()),
            labels: record.spec.labels,
            priority: record.spec.priority,
            boosted: record.boosted,
            command,
            script,
            env: record.spec.env,
            resources: record.spec.resources,
            image: record.spec.overrides.image,
            node_selector: record.spec.overrides.node_selector,
            secrets: record.spec.overrides.secrets,
            variables: record.spec.overrides.variables,
            code: record.spec.setup.code,
            working_dir: record.spec.setup.working_dir,
            environment: record.spec.setup.environment,
            checkpoint: record.spec.ending.checkpoint,
            outputs: record.spec.ending.outputs,
            timeout_seconds: record.spec.timeout_seconds,
            max_wait_seconds: record.spec.max_wait_seconds,
            total_timeout_seconds: record.spec.total_timeout_seconds,
            grace_seconds: record.spec.grace_seconds,
            retries: record.spec.retries,
            not_before: record.not_before.map(timestamp),
            depends_on: depends_on(&record.dependencies),
            created_at: timestamp(record.created_at),
            started_at: record.started_at.map(timestamp),
            finished_at: record.finished_at.map(timestamp),
            cancel_requested_at: lease.and_then(|l| l.cancel.as_ref()).map(|c| c.at).or(array_cancelled).map(timestamp),
            notes: None,
            rerun_of: record.rerun_of,
            parent: record.parent,
            array: record.place.map(|place| placed(place, record.parent)),
            heartbeat_lost,
            ended: record.ended.map(ended),
        }
    }

    /// Whether the agent of a started attempt has been silent beyond the limit. Where no agent runs beside the command,
    /// the runner speaks for the attempt, and silence says nothing.
    pub(super) fn is_silent(&self, task: &TaskRecord) -> bool {
        let awaited = |lease: &&LeaseRecord| lease.uid.is_some() && lease.result.is_none() && !task.spec.is_agentless();
        let lease = task.lease.as_ref().filter(awaited);
        lease.is_some_and(|lease| self.is_quiet(lease.attempt))
    }

    /// Whether nothing has been heard of an attempt for so long that its agent, if it has one, counts as silent.
    pub(super) fn is_quiet(&self, attempt: AttemptRef) -> bool {
        let limit = i64::try_from(self.settings.times.heartbeat_lost_ms).unwrap_or(i64::MAX);
        self.store.uptime().now() - self.pulses.last(attempt) >= limit
    }

    /// A runner, with when this server heard it last.
    pub(super) fn runner(&self, record: &RunnerRecord) -> wire::Runner {
        let doc = caches::runner_doc(record);
        let (footing_at, footing) = self.footings.of(&record.name).unzip();
        wire::Runner {
            name: record.name.clone(),
            kind: doc.kind,
            version: doc.version,
            slots: doc.slots,
            gpus: doc.gpus,
            queues: doc.queues,
            active: record.active,
            registered_at: timestamp(record.registered_at),
            seen_at: self.seen.at(&record.name).map(timestamp),
            state: self.seen.state(&record.name).map(Arc::unwrap_or_clone),
            footing: footing.map(Arc::unwrap_or_clone),
            footing_at: footing_at.map(timestamp),
        }
    }
}

/// An array, or the place of an element of `array`.
fn placed(place: Place, array: Option<TaskId>) -> wire::TaskArray {
    match place {
        Place::Array(ArrayRecord { spec, counts, .. }) => wire::TaskArray {
            size: spec.size,
            indices: Some(spec.indices).filter(|indices| *indices != Indices::first(spec.size)),
            max_parallel: spec.max_parallel,
            counts: Some(counts),
            ..wire::TaskArray::default()
        },
        Place::Element { index, size } => wire::TaskArray { id: array, index: Some(index), size, ..wire::TaskArray::default() },
    }
}

fn depends_on(dependencies: &[Dependency]) -> Option<wire::DependsOn> {
    let of = |kind| dependencies.iter().filter(|d| d.kind == kind).map(|d| wire::Dependee::Id(d.on)).collect();
    dependencies.first().map(|first| wire::DependsOn {
        after_success: of(DependencyKind::Success),
        after_any: of(DependencyKind::Any),
        on_failure: Some(first.on_failure),
    })
}

fn ended((outcome, log_complete): (Outcome, Option<bool>)) -> wire::Ended {
    wire::Ended {
        class: outcome.end.class(),
        reason: outcome.end.reason(),
        message: outcome.result.message,
        exit_code: outcome.result.exit_code,
        signal: outcome.result.signal,
        log_complete,
    }
}

pub(super) fn attempt(record: AttemptRecord, log_bytes: u64, notes: Option<wire::Notes>) -> wire::Attempt {
    let state: Option<TaskState> = record.ended.as_ref().map(|(outcome, _)| outcome.end.state());
    wire::Attempt {
        attempt: record.attempt,
        phase: record.phase,
        runner: record.runner,
        claimed_at: timestamp(record.claimed_at),
        started_at: record.started_at.map(timestamp),
        ended_at: record.ended_at.map(timestamp),
        state,
        ended: record
            .ended
            .map(ended)
            .or_else(|| record.unplaced.map(|reason| wire::Ended { reason: Some(reason), ..wire::Ended::default() })),
        evidence: record.evidence,
        log_bytes,
        notes,
    }
}

pub(super) fn queue(record: &QueueRecord) -> wire::Queue {
    let doc = caches::doc(record);
    let halted = |halt: &Option<Halt>| {
        halt.as_ref().map(|(by, reason, at)| wire::Paused { by: by.clone(), reason: reason.clone(), at: timestamp(*at) })
    };
    wire::Queue {
        name: record.name.clone(),
        description: doc.description,
        defaults: doc.defaults,
        limits: doc.limits,
        weight: doc.weight,
        user_weights: doc.user_weights,
        budgets: doc.budgets,
        pod_template: doc.pod_template,
        gpu: doc.gpu,
        use_image_entrypoint: doc.use_image_entrypoint,
        pending_timeout_seconds: doc.pending_timeout_seconds,
        fail_pending_after_seconds: doc.fail_pending_after_seconds,
        idempotent: doc.idempotent,
        stop_after_seconds: doc.stop_after_seconds,
        keep_jobs_seconds: doc.keep_jobs_seconds,
        retention: doc.retention,
        owner: doc.owner,
        variables: doc.variables,
        allow: doc.allow,
        object: doc.object,
        git: doc.git,
        indexes: doc.indexes,
        proxy: doc.proxy,
        ca_bundle: doc.ca_bundle,
        cache: doc.cache,
        managed_by: doc.managed_by,
        imported_from: doc.imported_from,
        paused: halted(&record.paused),
        draining: halted(&record.draining),
        revision: record.revision,
        stats: None,
        counts: wire::QueueCounts { waiting: record.waiting, queued: record.queued, active: record.active },
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
    }
}

pub(super) fn budget(record: &BudgetRecord) -> wire::Budget {
    let queues = record.queues.iter().map(|share| wire::BudgetQueue {
        queue: share.queue.clone(),
        guaranteed: share.guaranteed,
        used: share.used,
        users: share.users.clone(),
    });
    wire::Budget {
        name: record.name.clone(),
        description: caches::budget_doc(record).description,
        resource: record.rules.resource,
        max: record.rules.max,
        used: record.queues.iter().map(|share| share.used).sum(),
        queues: queues.collect(),
        revision: record.revision,
        created_at: timestamp(record.created_at),
        updated_at: timestamp(record.updated_at),
    }
}

pub(super) fn token(record: &TokenRecord) -> wire::Token {
    wire::Token {
        id: record.id,
        user: record.user.clone(),
        role: record.role,
        queues: record.queues.clone(),
        tail: record.tail.clone(),
        created_by: record.created_by.clone(),
        created_at: timestamp(record.created_at),
        expires_at: record.expires_at.map(timestamp),
        revoked_at: record.revoked_at.map(timestamp),
        last_used_at: record.last_used_at.map(timestamp),
        rotated_to: record.rotated_to,
    }
}

pub(super) fn event(record: EventRecord) -> wire::Event {
    let kind = serde_json::from_value(serde_json::Value::String(record.kind)).unwrap_or(wire::EventKind::Unknown);
    wire::Event {
        id: record.id,
        at: timestamp(record.at),
        kind,
        task: record.task,
        attempt: record.attempt,
        actor: record.actor,
        data: record.data,
    }
}

pub(super) fn verdict(known: Known) -> wire::Verdict {
    match known {
        Known::Live => wire::Verdict::Live,
        Known::Ended => wire::Verdict::Ended,
        Known::Superseded => wire::Verdict::Superseded,
        Known::Unknown => wire::Verdict::Unknown,
    }
}
