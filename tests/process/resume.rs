//! What any HTTP client gets that goes on with `Last-Event-ID`, as `curl` and browsers do, while the servers take turns.

use crate::{
    eventually,
    postgres::Postgres,
    standby::{LINES, Pair},
    support::Dice,
    world::Part,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use slipway::wire::TaskId;
use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    id: Option<String>,
    kind: String,
    data: Value,
}

impl Frame {
    /// What stands before a blank line; none where it is a sign of life.
    fn of(text: &str) -> Option<Self> {
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim_start().to_owned())
        };
        let data = serde_json::from_str(&field("data")?).expect("JSON");
        Some(Self { id: field("id"), kind: field("event").unwrap_or_default(), data })
    }

    fn number(&self) -> i64 {
        self.id.as_deref().and_then(|id| id.parse().ok()).expect("the id of an event")
    }
}

/// Reads a stream until there is enough of it; whenever it breaks it is asked for again, after the last event that came whole.
/// Answers all events, and how often it broke.
#[expect(clippy::disallowed_methods, reason = "a client that knows nothing of ours")]
async fn follow(url: String, token: String, enough: impl Fn(&[Frame]) -> bool) -> (Vec<Frame>, u32) {
    let http = reqwest::Client::new();
    let (mut frames, mut breaks) = (Vec::<Frame>::new(), 0);
    loop {
        let mut call = http.get(&url).bearer_auth(&token).header("accept", "text/event-stream");
        if let Some(id) = frames.iter().rev().find_map(|frame| frame.id.as_ref()) {
            call = call.header("last-event-id", id);
        }
        if let Some(mut answer) = call.send().await.ok().filter(|answer| answer.status() == 200) {
            let mut text = Vec::new();
            while let Ok(Some(piece)) = answer.chunk().await {
                text.extend_from_slice(&piece);
                while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                    let whole: Vec<_> = text.drain(..end + 2).collect();
                    frames.extend(Frame::of(std::str::from_utf8(&whole).expect("UTF-8")));
                }
                if enough(&frames) {
                    return (frames, breaks);
                }
            }
            breaks += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether each of these tasks has an end among the events.
fn ended(frames: &[Frame], tasks: &[TaskId]) -> bool {
    let ends = frames.iter().filter(|frame| frame.kind == "task.ended").filter_map(|frame| frame.data["task"].as_i64());
    let ends: BTreeSet<_> = ends.collect();
    tasks.iter().all(|task| ends.contains(&task.0))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_after_the_last_event_misses_none_and_gets_none_twice() {
    let mut dice = Dice::roll("who_goes_on_after_the_last_event");
    let postgres = Postgres::start().await;
    let mut pair = Pair::over(&postgres).await;
    pair.world.start(Part::Runner);
    pair.world.ready().await;
    let token = fs::read_to_string(pair.world.data().join("admin-token")).expect("a token").trim().to_owned();
    let at = |path: &str| format!("{}/api/v1/{path}", pair.world.url);
    let (all, marked) = (at("events?after=0"), at("events?after=0&topics=task"));
    let first = pair.world.submit(&pair.world.recorder.task(LINES)).await;
    let output = at(&format!("tasks/{first}/log?follow=true"));
    let output = tokio::spawn(follow(output, token.clone(), |frames| frames.last().is_some_and(|frame| frame.kind == "end")));
    let (tell, told) = tokio::sync::watch::channel(None::<Vec<TaskId>>);
    let submits = Arc::<AtomicUsize>::default();
    let seen = submits.clone();
    let enough = move |frames: &[Frame]| {
        seen.store(frames.iter().filter(|frame| frame.kind == "task.submitted").count(), Ordering::Relaxed);
        told.borrow().as_ref().is_some_and(|tasks| ended(frames, tasks))
    };
    let events = tokio::spawn(follow(all.clone(), token.clone(), enough));

    let mut tasks = vec![first];
    for round in 0..3 {
        for _ in 0..2 {
            tasks.push(pair.world.submit(&pair.world.recorder.task("emit one; sleep 0.2; emit two")).await);
        }
        // So it is connected, and its stream will break.
        eventually("the events of the submits", async || (submits.load(Ordering::Relaxed) == tasks.len()).then_some(())).await;
        dice.pause(0, 500).await;
        pair.strike(round % 2).await;
    }
    pair.world.check(&tasks).await;
    // One more, so that something comes after all were told to the follower.
    tasks.push(pair.world.submit(&pair.world.recorder.task("emit last")).await);
    tell.send_replace(Some(tasks.clone()));
    let (events, breaks) = events.await.expect("the events");
    assert!(breaks >= 3, "the stream broke {breaks} times in 3 take-overs");
    assert!(events.is_sorted_by(|a, b| a.number() < b.number()), "{events:?}");
    let last = events.last().expect("events").number();
    let (again, _) = follow(all, token.clone(), |frames| frames.last().is_some_and(|frame| frame.number() >= last)).await;
    let again: Vec<_> = again.into_iter().filter(|frame| frame.number() <= last).collect();
    assert!(events == again, "{} events came, there are {}", events.len(), again.len());
    let (chosen, _) = follow(marked, token, |frames| ended(frames, &tasks)).await;
    let of_tasks: Vec<_> = events.iter().filter(|frame| frame.kind.starts_with("task.")).cloned().collect();
    assert_eq!(chosen, of_tasks);

    let (output, breaks) = output.await.expect("the log");
    let mut bytes = Vec::new();
    for frame in output.iter().filter(|frame| frame.kind == "log") {
        assert_eq!(frame.data["offset"].as_u64(), Some(bytes.len() as u64), "after {breaks} breaks");
        bytes.extend(BASE64_STANDARD.decode(frame.data["b64"].as_str().expect("bytes")).expect("base64"));
    }
    assert!(breaks > 0 && Some(bytes) == pair.world.recorder.copy(first, 1), "the log, after {breaks} breaks");
}
