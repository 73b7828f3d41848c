//! How fast logs of four attempts are taken, against `zstd -1` on one core over the same text.

use super::{
    Stage,
    attempt::{Attempt, FRAME},
};
use crate::{
    Failure,
    figures::Figures,
    machine,
    runner::Runner,
    server::{Database, Server},
};
use futures::future::try_join_all;
use std::{
    fmt::Write,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const ATTEMPTS: usize = 4;
/// Of all attempts together.
const BYTES: usize = 64 << 20;

pub(crate) async fn measure(stage: Stage<'_>, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(&stage.dir.join("on"), &Database::Sqlite)?;
    let mut runner = Runner::register(&server, &Runner::token(&server).await?, "logs", 1).await?;
    let (corpus, file) = (corpus(), stage.dir.join("corpus"));
    fs::write(&file, &corpus)?;
    for round in 0..=stage.options.rounds {
        let compressed = compress(&file);
        let mut attempts = Vec::new();
        for _ in 0..ATTEMPTS {
            attempts.push(Attempt::begin(&server, &mut runner).await?);
        }
        let began = machine::now();
        let mut sent = try_join_all(attempts.into_iter().zip(corpus.chunks(BYTES / ATTEMPTS)).map(|(mut attempt, text)| async move {
            for frame in text.chunks(FRAME) {
                attempt.put(frame).await?;
            }
            Ok::<_, Failure>(attempt)
        }))
        .await?;
        let (took, taken) = (began.elapsed(), machine::now());
        for attempt in &mut sent {
            durable(attempt).await?;
        }
        // The first round warms caches and files.
        if round == 0 {
            continue;
        }
        figures.note("log ingest", "MB/s", rate(took));
        figures.note("log durable after its last byte was taken", "ms", taken.elapsed().as_secs_f64() * 1e3);
        match compressed {
            Ok(time) => figures.note("zstd -1", "MB/s", rate(time)),
            Err(error) => figures.skip("zstd -1", error.to_string()),
        }
    }
    Ok(())
}

/// Waits until all of its log is on disk.
async fn durable(attempt: &mut Attempt) -> Result<(), Failure> {
    for _ in 0..500 {
        let ack = attempt.put(&[]).await?;
        if ack.durable_offset == ack.next_offset {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("a log was not durable within 10 s".into())
}

fn compress(file: &Path) -> Result<Duration, Failure> {
    let began = machine::now();
    let status = Command::new("zstd").args(["-1", "-q", "-c", "--single-thread"]).arg(file).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("zstd: {error}; install the Debian package `zstd`"))?;
    if status.success() { Ok(began.elapsed()) } else { Err(format!("zstd ended with {status}").into()) }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(time: Duration) -> f64 {
    BYTES as f64 / 1e6 / time.as_secs_f64()
}

/// Lines as a training writes them, the same at every run.
fn corpus() -> Vec<u8> {
    let (mut text, mut state) = (String::with_capacity(BYTES + 200), 1_u64);
    let mut step = 0_u32;
    while text.len() < BYTES {
        // Knuth's linear congruence: numbers that look like measured ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (loss, rate, memory) = (state >> 40 & 0xffff, state >> 24 & 0xfff, state >> 52);
        step += 1;
        let _ = writeln!(
            text,
            "2026-01-01T12:{:02}:{:02} INFO train.py:88 epoch {:2} step {step:7} loss 0.{loss:05} lr 3e-4 {rate} samples/s gpu0 {memory} MiB",
            step / 60 % 60,
            step % 60,
            step / 10_000,
        );
    }
    text.truncate(BYTES);
    text.into_bytes()
}
