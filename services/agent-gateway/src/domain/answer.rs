//! Answers on their way into the house: cleaned, cut to a size that can travel, and packed into messages.

use serde::Serialize;
use serde_json::Value;
use std::cmp::Reverse;
use std::io;
use types::OperationResult;
use types::messages::CommandReturned;
use types::messages::command::{RETURNED_PER_MESSAGE, ReturnedCommand};

/// Says how large answers may be, in bytes of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// One result.
    pub result: usize,
    /// All results of one command.
    pub command: usize,
}

/// Is how many bytes of a result's statistics, and of its errors, stay when it is cut.
const REST: usize = 64 * 1_024;

/// Is how many bytes the answers in one message may have together, unless it is a single one.
pub(crate) const MESSAGE_BYTES: usize = 900_000;

/// Makes `results` fit to be kept and to travel: NUL becomes the text `NULL`, as MIG does (PostgreSQL's json cannot
/// hold it), and what is larger than `limits` is cut and says so. Gives their size in bytes of JSON.
pub(crate) fn prepare(results: &mut [OperationResult], limits: Limits) -> usize {
    for result in results.iter_mut() {
        clean(result);
    }
    let mut sizes: Vec<usize> = results.iter().map(size).collect();
    for (result, size) in results.iter_mut().zip(&mut sizes) {
        if *size > limits.result {
            *size = cut(
                result,
                &format!("result was {size} bytes; cut at {}", in_words(limits.result)),
                REST,
            );
        }
    }
    let mut whole: usize = sizes.iter().sum();
    let note =
        format!("the results were {whole} bytes together; cut at {}", in_words(limits.command));
    let least = OperationResult { errors: Some(vec![note.clone()]), ..OperationResult::default() };
    let least = size(&least);
    // what is small beside the elements stays at first
    for rest in [REST, 0] {
        let mut largest: Vec<_> = results.iter_mut().zip(&mut sizes).collect();
        largest.sort_by_key(|(_, size)| Reverse(**size));
        for (result, size) in largest {
            // the note itself would be larger than what it stands for
            if whole <= limits.command || *size <= least {
                break;
            }
            if is_large(result, rest) {
                whole -= *size;
                *size = cut(result, &note, rest);
                whole += *size;
            }
        }
    }
    whole
}

/// Packs answers of these sizes into messages of at most `most` answers and [`MESSAGE_BYTES`]; a larger answer travels
/// alone. Gives how many of them, in order, each message takes.
fn pack(sizes: &[usize], most: usize) -> Vec<usize> {
    let mut messages = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    for size in sizes {
        if count > 0 && (count == most || bytes + size > MESSAGE_BYTES) {
            messages.push(count);
            (count, bytes) = (0, 0);
        }
        count += 1;
        bytes += size;
    }
    if count > 0 {
        messages.push(count);
    }
    messages
}

/// Packs answers with their sizes into messages.
pub(crate) fn in_messages(answers: Vec<(usize, ReturnedCommand)>) -> Vec<CommandReturned> {
    let sizes: Vec<usize> = answers.iter().map(|(size, _)| *size).collect();
    let mut answers = answers.into_iter().map(|(_, answer)| answer);
    let counts = pack(&sizes, RETURNED_PER_MESSAGE);
    counts
        .into_iter()
        .map(|count| CommandReturned { commands: answers.by_ref().take(count).collect() })
        .collect()
}

fn clean(result: &mut OperationResult) {
    clean_value(&mut result.elements);
    clean_value(&mut result.statistics);
    for error in result.errors.iter_mut().flatten() {
        clean_text(error);
    }
}

fn clean_text(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "NULL");
    }
}

