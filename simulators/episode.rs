//! A world that is driven step by step: begin, look, act, and again.

use crate::record::{Recorder, check_dt};
use crate::{Error, Look, Rng, Simulator, Trajectory, Video, render_as};

/// One episode of a world on its way: frame t is now, and the next action takes it to frame t+1.
///
/// An episode writes down what a recorded sequence has, so [`Episode::finish`] gives the same bytes as
/// [`Simulator::simulate`] where the same actions are taken.
///
/// ```
/// use rand_chacha::rand_core::SeedableRng;
/// use simulators::{Episode, PendulumV1, Rng, Video};
///
/// let world = PendulumV1::default();
/// let mut episode = Episode::begin(&world, 0.05, &mut Rng::seed_from_u64(1))?;
/// let mut total = 0.0;
/// for _ in 0..200 {
///     let speed = episode.state()[1]; // rad/s
///     total += episode.step(&[if speed > 0.0 { 2.0 } else { -2.0 }])?.unwrap_or(0.0);
/// }
/// let frame = episode.render(&Video::default())?; // (C, H, W)
/// assert_eq!(frame.len(), 32 * 32);
/// # Ok::<(), simulators::Error>(())
/// ```
pub struct Episode<'a> {
    simulator: &'a dyn Simulator,
    /// Time between frames, s.
    dt: f64,
    recorder: Recorder,
    /// Frames so far.
    frames: usize,
    limits: Vec<[f64; 2]>,
}

impl<'a> Episode<'a> {
    /// A world at a start drawn from `rng`, with frames `dt` s apart.
    ///
    /// # Errors
    /// As [`Simulator::simulate`].
    pub fn begin(simulator: &'a dyn Simulator, dt: f64, rng: &mut Rng) -> Result<Self, Error> {
        simulator.check()?;
        check_dt(dt)?;
        let begun = simulator.begin(rng)?;
        Ok(Self::of(simulator, dt, begun))
    }

    /// A world at a recorded state (D) under its recorded parameters (P), as [`crate::future`].
    ///
    /// # Errors
    /// As there.
    pub fn resume(
        simulator: &'a dyn Simulator,
        state: &[f64],
        parameters: &[f64],
        dt: f64,
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        simulator.check()?;
        check_dt(dt)?;
        let begun = crate::record::resumed(simulator, state, parameters, rng)?;
        Ok(Self::of(simulator, dt, begun))
    }

    fn of(simulator: &'a dyn Simulator, dt: f64, begun: crate::Begun) -> Self {
        let mut recorder = Recorder::new(simulator, begun);
        recorder.observe(0);
        Self {
            simulator,
            dt,
            recorder,
            frames: 1,
            limits: simulator.action_limits(),
        }
    }

    /// The state now (D).
    pub fn state(&self) -> &[f64] {
        let states = &self.recorder.trajectory.states;
        &states[states.len() / self.frames * (self.frames - 1)..]
    }

    /// The parameters (P).
    pub fn parameters(&self) -> &[f64] {
        &self.recorder.trajectory.parameters
    }

    /// Number of frames so far: 1 at the beginning.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Takes an action (A), moved to its limits where it is beyond them, and moves on to the next frame. Returns what
    /// it costs to be where it was and to act so, where the world has a task.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an action of another length or that is not finite; [`Error::Physics`] when the engine
    /// makes no progress.
    pub fn step(&mut self, action: &[f64]) -> Result<Option<f64>, Error> {
        let cost = self.act(action)?;
        let recorder = &mut self.recorder;
        recorder.motion.advance(self.dt, &mut recorder.contacts)?;
        recorder.observe(self.frames);
        self.frames += 1;
        Ok(cost)
    }

    fn act(&mut self, action: &[f64]) -> Result<Option<f64>, Error> {
        crate::check_action(action, self.limits.len())?;
        let limited = action.iter().zip(&self.limits);
        let action: Vec<f64> = limited
            .map(|(x, [low, high])| x.max(*low).min(*high))
            .collect();
        let cost = self
            .simulator
            .cost(self.state(), &action, self.parameters());
        self.recorder.motion.apply(&action)?;
        self.recorder.trajectory.actions.extend(action);
        Ok(cost)
    }

    /// The frame now, (C, H, W), in white on black.
    ///
    /// # Errors
    /// As [`crate::render`].
    pub fn render(&self, video: &Video) -> Result<Vec<u8>, Error> {
        self.render_as(video, &Look::plain(self.simulator.parts().len()))
    }

    /// The frame now, (C, H, W), in a look: that of the recorded sequence where the look has no noise (which goes on
    /// from frame to frame there, and begins anew here).
    ///
    /// # Errors
    /// As [`crate::render`].
    pub fn render_as(&self, video: &Video, look: &Look) -> Result<Vec<u8>, Error> {
        let now = Trajectory {
            states: self.state().to_vec(),
            parameters: self.parameters().to_vec(),
            ..Trajectory::default()
        };
        render_as(self.simulator, &now, video, look)
    }

    /// The episode as a recorded sequence. `last` (A) is the action of the last frame, which acts on nothing that is
    /// recorded.
    ///
    /// # Errors
    /// As [`Episode::step`].
    pub fn finish(mut self, last: &[f64]) -> Result<Trajectory, Error> {
        self.act(last)?;
        Ok(self.recorder.finish(self.simulator))
    }
}
