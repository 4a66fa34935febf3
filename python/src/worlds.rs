//! Simulated worlds: whole sequences, pictures of states, and episodes that are driven step by step.

use crate::arrays::{Made, Numbers, array, slice};
use crate::error::{outside, wrong};
use kinostate::seeds::Seeds;
use kinostate::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;
use simulators::{AnySimulator, Episode, Look, Recording, Simulator, Trajectory, Video};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names of all registered worlds.
#[pyfunction]
pub fn world_names() -> Vec<&'static str> {
    AnySimulator::names().to_vec()
}

/// A world and how it is drawn.
#[pyclass(module = "kinostate._kinostate", frozen)]
pub struct World {
    simulator: Arc<AnySimulator>,
    video: Video,
}

/// (name, unit) of columns.
fn pairs(columns: Vec<simulators::Column>) -> Vec<(String, String)> {
    let pair = |column: simulators::Column| (column.name, column.unit);
    columns.into_iter().map(pair).collect()
}

impl World {
    fn frame(&self) -> [usize; 3] {
        let video = &self.video;
        [video.channels(), video.height, video.width]
    }

    /// The streams of sequence `index` of a split, as datasets have them.
    fn record(
        &self,
        seeds: Seeds,
        split: &str,
        index: u64,
        frames: usize,
        dt: f64,
    ) -> Result<Recording> {
        let mut rng = seeds.stream(&format!("simulate/{split}"), index);
        let mut look = seeds.stream(&format!("look/{split}"), index);
        let simulator: &dyn Simulator = &**self.simulator;
        Ok(simulators::record(
            simulator,
            &self.video,
            frames,
            dt,
            &mut rng,
            &mut look,
        )?)
    }
}

#[pymethods]
impl World {
    /// The world of this name with parameters and video as JSON.
    #[new]
    fn new(name: &str, parameters: &str, video: &str) -> PyResult<Self> {
        if !AnySimulator::names().contains(&name) {
            let known = AnySimulator::names().join(", ");
            return Err(wrong(format!("world: expected one of {known}, got {name}")));
        }
        let told = |e: serde_json::Error| wrong(format!("world {name}: {e}"));
        let parameters: serde_json::Value = serde_json::from_str(parameters).map_err(told)?;
        let whole = serde_json::json!({ name: parameters });
        let simulator: AnySimulator = serde_json::from_value(whole).map_err(told)?;
        let video: Video = serde_json::from_str(video).map_err(|e| wrong(format!("video: {e}")))?;
        simulator
            .check()
            .map_err(|e| wrong(format!("world {name}: {e}")))?;
        video.check().map_err(wrong)?;
        Ok(Self {
            simulator: Arc::new(simulator),
            video,
        })
    }

    /// Parameters and video with all defaults, as JSON.
    fn settings(&self) -> PyResult<(String, String)> {
        let whole = serde_json::to_value(&*self.simulator).map_err(wrong)?;
        let own = &whole[self.simulator.name()];
        Ok((
            own.to_string(),
            serde_json::to_string(&self.video).map_err(wrong)?,
        ))
    }

    /// (C, H, W).
    fn frame_shape(&self) -> [usize; 3] {
        self.frame()
    }

    fn state_columns(&self) -> Vec<(String, String)> {
        pairs(self.simulator.state_columns())
    }

    /// With those of the looks.
    fn parameter_columns(&self) -> Vec<(String, String)> {
        let mut all = self.simulator.parameter_columns();
        all.extend(self.video.looks.columns(&self.simulator.parts()));
        pairs(all)
    }

    /// How many of the parameters are physical and no looks.
    fn physical(&self) -> usize {
        self.simulator.parameter_columns().len()
    }

    fn event_columns(&self) -> Vec<(String, String)> {
        pairs(self.simulator.event_columns())
    }

    fn action_columns(&self) -> Vec<(String, String)> {
        pairs(self.simulator.action_columns())
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        self.simulator.action_limits()
    }

    fn energy_columns(&self) -> Vec<(String, String)> {
        pairs(simulators::energy_columns(&**self.simulator))
    }

