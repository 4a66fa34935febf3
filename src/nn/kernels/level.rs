//! Which instruction set the kernels use: the widest that the machine has, or a lower one that the environment asks for.

use std::fmt;
use std::sync::OnceLock;

/// The environment variable that asks for a lower level: `KINOSTATE_SIMD=avx2`.
pub const VARIABLE: &str = "KINOSTATE_SIMD";

/// Instruction sets, each with all before it. Levels add in other orders and round differently: an f32 product of 300
/// terms below 4 in size is within 1e-3 of the exact one at each (tested in `product.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the compiler makes of plain Rust for the target.
    Portable,
    /// AVX2 and FMA: 8 lanes of f32.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 16 lanes.
    Avx512,
    /// AVX-512 and the matrix unit of AMX, in bf16 where a layer asks for that.
    Amx,
}

impl Level {
    /// All of them, the lowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx];

    /// As the environment has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// The highest that this machine has.
    pub fn of_machine() -> Self {
        static FOUND: OnceLock<Level> = OnceLock::new();
        *FOUND.get_or_init(found)
    }

    /// What the environment asks for, where it asks.
    ///
    /// # Errors
    /// A name that is none, or a level that this machine lacks; names what was expected and got.
    pub fn asked() -> Result<Option<Self>, String> {
        let Some(text) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let text = text.to_string_lossy();
        let most = Self::of_machine();
        let there = || {
            let there = Self::ALL.iter().filter(|level| **level <= most);
            there
                .map(|level| level.name())
                .collect::<Vec<_>>()
                .join(", ")
        };
        match Self::ALL.into_iter().find(|level| level.name() == text) {
            Some(level) if level <= most => Ok(Some(level)),
            _ => Err(format!(
                "{VARIABLE}: one of {} expected, which this machine has, got {text:?}; unset it for the fastest",
                there()
            )),
        }
    }

    /// The one in use, for the whole run: what the environment asks for where this machine has it, else the highest.
    pub fn in_use() -> Self {
        static USED: OnceLock<Level> = OnceLock::new();
        *USED.get_or_init(|| {
            let asked = Self::asked().ok().flatten();
            asked.unwrap_or_else(Self::of_machine)
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
fn found() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) if super::tiles::found() => Level::Amx,
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn found() -> Level {
    Level::Portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_named_apart() {
        assert!(Level::ALL.is_sorted());
        assert!(Level::in_use() <= Level::of_machine());
        let mut names = Level::ALL.map(Level::name).to_vec();
        names.dedup();
        assert_eq!(names.len(), 4);
    }
}
