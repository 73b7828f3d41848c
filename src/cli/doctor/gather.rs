//! Looking: thin, each question with a time limit, and at once what does not depend on each other.

use super::{
    DoctorArgs,
    canary::{archive, send, sing},
    facts::{Asked, Facts, Greeted, Looked, Sent, Trouble},
    report::Check,
    verdicts::is_alive,
};
use crate::{
    cli::{context::Context, exit::Failure},
    client::{Client, Sink},
    domain::Sha256,
    wire::{
        Footing, Health, Queue, RenderQuery, RenderRequest, Rendering, Role, Runner, RunnerName, Timestamp, UploadQuery, Version, Whoami,
        limits::MAX_UPLOAD_PIECE,
    },
};
use bytes::Bytes;
use reqwest::Method;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// The limit on one question.
const CALL: Duration = Duration::from_secs(10);
/// The limit on a large one.
const LARGE: Duration = Duration::from_mins(2);
/// An event stream says something at least every 15 s.
const STREAM: Duration = Duration::from_secs(18);
/// How long a glue that has just started may take to tell what it knows of its cluster.
const SETTLE: Duration = Duration::from_secs(20);
/// The pause between two looks whether it has.
const LOOK: Duration = Duration::from_millis(500);
/// How many queues are asked about at once.
const AT_ONCE: usize = 8;

/// Looks at everything that these checks need.
pub(super) async fn facts(args: &DoctorArgs, context: &Context) -> Result<Facts, Failure> {
    let wants = |checks: &[Check]| checks.iter().any(|check| args.wants(*check));
    let client = context.client()?.with_timeout(CALL);
    context.console.aside(format_args!("asking {}", client.base()));
    let url = client.base().to_owned();
    let client_version = env!("CARGO_PKG_VERSION");
    // Nobody asks who wants to know that; a token that may not travel says so by itself.
    let open = context.without_token(&url)?.with_timeout(CALL);
    let (greeted, ready) = tokio::join!(greet(context, &open), async { Ok(open.ready().await?) });
    let mut facts = Facts {
        url,
        in_cluster: args.in_cluster,
        now: context.now(),
        client: client_version,
        greeted,
        ready,
        me: None,
        health: None,
        runners: None,
        bases: Vec::new(),
        queues: None,
        large: None,
        upload: None,
        stream: None,
        canary: None,
    };
    if !facts.reached() {
        return Ok(facts);
    }
    let there = facts.there();
    let me: Asked<Whoami> = async { Ok(client.whoami().await?) }.await;
    let may = |role: Role| me.as_ref().is_ok_and(|me| me.role.includes(role));
    let (may_read, may_send) = (may(Role::Viewer), may(Role::Submitter));
    let clusters = [Check::Runners, Check::Rights, Check::BaseUrl, Check::Version];
    let objects = [Check::Runners, Check::Queues, Check::Security, Check::PullSecret, Check::Capacity];
    let by = Instant::now() + SETTLE;
    let (health, seen, large, stream) = tokio::join!(
        when(may_read && wants(&[Check::Database, Check::Bytes, Check::Stuck]), async { Ok::<Health, Trouble>(client.health().await?) }),
        async {
            let rights = wants(&[Check::Rights, Check::BaseUrl]);
            let runners = when(may_read && wants(&[&clusters[..], &objects[..]].concat()), runners(&client, there, rights, by)).await;
            let queues = when(may_read && wants(&objects), queues(&client, (context, there), args, runners.as_ref(), by)).await;
            (runners, queues)
        },
        when(may_send && wants(&[Check::LargeBody]), large(context, &client)),
        when(may_read && wants(&[Check::Stream]), stream(context, &client)),
    );
    let (runners, queues) = seen;
    facts.me = Some(me);
    // Others than the token's own check say what they could not see for want of it.
    facts.health = health;
    if wants(&[Check::BaseUrl]) {
        let none = Vec::new();
        let glues = runners.as_ref().and_then(|runners| runners.as_ref().ok()).unwrap_or(&none);
        facts.bases = bases(glues, context, there).await;
    }
    (facts.runners, facts.queues, facts.large, facts.stream) = (runners, queues, large, stream);
    let parcel = archive(context);
    facts.upload = when(may_send && wants(&[Check::Upload]), send(context, &client, &parcel)).await;
    if let Some(queue) = args.canary.as_ref().filter(|_| args.wants(Check::Canary)) {
        let code = matches!(facts.upload, Some(Ok(()))).then_some(&parcel);
        facts.canary = Some(sing(context, &client, queue, code, args.timeout).await);
    }
    Ok(facts)
}

/// What comes of it where it is wanted.
async fn when<T>(wanted: bool, look: impl Future<Output = T>) -> Option<T> {
    if wanted { Some(look.await) } else { None }
}

async fn greet(context: &Context, client: &Client) -> Asked<Greeted> {
    // The first call has to make the connection; the second one tells how far away the server is.
    client.greet().await?;
    let begun = context.clock.monotonic();
    let before = context.clock.now();
    let greeting = client.greet().await?;
    let took = context.clock.monotonic().saturating_sub(begun);
    let half = i64::try_from(took.as_millis() / 2).unwrap_or(0);
    let at = crate::wire::timestamp(crate::domain::UnixMs(before.0 + half));
    Ok(Greeted { greeting, at, took })
}

