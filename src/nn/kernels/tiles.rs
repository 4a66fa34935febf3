//! Products of bf16 matrices with sums in f32, on the matrix unit (Intel AMX) of machines that have one.
//!
//! A tile is 16 rows of 64 bytes. One instruction adds the product of a tile of 16 x 32 bf16 and one of 32 x 16 to a tile of 16 x 16 f32.
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, vol. 1, ch. 18 (TDPBF16PS).

use super::level::Level;
use std::marker::PhantomData;

/// Rows and columns of what [`Tiles::block`] computes: two tiles each way, so that every loaded tile is used twice.
pub(crate) const SIDE: usize = 32;
/// Numbers of one step of the sum in [`Tiles::block`]: 32 rows of a right factor, 32 columns wide.
pub(crate) const PANEL: usize = SIDE * SIDE;

/// Whether this machine has the unit and the system lets us use it.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "only x86-64 has the unit")
)]
pub(super) fn found() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    return unit::allowed();
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// Whether the unit is used.
pub(crate) fn available() -> bool {
    Level::in_use() == Level::Amx
}

/// A left factor: row i of 32 at `start + i * stride`, and `offsets` of its columns, 32 at a time; all in bytes.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "only x86-64 has the unit")
)]
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub start: *const u16,
    pub stride: usize,
    pub offsets: &'a [usize],
}

