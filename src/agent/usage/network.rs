//! What passes through the network of a pod.

use std::fs;

/// The user-visible namespaces of a machine itself have numbers that never change; this is the one of its names.
const MACHINES_NAMES: &str = "uts:[4026531838]";

/// Bytes received and sent by this pod. A pod that has its node's network has its node's names too: then nothing is known of it
/// alone.
pub(super) fn look() -> Option<(u64, u64)> {
    let names = fs::read_link("/proc/self/ns/uts").ok()?;
    if names.as_os_str() == MACHINES_NAMES {
        return None;
    }
    traffic(&fs::read_to_string("/proc/net/dev").ok()?)
}

/// The sums of `/proc/net/dev` without what stays on the machine; none where there is no other interface.
fn traffic(text: &str) -> Option<(u64, u64)> {
    let mut sums = None;
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.rsplit_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(received)), Some(Ok(sent))) = (numbers.next(), numbers.nth(7)) else { continue };
        let (all_received, all_sent) = sums.unwrap_or((0_u64, 0_u64));
        sums = Some((all_received.saturating_add(received), all_sent.saturating_add(sent)));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 418382954   24744    0    0    0     0          0         0  1804528   17499    0    0    0     0       0          0
eth0:1:12       1    0    0    0     0          0         0  5   1    0    0    0     0       0          0
";

    #[test]
    fn what_leaves_the_machine_is_summed() {
        assert_eq!(traffic(DEV), Some((418_382_966, 1_804_533)));
        let lonely: Vec<_> = DEV.lines().take(3).collect();
        assert_eq!(traffic(&lonely.join("\n")), None);
    }

    #[test]
    fn nonsense_is_nothing() {
        let broken = format!("{DEV}  eth1: 1 2 3\n eth2: a b c d e f g h i\nnonsense\n");
        assert_eq!(traffic(&broken), traffic(DEV));
        for text in ["", "\n\n\n", &"x:".repeat(1 << 16)] {
            assert_eq!(traffic(text), None);
        }
    }
}
