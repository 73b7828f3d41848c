//! Arrays as people write and read them: `0-31%8`, `sweep[0-31%8]`, `19 done · 8 running · 5 queued`.

use super::style::Marks;
use crate::wire::{ElementCounts, Indices, NewArray, Task, TaskArray};

/// `0-31%8`: the indices, and how many elements are out at once. A single number is how many there are, from 0 on.
pub(crate) fn parse(text: &str) -> Result<NewArray, String> {
    let (indices, most) = match text.split_once('%') {
        Some((indices, most)) => (indices, Some(most)),
        None => (text, None),
    };
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0);
    let max_parallel = match most {
        Some(most) => Some(number(most).ok_or_else(|| format!("after % stands how many run at once, and {most:?} is no such number"))?),
        None => None,
    };
    if indices.bytes().all(|b| b.is_ascii_digit()) && !indices.is_empty() {
        let size = number(indices).ok_or_else(|| "an array has at least one element".to_owned())?;
        return Ok(NewArray { size: Some(size), indices: None, max_parallel });
    }
    let indices: Indices = indices.parse().map_err(|_| "write 32, 0-31, 3-7,12 or 0-31%8 (at most 8 at once)".to_owned())?;
    if indices == Indices::first(indices.count()) {
        return Ok(NewArray { size: Some(indices.count()), indices: None, max_parallel });
    }
    Ok(NewArray { size: None, indices: Some(indices), max_parallel })
}

/// The array that a task is, with the counts of its elements; none where it is none.
pub(crate) fn of(task: &Task) -> Option<(&TaskArray, &ElementCounts)> {
    let array = task.array.as_ref()?;
    Some((array, array.counts.as_ref()?))
}

/// How a person names a task: an element by its array and its index.
pub(crate) fn name(task: &Task) -> String {
    let place = task.array.as_ref().and_then(|array| Some((array.id?, array.index?)));
    place.map_or_else(|| task.id.to_string(), |(array, index)| format!("{array}_{index}"))
}

/// `[0-31%8]`, which stands behind an array's name; empty where the task is none.
pub(crate) fn shape(task: &Task) -> String {
    let Some((array, _)) = of(task) else { return String::new() };
    let indices = array.indices.clone().unwrap_or_else(|| Indices::first(array.size)).to_string();
    let most = array.max_parallel.map(|most| format!("%{most}")).unwrap_or_default();
    let cut = super::style::cut(&indices, 20);
    format!("[{cut}{most}]")
}

/// `19 done · 8 running · 5 queued`, without what there is none of.
pub(crate) fn summary(counts: &ElementCounts, marks: Marks) -> String {
    let parts = [
        (counts.succeeded, "done"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
        (counts.active, "running"),
        (counts.queued, "queued"),
        (counts.waiting, "waiting"),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    parts.join(marks.between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{array, task},
        wire::{TaskId, TaskState},
    };

    #[test]
    fn an_array_is_written_as_its_indices_and_how_many_run_at_once() {
        let read = |text: &str| parse(text).map(|a| (a.size, a.indices.map(|i| i.to_string()), a.max_parallel));
        assert_eq!(read("32"), Ok((Some(32), None, None)));
        assert_eq!(read("0-31"), Ok((Some(32), None, None)));
        assert_eq!(read("0-31%8"), Ok((Some(32), None, Some(8))));
        assert_eq!(read("3-7,12%2"), Ok((None, Some("3-7,12".into()), Some(2))));
        for wrong in ["", "%8", "a", "0", "0-3%", "0-3%0", "0-3%x", "5-3"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_array_is_read_at_a_glance() {
        let sweep = array(1040, TaskState::Active);
        let (_, counts) = of(&sweep).unwrap();
        assert_eq!(shape(&sweep), "[0-31%8]");
        assert_eq!(summary(counts, Marks::new(true)), "19 done · 8 running · 5 waiting");
        assert_eq!(summary(counts, Marks::new(false)), "19 done, 8 running, 5 waiting");
        let element = TaskArray { id: Some(TaskId(1040)), index: Some(7), size: 32, ..TaskArray::default() };
        let element = Task { array: Some(element), ..task(1048, TaskState::Active) };
        assert_eq!((name(&element).as_str(), shape(&element).as_str(), name(&sweep).as_str()), ("1040_7", "", "1040"));
    }
}