/// The unit, configured for this thread; released when dropped.
pub(crate) struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// `None` where there is no such unit.
    pub fn new() -> Option<Self> {
        if !available() {
            return None;
        }
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        unit::configure();
        Some(Self(PhantomData))
    }

    /// `to = a b`, or `+=` with `add`: 32 x 32 numbers, rows after each other.
    ///
    /// `b` is packed, [`PANEL`] numbers for each of `a.offsets`: two halves of 16 columns, in each 16 pairs of rows, in each pair column
    /// after column (row 2r, row 2r + 1).
    ///
    /// # Safety
    /// Everything that `a` names, [`PANEL`] numbers for each of its offsets from `b`, and 32 x 32 numbers at `to` must be there.
    pub unsafe fn block(&self, a: Left, b: *const u16, to: *mut f32, add: bool) {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        // SAFETY: the caller's promise; the unit is configured on this thread, which `self` cannot leave.
        unsafe {
            match add {
                true => unit::block_add(a, b, to),
                false => unit::block(a, b, to),
            }
        }
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        let _ = (a, b, to, add);
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        unit::release();
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod unit {
    use super::Left;
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// Leaf 7, EDX: AMX-BF16 and AMX-TILE.
    const UNITS: u32 = 1 << 22 | 1 << 24;
    /// Number of the tiles among the states that the system saves.
    const TILE_DATA: libc::c_ulong = 18;
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;

    /// Asks the system, for all threads that start later and this one.
    pub fn allowed() -> bool {
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        if !vectors || __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & UNITS != UNITS {
            return false;
        }
        // SAFETY: a system call that reads no memory of ours; it fails where it is unknown.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
    }

    /// Palette 1, eight tiles of 16 rows of 64 bytes.
    pub fn configure() {
        #[repr(C, align(64))]
        struct Config {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            bytes: [u16; 16],
            rows: [u8; 16],
        }
        let mut config = Config {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            bytes: [0; 16],
            rows: [0; 16],
        };
        config.bytes[..8].fill(64);
        config.rows[..8].fill(16);
        // SAFETY: reads the 64 bytes of `config`; the unit is there (`allowed`).
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack)) };
    }

    pub fn release() {
        // SAFETY: the unit is there.
        unsafe { asm!("tilerelease", options(nostack)) };
    }

    /// `$begin` fills tiles 0 to 3: the four quarters of what is computed.
    macro_rules! block {
        ($(#[$doc:meta])* $name:ident, $($begin:literal),*) => {
            $(#[$doc])*
            pub unsafe fn $name(a: Left, b: *const u16, to: *mut f32) {
                if a.offsets.is_empty() {
                    return;
                }
                // SAFETY: loads and stores what the caller promises.
                unsafe {
                    asm!(
                        $($begin,)*
                        "2:",
                        "mov {t}, qword ptr [{offsets}]",
                        "add {t}, {a}",
                        "tileloadd tmm4, [{t} + {stride}*1]",
                        "tileloadd tmm6, [{b} + {line}*1]",
                        "add {t}, {lower}",
                        "tileloadd tmm7, [{b} + {line}*1 + 1024]",
                        "tdpbf16ps tmm0, tmm4, tmm6",
                        "tileloadd tmm5, [{t} + {stride}*1]",
                        "tdpbf16ps tmm1, tmm4, tmm7",
                        "tdpbf16ps tmm2, tmm5, tmm6",
                        "tdpbf16ps tmm3, tmm5, tmm7",
                        "add {b}, 2048",
                        "add {offsets}, 8",
                        "dec {n}",
                        "jnz 2b",
                        "add {line}, 64",
                        "tilestored [{to} + {line}*1], tmm0",
                        "tilestored [{to} + {line}*1 + 64], tmm1",
                        "tilestored [{to} + {line}*1 + 2048], tmm2",
                        "tilestored [{to} + {line}*1 + 2112], tmm3",
                        t = out(reg) _,
                        offsets = inout(reg) a.offsets.as_ptr() => _,
                        n = inout(reg) a.offsets.len() => _,
                        a = in(reg) a.start,
                        stride = in(reg) a.stride,
                        lower = in(reg) 16 * a.stride,
                        b = inout(reg) b => _,
                        line = inout(reg) 64_usize => _,
                        to = in(reg) to,
                        options(nostack),
                    );
                }
            }
        };
    }

    block!(
        /// See [`super::Tiles::block`].
        block, "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3"
    );
    block!(
        /// See [`super::Tiles::block`].
        block_add,
        "add {line}, 64",
        "tileloadd tmm0, [{to} + {line}*1]",
        "tileloadd tmm1, [{to} + {line}*1 + 64]",
        "tileloadd tmm2, [{to} + {line}*1 + 2048]",
        "tileloadd tmm3, [{to} + {line}*1 + 2112]",
        "sub {line}, 64"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_product_of_its_factors() {
        let Some(tiles) = Tiles::new() else {
            eprintln!("skipped: this machine has no matrix unit for bf16");
            return;
        };
        // Small whole numbers are exact in bf16, and so are their sums in f32.
        let number = |i: usize, j: usize| ((i * 7 + j * 13) % 11) as f32 - 5.0;
        let (steps, stride) = (3, 3 * SIDE + 5);
        let narrow = |v: f32| (v.to_bits() >> 16) as u16;
        let mut a = vec![0; SIDE * stride];
        for i in 0..SIDE {
            for k in 0..steps * SIDE {
                a[i * stride + k] = narrow(number(i, k));
            }
        }
        let mut b = vec![0; steps * PANEL];
        for k in 0..steps * SIDE {
            for j in 0..SIDE {
                let (step, pair, half) = (k / SIDE, k % SIDE / 2, j / 16);
                let at = step * PANEL + half * 512 + pair * 32 + j % 16 * 2 + k % 2;
                b[at] = narrow(number(k, j + 3));
            }
        }
        // Out of order: sums of whole numbers do not mind.
        let order = [2, 0, 1];
        let mut shuffled = Vec::new();
        for step in order {
            shuffled.extend_from_slice(&b[step * PANEL..][..PANEL]);
        }
        let offsets = order.map(|step| step * SIDE * 2);
        let left = Left {
            start: a.as_ptr(),
            stride: stride * 2,
            offsets: &offsets,
        };
        let mut got = vec![100.0; SIDE * SIDE];
        for (add, times) in [(false, 1.0), (true, 2.0)] {
            // SAFETY: the arrays have the sizes that `block` asks for.
            unsafe { tiles.block(left, shuffled.as_ptr(), got.as_mut_ptr(), add) };
            for i in 0..SIDE {
                for j in 0..SIDE {
                    let products = (0..steps * SIDE).map(|k| number(i, k) * number(k, j + 3));
                    assert_eq!(got[i * SIDE + j], times * products.sum::<f32>(), "{i}, {j}");
                }
            }
        }
    }
}