/// Goes down at most as deep as the JSON parser let in, 128 levels.
pub(super) fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => clean_text(text),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('\0')) {
                let taken = std::mem::take(members);
                members.extend(
                    taken.into_iter().map(|(name, value)| (name.replace('\0', "NULL"), value)),
                );
            }
            members.values_mut().for_each(clean_value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Tells whether anything goes when the result is cut so.
fn is_large(result: &OperationResult, rest: usize) -> bool {
    !result.elements.is_null()
        || size(&result.statistics) > rest
        || result.errors.as_ref().is_some_and(|errors| size(errors) > rest)
}

/// Takes the elements out, the rest too where it has more than `rest` bytes; the small note always stays.
fn cut(result: &mut OperationResult, note: &str, rest: usize) -> usize {
    result.elements = Value::Null;
    let mut errors = result.errors.take().unwrap_or_default();
    if size(&result.statistics) > rest {
        result.statistics = Value::Null;
    }
    if size(&errors) > rest {
        errors.clear();
    }
    errors.push(note.to_owned());
    result.errors = Some(errors);
    size(result)
}

pub(super) fn in_words(bytes: usize) -> String {
    const MIB: usize = 1_024 * 1_024;
    if bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the bytes of the JSON of `value` without writing it anywhere.
pub(super) fn size(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SMALL: Limits = Limits { result: 1_000, command: 2_000 };

    fn result(elements: Value) -> OperationResult {
        OperationResult {
            foundanything: true,
            success: true,
            elements,
            ..OperationResult::default()
        }
    }

    #[test]
    fn nul_becomes_a_word_wherever_it_stands() {
        let mut results = [OperationResult {
            elements: json!({"a\0": ["x\0y", {"b": "\0"}], "backslash": "\\u0000"}),
            statistics: json!("\0"),
            errors: Some(vec!["no\0".into()]),
            ..OperationResult::default()
        }];
        prepare(&mut results, SMALL);
        let [result] = results;
        assert_eq!(
            result.elements,
            json!({"aNULL": ["xNULLy", {"b": "NULL"}], "backslash": "\\u0000"})
        );
        assert_eq!(
            (result.statistics, result.errors),
            (json!("NULL"), Some(vec!["noNULL".into()]))
        );
    }

    #[test]
    fn a_large_result_is_cut_and_says_so() {
        let mut results = [result(json!("x".repeat(2_000))), result(json!("short"))];
        let whole = serde_json::to_vec(&results[0]).unwrap().len();
        prepare(&mut results, Limits { result: 1_024 * 1_024, ..SMALL });
        assert_eq!(
            results[0].errors,
            Some(vec![format!(
                "the results were {} bytes together; cut at 2000 bytes",
                whole + size(&results[1])
            )])
        );

        let mut results = [result(json!("x".repeat(2_000))), result(json!("short"))];
        prepare(&mut results, SMALL);
        assert_eq!(results[0].elements, Value::Null);
        assert_eq!(
            results[0].errors,
            Some(vec![format!("result was {whole} bytes; cut at 1000 bytes")])
        );
        assert!(results[0].foundanything && results[0].success, "what it found out stays");
        assert_eq!(results[1].elements, json!("short"));
        assert_eq!(in_words(8 * 1_024 * 1_024), "8 MiB");
    }

    #[test]
    fn the_largest_go_first_when_all_together_are_too_large() {
        let mut results = [900, 990, 700].map(|n| result(json!("x".repeat(n - 93))));
        assert!(prepare(&mut results, SMALL) <= SMALL.command);
        let cut = results.map(|r| r.elements.is_null());
        assert_eq!(cut, [false, true, false]);
    }

    #[test]
    fn cutting_ends_when_it_gains_nothing() {
        let mut results = vec![OperationResult::default(); 200_000];
        let whole: usize = results.iter().map(size).sum();
        assert_eq!(prepare(&mut results, SMALL), whole);
        assert!(results.iter().all(|result| result.errors.is_none()));

        let mut results = vec![result(json!("x".repeat(300))); 20_000];
        let left = prepare(&mut results, Limits { command: 4_000_000, ..SMALL });
        assert!(left <= 4_000_000, "{left}");
        let notes = results.iter().filter_map(|result| result.errors.as_ref()).map(Vec::len);
        assert!(
            notes.eq(std::iter::repeat_n(
                1,
                results.iter().filter(|it| it.elements.is_null()).count()
            ))
        );
    }

    #[test]
    fn small_things_beside_the_elements_go_when_they_are_many() {
        let small = || OperationResult {
            statistics: json!("x".repeat(60_000)),
            errors: Some(vec!["y".repeat(60_000)]),
            ..OperationResult::default()
        };
        let limits = Limits { result: 1 << 20, command: 14 << 20 };
        let mut results: Vec<_> = std::iter::repeat_with(small).take(256).collect();
        let left = prepare(&mut results, limits);
        assert!(left <= limits.command, "{left}");
        let whole = results.iter().filter(|result| !result.statistics.is_null()).count();
        assert!((100..130).contains(&whole), "{whole}");
        assert_eq!(left, results.iter().map(size).sum::<usize>());
    }

    #[test]
    fn statistics_and_errors_do_not_slip_through() {
        let large = "x".repeat(100_000);
        let mut results = [OperationResult {
            statistics: json!(large),
            errors: Some(vec![large.clone(), large]),
            ..OperationResult::default()
        }];
        assert!(prepare(&mut results, SMALL) < SMALL.result);
        assert_eq!(results[0].errors.as_ref().unwrap().len(), 1);
    }

    #[test]
    fn messages_are_filled_to_either_limit() {
        assert_eq!(pack(&[], 50), [0usize; 0]);
        assert_eq!(pack(&[1; 120], 50), [50, 50, 20]);
        assert_eq!(pack(&[500_000, 500_000, 300_000], 50), [1, 2]);
        assert_eq!(pack(&[10, 5_000_000, 10, 10], 50), [1, 1, 2]);
    }

    proptest! {
        #[test]
        fn every_answer_is_packed_once_and_within_limits(sizes in prop::collection::vec(0usize..2_000_000, 0..200)) {
            let counts = pack(&sizes, 50);
            prop_assert_eq!(counts.iter().sum::<usize>(), sizes.len());
            let mut rest = sizes.as_slice();
            for count in counts {
                let (message, behind) = rest.split_at(count);
                rest = behind;
                prop_assert!(count <= 50 && count > 0);
                prop_assert!(count == 1 || message.iter().sum::<usize>() <= MESSAGE_BYTES);
            }
        }
    }
}
