//! The outside recorder: what ran when, told by the tasks themselves over a connection of their own, whatever server,
//! glue and cluster believe. It also holds tasks back until a test gives the sign.

use super::cluster::HOST;
use crate::record::Line;
use slipway::wire::TaskId;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A listener that pods reach.
pub(crate) struct Recorder {
    port: u16,
    lines: Arc<Mutex<Vec<Line>>>,
    go: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::from(HOST), 0)).await.expect("an address that pods reach");
        let port = listener.local_addr().expect("its address").port();
        let (lines, go) = (Arc::new(Mutex::new(Vec::new())), watch::Sender::new(false));
        let (kept, sign) = (lines.clone(), go.clone());
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hear(stream, kept.clone(), sign.subscribe()));
            }
        });
        Self { port, lines, go, listening }
    }

    /// A script that tells its start, does `body` and tells its end. In `body`, `note WORD` tells a word and returns when
    /// it has been heard; `note wait` returns when the test says [`Recorder::go`].
    pub(crate) fn script(&self, body: &str) -> String {
        self.open_script(&format!("{body}\nnote end"))
    }

    /// A script that tells its start; what else it tells is up to `body`, which finds its task in `$id`, its attempt in `$n` and its
    /// pod's UID in `$uid`.
    pub(crate) fn open_script(&self, body: &str) -> String {
        let (host, port) = (Ipv4Addr::from(HOST), self.port);
        // Nobody has heard it where no connection was made; one that was made is heard.
        let note =
            format!("note() {{ read -r up _ </proc/uptime; until echo \"$id $n $1 $uid $up\" | nc {host} {port}; do sleep 0.2; done; }}");
        let who = "id=$SLIPWAY_TASK_ID; rest=${SLIPWAY_ATTEMPT#*-}; n=${rest%%-*}; uid=${rest#*-}";
        format!("#!/bin/sh\n{who}\n{note}\nnote start\n{body}\n")
    }

    /// Lets go of all tasks that wait, and of all that will.
    pub(crate) fn go(&self) {
        self.go.send_replace(true);
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a task has told `word`.
    pub(crate) fn has(&self, task: TaskId, word: &str) -> bool {
        self.lines().iter().any(|line| line.task == task.0 && line.word == word)
    }

    /// Each of `tasks` ran to its end once, and no attempt of one ran in two pods or after a later attempt had begun.
    pub(crate) fn check(&self, tasks: &[TaskId]) {
        let lines = self.lines();
        for id in tasks {
            let own: Vec<_> = lines.iter().filter(|line| line.task == id.0).collect();
            let ends = own.iter().filter(|line| line.word == "end").count();
            assert_eq!(ends, 1, "task {id} ran to its end once: {own:#?}");
            assert!(own.is_sorted_by_key(|line| line.attempt), "two attempts of task {id} at once: {own:#?}");
            let mut pods = BTreeMap::new();
            for line in own {
                let pod = pods.entry(line.attempt).or_insert(&line.uid);
                assert_eq!(*pod, &line.uid, "task {id} attempt {} ran in two pods", line.attempt);
            }
        }
    }
}

async fn hear(mut stream: TcpStream, kept: Arc<Mutex<Vec<Line>>>, mut sign: watch::Receiver<bool>) {
    let mut text = String::new();
    if BufReader::new(&mut stream).read_line(&mut text).await.is_err() {
        return;
    }
    let Some(line) = Line::read(text.trim_end()) else { return };
    let waits = line.word == "wait";
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    if waits {
        let _ = sign.wait_for(|go| *go).await;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
