//! The command `synthesize`: clips that a trained model makes as it is asked to, and whether they show what was asked.

use super::apply::{ApplyOptions, own_folder};
use super::encode::fit_code_noise;
use super::footage::{Footage, Trained};
use super::rollout::World;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::clip_gif;
use crate::latents::{Beliefs, Given};
use crate::measure::chroma::coloured;
use crate::models::{Ahead, Query};
use crate::seeds::Seeds;
use crate::store::{atomic::write_atomic, npy};
use rand_distr::{Distribution, StandardNormal};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Futures from the prior.
    Futures,
    /// The content of the first clip in the motion of the second.
    Swap(usize, usize),
    /// Futures after a change of one state.
    Move(Move),
    /// So many contents from the prior in the motion of the clip.
    Content(usize),
}

/// `vx=+3` changes a state by a value in its own unit, `vx=3` sets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// A state column of the dataset.
    pub state: String,
    /// Change or value.
    pub value: f64,
    /// Whether the value is a change.
    pub relative: bool,
}

impl FromStr for Move {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong =
            || format!("expected NAME=+3 or NAME=-3 for a change, NAME=3 for a value, got {text}");
        let (state, value) = text.split_once('=').ok_or_else(wrong)?;
        let number: f64 = value.parse().map_err(|_| wrong())?;
        match state.is_empty() || !number.is_finite() {
            true => Err(wrong()),
            false => Ok(Self {
                state: state.into(),
                value: number,
                relative: value.starts_with(['+', '-']),
            }),
        }
    }
}

/// What `synthesize` is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthesizeOptions {
    /// What is made.
    pub request: Request,
    /// The clip whose belief or motion is used.
    pub from: usize,
    /// Its split.
    pub split: String,
    /// Frames of the clip that are seen before futures begin; half of them where not given.
    pub seen: Option<usize>,
    /// Frames of futures.
    pub horizon: usize,
    /// Futures.
    pub samples: usize,
    /// Where clips are written.
    pub out: PathBuf,
}

/// A clip that was made, with what it should show where that is known.
struct Made {
    name: String,
    /// (T, C, H, W).
    frames: Vec<u8>,
    /// The clip whose looks it has.
    looks: Option<usize>,
    /// Places (T, 2 K) that it should show, px.
    places: Option<Vec<f64>>,
}

/// Makes clips, writes them, and tells in words how they agree with what was asked.
///
/// # Errors
/// A model, split or clip that is not there; a state that the dataset does not have; a model without content.
pub fn synthesize(model: &Path, options: &SynthesizeOptions) -> Result<String> {
    let mut trained = Trained::open(model)?;
    let train = trained.data.split("train")?.clone();
    fit_code_noise(trained.model.as_mut(), &train, trained.data.frames())?;
    let footage = Footage::read(
        trained.data.dir(),
        &trained,
        &ApplyOptions {
            split: options.split.clone(),
            ..ApplyOptions::default()
        },
    )?;
    if footage.bytes.is_empty() {
        return Err(Error::Experiment(format!(
            "{}: expected a model of pictures, got one of vectors",
            model.display()
        )));
    }
    let work = Work {
        world: World::of(&trained.data, &options.split)?,
        trained: &trained,
        footage: &footage,
        options,
    };
    let mut notes = Vec::new();
    let made = match &options.request {
        Request::Futures => work.futures(None, &mut notes)?,
        Request::Move(change) => work.futures(Some(change), &mut notes)?,
        Request::Swap(content, motion) => vec![work.swapped(*content, *motion)?],
        Request::Content(draws) => work.contents(*draws)?,
    };
    work.write(&made, &notes)
}

/// What all requests share.
struct Work<'a> {
    trained: &'a Trained,
    world: Option<World<'a>>,
    footage: &'a Footage,
    options: &'a SynthesizeOptions,
}

