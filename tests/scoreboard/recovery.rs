//! How long after a fault work goes on, from the outside record.

/// A fault, in seconds of the machine's uptime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fault {
    /// When it struck.
    pub(crate) began: f64,
    /// When it was over: the process started again, the cut mended.
    pub(crate) ended: f64,
}

/// The longest time, in seconds, from the end of a fault to the first start of a command that proves that work goes on. Up to
/// `under_way` attempts may have been granted before the fault and start after it, so that many starts prove nothing. A fault
/// before whose proof another one strikes is one with that.
pub(crate) fn worst(faults: &[Fault], starts: &[f64], under_way: usize) -> Option<f64> {
    let mut starts = starts.to_vec();
    starts.sort_by(f64::total_cmp);
    let after = |fault: &Fault| {
        let first = starts.partition_point(|at| *at < fault.ended);
        starts.get(first + under_way).copied()
    };
    let proven = faults.iter().enumerate().filter_map(|(nth, fault)| {
        let goes_on = after(fault)?;
        let again = faults.get(nth + 1).is_some_and(|next| next.began < goes_on);
        (!again).then_some(goes_on - fault.ended)
    });
    proven.max_by(f64::total_cmp)
}
