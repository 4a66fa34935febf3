//! Trained models: what they believe about clips, futures, frames of beliefs, their law.

use crate::arrays::{Made, Numbers, array, booleans, optional, slice};
use crate::error::{outside, wrong};
use kinostate::array::Array;
use kinostate::data::{Dataset, Scale};
use kinostate::experiment::Experiment;
use kinostate::latents::{Axis, Beliefs, Given};
use kinostate::models::{Actions, Ahead, Clips, Query, Schedule, Seen};
use kinostate::nn::tensor::matrix;
use kinostate::pipeline;
use kinostate::run::RunFolder;
use kinostate::seeds::Seeds;
use kinostate::train::checkpoint;
use kinostate::{Error, Result, lgssm::Lgssm};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Clips that one part of the work holds.
const CUT: usize = 25;

type Trained = Box<dyn kinostate::models::Model<f32>>;

/// Names, A_k (K, n, n), b_k (K, n) and what the modes share.
type Modes<'py> = (Vec<String>, Made<'py>, Made<'py>, Bound<'py, PyDict>);

/// One trained model and seed.
#[pyclass(module = "kinostate._kinostate", frozen)]
pub struct Model {
    // Parameters are listed through a reference that may change them.
    model: RwLock<Trained>,
    frame: [usize; 3],
    scale: Option<Scale>,
    about: String,
}

/// Reads the model of a folder `<run>/<model>/seed-<s>`.
#[pyfunction]
pub fn load(py: Python<'_>, folder: PathBuf) -> PyResult<Model> {
    outside(py, || Model::load(&folder))
}

/// Run folder, model and seed of `<run>/<model>/seed-<s>`.
fn parts(folder: &Path) -> Option<(&Path, &str, u64)> {
    let seed = folder.file_name()?.to_str()?.strip_prefix("seed-")?;
    let model = folder.parent()?;
    Some((
        model.parent()?,
        model.file_name()?.to_str()?,
        seed.parse().ok()?,
    ))
}