    /// Sequences first..first + count of a split by the names of a dataset's arrays.
    fn simulate<'py>(
        &self,
        py: Python<'py>,
        sizes: (usize, usize),
        dt: f64,
        seed: u64,
        split: &str,
        first: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let ((count, frames), seeds) = (sizes, Seeds::new(seed));
        let all = outside(py, || {
            let one = |i: usize| self.record(seeds, split, first + i as u64, frames, dt);
            (0..count)
                .into_par_iter()
                .map(one)
                .collect::<Result<Vec<_>>>()
        })?;
        let mut whole = Trajectory::default();
        let [c, h, w] = self.frame();
        let mut pixels = Vec::with_capacity(count * frames * c * h * w);
        for Recording {
            trajectory: own,
            frames,
            look,
        } in all
        {
            pixels.extend(frames);
            whole.states.extend(own.states);
            whole.parameters.extend(own.parameters);
            whole.parameters.extend(look.numbers);
            whole.events.extend(own.events);
            whole.event_times.extend(own.event_times);
            whole.actions.extend(own.actions);
            whole.energies.extend(own.energies);
        }
        let out = PyDict::new(py);
        out.set_item("frames", array(py, &pixels, &[count, frames, c, h, w])?)?;
        let in_time = |columns: usize| [count, frames, columns];
        let events = self.event_columns().len();
        let shape = in_time(self.state_columns().len());
        out.set_item("states", array(py, &whole.states, &shape)?)?;
        let shape = [count, self.parameter_columns().len()];
        out.set_item("parameters", array(py, &whole.parameters, &shape)?)?;
        out.set_item("events", array(py, &whole.events, &in_time(events))?)?;
        out.set_item(
            "event_times",
            array(py, &whole.event_times, &in_time(events))?,
        )?;
        let actions = self.action_columns().len();
        if actions > 0 {
            out.set_item("actions", array(py, &whole.actions, &in_time(actions))?)?;
        }
        if !self.energy_columns().is_empty() {
            out.set_item("energies", array(py, &whole.energies, &in_time(2))?)?;
        }
        Ok(out)
    }

    /// Pictures (N, C, H, W) of states (N, D) under physical parameters (N, P), in white on black.
    fn render<'py>(
        &self,
        py: Python<'py>,
        states: Numbers,
        parameters: Numbers,
    ) -> PyResult<Made<'py>> {
        let (d, p) = (
            self.simulator.state_columns().len(),
            self.simulator.parameter_columns().len(),
        );
        let rows = states.shape()[0];
        for (name, got, columns) in [
            ("states", states.shape(), d),
            ("parameters", parameters.shape(), p),
        ] {
            if got != [rows, columns] {
                return Err(wrong(format!(
                    "{name}: shape ({rows}, {columns}) expected, got {got:?}"
                )));
            }
        }
        let (states, parameters) = (slice(&states)?, slice(&parameters)?);
        if let Some(i) = states.iter().chain(parameters).position(|x| !x.is_finite()) {
            return Err(wrong(format!(
                "render: finite numbers expected, value {i} is not"
            )));
        }
        let one = |i: usize| -> Result<Vec<u8>> {
            let now = Trajectory {
                states: states[i * d..(i + 1) * d].to_vec(),
                parameters: parameters[i * p..(i + 1) * p].to_vec(),
                ..Trajectory::default()
            };
            Ok(simulators::render(&**self.simulator, &now, &self.video)?)
        };
        let all = outside(py, || {
            (0..rows)
                .into_par_iter()
                .map(one)
                .collect::<Result<Vec<_>>>()
        })?;
        let [c, h, w] = self.frame();
        array(py, &all.concat(), &[rows, c, h, w])
    }
}

/// An episode with the world that it borrows.
struct Owned {
    // Dropped first: it borrows from `_world`.
    episode: Episode<'static>,
    _world: Arc<AnySimulator>,
}

impl Owned {
    /// At the start of sequence 0 of the split `train` of this seed.
    fn begin(world: &Arc<AnySimulator>, dt: f64, seed: u64) -> Result<Self> {
        let held = Arc::clone(world);
        // SAFETY: the world stands in an `Arc` that `_world` holds for longer than the episode lives: fields are dropped in
        // their order, and neither is handed out.
        let forever: &'static AnySimulator = unsafe { &*Arc::as_ptr(&held) };
        let mut rng = Seeds::new(seed).stream("simulate/train", 0);
        let episode = Episode::begin(&**forever, dt, &mut rng)?;
        Ok(Self {
            episode,
            _world: held,
        })
    }
}

/// Several episodes of one world, each on its way.
#[pyclass(module = "kinostate._kinostate", frozen)]
pub struct Episodes {
    simulator: Arc<AnySimulator>,
    video: Video,
    dt: f64,
    all: Mutex<Vec<Owned>>,
}

