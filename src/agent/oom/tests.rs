use super::*;

#[test]
fn the_count_is_read_from_both_versions() {
    assert_eq!(count("low 0\nhigh 0\nmax 812\noom 4\noom_kill 3\noom_group_kill 0\n"), Some(3));
    assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
    assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None, "a kernel before 4.13");
}

#[test]
fn a_kill_explains_an_end_that_it_can_have_caused() {
    for (kills, alone, exit_code, signal, expected) in [
        (0, true, None, Some(9), false),
        (1, true, None, Some(9), true),
        (1, true, Some(1), None, true),
        (1, true, Some(0), None, false),
        (1, false, Some(1), None, false),
        (1, false, Some(137), None, true),
        (1, false, None, Some(9), true),
    ] {
        assert_eq!(explains(kills, alone, exit_code, signal), expected, "{kills} {alone} {exit_code:?} {signal:?}");
    }
}