impl Model {
    fn load(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder).map_err(Error::io(folder))?;
        let Some((root, name, seed)) = parts(&folder) else {
            let expected = "expected the folder of one model and seed, results/box/lg_vae/seed-0";
            return Err(Error::file(&folder, expected));
        };
        let run = RunFolder::new(root);
        // A folder that is not there is told before a file that is not in it.
        std::fs::metadata(&folder).map_err(Error::io(&folder))?;
        std::fs::metadata(run.config()).map_err(Error::io(run.config()))?;
        let experiment = Experiment::load(&run.config(), &[])?;
        let (model, data) = pipeline::trained(&experiment, name, seed, &run)?;
        let about = serde_json::json!({
            "name": name,
            "kind": experiment.model_kind(name),
            "seed": seed,
            "latents": model.latents(),
            "claims": {
                "bound": model.claims().bound,
                "causal": model.claims().causal,
                "masks": model.claims().masks,
                "actions": model.claims().actions,
            },
            "frame_shape": data.frame_shape(),
            "frames": data.frames(),
            "dt": data.dt(),
            "observed_columns": data.observed_columns(),
            "state_columns": data.state_columns(),
            "data": data.dir(),
        });
        Ok(Self {
            frame: data.frame_shape(),
            scale: scale(&data)?,
            model: RwLock::new(model),
            about: about.to_string(),
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Trained) -> T) -> T {
        work(&self.model.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Mean and spread of the training split's vectors; nothing where frames are pictures.
fn scale(data: &Dataset) -> Result<Option<Scale>> {
    Ok(data.split("train")?.scale().cloned())
}

/// What is shown to a model: (B, T, ..) of all its arrays.
struct Shown<'a> {
    pixels: Pixels<'a>,
    frames: Option<Vec<bool>>,
    hidden: Option<Vec<bool>>,
    actions: Option<(usize, &'a [f64])>,
    steps: usize,
    size: usize,
    scale: Option<&'a Scale>,
}

#[derive(Clone, Copy)]
enum Pixels<'a> {
    Bytes(&'a [u8]),
    Floats(&'a [f32]),
}

impl Shown<'_> {
    /// The clips `from..to` as the networks see them.
    fn clips(&self, from: usize, to: usize) -> Result<Clips<f32>> {
        let rows = from * self.steps..to * self.steps;
        let of = |size: usize| rows.start * size..rows.end * size;
        let values: Vec<f32> = match (self.pixels, self.scale) {
            (Pixels::Bytes(all), _) => {
                let all = all[of(self.size)].iter();
                all.map(|&v| f32::from(v) / 255.0).collect()
            }
            (Pixels::Floats(all), None) => all[of(self.size)].to_vec(),
            (Pixels::Floats(all), Some(scale)) => {
                let rows = all[of(self.size)].chunks_exact(self.size);
                rows.flat_map(|row| scale.normal(row)).collect()
            }
        };
        let seen = (self.frames.is_some() || self.hidden.is_some()).then(|| Seen {
            frames: match &self.frames {
                Some(all) => all[of(1)].to_vec(),
                None => vec![true; rows.len()],
            },
            pixels: self.hidden.as_ref().map(|all| all[of(self.size)].to_vec()),
        });
        Ok(Clips {
            frames: matrix(values, rows.len(), self.size)?,
            sequences: to - from,
            steps: self.steps,
            seen,
            actions: self.actions.map(|(size, all)| Actions {
                size,
                values: all[of(size)].to_vec(),
            }),
            rewards: None,
        })
    }

    /// The log density of normalised vectors as that of vectors in their own units: less ln std of what is seen, nats a frame.
    fn in_own_units(&self, clips: &Clips<f32>, per_frame: &mut [f64]) {
        let Some(scale) = self.scale else { return };
        for (frame, value) in per_frame.iter_mut().enumerate() {
            let seen = |k: usize| {
                clips.seen.as_ref().is_none_or(|seen| {
                    let at = frame * scale.std.len() + k;
                    seen.frames[frame] && seen.pixels.as_ref().is_none_or(|all| all[at])
                })
            };
            let all = scale.std.iter().enumerate();
            let own = all.filter(|(k, _)| seen(*k));
            *value -= own.map(|(_, std)| std.ln()).sum::<f64>();
        }
    }

    /// What `work` makes of every cut of `count` clips, in order.
    fn each<T: Send>(
        &self,
        count: usize,
        work: impl Fn(Clips<f32>, u64) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let cut = |i: usize| {
            let clips = self.clips(i * CUT, ((i + 1) * CUT).min(count))?;
            work(clips, i as u64)
        };
        (0..count.div_ceil(CUT)).into_par_iter().map(cut).collect()
    }
}

/// Arrays of clips as Python hands them over, checked there: frames (B, T, size), seen (B, T), pixels seen (B, T, size), actions
/// (B, T, A).
#[derive(FromPyObject)]
pub struct Arrays {
    #[pyo3(item)]
    bytes: Option<Numbers<u8>>,
    #[pyo3(item)]
    floats: Option<Numbers<f32>>,
    #[pyo3(item)]
    seen: Option<Numbers<u8>>,
    #[pyo3(item)]
    pixels_seen: Option<Numbers<u8>>,
    #[pyo3(item)]
    actions: Option<Numbers>,
}

impl Arrays {
    /// With the number of clips.
    fn shown<'a>(&'a self, model: &'a Model) -> PyResult<(usize, Shown<'a>)> {
        let (shape, pixels) = match (&self.bytes, &self.floats) {
            (Some(bytes), _) => (bytes.shape(), Pixels::Bytes(slice(bytes)?)),
            (None, Some(floats)) => (floats.shape(), Pixels::Floats(slice(floats)?)),
            (None, None) => return Err(wrong("frames: none")),
        };
        let size: usize = model.frame.iter().product();
        let &[clips, steps, columns] = shape else {
            return Err(wrong(format!(
                "frames: (B, T, {size}) expected, got {shape:?}"
            )));
        };
        if columns != size || steps == 0 {
            return Err(wrong(format!(
                "frames: (B, T, {size}) expected, got {shape:?}"
            )));
        }
        let actions = match &self.actions {
            Some(actions) => Some((actions.shape()[2], slice(actions)?)),
            None => None,
        };
        let shown = Shown {
            pixels,
            frames: booleans(self.seen.as_ref())?,
            hidden: booleans(self.pixels_seen.as_ref())?,
            actions,
            steps,
            size,
            scale: model.scale.as_ref(),
        };
        for (name, got, want) in [
            ("seen", shown.frames.as_ref().map(Vec::len), clips * steps),
            (
                "pixels_seen",
                shown.hidden.as_ref().map(Vec::len),
                clips * steps * size,
            ),
            (
                "actions",
                shown.actions.map(|(size, all)| all.len() / size.max(1)),
                clips * steps,
            ),
        ] {
            if got.is_some_and(|got| got != want) {
                return Err(wrong(format!("{name}: does not fit frames {shape:?}")));
            }
        }
        Ok((clips, shown))
    }
}

/// The word of an axis, and back.
fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Draw => "draw",
        Axis::Clip => "clip",
        Axis::Shown => "shown",
        Axis::Frame => "frame",
        Axis::Tick => "tick",
        Axis::Size => "size",
        Axis::With => "with",
        Axis::Pixel => "pixel",
    }
}

