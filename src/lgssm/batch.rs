//! One batch of code sequences, with what may differ by sequence and step.

use super::model::{Lgssm, check_values};
use crate::{Error, Result};

/// One batch of B sequences of T frames. Only `codes` is needed; build with [`Batch::new`] and set the rest:
///
/// ```
/// # use lgssm::Batch;
/// let (codes, seen) = (vec![0.0; 2 * 3], vec![true, false, true, true, true, true]);
/// let batch = Batch { frame_mask: Some(&seen), ..Batch::new(&codes, 2, 3) };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Number of sequences B.
    pub sequences: usize,
    /// Frames in each, T, at least 1.
    pub frames: usize,
    /// a, (B, T, p). Missing values are never read: any number may stand there, NaN too.
    pub codes: &'a [f64],
    /// (B, T): false where the whole frame is missing.
    pub frame_mask: Option<&'a [bool]>,
    /// (B, T, p): false where one component of a code is missing. With both masks, a component counts if both say so.
    pub component_mask: Option<&'a [bool]>,
    /// A_t, (B, T, n, n), in place of the model's; entry t moves z_{t-1} to z_t, entry 0 is not used.
    pub transition_matrices: Option<&'a [f64]>,
    /// c_t = b_t + B_t u_{t-1}, (B, T, n), in place of the model's offset; entry 0 is not used.
    pub transition_offsets: Option<&'a [f64]>,
    /// C_t, (B, T, p, n), in place of the model's.
    pub emission_matrices: Option<&'a [f64]>,
    /// d_t, (B, T, p), in place of the model's.
    pub emission_offsets: Option<&'a [f64]>,
}

impl<'a> Batch<'a> {
    /// Codes (B, T, p), all seen, everything else as in the model.
    pub fn new(codes: &'a [f64], sequences: usize, frames: usize) -> Self {
        Self {
            sequences,
            frames,
            codes,
            frame_mask: None,
            component_mask: None,
            transition_matrices: None,
            transition_offsets: None,
            emission_matrices: None,
            emission_offsets: None,
        }
    }

    /// Checks every size against the model, and that what will be read is finite.
    pub(super) fn check(&self, model: &Lgssm) -> Result<()> {
        let (n, p) = (model.latent, model.code);
        let frames = self.sequences * self.frames;
        if self.frames == 0 {
            return Err(Error::Shape(
                "lgssm: a sequence wants at least 1 frame, got 0".into(),
            ));
        }
        for (name, got, want) in [
            ("codes", Some(self.codes.len()), frames * p),
            ("frame_mask", self.frame_mask.map(<[_]>::len), frames),
            (
                "component_mask",
                self.component_mask.map(<[_]>::len),
                frames * p,
            ),
        ] {
            if let Some(got) = got.filter(|&got| got != want) {
                return Err(Error::Shape(format!(
                    "lgssm: {name} wants {want} values for {} sequences of {} frames, got {got}",
                    self.sequences, self.frames
                )));
            }
        }
        for (name, values, size) in [
            ("transition_matrices", self.transition_matrices, n * n),
            ("transition_offsets", self.transition_offsets, n),
            ("emission_matrices", self.emission_matrices, p * n),
            ("emission_offsets", self.emission_offsets, p),
        ] {
            if let Some(values) = values {
                check_values(name, values, frames * size)?;
            }
        }
        Ok(())
    }

    /// Whether no covariance depends on the sequence: no component is missing, no matrix varies.
    pub(super) fn shares_covariances(&self) -> bool {
        let all = |mask: Option<&[bool]>| mask.is_none_or(|mask| mask.iter().all(|&seen| seen));
        self.transition_matrices.is_none()
            && self.emission_matrices.is_none()
            && all(self.frame_mask)
            && all(self.component_mask)
    }

