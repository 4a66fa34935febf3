//! Freed memory stays with the process.
//!
//! A training step allocates the same buffers again and again. By default the GNU C library gives those above some megabytes back to the
//! system at once, and the next step pays for fresh, zeroed pages: at 100 frames a sequence that doubled the time of a step.

/// Keeps freed memory for the next allocation instead of giving it back; call it once, first. Only with the GNU C library.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets numbers of the allocator; the values are within the ranges of its manual page.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        // The greatest that it takes: half of a thread's heap.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
    }
}