fn axis(name: &str) -> PyResult<Axis> {
    let all = [
        Axis::Draw,
        Axis::Clip,
        Axis::Shown,
        Axis::Frame,
        Axis::Tick,
        Axis::Size,
        Axis::With,
        Axis::Pixel,
    ];
    let found = all.into_iter().find(|axis| axis_name(*axis) == name);
    found.ok_or_else(|| {
        let known = all.map(axis_name).join(", ");
        wrong(format!("beliefs: an axis of {known} expected, got {name}"))
    })
}

/// (axes, array) by name.
fn to_python<'py>(py: Python<'py>, beliefs: &Beliefs) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (name, named) in beliefs.iter() {
        let axes: Vec<&str> = named.axes.iter().map(|&axis| axis_name(axis)).collect();
        let values = array(py, named.array.data(), named.array.shape())?;
        out.set_item(name, (axes, values))?;
    }
    Ok(out)
}

type Parts = std::collections::BTreeMap<String, (Vec<String>, Numbers)>;

fn from_python(parts: &Parts) -> PyResult<Beliefs> {
    let mut out = Beliefs::default();
    for (name, (axes, values)) in parts {
        let axes: Vec<Axis> = axes
            .iter()
            .map(|name| axis(name))
            .collect::<PyResult<_>>()?;
        let all = slice(values)?;
        if let Some(i) = all.iter().position(|x| !x.is_finite()) {
            return Err(wrong(format!(
                "beliefs: {name} is not finite: value {i} is {}",
                all[i]
            )));
        }
        let values = Array::new(values.shape(), all.to_vec()).map_err(wrong)?;
        out.insert(name, &axes, values).map_err(wrong)?;
    }
    Ok(out)
}

fn given(word: &str, context: usize) -> PyResult<Given> {
    match word {
        "alone" => Ok(Given::Alone),
        "filtered" => Ok(Given::UpTo),
        "smoothed" => Ok(Given::All),
        "first" => Ok(Given::First(context)),
        other => Err(wrong(format!(
            "given: one of alone, filtered, smoothed, first expected, got {other}"
        ))),
    }
}

#[pymethods]
impl Model {
    /// What it is, as JSON.
    fn about(&self) -> &str {
        &self.about
    }

