//! Every random draw comes from a named stream of one root seed.

use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

pub use simulators::Rng;

/// One root seed; draws come from `seeds.stream(name, index)`, so that draw i is the same whatever the number of
/// draws, the thread count or the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    root: u64,
}

impl Seeds {
    /// The streams of this root seed.
    pub fn new(root: u64) -> Self {
        Self { root }
    }

    /// The generator of stream `name`, number `index`: ChaCha8 keyed by SHA-256 of (root, name, index).
    pub fn stream(&self, name: &str, index: u64) -> Rng {
        let mut hash = Sha256::new();
        hash.update(self.root.to_le_bytes());
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(index.to_le_bytes());
        Rng::from_seed(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_differ_by_root_name_and_index_and_repeat() {
        let draw = |root, name: &str, index| Seeds::new(root).stream(name, index).random::<u64>();
        assert_eq!(draw(1, "a", 0), draw(1, "a", 0));
        let all = [
            draw(1, "a", 0),
            draw(2, "a", 0),
            draw(1, "b", 0),
            draw(1, "a", 1),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{all:?}");
        }
    }
}
