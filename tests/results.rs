//! What the README shows of the benchmarks, and the reliability page of the scoreboard, is what they measured last; and the judge
//! of the scoreboard.

#[path = "../benches/kubernetes/case.rs"]
#[expect(dead_code, reason = "results hold what was played")]
mod case;
#[path = "../benches/kubernetes/measure.rs"]
#[expect(dead_code, reason = "a test needs a part of it")]
mod measure;
#[path = "../benches/kubernetes/page.rs"]
mod page;
#[path = "../benches/bench/table.rs"]
mod table;

#[cfg(feature = "server")]
#[path = "scoreboard/api_proxy/call.rs"]
mod call;
#[cfg(feature = "server")]
#[path = "scoreboard/api_proxy/fate.rs"]
mod fate;
#[path = "scoreboard/judge.rs"]
mod judge;
#[path = "support/record.rs"]
mod record;
#[path = "scoreboard/recovery.rs"]
mod recovery;
#[path = "scoreboard/score.rs"]
mod score;

#[cfg(feature = "server")]
#[path = "results/fates.rs"]
mod fates;
#[path = "results/judged.rs"]
mod judged;
#[path = "results/measured.rs"]
mod measured;
#[path = "results/tabled.rs"]
mod tabled;

use std::{fs, path::Path};

#[test]
fn the_table_of_the_readme_is_that_of_the_newest_results() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lines = table::read_newest(&root.join("benches/results")).expect("results");
    let readme = fs::read_to_string(root.join("README.md")).expect("the README");
    let fresh = table::replaced(&readme, &lines).expect("a marked section");
    assert!(readme == fresh, "run `make bench-table`: the README does not show the newest file in benches/results");
}