    /// Beliefs about clips given that, as (axes, array) by name.
    fn infer<'py>(
        &self,
        py: Python<'py>,
        clips: Arrays,
        word: &str,
        context: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let query = Query::about(given(word, context)?);
        let (count, shown) = clips.shown(self)?;
        let found = outside(py, || {
            let parts = shown.each(count, |clips, i| {
                let mut rng = Seeds::new(0).stream("python/infer", i);
                let found = self.read(|model| model.infer(&clips, &[query], &mut rng))?;
                Ok(found.into_iter().next().unwrap_or_default())
            })?;
            Beliefs::joined(parts)
        })?;
        to_python(py, &found)
    }

    /// What every frame adds to the terms of the bound, nats, (B, T), by name; draws from `seed`.
    fn bound<'py>(
        &self,
        py: Python<'py>,
        clips: Arrays,
        seed: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (count, shown) = clips.shown(self)?;
        let parts = outside(py, || {
            shown.each(count, |clips, i| {
                let mut rng = Seeds::new(seed).stream("python/bound", i);
                let terms =
                    self.read(|model| model.objective(&clips, Schedule::bound(), &mut rng))?;
                let mut out = Vec::new();
                for mut term in terms.into_iter().filter(|term| term.in_bound) {
                    if term.name == "reconstruction" {
                        shown.in_own_units(&clips, &mut term.per_frame);
                    }
                    out.push((term.name, term.per_frame));
                }
                Ok(out)
            })
        })?;
        let mut all: Vec<(&str, Vec<f64>)> = Vec::new();
        for (name, own) in parts.into_iter().flatten() {
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some((_, values)) => values.extend(own),
                None => all.push((name, own)),
            }
        }
        let out = PyDict::new(py);
        for (name, values) in all {
            out.set_item(name, array(py, &values, &[count, shown.steps])?)?;
        }
        Ok(out)
    }

    /// Futures drawn from the prior after beliefs.
    fn rollout<'py>(
        &self,
        py: Python<'py>,
        start: Parts,
        size: (usize, usize),
        seed: u64,
        actions: Option<Numbers>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let start = from_python(&start)?;
        let (horizon, draws) = size;
        let ahead = Ahead {
            horizon,
            draws,
            actions: optional(actions.as_ref())?,
        };
        let found = outside(py, || {
            let mut rng = Seeds::new(seed).stream("python/rollout", 0);
            self.read(|model| model.rollout(&start, ahead, &mut rng))
        })?;
        to_python(py, &found)
    }

    /// Pixel means of beliefs, in their order, flat, with the shape of a frame; vectors in their own units.
    fn decode<'py>(&self, py: Python<'py>, beliefs: Parts) -> PyResult<Made<'py>> {
        let beliefs = from_python(&beliefs)?;
        let size: usize = self.frame.iter().product();
        let found = outside(py, || {
            let mut found = self.read(|model| model.decode(&beliefs))?;
            if let Some(scale) = &self.scale {
                let mut wide: Vec<f64> = found.iter().map(|&v| f64::from(v)).collect();
                scale.undo(&mut wide);
                found = wide.into_iter().map(|v| v as f32).collect();
            }
            Ok(found)
        })?;
        let rows = found.len() / size.max(1);
        array(py, &found, &[rows, size])
    }

    /// The learned law by the letters of `kinostate.lgssm`; None where it has no single one.
    fn law<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let law = self.read(|model| model.state_space().and_then(|model| model.law()));
        law.map(|law| letters(py, &law)).transpose()
    }

    /// B (n, A) of that law, z_t = A z_{t-1} + B u_{t-1} + b; None where it has no inputs.
    fn input_matrix<'py>(&self, py: Python<'py>) -> PyResult<Option<Made<'py>>> {
        let found = self.read(|model| {
            let law = model.state_space()?;
            Some((law.law()?.latent, law.input_matrix()?))
        });
        let Some((n, matrix)) = found else {
            return Ok(None);
        };
        array(py, &matrix, &[n, matrix.len() / n.max(1)]).map(Some)
    }

    /// Names of the modes, A_k (K, n, n), b_k (K, n), and what they share; None where it has none that can be told apart.
    fn modes<'py>(&self, py: Python<'py>) -> PyResult<Option<Modes<'py>>> {
        let modes = outside(py, || {
            self.read(|model| match model.state_space() {
                Some(model) => model.modes(),
                None => Ok(None),
            })
        })?;
        let Some(modes) = modes else { return Ok(None) };
        let (k, n) = (modes.count(), modes.law.latent);
        Ok(Some((
            modes.names,
            array(py, &modes.matrices, &[k, n, n])?,
            array(py, &modes.offsets, &[k, n])?,
            letters(py, &modes.law)?,
        )))
    }

    /// Every parameter by name, f32.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        let out = PyDict::new(py);
        for tensor in checkpoint::parameters(model.as_mut()) {
            if let kinostate::store::tensors::TensorData::F32(values) = tensor.data {
                out.set_item(tensor.name, array(py, &values, &tensor.shape)?)?;
            }
        }
        Ok(out)
    }
}

/// A law by the letters of `kinostate.lgssm`.
fn letters<'py>(py: Python<'py>, law: &Lgssm) -> PyResult<Bound<'py, PyDict>> {
    let (n, p) = (law.latent, law.code);
    let out = PyDict::new(py);
    for (name, values, shape) in [
        ("A", &law.transition_matrix, &[n, n][..]),
        ("b", &law.transition_offset, &[n]),
        ("Q", &law.transition_cov, &[n, n]),
        ("C", &law.emission_matrix, &[p, n]),
        ("d", &law.emission_offset, &[p]),
        ("R", &law.emission_cov, &[p, p]),
        ("mu0", &law.initial_mean, &[n]),
        ("Sigma0", &law.initial_cov, &[n, n]),
    ] {
        out.set_item(name, array(py, values, shape)?)?;
    }
    Ok(out)
}
