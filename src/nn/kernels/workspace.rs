//! Scratch memory of a thread, kept between calls: what a kernel needs for a moment and overwrites before it reads.

use std::cell::RefCell;

/// f32 values in a cache line; every part starts at one.
const LINE: usize = 16;

thread_local!(static SPACE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });

/// Calls `f` with parts of the given sizes, each at the start of a cache line. What stands in them is left over from earlier calls.
pub(crate) fn with<const N: usize, R>(
    sizes: [usize; N],
    f: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    let padded = sizes.map(|size| size.next_multiple_of(LINE));
    // Taken out, so that a call inside a call finds an empty one instead of this one.
    let mut space = SPACE.take();
    let total = padded.iter().sum::<usize>() + LINE;
    if space.len() < total {
        space = vec![0.0; total];
    }
    let start = space
        .as_ptr()
        .align_offset(LINE * size_of::<f32>())
        .min(LINE);
    let mut rest = &mut space[start..];
    let parts = std::array::from_fn(|i| {
        let (part, after) = std::mem::take(&mut rest).split_at_mut(padded[i]);
        rest = after;
        &mut part[..sizes[i]]
    });
    let result = f(parts);
    SPACE.set(space);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_apart_start_at_cache_lines_and_nest() {
        with([3, 40, 0, 16], |parts| {
            assert_eq!(parts.each_ref().map(|p| p.len()), [3, 40, 0, 16]);
            for (k, part) in parts.into_iter().enumerate() {
                assert_eq!(part.as_ptr() as usize % 64, 0);
                part.fill(k as f32);
                with([1000], |[inner]| inner.fill(-1.0));
                assert!(part.iter().all(|&v| v == k as f32));
            }
        });
    }
}