impl Episodes {
    fn lock(&self) -> MutexGuard<'_, Vec<Owned>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn states(&self) -> Vec<f64> {
        let all = self.lock();
        all.iter()
            .flat_map(|one| one.episode.state())
            .copied()
            .collect()
    }
}

#[pymethods]
impl Episodes {
    /// One episode for each seed.
    #[new]
    fn new(py: Python<'_>, world: &World, dt: f64, seeds: Vec<u64>) -> PyResult<Self> {
        let all = outside(py, || {
            let one = |&seed: &u64| Owned::begin(&world.simulator, dt, seed);
            seeds.par_iter().map(one).collect::<Result<Vec<_>>>()
        })?;
        Ok(Self {
            simulator: Arc::clone(&world.simulator),
            video: world.video.clone(),
            dt,
            all: Mutex::new(all),
        })
    }

    /// Begins the episodes of these numbers anew.
    fn reset(&self, py: Python<'_>, which: Vec<usize>, seeds: Vec<u64>) -> PyResult<()> {
        outside(py, || {
            let mut all = self.lock();
            for (&i, &seed) in which.iter().zip(&seeds) {
                let count = all.len();
                let place = all.get_mut(i).ok_or_else(|| {
                    Error::Shape(format!("reset: one of {count} episodes expected, got {i}"))
                })?;
                *place = Owned::begin(&self.simulator, self.dt, seed)?;
            }
            Ok(())
        })
    }

    /// Takes actions (n, A) and moves on; returns costs (n), NaN where the world has no task.
    fn step<'py>(&self, py: Python<'py>, actions: Numbers) -> PyResult<Made<'py>> {
        let size = self.simulator.action_columns().len();
        let count = self.lock().len();
        if actions.shape() != [count, size] {
            return Err(wrong(format!(
                "action: shape ({count}, {size}) expected, got {:?}",
                actions.shape()
            )));
        }
        let actions = slice(&actions)?;
        let costs = outside(py, || {
            let mut all = self.lock();
            let one = |(i, one): (usize, &mut Owned)| -> Result<f64> {
                let cost = one.episode.step(&actions[i * size..(i + 1) * size])?;
                Ok(cost.unwrap_or(f64::NAN))
            };
            all.par_iter_mut()
                .enumerate()
                .map(one)
                .collect::<Result<Vec<_>>>()
        })?;
        array(py, &costs, &[count])
    }

    /// States now, (n, D).
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Made<'py>> {
        let count = self.lock().len();
        let columns = self.simulator.state_columns().len();
        array(py, &self.states(), &[count, columns])
    }

    /// Parameters, (n, P).
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Made<'py>> {
        let all = self.lock();
        let values = all.iter().flat_map(|one| one.episode.parameters());
        let values: Vec<f64> = values.copied().collect();
        let columns = self.simulator.parameter_columns().len();
        array(py, &values, &[all.len(), columns])
    }

    /// Frames so far of every episode: 1 at the beginning.
    fn frames(&self) -> Vec<usize> {
        self.lock().iter().map(|one| one.episode.frames()).collect()
    }

    /// Pictures now, (n, C, H, W), in white on black; or (n, H, W, C) with channels last.
    fn render<'py>(&self, py: Python<'py>, last: bool) -> PyResult<Made<'py>> {
        let video = &self.video;
        let [c, h, w] = [video.channels(), video.height, video.width];
        let look = Look::plain(self.simulator.parts().len());
        let all = outside(py, || {
            let mut all = self.lock();
            // A motion may be moved between threads, not looked at by two.
            let one = |one: &mut Owned| -> Result<Vec<u8>> {
                let picture = one.episode.render_as(video, &look)?;
                if !last || c == 1 {
                    return Ok(picture);
                }
                let (red, others) = picture.split_at(h * w);
                let (green, blue) = others.split_at(h * w);
                let planes = red.iter().zip(green).zip(blue);
                Ok(planes.flat_map(|((&r, &g), &b)| [r, g, b]).collect())
            };
            all.par_iter_mut().map(one).collect::<Result<Vec<_>>>()
        })?;
        match last {
            true => array(py, &all.concat(), &[all.len(), h, w, c]),
            false => array(py, &all.concat(), &[all.len(), c, h, w]),
        }
    }
}
