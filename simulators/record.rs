//! The recorder: the only place that pairs a state with its frame, a contact with its interval, an action with its frame.

use crate::{
    Begun, Column, Contact, Error, Look, Motion, Rng, Simulator, Trajectory, Video, render_as,
};

/// How long the shutter is open, and at how many moments one looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exposure {
    /// s; above 0 and at most the time between frames.
    pub time: f64,
    /// Odd number S of equally spaced moments (the midpoint rule), so that the middle one is the frame's state.
    pub samples: usize,
}

/// One sequence with its pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// States, parameters, contacts, actions, energies.
    pub trajectory: Trajectory,
    /// (T, C, H, W).
    pub frames: Vec<u8>,
    /// Colours, background and noise, drawn for this sequence.
    pub look: Look,
}

/// Name and unit of kinetic and potential energy.
pub fn energy_columns(simulator: &dyn Simulator) -> Vec<Column> {
    let Some(unit) = simulator.energy_unit() else {
        return Vec::new();
    };
    Column::list(&[("kinetic_energy", unit), ("potential_energy", unit)])
}

/// Simulates and draws one sequence. Physics takes from `rng` only, looks take from `look_rng` only: the same motion can
/// be had in other pictures.
///
/// # Errors
/// As [`Simulator::simulate`] and [`crate::render`]; [`Error::Parameter`] for an exposure longer than `dt`.
pub fn record(
    simulator: &dyn Simulator,
    video: &Video,
    frames: usize,
    dt: f64,
    rng: &mut Rng,
    look_rng: &mut Rng,
) -> Result<Recording, Error> {
    let exposure = (video.exposure > 0.0).then_some(Exposure {
        time: video.exposure,
        samples: video.exposure_samples,
    });
    let trajectory = simulate(simulator, frames, dt, exposure, rng)?;
    let look = video.looks.draw(&simulator.parts(), look_rng)?;
    let frames = render_as(simulator, &trajectory, video, &look)?;
    Ok(Recording {
        trajectory,
        frames,
        look,
    })
}

/// One future of a recorded state (D) under its recorded parameters (P): `frames` frames `dt` s apart, of which row 0 is that
/// state, with contacts timed from it. What is left to chance is drawn from `rng`: another stream, another future.
///
/// ```
/// use rand_chacha::rand_core::SeedableRng;
/// use simulators::{PushedBall, Rng, Simulator, future};
///
/// let ball = PushedBall::default();
/// let past = ball.simulate(5, 0.2, &mut Rng::seed_from_u64(1))?;
/// let now = &past.states[4 * 4..]; // of frame 4
/// let [one, other] = [2, 3].map(|seed| future(&ball, now, &past.parameters, 30, 0.2, &mut Rng::seed_from_u64(seed)));
/// let (one, other) = (one?, other?);
/// assert_eq!(one.states[..4], other.states[..4]);
/// assert_ne!(one.states, other.states);
/// # Ok::<(), simulators::Error>(())
/// ```
///
/// # Errors
/// As [`Simulator::simulate`] and [`Simulator::resume`]; [`Error::Parameter`] for a world that cannot be resumed.
pub fn future(
    simulator: &dyn Simulator,
    state: &[f64],
    parameters: &[f64],
    frames: usize,
    dt: f64,
    rng: &mut Rng,
) -> Result<Trajectory, Error> {
    simulator.check()?;
    check_dt(dt)?;
    let begun = resumed(simulator, state, parameters, rng)?;
    run(simulator, begun, frames, dt, None)
}

/// [`Simulator::resume`] of a world that can.
///
/// # Errors
/// As there; [`Error::Parameter`] for a world that cannot.
pub(crate) fn resumed(
    simulator: &dyn Simulator,
    state: &[f64],
    parameters: &[f64],
    rng: &mut Rng,
) -> Result<Begun, Error> {
    let begun = simulator.resume(state, parameters, rng)?;
    begun.ok_or_else(|| {
        let expected = "a world whose state columns hold all that its future depends on";
        Error::parameter("future", expected, "one that cannot be resumed")
    })
}

/// Checks that a state (D) and parameters (P) are a simulator's, and finite.
///
/// # Errors
/// [`Error::Parameter`] names which are not.
pub(crate) fn fits(
    simulator: &dyn Simulator,
    state: &[f64],
    parameters: &[f64],
) -> Result<(), Error> {
    for (key, columns, values) in [
        ("state", simulator.state_columns(), state),
        ("parameters", simulator.parameter_columns(), parameters),
    ] {
        let names: Vec<_> = columns.into_iter().map(|column| column.name).collect();
        if values.len() != names.len() || values.iter().any(|value| !value.is_finite()) {
            let expected = format!("{} finite numbers ({})", names.len(), names.join(", "));
            return Err(Error::parameter(key, expected, format!("{values:?}")));
        }
    }
    Ok(())
}

