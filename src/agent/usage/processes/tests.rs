//! Files as kernels write them, and the tests' own process.

use super::*;

const STAT: &str =
    "32416 (a) R 1 (b) S 32404 32404 21733 0 -1 4194304 100 0 0 0 250 12 9 3 25 5 1 0 80384 3133440 408 18446744073709551615";
const IO: &str = "rchar: 6976\nwchar: 0\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 12288\ncancelled_write_bytes: 8192\n";
const STATUS: &str = "Name:\tpython3\nVmPeak:\t    3060 kB\nVmHWM:\t 90000 kB\nVmRSS:\t 81764 kB\nRssAnon:\t   50116 kB\nRssFile:\t    1648 kB\nRssShmem:\t   30000 kB\n";

#[test]
fn times_stand_behind_a_name_that_may_hold_anything() {
    assert_eq!(times_in(STAT), Some(Times { own_us: 2_620_000, reaped_us: 120_000 }));
    for nonsense in ["", "1 (x", "1 (x) S 1 2 3", "1 (x) S 1 1 1 0 -1 1 1 0 0 0 a b c d"] {
        assert_eq!(times_in(nonsense), None, "{nonsense}");
    }
}

#[test]
fn bytes_are_those_of_disks() {
    assert_eq!(io_in(IO), Some((4_096, 4_096)));
    assert_eq!(io_in("read_bytes: 1\nwrite_bytes: 1\ncancelled_write_bytes: 5\n"), Some((1, 0)));
    assert_eq!([io_in(""), io_in("read_bytes: x\nwrite_bytes: 1\n"), io_in(&"z".repeat(1 << 20))], [None; 3]);
}

#[test]
fn memory_is_what_cannot_be_taken_back() {
    assert_eq!(memory_in(STATUS), Some((50_116 << 10, 30_000 << 10)));
    let dead = "Name:\tsh\nState:\tZ (zombie)\nThreads:\t1\n";
    assert_eq!([memory_in(dead), memory_in(""), memory_in("RssAnon:\t-1 kB\nRssShmem:\t1 kB\n")], [None; 3]);
}

#[test]
fn memory_that_is_shared_counts_once_where_it_is_cheap_to_know() {
    let smaps = "5581-7ffe ---p 00000000 00:00 0    [rollup]\nRss:  1744 kB\nPss:   328 kB\nPss_Anon:    112 kB\nPss_File:   216 kB\nPss_Shmem:   8 kB\n";
    assert_eq!([parts_in(smaps), parts_in("Pss: 5 kB\n"), parts_in("")], [Some(120 << 10), None, None]);
    let parts = |pid: i32| (pid == 1).then_some(60);
    assert_eq!(together(&[], parts), None);
    assert_eq!(together(&[(1, (100, 10))], parts), Some(110), "who is alone shares with nobody");
    assert_eq!(together(&[(1, (100, 10)), (2, (40, 2))], parts), Some(102));
    let much = SHARING;
    assert_eq!(together(&[(1, (much, 10)), (2, (40, 20))], parts), Some(much + 60));
}

#[test]
fn a_total_passes_over_who_was_missed_and_forgets_nobody_who_was_lost() {
    let mut ledger = Ledger::default();
    let totals = |ledger: &mut Ledger, found: &[u64]| -> Vec<u64> { found.iter().map(|sum| ledger.enter(*sum)).collect() };
    // One who used 40 is between its end and its reaper in the second look, and with it in the third.
    assert_eq!(totals(&mut ledger, &[100, 60, 120, 130]), [100, 100, 120, 130]);
    // One who used 50 is lost for good, while the others go on.
    assert_eq!(totals(&mut ledger, &[80, 90, 100, 110]), [130, 130, 140, 150]);
    assert_eq!(totals(&mut ledger, &[0, 0, 5]), [150, 150, 155]);
}

#[test]
fn this_process_can_be_looked_at() {
    let pid = getpid().as_raw();
    assert!(times_of(pid).is_some());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(memory_in(&status).unwrap().0 > 100_000, "{status}");
    assert_eq!(times_of(i32::MAX), None);
    assert_eq!(used_us(i32::MAX), 0);
}