    /// The batch of sequence number `index` alone.
    ///
    /// # Panics
    /// Where there is no such sequence, or the sizes are not those of the model.
    pub fn only(&self, index: usize, model: &Lgssm) -> Self {
        fn part<X>(all: Option<&[X]>, at: usize, size: usize) -> Option<&[X]> {
            all.map(|all| &all[at * size..][..size])
        }
        let (n, p, frames) = (model.latent, model.code, self.frames);
        Self {
            sequences: 1,
            frames,
            codes: &self.codes[index * frames * p..][..frames * p],
            frame_mask: part(self.frame_mask, index, frames),
            component_mask: part(self.component_mask, index, frames * p),
            transition_matrices: part(self.transition_matrices, index, frames * n * n),
            transition_offsets: part(self.transition_offsets, index, frames * n),
            emission_matrices: part(self.emission_matrices, index, frames * p * n),
            emission_offsets: part(self.emission_offsets, index, frames * p),
        }
    }

    /// Sequence number `index` under this model.
    pub(super) fn sequence(&self, model: &'a Lgssm, index: usize) -> Sequence<'a> {
        Sequence {
            model,
            batch: *self,
            index,
        }
    }
}

/// Which components of a code are there.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Seen<'a> {
    /// None: the emission term of this frame is left out.
    Nothing,
    /// Those whose entry (p) is true: at least one, not all.
    Some(&'a [bool]),
    /// All.
    All,
}

impl Seen<'_> {
    /// Whether component i is there.
    pub(super) fn component(&self, i: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::Some(mask) => mask[i],
            Self::All => true,
        }
    }
}

/// One sequence of a batch: what each step reads, from the batch where given there, else from the model.
#[derive(Clone, Copy)]
pub(super) struct Sequence<'a> {
    pub model: &'a Lgssm,
    pub batch: Batch<'a>,
    pub index: usize,
}

impl<'a> Sequence<'a> {
    #[inline(always)]
    fn pick(
        &self,
        varying: Option<&'a [f64]>,
        fixed: &'a [f64],
        t: usize,
        size: usize,
    ) -> &'a [f64] {
        match varying {
            Some(values) => &values[self.at(t) * size..][..size],
            None => fixed,
        }
    }
    /// Place of frame t in an array (B, T, ..).
    #[inline(always)]
    pub(super) fn at(&self, t: usize) -> usize {
        self.index * self.batch.frames + t
    }
    /// A_t, (n, n).
    #[inline(always)]
    pub(super) fn transition_matrix(&self, t: usize) -> &'a [f64] {
        let (given, model) = (self.batch.transition_matrices, self.model);
        self.pick(
            given,
            &model.transition_matrix,
            t,
            model.latent * model.latent,
        )
    }
    /// c_t, (n).
    #[inline(always)]
    pub(super) fn transition_offset(&self, t: usize) -> &'a [f64] {
        let (given, model) = (self.batch.transition_offsets, self.model);
        self.pick(given, &model.transition_offset, t, model.latent)
    }
    /// C_t, (p, n).
    #[inline(always)]
    pub(super) fn emission_matrix(&self, t: usize) -> &'a [f64] {
        let (given, model) = (self.batch.emission_matrices, self.model);
        self.pick(given, &model.emission_matrix, t, model.code * model.latent)
    }
    /// d_t, (p).
    #[inline(always)]
    pub(super) fn emission_offset(&self, t: usize) -> &'a [f64] {
        let (given, model) = (self.batch.emission_offsets, self.model);
        self.pick(given, &model.emission_offset, t, model.code)
    }
    /// a_t, (p).
    #[inline(always)]
    pub(super) fn code(&self, t: usize) -> &'a [f64] {
        let p = self.model.code;
        &self.batch.codes[self.at(t) * p..][..p]
    }
    /// Which components of a_t are there.
    #[inline(always)]
    pub(super) fn seen(&self, t: usize) -> Seen<'a> {
        if self.batch.frame_mask.is_some_and(|mask| !mask[self.at(t)]) {
            return Seen::Nothing;
        }
        let Some(mask) = self.batch.component_mask else {
            return Seen::All;
        };
        let p = self.model.code;
        let mask = &mask[self.at(t) * p..][..p];
        match mask.iter().filter(|&&seen| seen).count() {
            0 => Seen::Nothing,
            count if count == p => Seen::All,
            _ => Seen::Some(mask),
        }
    }
    /// What goes wrong, with the place where it does.
    pub(super) fn numeric(&self, t: usize, what: &str) -> Error {
        Error::Numeric(format!("lgssm: sequence {}, step {t}: {what}", self.index))
    }
}
