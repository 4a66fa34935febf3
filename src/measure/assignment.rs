//! Who is who: the cheapest one-to-one assignment of rows to columns.

/// For every row the column it gets, so that the sum of `cost` (rows, columns; row-major, finite) is least; None for
/// the rows that are left over where there are fewer columns. Hungarian method by shortest augmenting paths (Jonker &
/// Volgenant 1987), O(rows² columns).
///
/// # Panics
/// When `cost` does not have rows * columns values.
pub fn assign(cost: &[f64], rows: usize, columns: usize) -> Vec<Option<usize>> {
    assert_eq!(cost.len(), rows * columns, "assign: cost of another size");
    if rows > columns {
        let turned: Vec<f64> = (0..columns)
            .flat_map(|j| (0..rows).map(move |i| cost[i * columns + j]))
            .collect();
        let mut found = vec![None; rows];
        for (j, i) in assign(&turned, columns, rows).into_iter().enumerate() {
            if let Some(i) = i {
                found[i] = Some(j);
            }
        }
        return found;
    }
    // Row and column 0 are a dummy: `owner[j]` is the row that has column j, 1-based.
    let mut by_row = vec![0.0; rows + 1];
    let mut by_column = vec![0.0; columns + 1];
    let mut owner = vec![0usize; columns + 1];
    for row in 1..=rows {
        owner[0] = row;
        let mut last = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut before = vec![0usize; columns + 1];
        let mut done = vec![false; columns + 1];
        while owner[last] != 0 {
            done[last] = true;
            let i = owner[last];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for j in 1..=columns {
                if done[j] {
                    continue;
                }
                let reduced = cost[(i - 1) * columns + j - 1] - by_row[i] - by_column[j];
                if reduced < least[j] {
                    (least[j], before[j]) = (reduced, last);
                }
                if least[j] < step || next == 0 {
                    (step, next) = (least[j], j);
                }
            }
            for j in 0..=columns {
                if done[j] {
                    by_row[owner[j]] += step;
                    by_column[j] -= step;
                } else {
                    least[j] -= step;
                }
            }
            last = next;
        }
        while last != 0 {
            owner[last] = owner[before[last]];
            last = before[last];
        }
    }
    let mut found = vec![None; rows];
    for j in 1..=columns {
        if owner[j] > 0 {
            found[owner[j] - 1] = Some(j - 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand::RngExt;

    /// The least sum over all injections of the smaller side, by trying each.
    fn brute(cost: &[f64], columns: usize, row: usize, used: &mut Vec<bool>, skip: usize) -> f64 {
        let rows = cost.len() / columns;
        if row == rows {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        if skip > 0 {
            best = brute(cost, columns, row + 1, used, skip - 1);
        }
        for j in 0..columns {
            if !used[j] {
                used[j] = true;
                let rest = brute(cost, columns, row + 1, used, skip);
                best = best.min(cost[row * columns + j] + rest);
                used[j] = false;
            }
        }
        best
    }

    #[test]
    fn no_other_assignment_is_cheaper() {
        for trial in 0..300 {
            let mut rng = Seeds::new(4).stream("assign", trial);
            let (rows, columns) = (rng.random_range(1..6), rng.random_range(1..6));
            // Small integers make ties; a shift makes negative costs.
            let draw = |_| f64::from(rng.random_range(0..12)) - 3.0;
            let cost: Vec<f64> = (0..rows * columns).map(draw).collect();
            let found = assign(&cost, rows, columns);
            let got: Vec<usize> = found.iter().flatten().copied().collect();
            assert_eq!(got.len(), rows.min(columns), "{found:?}");
            let mut once = got.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), got.len(), "a column twice: {found:?}");
            let pairs = found.iter().enumerate();
            let sum: f64 = pairs
                .filter_map(|(i, j)| j.map(|j| cost[i * columns + j]))
                .sum();
            let skip = rows.saturating_sub(columns);
            let want = brute(&cost, columns, 0, &mut vec![false; columns], skip);
            assert!((sum - want).abs() < 1e-12, "{sum} {want} {cost:?}");
        }
    }
}
