//! What a long stage tells its user: a bar with rate and ETA on a terminal, plain lines otherwise; lines also go to the log.

/// Where a run tells what it does. Cheap to clone; shared between threads.
#[derive(Clone, Debug, Default)]
pub struct Progress {}

impl Progress {
    /// Says nothing and logs nothing: for tests and library calls.
    pub fn hidden() -> Self {
        Self::default()
    }
    /// One line for the user and the log.
    pub fn say(&self, _line: &str) {}
    /// A bar that counts `total` pieces of work, `unit` in the plural ("sequences").
    pub fn bar(&self, _what: &str, _total: u64, _unit: &str) -> Bar {
        Bar {}
    }
}

/// One running count. Finishes when dropped.
#[derive(Debug)]
pub struct Bar {}

impl Bar {
    /// Counts `n` more pieces as done.
    pub fn advance(&self, _n: u64) {}
    /// A short text behind the bar, such as the current loss.
    pub fn message(&self, _text: &str) {}
}
