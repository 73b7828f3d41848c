//! How fast a command's output passes the agent's mask, by how many secrets it knows.
//!
//! The output is 32 MiB of log lines in pieces of 64 KiB, without a secret, and once more with one in each hundredth line.
//! Figures are MB/s, the median of the rounds; and what the mask takes of memory.
//!
//! `cargo bench --no-default-features --features agent --bench mask [-- ROUNDS]`

#![expect(clippy::print_stdout, reason = "its figures are its output")]

use slipway::agent::{Mask, Secrets};
use std::{hint::black_box, time::Instant};

const BYTES: usize = 32 << 20;
const PIECE: usize = 64 << 10;

fn value(n: usize) -> String {
    // Numbers that look like none: a multiplication by an odd number loses nothing.
    (0..4).map(|i| format!("{:016x}", (n * 4 + i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<Vec<_>>().concat()
}

/// Lines as programs write them; each hundredth has a secret where there are any.
fn output(with: Option<usize>) -> Vec<u8> {
    let mut text = Vec::with_capacity(BYTES + 200);
    let mut n = 0_usize;
    while text.len() < BYTES {
        let secret = with.filter(|_| n.is_multiple_of(100)).map(|of| value(n / 100 % of)).unwrap_or_default();
        text.extend(
            format!(
                "2026-11-28 12:00:{:02} INFO step {n} loss=0.{:06} lr=1e-4 grad_norm={}.{secret}\n",
                n % 60,
                n * 7919 % 1_000_000,
                n % 13
            )
            .bytes(),
        );
        n += 1;
    }
    text
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the time that passes")]
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn speed(mask: &mut Mask, text: &[u8], rounds: usize) -> f64 {
    let mut speeds: Vec<f64> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            let mut length = 0;
            for piece in text.chunks(PIECE) {
                mask.push(piece, |bytes| length += black_box(bytes).len());
            }
            mask.finish(|bytes| length += bytes.len());
            black_box(length);
            text.len() as f64 / began.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds[speeds.len() / 2]
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5);
    for (what, count, times) in
        [("0 secrets", 0, 1), ("1 secret", 1, 1), ("10 secrets", 10, 1), ("100 secrets", 100, 1), ("1 of 16 KB", 1, 250)]
    {
        let before = memory();
        let mut secrets = Secrets::default();
        (0..count).for_each(|n| secrets.add("VALUE", (0..times).map(|i| value(n + i)).collect::<String>().as_bytes()));
        let mut mask = Mask::new(&secrets);
        let kib = memory().saturating_sub(before);
        let (without, with) = (output(None), output((count > 0).then_some(count)));
        let figures = [&without, &with].map(|text| speed(&mut mask, text, rounds));
        println!("{what:<12} {:>8.0} MB/s, with secrets {:>8.0} MB/s, {kib} KiB, {:?}", figures[0], figures[1], secrets.warnings());
    }
}