/// The runners; glues of this version that have just started are waited for until they told what they stand on.
async fn runners(client: &Client, there: Timestamp, rights: bool, by: Instant) -> Asked<Vec<Runner>> {
    loop {
        let all = client.runners().await?.items;
        let untold = |runner: &Runner| {
            let tells = runner.kind == "kubernetes" && runner.version == env!("CARGO_PKG_VERSION");
            tells && is_alive(runner, there) && runner.footing.is_none()
        };
        if !rights || Instant::now() >= by || !all.iter().any(untold) {
            return Ok(all);
        }
        sleep(LOOK).await;
    }
}

/// The queues, each with what glues would make of it.
async fn queues(
    client: &Client,
    (context, there): (&Context, Timestamp),
    args: &DoctorArgs,
    runners: Option<&Asked<Vec<Runner>>>,
    by: Instant,
) -> Asked<Vec<Looked>> {
    let all = client.queues().await?.items;
    let all: Vec<_> = all.into_iter().filter(|queue| args.queue.is_empty() || args.queue.contains(&queue.name)).collect();
    context.console.aside(format_args!("looking at {} queues", all.len()));
    let none = Vec::new();
    let glues = runners.and_then(|runners| runners.as_ref().ok()).unwrap_or(&none).iter().filter(|glue| is_alive(glue, there));
    let telling: Arc<Vec<(RunnerName, Footing)>> =
        Arc::new(glues.filter_map(|glue| Some((glue.name.clone(), glue.footing.clone()?))).collect());
    let (places, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for queue in all {
        let (client, telling, places) = (client.clone(), telling.clone(), places.clone());
        tasks.spawn(async move {
            let _place = places.acquire_owned().await;
            let rendered = rendered(&client, &queue, &telling, by).await;
            Looked { queue, rendered }
        });
    }
    let mut looked = tasks.join_all().await;
    looked.sort_by(|a, b| a.queue.name.cmp(&b.queue.name));
    Ok(looked)
}

/// What glues would make of a queue; those that ask their clusters, or tell their nodes, are waited for until they did.
async fn rendered(client: &Client, queue: &Queue, telling: &[(RunnerName, Footing)], by: Instant) -> Asked<Vec<Rendering>> {
    loop {
        let items = client.render_queue(&queue.name, &RenderQuery::default(), &RenderRequest::default()).await?.items;
        let untold = |item: &Rendering| {
            let Some((_, footing)) = telling.iter().find(|(name, _)| Some(name) == item.runner.as_ref()) else { return false };
            let lacks = (footing.checks_queues && item.checked_at.is_none())
                || (footing.reads_nodes && item.nodes_at.is_none() && queue.object.is_none());
            lacks && item.faults.is_empty()
        };
        if Instant::now() >= by || !items.iter().any(untold) {
            return Ok(items);
        }
        sleep(LOOK).await;
    }
}

/// Who answers where pods call.
async fn bases(runners: &[Runner], context: &Context, there: Timestamp) -> Vec<(RunnerName, String, Asked<Version>)> {
    let mut found = Vec::new();
    for runner in runners.iter().filter(|runner| is_alive(runner, there)) {
        let Some(footing) = &runner.footing else { continue };
        let url = footing.agent_url.clone();
        let answer = async {
            // Without a token: whoever answers there need not be ours.
            let client = context.without_token(&url).map_err(|failure| Trouble::Unasked(failure.message.unwrap_or_default()))?;
            Ok(client.with_timeout(CALL).version().await?)
        };
        let answer = answer.await;
        found.push((runner.name.clone(), url, answer));
    }
    found
}

/// The largest piece of an upload. The same bytes each time, so that they are stored once.
async fn large(context: &Context, client: &Client) -> Asked<Sent> {
    let bytes: Bytes =
        (0..MAX_UPLOAD_PIECE / 8).flat_map(|n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let (sum, size) = (Sha256::of(&bytes), bytes.len());
    let begun = context.clock.monotonic();
    let query = UploadQuery { size: size as u64, offset: 0 };
    match timeout(LARGE, client.put_upload(Sink::Uploads, &sum, query, bytes)).await {
        Ok(answer) => answer?,
        Err(_) => return Err(Trouble::Away(format!("no answer to a request of {} MiB in {} s", size >> 20, LARGE.as_secs()))),
    };
    Ok(Sent { bytes: size, took: context.clock.monotonic().saturating_sub(begun) })
}

/// How long the first bytes of an event stream take.
async fn stream(context: &Context, client: &Client) -> Asked<Duration> {
    let begun = context.clock.monotonic();
    let first = async {
        let mut response = client.call(Method::GET, "api/v1/events?after=0").timeout(STREAM).response().await?;
        Ok::<_, Trouble>(response.chunk().await.map_err(crate::client::cut_off)?)
    };
    match first.await? {
        Some(_) => Ok(context.clock.monotonic().saturating_sub(begun)),
        None => Err(Trouble::Away("it ended at once".to_owned())),
    }
}