impl Work<'_> {
    /// Filtered beliefs of one clip under the latents' own names.
    fn beliefs(&self, clip: usize) -> Result<Beliefs> {
        if clip >= self.footage.clips {
            return Err(Error::Experiment(format!(
                "expected a clip below {} (those of the split {}), got {clip}",
                self.footage.clips, self.options.split
            )));
        }
        let mut rng = Seeds::new(self.trained.seed).stream("synthesize/infer", clip as u64);
        let clips = self.footage.part(clip, clip + 1)?;
        let model = self.trained.model.as_ref();
        let found = model.infer(&clips, &[Query::about(Given::UpTo)], &mut rng)?;
        match found.into_iter().next() {
            Some(beliefs) if !beliefs.is_empty() => Ok(beliefs),
            _ => Err(Error::Experiment(format!(
                "{}: expected a model with a state that goes on in time, got one of single frames",
                self.trained.name
            ))),
        }
    }

    fn bytes(&self, beliefs: &Beliefs) -> Result<Vec<u8>> {
        let pixels = self.trained.model.decode(beliefs)?;
        let byte = |p: &f32| (255.0 * p).round().clamp(0.0, 255.0) as u8;
        Ok(pixels.iter().map(byte).collect())
    }

    /// Futures of a clip's belief, with one state of it changed where that is asked.
    fn futures(&self, change: Option<&Move>, notes: &mut Vec<String>) -> Result<Vec<Made>> {
        let (options, model) = (self.options, self.trained.model.as_ref());
        let steps = self.footage.steps;
        let seen = options.seen.unwrap_or(steps.div_ceil(2));
        if seen == 0 || seen > steps || options.horizon == 0 || options.samples == 0 {
            return Err(Error::Experiment(format!(
                "expected --seen in 1..={steps}, --horizon and --samples of at least 1, got {seen}, {} and {}",
                options.horizon, options.samples
            )));
        }
        let mut from = self.beliefs(options.from)?.first_frames(seen)?;
        if !model.remembers_all() {
            from = from.last_frame()?;
        }
        let ahead = Ahead {
            horizon: options.horizon,
            draws: options.samples,
            actions: None,
        };
        let drawn = |from: &Beliefs| -> Result<Beliefs> {
            let seeds = Seeds::new(self.trained.seed);
            let mut rng = seeds.stream("synthesize/futures", options.from as u64);
            model.rollout(from, ahead, &mut rng)
        };
        let clip = |name: &str, all: &Beliefs| -> Result<Vec<Made>> {
            let frames = self.bytes(all)?;
            let size = frames.len() / options.samples;
            let each = frames.chunks_exact(size).enumerate();
            Ok(each
                .map(|(k, frames)| Made {
                    name: format!("{name}-{k}"),
                    frames: frames.to_vec(),
                    looks: Some(options.from),
                    places: None,
                })
                .collect())
        };
        let before = drawn(&from)?;
        let Some(change) = change else {
            return clip("future", &before);
        };
        let latents = model.latents();
        let state = latents.iter().find(|own| own.has_belief(Given::UpTo));
        let name = state.map(|own| own.name.clone()).unwrap_or_default();
        let moved = self.moved(&from, &name, change, notes)?;
        let after = drawn(&moved)?;
        let mut made = clip("before", &before)?;
        made.extend(clip("after", &after)?);
        Ok(made)
    }

    /// The belief with one state changed, along the read-out that was fitted to the training split.
    fn moved(
        &self,
        from: &Beliefs,
        name: &str,
        change: &Move,
        notes: &mut Vec<String>,
    ) -> Result<Beliefs> {
        let columns = self.trained.data.state_columns();
        let Some(j) = columns.iter().position(|own| own.name == change.state) else {
            let names: Vec<&str> = columns.iter().map(|own| own.name.as_str()).collect();
            return Err(Error::Experiment(format!(
                "--move: expected a state of this dataset ({}), got {}",
                names.join(", "),
                change.state
            )));
        };
        let readout = self.trained.readout("filtered")?.ok_or_else(|| {
            Error::Experiment("--move: expected training data with true states, got none".into())
        })?;
        let mut moved = from.clone();
        let own = from.need(name)?;
        let shape = own.shape();
        let width = shape[shape.len() - 1];
        let last = own.data().len() - width;
        let belief = Array::new([1, 1, width], own.data()[last..].to_vec())?;
        let now = readout.decode(&belief)?.data()[j];
        let by = if change.relative {
            change.value
        } else {
            change.value - now
        };
        let unit = &columns[j].unit;
        let train = self.trained.data.split("train")?;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for i in 0..train.len() {
            for value in train.states(i).iter().skip(j).step_by(columns.len()) {
                (low, high) = (low.min(*value), high.max(*value));
            }
        }
        if !(low..=high).contains(&(now + by)) {
            notes.push(format!(
                "warning: {} = {:.3} {unit} is outside of the training data's {low:.3}..{high:.3}",
                change.state,
                now + by
            ));
        }
        let mut wanted = vec![0.0; columns.len()];
        wanted[j] = by;
        let steps = readout.inverse(&wanted)?;
        if let Some(array) = moved.get_mut(name) {
            let values = array.data_mut()[last..].iter_mut();
            values.zip(&steps).for_each(|(to, step)| *to += step);
        }
        notes.push(format!(
            "{} of the belief: {now:.3} {unit}, asked {:.3}",
            change.state,
            now + by
        ));
        Ok(moved)
    }

    /// Where the state holds the content of a clip, and whether that has a prior.
    fn content(&self) -> Result<crate::models::Content> {
        self.trained.model.content().ok_or_else(|| {
            Error::Experiment(format!(
                "{}: expected a model that keeps the content of a clip apart (content_motion, srvp), got one without",
                self.trained.name
            ))
        })
    }

    /// All frames of a clip with another content.
    fn shown(&self, motion: usize, content: &[f64]) -> Result<Vec<u8>> {
        let place = self.content()?;
        let all = self.beliefs(motion)?;
        let mut states = all.need(&place.latent)?.clone();
        let width = states.shape()[2];
        for row in states.data_mut().chunks_exact_mut(width) {
            row[place.range.clone()].copy_from_slice(content);
        }
        let mut out = Beliefs::default();
        out.insert(place.latent.clone(), &Beliefs::STATES, states)?;
        self.bytes(&out)
    }

    /// Places that a clip's bodies have, px.
    fn places(&self, clip: usize) -> Option<Vec<f64>> {
        let world = self.world.as_ref().filter(|world| world.count() > 0)?;
        let (states, columns) = self.footage.states.as_ref()?;
        let rows = states.row(clip).chunks_exact(columns.len());
        Some(rows.flat_map(|state| world.places(state)).collect())
    }

    fn swapped(&self, content: usize, motion: usize) -> Result<Made> {
        let place = self.content()?;
        let all = self.beliefs(content)?;
        let states = all.need(&place.latent)?;
        let last = states.data().len() - states.shape()[2];
        let own = &states.data()[last..][place.range.clone()];
        Ok(Made {
            name: format!("swap-{content}-{motion}"),
            frames: self.shown(motion, own)?,
            looks: Some(content),
            places: self.places(motion),
        })
    }

    fn contents(&self, draws: usize) -> Result<Vec<Made>> {
        let place = self.content()?;
        if !place.drawn || draws == 0 {
            return Err(Error::Experiment(format!(
                "--content: expected at least 1 draw of a content with a prior, got {draws} of {}, whose content {} one",
                self.trained.name,
                if place.drawn { "has" } else { "lacks" }
            )));
        }
        let draw = |k: usize| {
            let mut rng = Seeds::new(self.trained.seed).stream("synthesize/content", k as u64);
            let own: Vec<f64> = place
                .range
                .clone()
                .map(|_| StandardNormal.sample(&mut rng))
                .collect();
            Ok(Made {
                name: format!("content-{k}"),
                frames: self.shown(self.options.from, &own)?,
                looks: None,
                places: self.places(self.options.from),
            })
        };
        (0..draws).map(draw).collect()
    }

    /// Places (T, 2 K) in a clip, px: followed by the world's template, or the middle of what is coloured where the looks are
    /// drawn; NaN where nothing is found, nothing where neither is possible.
    fn tracked(&self, made: &Made) -> Result<Option<Vec<f64>>> {
        let [c, h, w] = self.footage.shape;
        let values: Vec<f32> = made.frames.iter().map(|&v| f32::from(v) / 255.0).collect();
        match (&self.world, made.looks) {
            (Some(world), Some(clip)) if world.count() > 0 => {
                let found = world.tracker(clip)?.clip(&values, None)?;
                Ok(Some(found.positions().data().to_vec()))
            }
            (_, None) if c == 3 => {
                let each = values.chunks_exact(c * h * w).map(|frame| {
                    let found = coloured(frame, [c, h, w])?;
                    Ok([found[1], found[2]])
                });
                Ok(Some(each.collect::<Result<Vec<_>>>()?.concat()))
            }
            _ => Ok(None),
        }
    }

    /// Clips, the table and the text.
    fn write(&self, made: &[Made], notes: &[String]) -> Result<String> {
        let out = &self.options.out;
        own_folder(out, "asked.csv")?;
        let [c, h, w] = self.footage.shape;
        let size = c * h * w;
        let dt = self.trained.data.dt();
        let steps = made.first().map_or(0, |one| one.frames.len() / size);
        let all: Vec<u8> = made.iter().flat_map(|one| one.frames.clone()).collect();
        npy::write(out.join("clips.npy"), &[made.len(), steps, c, h, w], &all)?;
        let zoom = (256 / h.max(w)).clamp(1, 8);
        let mut table = String::from(
            "clip,lost,position_error_px,first_x_px,first_y_px,vx_px_per_s,vy_px_per_s\n",
        );
        // Writing to a String never fails.
        let mut text = format!(
            "{}: {} clips of {steps} frames\n",
            self.trained.name,
            made.len()
        );
        for note in notes {
            let _ = writeln!(text, "  {note}");
        }
        for one in made {
            let gif = clip_gif(&one.frames, [steps, c, h, w], zoom, dt)?;
            write_atomic(out.join(format!("{}.gif", one.name)), &gif)?;
            let Some(found) = self.tracked(one)? else {
                continue;
            };
            let bodies = found.len() / steps.max(1);
            let lost =
                found.iter().filter(|v| v.is_nan()).count() as f64 / found.len().max(1) as f64;
            let error = one
                .places
                .as_ref()
                .map_or(f64::NAN, |truth| error(&found, truth));
            let x = |t: usize, d: usize| found.get(t * bodies + d).copied().unwrap_or(f64::NAN);
            // The picture's y axis points down, the world's up.
            let speed = |d: usize, sign: f64| sign * (x(1, d) - x(0, d)) / dt;
            let off = match error.is_nan() {
                true => "not asked".to_string(),
                false => format!("{error:.2} px"),
            };
            let _ = writeln!(
                table,
                "{},{lost:.4},{error:.4},{:.4},{:.4},{:.4},{:.4}",
                one.name,
                x(0, 0),
                x(0, 1),
                speed(0, 1.0),
                speed(1, -1.0)
            );
            let _ = writeln!(
                text,
                "  {:<16} lost {:>5.1} %  position error {off}  first place ({:.2}, {:.2}) px, velocity ({:.2}, {:.2}) px/s",
                one.name,
                100.0 * lost,
                x(0, 0),
                x(0, 1),
                speed(0, 1.0),
                speed(1, -1.0)
            );
        }
        if let Some(reason) = self
            .world
            .as_ref()
            .and_then(|world| world.untracked.as_ref())
        {
            let _ = writeln!(text, "  not tracked: {reason}");
        }
        write_atomic(out.join("asked.csv"), table.as_bytes())?;
        let _ = writeln!(text, "{}", out.join("asked.csv").display());
        Ok(text)
    }
}

/// Mean distance of places (T, 2 K) that were found, px.
fn error(found: &[f64], truth: &[f64]) -> f64 {
    let pairs = found.chunks_exact(2).zip(truth.chunks_exact(2));
    let each = pairs.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]));
    let known: Vec<f64> = each.filter(|v| v.is_finite()).collect();
    known.iter().sum::<f64>() / known.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_makes_a_value_a_change() {
        let read = |text: &str| text.parse::<Move>().unwrap();
        assert_eq!(read("vx=+3").value, 3.0);
        assert!(read("vx=+3").relative && read("vx=-3").relative && !read("vx=3").relative);
        for wrong in ["vx", "=3", "vx=fast", "vx=inf"] {
            let message = wrong.parse::<Move>().unwrap_err();
            assert!(
                message.contains(wrong) && message.contains("NAME=+3"),
                "{message}"
            );
        }
    }

    #[test]
    fn errors_are_mean_distances_of_what_was_found() {
        let found = [3.0, 4.0, f64::NAN, f64::NAN, 1.0, 1.0];
        assert!((error(&found, &[0.0, 0.0, 9.0, 9.0, 1.0, 2.0]) - 3.0).abs() < 1e-12);
    }
}
