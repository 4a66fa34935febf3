//! Memory of generation and reading does not grow with the number of sequences. Alone in its process: it counts every
//! allocation.

mod data_support;

use data_support::{config, make};
use kinostate::data::{DataConfig, Dataset};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(
            NOW.fetch_add(layout.size(), Relaxed) + layout.size(),
            Relaxed,
        );
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that `work` held at once, beyond what was there before.
fn peak(work: impl FnOnce()) -> usize {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    work();
    PEAK.load(Relaxed) - before
}

#[test]
fn memory_is_bounded_whatever_the_number_of_sequences() {
    // One shard, so that nothing is per shard: chunks of 256 sequences of 9 frames of 1 KB are 2.4 MB.
    let one_shard = |n| DataConfig {
        sequences_per_shard: n,
        ..config(n)
    };
    let run = |n| {
        let dir = tempfile::tempdir().unwrap();
        let made = peak(|| make(&one_shard(n), dir.path()));
        let read = peak(|| {
            let data = Dataset::open(dir.path()).unwrap();
            let train = data.split("train").unwrap();
            let sum: u64 = (0..n).map(|i| u64::from(train.frames(i)[500])).sum();
            assert!(sum < u64::MAX);
        });
        println!(
            "{n} sequences, {} bytes of frames: {made} bytes to make, {read} to read",
            n * 9 * 1024
        );
        (made, read)
    };
    run(10); // starts the threads
    let (few, read_few) = run(600);
    let (many, read_many) = run(6000);
    // Whatever is in flight differs a little from run to run; 5400 sequences more are 50 MB of frames.
    assert!(
        many < few + 500_000,
        "made: {few} bytes for 600, {many} for 6000"
    );
    assert!(
        read_many < read_few + 20_000,
        "read: {read_few}, {read_many}"
    );
}
