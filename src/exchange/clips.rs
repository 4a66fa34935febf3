//! Pictures of recordings, cut into clips.

use super::beside::Beside;
use super::look::{Look, Shade};
use super::sequence::{Reader, Sequence, left_over};
use crate::data::Columns;
use crate::error::{Error, Result};
use image::DynamicImage;
use simulators::Trajectory;
use std::collections::VecDeque;
use std::path::Path;

/// One frame of a recording.
pub(super) struct Shot {
    /// Nothing where the recording lacks it.
    pub picture: Option<DynamicImage>,
    /// Its number in the recording before frames are left out, from 0.
    pub number: usize,
}

/// Pictures of one recording in order, without cuts.
pub(super) trait Recording {
    fn next(&mut self) -> Result<Option<Shot>>;
    /// Time between the pictures, s, where it is known.
    fn dt(&self) -> Option<f64> {
        None
    }
    /// Pictures that will be given, and frames of the recording before some are left out.
    fn len(&self) -> (usize, usize);
    /// What messages call it.
    fn path(&self) -> &Path;
    /// What was done to its pictures, in words.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    /// How many of its pictures were turned as their EXIF data say.
    fn turned(&self) -> usize {
        0
    }
}

/// Recordings cut into clips of `clip` frames; what does not fill a clip at the end of a recording is left out.
pub(super) struct Clips {
    recordings: VecDeque<Box<dyn Recording>>,
    look: Look,
    clip: usize,
    states: Option<Beside>,
    shape: Option<[usize; 3]>,
    first: Option<Sequence>,
    dt: Option<f64>,
    expected: usize,
    left_over: usize,
    turned: usize,
    flattened: usize,
    notes: Vec<String>,
}

impl Clips {
    /// Starts reading; `look` is what is left to do to each picture, `states` go with the only recording.
    ///
    /// # Errors
    /// A recording that can't be read, or not one clip in all of them; states that do not fit.
    pub fn open(
        recordings: Vec<Box<dyn Recording>>,
        look: Look,
        clip: usize,
        states: Option<Beside>,
        source: &Path,
    ) -> Result<Self> {
        if let (Some(states), [one]) = (&states, &recordings[..]) {
            states.fits(one.len().1)?;
        } else if states.is_some() {
            return Err(Error::file(
                source,
                format!(
                    "--states: expected one recording, got {}; import each with its own table",
                    recordings.len()
                ),
            ));
        }
        let mut this = Self {
            dt: recordings.first().and_then(|first| first.dt()),
            expected: recordings.iter().map(|recording| recording.len().0).sum(),
            notes: states
                .as_ref()
                .map_or(Vec::new(), |states| states.notes.clone()),
            recordings: recordings.into(),
            look,
            clip,
            states,
            shape: None,
            first: None,
            left_over: 0,
            turned: 0,
            flattened: 0,
        };
        if let Some(other) = this.recordings.iter().find(|other| other.dt() != this.dt) {
            let text = |dt: Option<f64>| dt.map_or("nothing".into(), |dt| format!("{dt} s"));
            return Err(Error::file(
                other.path(),
                format!(
                    "expected a time between frames of {} as in the first recording, got {} (--fps brings all to one rate)",
                    text(this.dt),
                    text(other.dt())
                ),
            ));
        }
        this.first = this.read()?;
        if this.first.is_none() {
            let got = this.left_over;
            let message =
                format!("expected at least one clip of {clip} frames, got {got} frames (--clip)");
            return Err(Error::file(source, message));
        }
        Ok(this)
    }

    /// Says that some files of its folder are no images.
    pub fn ignore(&mut self, files: usize) {
        if files > 0 {
            self.notes
                .push(format!("left out {files} files that are no images"));
        }
    }

    fn read(&mut self) -> Result<Option<Sequence>> {
        while let Some(recording) = self.recordings.front_mut() {
            let (mut frames, mut seen, mut states) = (Vec::new(), Vec::new(), Vec::new());
            while seen.len() < self.clip {
                let Some(shot) = recording.next()? else {
                    break;
                };
                if let Some(beside) = &self.states {
                    states.extend(beside.row(shot.number));
                }
                seen.push(u8::from(shot.picture.is_some()));
                let Some(picture) = shot.picture else {
                    // A recording starts with a picture, so the shape is known.
                    let pixels = self.shape.unwrap_or_default().iter().product::<usize>();
                    frames.resize(frames.len() + pixels, 0);
                    continue;
                };
                let clear = picture.color().has_alpha();
                let (frame, shape, flat) = self.look.apply(picture, recording.path())?;
                self.flattened += usize::from(clear && flat);
                let want = *self.shape.get_or_insert(shape);
                if shape != want {
                    let message = format!(
                        "expected pictures of (C, H, W) = {want:?} as the first one, got {shape:?} (--scale and --grey make them alike)"
                    );
                    return Err(Error::file(recording.path(), message));
                }
                frames.extend_from_slice(&frame);
            }
            if seen.len() == self.clip {
                return Ok(Some(Sequence {
                    frames,
                    motion: Trajectory {
                        states,
                        ..Trajectory::default()
                    },
                    seen,
                }));
            }
            self.left_over += seen.len();
            self.turned += recording.turned();
            self.notes.extend(recording.notes());
            self.recordings.pop_front();
        }
        Ok(None)
    }
}

impl Reader for Clips {
    fn frame_shape(&self) -> [usize; 3] {
        self.shape.unwrap_or_default()
    }

    fn columns(&self) -> Columns {
        Columns {
            state: self
                .states
                .as_ref()
                .map_or(Vec::new(), |states| states.columns.clone()),
            ..Columns::default()
        }
    }

    fn dt(&self) -> Option<f64> {
        self.dt
    }

    fn expected(&self) -> Option<usize> {
        Some(self.expected)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read(),
        }
    }

    fn notes(&self) -> Vec<String> {
        let turned = (self.turned > 0)
            .then(|| format!("turned {} pictures as their EXIF data say", self.turned));
        let ground = match self.look.background {
            Shade([0, 0, 0]) => "black".to_string(),
            other => other.to_string(),
        };
        let flat = (self.flattened > 0).then(|| {
            format!(
                "{} pictures are transparent in places and show {ground} there (--background)",
                self.flattened
            )
        });
        let rest = left_over(self.left_over, self.clip);
        let own = self.notes.iter().cloned();
        own.chain(turned).chain(flat).chain(rest).collect()
    }
}