pub(crate) fn check_dt(dt: f64) -> Result<(), Error> {
    match dt > 0.0 && dt.is_finite() {
        true => Ok(()),
        false => Err(Error::parameter("dt", "finite and above 0 s", dt)),
    }
}

/// Moves one world for `frames` frames, `dt` s apart; with an exposure, looks at the moments of each frame as well.
///
/// The shutter is open from `time/2` before a frame's state to `time/2` after it. To have it open for frame 0 too, the
/// motion begins that much earlier than the sequence; contacts from before are left out.
///
/// # Errors
/// As [`Simulator::simulate`].
pub(crate) fn simulate<S: Simulator + ?Sized>(
    simulator: &S,
    frames: usize,
    dt: f64,
    exposure: Option<Exposure>,
    rng: &mut Rng,
) -> Result<Trajectory, Error> {
    simulator.check()?;
    check_dt(dt)?;
    if let Some(Exposure { time, .. }) = exposure.filter(|open| open.time > dt) {
        let expected = format!("at most the time between frames, {dt} s");
        return Err(Error::parameter("video.exposure", expected, time));
    }
    let begun = simulator.begin(rng)?;
    run(simulator, begun, frames, dt, exposure)
}

/// Moves on what has begun, and records it.
fn run<S: Simulator + ?Sized>(
    simulator: &S,
    begun: Begun,
    frames: usize,
    dt: f64,
    exposure: Option<Exposure>,
) -> Result<Trajectory, Error> {
    let mut to = Recorder::new(simulator, begun);
    match exposure {
        None => {
            for t in 0..frames {
                if t > 0 {
                    to.motion.advance(dt, &mut to.contacts)?;
                }
                to.frame(t)?;
            }
        }
        Some(exposure) => to.exposed(frames, dt, exposure)?,
    }
    Ok(to.finish(simulator))
}

/// Writes down a motion, frame by frame.
pub(crate) struct Recorder {
    pub motion: Box<dyn Motion>,
    /// Event columns, E.
    kinds: usize,
    /// Since the last frame.
    pub contacts: Vec<Contact>,
    /// When the sequence began, on the motion's clock, s.
    began: f64,
    pub trajectory: Trajectory,
}

impl Recorder {
    /// Nothing is written yet.
    pub fn new<S: Simulator + ?Sized>(simulator: &S, begun: Begun) -> Self {
        Self {
            motion: begun.motion,
            kinds: simulator.event_columns().len(),
            contacts: Vec::new(),
            began: 0.0,
            trajectory: Trajectory {
                parameters: begun.parameters,
                ..Trajectory::default()
            },
        }
    }

    /// Frame t is now, and what acts next is drawn.
    fn frame(&mut self, t: usize) -> Result<(), Error> {
        self.observe(t);
        self.motion.act(&mut self.trajectory.actions)
    }

    /// Frame t is now.
    pub fn observe(&mut self, t: usize) {
        let to = &mut self.trajectory;
        self.motion.state(&mut to.states); // (T, D)
        to.events.resize(self.kinds * (t + 1), 0); // (T, E)
        to.event_times.resize(self.kinds * (t + 1), f64::NAN); // (T, E)
        for Contact { kind, time } in self.contacts.drain(..) {
            if t > 0 {
                let (cell, time) = (self.kinds * t + kind, time - self.began);
                to.events[cell] = to.events[cell].saturating_add(1);
                to.event_times[cell] = to.event_times[cell].min(time); // NaN.min(time) is time
            }
        }
    }

    /// What was written, with its energies.
    pub fn finish<S: Simulator + ?Sized>(self, simulator: &S) -> Trajectory {
        let mut trajectory = self.trajectory;
        if simulator.energy_unit().is_some() {
            let width = simulator.state_columns().len();
            let energies = trajectory.states.chunks_exact(width);
            let energies = energies.filter_map(|s| simulator.energy(s, &trajectory.parameters));
            trajectory.energies = energies.flatten().collect(); // (T, 2)
        }
        trajectory
    }

    fn exposed(
        &mut self,
        frames: usize,
        dt: f64,
        Exposure { time, samples }: Exposure,
    ) -> Result<(), Error> {
        let step = time / samples as f64;
        let middle = samples / 2;
        self.began = step * middle as f64;
        for t in 0..frames {
            if t > 0 {
                let closed = (dt - step * (samples - 1) as f64).max(0.0);
                self.motion.advance(closed, &mut self.contacts)?;
            }
            for k in 0..samples {
                if k > 0 {
                    self.motion.advance(step, &mut self.contacts)?;
                }
                self.motion.state(&mut self.trajectory.exposed);
                if k == middle {
                    self.frame(t)?;
                }
            }
        }
        Ok(())
    }
}
