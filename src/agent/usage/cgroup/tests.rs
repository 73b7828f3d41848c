//! Files as kernels write them.

use super::*;

const CPU_STAT: &str = "usage_usec 1488751659\nuser_usec 1195404024\nsystem_usec 293347634\nnice_usec 536167342\n\
    nr_periods 10\nnr_throttled 3\nthrottled_usec 71234\n";
const IO_STAT: &str = "253:0 rbytes=1048576 wbytes=4096 rios=256 wios=1 dbytes=0 dios=0\n\
    259:0 rbytes=1048576 wbytes=4096 rios=256 wios=1 dbytes=0 dios=0\n259:1\n7:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n";
const IO_STAT_1: &str = "8:16 Read 8192\n8:16 Write 100\n8:16 Sync 8292\n8:16 Async 0\n8:16 Discard 0\n8:16 Total 8292\n\
    8:0 Read 4096\n8:0 Write 0\n8:0 Sync 4096\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 4096\nTotal 12388\n";

#[test]
fn numbers_stand_behind_their_words() {
    assert_eq!(
        [keyed(CPU_STAT, "usage_usec"), keyed(CPU_STAT, "nr_throttled"), keyed(CPU_STAT, "usage")],
        [Some(1_488_751_659), Some(3), None]
    );
    let stat = "inactive_file 5\ntotal_inactive_file 7\nactive_file x\n";
    assert_eq!([keyed(stat, "inactive_file"), keyed(stat, "total_inactive_file"), keyed(stat, "active_file")], [Some(5), Some(7), None]);
    assert_eq!(keyed("usage_usec 99999999999999999999999\n", "usage_usec"), None);
}

#[test]
fn a_quota_is_a_part_of_a_core() {
    for (text, milli) in [
        ("max 100000\n", None),
        ("150000 100000\n", Some(1_500)),
        ("1000 1000000", Some(1)),
        ("-1 100000\n", None),
        ("400000 0", None),
        ("", None),
        ("18446744073709551615 100000", None),
        ("nonsense and more", None),
    ] {
        assert_eq!(share(text), milli, "{text:?}");
    }
}

#[test]
fn disks_are_summed_and_none_twice() {
    assert_eq!(disks(IO_STAT, |device| device == "253:0"), (1_049_088, 4_096));
    assert_eq!(disks(IO_STAT, |_| false), (2_097_664, 8_192));
    assert_eq!(disks_1(IO_STAT_1), (12_288, 100));
    for nonsense in ["", "\n\n", "Total 0\n", "8:0 rbytes= wbytes=x\n8:0 Read\n8:0 Read -1\n", &"x".repeat(1 << 20)] {
        assert_eq!((disks(nonsense, |_| false), disks_1(nonsense)), ((0, 0), (0, 0)));
    }
    let huge = format!("8:0 rbytes={0} wbytes=0\n8:1 rbytes={0} wbytes=1\n", u64::MAX);
    assert_eq!(disks(&huge, |_| false), (u64::MAX, 1));
}

#[test]
fn the_kernels_peak_counts_without_what_could_be_taken_back() {
    // At the first look it is all that was before.
    assert_eq!(between(None, 1_000, 300), Some(700));
    assert_eq!(between(Some((1_000, 300)), 1_000, 0), None, "it has not grown");
    assert_eq!(between(Some((1_000, 300)), 5_000, 100), Some(4_700));
    assert_eq!(between(Some((1_000, 300)), 1_100, 9_000), Some(0));
}

/// A directory that holds these files, as a cgroup.
fn shown(dir: &Path, unified: bool, files: &[(&str, &str)]) -> Cgroup {
    for (name, text) in files {
        let file = dir.join("pod/own").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let home = Some(Home { unified, dir: dir.join("pod/own"), top: dir.to_owned() });
    Cgroup { processor: home.clone(), quota: home.clone(), memory: home.clone(), disk: home, ..Cgroup::default() }
}

#[test]
fn both_versions_tell_the_same() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files_2 = [
        ("cpu.stat", CPU_STAT),
        ("cpu.max", "max 100000\n"),
        ("../cpu.max", "250000 100000\n"),
        ("memory.current", "900\n"),
        ("memory.stat", "anon 500\nfile 400\ninactive_file 300\n"),
        ("memory.peak", "2000\n"),
        ("memory.max", "max\n"),
        ("../memory.max", "8589934592\n"),
        ("io.stat", "8:0 rbytes=12288 wbytes=100\n"),
    ];
    let files_1 = [
        ("cpuacct.usage", "1488751659999\n"),
        ("cpu.cfs_quota_us", "-1\n"),
        ("cpu.cfs_period_us", "100000\n"),
        ("../cpu.cfs_quota_us", "250000\n"),
        ("../cpu.cfs_period_us", "100000\n"),
        ("memory.usage_in_bytes", "900\n"),
        ("memory.stat", "inactive_file 7\ntotal_inactive_file 300\n"),
        ("memory.max_usage_in_bytes", "2000\n"),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("../memory.limit_in_bytes", "8589934592\n"),
        ("blkio.throttle.io_service_bytes", IO_STAT_1),
    ];
    let (mut first, mut second) = (shown(first.path(), false, &files_1), shown(second.path(), true, &files_2));
    let expected = Look {
        cpu_us: Some(1_488_751_659),
        cpu_limit_milli: Some(2_500),
        memory_bytes: Some(600),
        memory_peak_bytes: Some(1_700),
        memory_limit_bytes: Some(8_589_934_592),
        disk_read_bytes: Some(12_288),
        disk_written_bytes: Some(100),
        ..Look::default()
    };
    assert_eq!(first.look(), expected);
    assert_eq!(second.look(), expected);
    assert_eq!(second.look().memory_peak_bytes, None, "told once");
}

#[test]
fn what_cannot_be_read_is_absent() {
    assert_eq!(Cgroup::default().look(), Look::default());
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(shown(dir.path(), true, &[]).look(), Look::default());
    let nonsense = ["cpu.stat", "cpu.max", "memory.current", "memory.max"].map(|name| (name, "\u{0}nonsense"));
    assert_eq!(shown(dir.path(), true, &nonsense).look(), Look::default());
    let some = [("memory.current", "5"), ("memory.stat", "inactive_file 9")];
    assert_eq!(shown(dir.path(), true, &some).look().memory_bytes, Some(0));
}
