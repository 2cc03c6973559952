//! How much of a list is read and written at once. Rows are small or have mebibytes, as those like who fill them; so what
//! is read at once is bounded in bytes, and by the sizes that are kept beside the rows.

/// Says how many rows of an answer in pieces are read at once.
pub const MOST_ROWS: usize = 100;
/// Says how many bytes of rows are read at once, where there is more than one row.
pub const MOST_BYTES: i64 = 8 << 20;

/// Counts how many of the first rows, which have these sizes, are read at once: as many as have `most` bytes together, and
/// one at least.
pub fn fitting(most: i64, sizes: impl IntoIterator<Item = i64>) -> usize {
    let mut total = 0_i64;
    let fits = |size: &i64| {
        total = total.saturating_add(*size);
        total <= most
    };
    sizes.into_iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::{MOST_BYTES, fitting};

    #[test]
    fn as_many_rows_as_fit_and_one_at_least() {
        assert_eq!(fitting(MOST_BYTES, [1, 2, 3]), 3);
        assert_eq!(fitting(MOST_BYTES, [MOST_BYTES - 1, 1, 1]), 2);
        assert_eq!(fitting(MOST_BYTES, [i64::MAX, i64::MAX]), 1);
        assert_eq!(fitting(MOST_BYTES, [MOST_BYTES, 0, 0, 1]), 3);
    }
}
