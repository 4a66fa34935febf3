//! Pairs of clips that are the same until something happens that the world's physics rules out.
//!
//! The possible clip is a recording as any other. The impossible one has its states and its bytes before the frame of the
//! event and breaks one rule from there on, and no other: what goes on afterwards goes on by the world's own law. Which
//! rules a world can break is not listed anywhere but tried ([`Staging::allows`]): a world whose state columns do not
//! hold all there is cannot go on from a changed state, one without gravity has none to flip.
//!
//! Source of the measure: pairs of possible and impossible clips that differ in one event (Riochet et al., IntPhys, 2018).

use crate::elementary::{exp_m1, hypot, sin_cos};
use crate::{
    Column, Error, Look, Recording, Rng, Shape, Simulator, Trajectory, Video, future, render_as,
    render_without,
};
use rand::RngExt;
use rand_chacha::rand_core::SeedableRng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What happens in an impossible clip. "In sight": the body is seen in the frames around the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Violation {
    /// A body in sight is not drawn from the frame of the event on; it leaves no trace.
    Vanish,
    /// The same while all of it is hidden (behind a bar, a curtain), in a clip in which it comes into sight again.
    VanishHidden,
    /// A body is 3 pixels of the picture away from where it would be, in any direction, at the same velocity.
    Teleport,
    /// One frame before the event the velocity changes by as much as the body is fast, at least 2 pixels a frame, in any
    /// direction; the body touches nothing.
    Kick,
    /// From one frame before the event on gravity has the opposite sign.
    Gravity,
    /// A body flies on straight through the wall that would have turned it, and out of the room.
    Wall,
    /// A body has another hue: the opposite one, or, where it is white or grey, one that is drawn. Needs `video.colour`.
    Colour,
    /// A body is half as bright; one darker than a half is brighter by half of what is missing to white.
    Brightness,
}

impl Violation {
    /// All kinds, in order.
    pub const ALL: [Self; 8] = [
        Self::Vanish,
        Self::VanishHidden,
        Self::Teleport,
        Self::Kick,
        Self::Gravity,
        Self::Wall,
        Self::Colour,
        Self::Brightness,
    ];

    /// As YAML names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vanish => "vanish",
            Self::VanishHidden => "vanish_hidden",
            Self::Teleport => "teleport",
            Self::Kick => "kick",
            Self::Gravity => "gravity",
            Self::Wall => "wall",
            Self::Colour => "colour",
            Self::Brightness => "brightness",
        }
    }
}

/// Length of a teleport, pixels of the picture.
const TELEPORT: f64 = 3.0;
/// Least kick, pixels of the picture a frame.
const KICK: f64 = 2.0;
/// A body counts as seen where it changes the picture by this share of the most that it does in its clip.
const SEEN: f64 = 0.9;
/// And as hidden below this share: a cover's soft edge lets a little through.
const HIDDEN: f64 = 0.01;
/// Worlds drawn for one pair before it is given up.
const DRAWS: usize = 1000;
/// The same when one asks whether there are such pairs at all.
const TRIED: usize = 24;
/// Directions drawn for one frame.
const DIRECTIONS: usize = 16;
/// Two states are the same to this, in world units: a flight from impact to impact errs by 1e-8.
const SAME: f64 = 1e-6;

/// A clip and its impossible double.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// As the world moves.
    pub possible: Recording,
    /// The same before the event, byte for byte.
    pub impossible: Recording,
    /// The first frame that may differ. It does differ, but for [`Violation::VanishHidden`].
    pub event: usize,
}

/// What has no velocity or place of its own is nobody: its parts are all that is drawn.
struct Body {
    /// Columns of x and y, where there are some.
    place: Option<[usize; 2]>,
    /// Columns of vx and vy, where there are some.
    velocity: Option<[usize; 2]>,
    /// Its number, which is its place among the world's parts; none: all parts.
    number: Option<usize>,
}

/// Where pairs are staged: a world, its pictures and the clip's frames.
#[derive(Clone)]
pub struct Staging<'a> {
    /// The world.
    pub simulator: &'a dyn Simulator,
    /// Its pictures; without exposure.
    pub video: &'a Video,
    /// Frames of a clip, T.
    pub frames: usize,
    /// Time between them, s.
    pub dt: f64,
    /// Frames in which an event may lie.
    pub events: Range<usize>,
}

/// A trajectory with another course from a frame on, and how it is to be drawn.
struct Altered {
    trajectory: Trajectory,
    look: Option<Look>,
    hidden: Vec<usize>,
}

impl Staging<'_> {
    /// Whether the world has pairs of this kind: what they need is looked for, then clips are drawn, 24 at most.
    pub fn allows(&self, kind: Violation) -> bool {
        let mut rng = Rng::from_seed([7; 32]);
        let mut looks = Rng::from_seed([8; 32]);
        let mut chance = Rng::from_seed([9; 32]);
        let Ok(look) = self.video.looks.draw(&self.simulator.parts(), &mut looks) else {
            return false;
        };
        self.has_what_it_takes(kind, &mut rng).unwrap_or(false)
            && (0..TRIED).any(|_| {
                matches!(
                    self.attempt(kind, &look, &mut rng, &mut chance),
                    Ok(Some(_))
                )
            })
    }

    /// Whether the world has the columns and parameters, and the pictures the colours, that a kind is about.
    fn has_what_it_takes(&self, kind: Violation, rng: &mut Rng) -> Result<bool, Error> {
        let bodies = self.bodies();
        let moves = bodies.iter().all(|body| body.velocity.is_some());
        let single = bodies.len() == 1;
        Ok(match kind {
            Violation::Vanish | Violation::Brightness => true,
            Violation::Colour => self.video.colour,
            Violation::VanishHidden => bodies[0].number.is_some() && self.covers(&bodies, rng)?,
            Violation::Wall => moves && single && !self.simulator.event_columns().is_empty(),
            Violation::Gravity => {
                let parameters = self.simulator.begin(rng)?.parameters;
                bodies[0].place.is_some() && self.flip(&parameters).is_some()
            }
            Violation::Teleport => self.takes(bodies[0].place, rng)?,
            Violation::Kick => self.takes(bodies[0].velocity, rng)?,
        })
    }

    /// Whether something that is no body is painted over the bodies.
    fn covers(&self, bodies: &[Body], rng: &mut Rng) -> Result<bool, Error> {
        let begun = self.simulator.begin(rng)?;
        let (mut state, mut shapes) = (Vec::new(), Vec::new());
        begun.motion.state(&mut state);
        self.simulator
            .bodies(&state, &begun.parameters, &mut shapes);
        let of_body = |shape: &Shape| bodies.iter().any(|body| body.number == Some(shape.part));
        let first = shapes.iter().position(of_body);
        Ok(first.is_some_and(|first| shapes[first..].iter().any(|shape| !of_body(shape))))
    }

    /// Whether the world goes on from a state with other values in these columns: not where they follow from others.
    fn takes(&self, columns: Option<[usize; 2]>, rng: &mut Rng) -> Result<bool, Error> {
        let Some(columns) = columns else {
            return Ok(false);
        };
        let begun = self.simulator.begin(rng)?;
        let mut state = Vec::new();
        begun.motion.state(&mut state);
        // A step towards a wall may be refused.
        Ok([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
            .into_iter()
            .any(|signs| {
                let mut other = state.clone();
                for (column, sign) in columns.into_iter().zip(signs) {
                    other[column] += 1000.0 * SAME * sign;
                }
                self.resumes(&other, &begun.parameters, rng)
            }))
    }

    /// Whether the world takes a state as it is.
    fn resumes(&self, state: &[f64], parameters: &[f64], rng: &mut Rng) -> bool {
        let Ok(Some(begun)) = self.simulator.resume(state, parameters, rng) else {
            return false;
        };
        let mut taken = Vec::new();
        begun.motion.state(&mut taken);
        let pairs = taken.iter().zip(state);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) < SAME
    }

    /// Parameters with gravity of the opposite sign; nothing where there is none.
    fn flip(&self, parameters: &[f64]) -> Option<Vec<f64>> {
        let mut parameters = parameters.to_vec();
        let mut pull = 0.0;
        let columns = self.simulator.parameter_columns();
        for (column, value) in columns.iter().zip(&mut parameters) {
            let named = column.name == "gravity" || column.name.starts_with("gravity_");
            if named && column.unit.ends_with("/s^2") {
                pull += value.abs();
                *value = -*value;
            }
        }
        (pull > 0.0).then_some(parameters)
    }

    /// The kinds that the world has.
    pub fn kinds(&self) -> Vec<Violation> {
        let all = Violation::ALL.into_iter();
        all.filter(|&kind| self.allows(kind)).collect()
    }

    /// Draws one pair. The motion takes from `rng` and looks from `look_rng` as [`crate::record`] does; which frame,
    /// body and direction it is, from `chance`. A clip that has no frame for the event is drawn again.
    ///
    /// # Errors
    /// [`Error::Parameter`] and [`Error::Physics`] as [`crate::record`]; [`Error::Physics`] where 1000 clips have no
    /// frame for the event.
    pub fn pair(
        &self,
        kind: Violation,
        rng: &mut Rng,
        look_rng: &mut Rng,
        chance: &mut Rng,
    ) -> Result<Pair, Error> {
        let look = self.video.looks.draw(&self.simulator.parts(), look_rng)?;
        for _ in 0..DRAWS {
            if let Some(pair) = self.attempt(kind, &look, rng, chance)? {
                return Ok(pair);
            }
        }
        let Range { start, end } = self.events;
        Err(Error::Physics(format!(
            "expected a clip with room for the violation {} in frames {start}..{end}, got none in {DRAWS} clips",
            kind.name()
        )))
    }

    fn attempt(
        &self,
        kind: Violation,
        look: &Look,
        rng: &mut Rng,
        chance: &mut Rng,
    ) -> Result<Option<Pair>, Error> {
        let trajectory = self.simulator.simulate(self.frames, self.dt, rng)?;
        let bodies = self.bodies();
        let body = &bodies[chance.random_range(0..bodies.len())];
        let seen = self.seen(&trajectory, look, body)?;
        let mut events: Vec<usize> = self
            .events
            .clone()
            .filter(|&e| self.fits(kind, e, &trajectory, &seen))
            .collect();
        let possible = Recording {
            frames: render_as(self.simulator, &trajectory, self.video, look)?,
            trajectory,
            look: look.clone(),
        };
        let size = possible.frames.len() / self.frames;
        while !events.is_empty() {
            let event = events.swap_remove(chance.random_range(0..events.len()));
            let Some(altered) = self.alter(kind, event, body, &possible, chance)? else {
                continue;
            };
            let frames = render_without(
                &Untinted(self.simulator, altered.look.is_some()),
                &altered.trajectory,
                self.video,
                altered.look.as_ref().unwrap_or(look),
                &altered.hidden,
            )?;
            let mut all = possible.frames.clone();
            all[event * size..].copy_from_slice(&frames[event * size..]);
            let here = event * size..(event + 1) * size;
            let differs = all[here.clone()] != possible.frames[here];
            if !differs && kind != Violation::VanishHidden {
                continue;
            }
            let impossible = Recording {
                trajectory: altered.trajectory,
                frames: all,
                look: look.clone(),
            };
            return Ok(Some(Pair {
                possible,
                impossible,
                event,
            }));
        }
        Ok(None)
    }

    /// What can be moved, or taken away.
    fn bodies(&self) -> Vec<Body> {
        let columns = self.simulator.state_columns();
        let column = |name: String| {
            columns
                .iter()
                .position(|Column { name: own, .. }| *own == name)
        };
        let body = |k: usize| {
            let end = if k == 0 {
                String::new()
            } else {
                format!("_{k}")
            };
            let pair = |a: &str, b: &str| {
                let both = [column(format!("{a}{end}")), column(format!("{b}{end}"))];
                Some([both[0]?, both[1]?])
            };
            Some((pair("x", "y")?, pair("vx", "vy")))
        };
        let found = match body(0) {
            Some(one) => vec![one],
            None => (1..).map_while(body).collect(),
        };
        let parts = self.simulator.parts().len();
        let mut bodies: Vec<Body> = found
            .into_iter()
            .enumerate()
            .filter(|(k, _)| *k < parts)
            .map(|(k, (place, velocity))| Body {
                place: Some(place),
                velocity,
                number: Some(k),
            })
            .collect();
        if bodies.is_empty() {
            bodies.push(Body {
                place: None,
                velocity: None,
                number: None,
            });
        }
        bodies
    }

    /// Places of a body's shapes in the list of all.
    fn shapes(&self, body: &Body, trajectory: &Trajectory) -> Vec<usize> {
        let width = self.simulator.state_columns().len();
        let mut shapes = Vec::new();
        let state = &trajectory.states[..width];
        self.simulator
            .bodies(state, &trajectory.parameters, &mut shapes);
        let own = |shape: &Shape| body.number.is_none_or(|part| shape.part == part);
        (0..shapes.len()).filter(|&k| own(&shapes[k])).collect()
    }

    /// How much of the body is to be seen in every frame: sum of the pixels' differences with it and without it.
    fn seen(&self, trajectory: &Trajectory, look: &Look, body: &Body) -> Result<Vec<f64>, Error> {
        let mut look = look.clone();
        look.noise_std = 0.0;
        let with = render_as(self.simulator, trajectory, self.video, &look)?;
        let hidden = self.shapes(body, trajectory);
        let without = render_without(self.simulator, trajectory, self.video, &look, &hidden)?;
        let size = with.len() / self.frames;
        let each = with.chunks_exact(size).zip(without.chunks_exact(size));
        let difference = |(a, b): (&[u8], &[u8])| {
            let pairs = a.iter().zip(b);
            pairs.map(|(&a, &b)| f64::from(a.abs_diff(b))).sum()
        };
        Ok(each.map(difference).collect())
    }

    /// Contacts in the interval before frame t.
    fn contacts(&self, trajectory: &Trajectory, t: usize) -> usize {
        let kinds = self.simulator.event_columns().len();
        let row = trajectory.events.get(kinds * t..kinds * (t + 1));
        row.map_or(0, |row| row.iter().map(|&count| usize::from(count)).sum())
    }

    /// Whether the body can be seen, or is hidden, as the event wants it, and touches nothing where it must not.
    fn fits(&self, kind: Violation, e: usize, trajectory: &Trajectory, seen: &[f64]) -> bool {
        if e == 0 || e >= self.frames {
            return false;
        }
        let most = seen.iter().copied().fold(0.0, f64::max);
        let in_sight = |t: usize| t >= self.frames || (most > 0.0 && seen[t] >= SEEN * most);
        let free = |t: usize| t >= self.frames || self.contacts(trajectory, t) == 0;
        match kind {
            Violation::VanishHidden => {
                let before = seen[..e].iter().any(|&s| s >= SEEN * most);
                let after = seen[e + 1..].iter().any(|&s| s >= SEEN * most);
                most > 0.0 && seen[e] <= HIDDEN * most && before && after
            }
            Violation::Vanish | Violation::Colour | Violation::Brightness => {
                in_sight(e - 1) && in_sight(e)
            }
            Violation::Teleport | Violation::Kick | Violation::Gravity => {
                let near = e - 1..=e + 1;
                near.clone().all(in_sight) && near.clone().all(free)
            }
            Violation::Wall => in_sight(e - 1) && self.contacts(trajectory, e) == 1,
        }
    }

    /// The impossible course; nothing where this frame has none.
    fn alter(
        &self,
        kind: Violation,
        event: usize,
        body: &Body,
        possible: &Recording,
        chance: &mut Rng,
    ) -> Result<Option<Altered>, Error> {
        let trajectory = &possible.trajectory;
        let same = |look: Option<Look>, hidden: Vec<usize>| {
            let trajectory = trajectory.clone();
            Altered {
                trajectory,
                look,
                hidden,
            }
        };
        let moved = |trajectory: Trajectory| Altered {
            trajectory,
            look: None,
            hidden: Vec::new(),
        };
        Ok(match kind {
            Violation::Vanish | Violation::VanishHidden => {
                Some(same(None, self.shapes(body, trajectory)))
            }
            Violation::Colour | Violation::Brightness => {
                let look = self.painted(kind, body, possible, chance);
                Some(same(Some(look), Vec::new()))
            }
            Violation::Teleport => self.teleported(event, body, trajectory, chance).map(moved),
            Violation::Kick => self.kicked(event, body, trajectory, chance).map(moved),
            Violation::Gravity => self.flipped(event, body, trajectory, chance).map(moved),
            Violation::Wall => self.passed(event, body, trajectory).map(moved),
        })
    }

    /// State of frame t.
    fn state<'t>(&self, trajectory: &'t Trajectory, t: usize) -> &'t [f64] {
        let width = self.simulator.state_columns().len();
        &trajectory.states[t * width..(t + 1) * width]
    }

    /// World units a pixel of the picture.
    fn unit(&self) -> f64 {
        1.0 / self.video.camera(self.simulator.view()).scale
    }

    fn teleported(
        &self,
        event: usize,
        body: &Body,
        trajectory: &Trajectory,
        chance: &mut Rng,
    ) -> Option<Trajectory> {
        let place = body.place?;
        for _ in 0..DIRECTIONS {
            let (sin, cos) = sin_cos(chance.random_range(0.0..std::f64::consts::TAU));
            let mut state = self.state(trajectory, event).to_vec();
            let length = TELEPORT * self.unit();
            state[place[0]] += length * cos;
            state[place[1]] += length * sin;
            let free = |course: &Trajectory| self.contacts(course, 1) == 0;
            let course = self.course(event, &state, &trajectory.parameters, chance);
            if let Some(course) = course.filter(free)
                && self.apart(&state, body, trajectory)
            {
                return Some(self.spliced(trajectory, event, event, &course));
            }
        }
        None
    }

    /// Whether a body keeps clear of others, by their radii where they are known.
    fn apart(&self, state: &[f64], body: &Body, trajectory: &Trajectory) -> bool {
        let columns = self.simulator.parameter_columns();
        let radius = |k: usize| {
            let at = |name: String| columns.iter().position(|column| column.name == name);
            let at = at(format!("radius_{}", k + 1)).or_else(|| at("radius".into()));
            at.map_or(0.0, |at| trajectory.parameters[at])
        };
        let place = |body: &Body| body.place.map(|[x, y]| [state[x], state[y]]);
        let Some(own) = place(body) else { return true };
        self.bodies().iter().all(|other| {
            let (Some(at), true) = (place(other), other.number != body.number) else {
                return true;
            };
            let reach = radius(other.number.unwrap_or(0)) + radius(body.number.unwrap_or(0));
            hypot(at[0] - own[0], at[1] - own[1]) >= reach
        })
    }

    fn kicked(
        &self,
        event: usize,
        body: &Body,
        trajectory: &Trajectory,
        chance: &mut Rng,
    ) -> Option<Trajectory> {
        let [vx, vy] = body.velocity?;
        for _ in 0..DIRECTIONS {
            let (sin, cos) = sin_cos(chance.random_range(0.0..std::f64::consts::TAU));
            let mut state = self.state(trajectory, event - 1).to_vec();
            let kick = hypot(state[vx], state[vy]).max(KICK * self.unit() / self.dt);
            state[vx] += kick * cos;
            state[vy] += kick * sin;
            let free = |course: &Trajectory| self.contacts(course, 1) == 0;
            let course = self.course(event - 1, &state, &trajectory.parameters, chance);
            if let Some(course) = course.filter(free) {
                return Some(self.spliced(trajectory, event, event - 1, &course));
            }
        }
        None
    }

    fn flipped(
        &self,
        event: usize,
        body: &Body,
        trajectory: &Trajectory,
        chance: &mut Rng,
    ) -> Option<Trajectory> {
        body.place?;
        let parameters = self.flip(&trajectory.parameters)?;
        let state = self.state(trajectory, event - 1).to_vec();
        let course = self.course(event - 1, &state, &parameters, chance)?;
        Some(self.spliced(trajectory, event, event - 1, &course))
    }

    /// The world from frame `from` on, starting at a state; nothing where it does not take that state as it is.
    fn course(
        &self,
        from: usize,
        state: &[f64],
        parameters: &[f64],
        chance: &mut Rng,
    ) -> Option<Trajectory> {
        let mut rng = crate::branch(chance);
        if !self.resumes(state, parameters, &mut rng.clone()) {
            return None;
        }
        let frames = self.frames - from;
        future(self.simulator, state, parameters, frames, self.dt, &mut rng).ok()
    }

    /// `before` in frames 0..event, and in its place from there on a course whose row 0 is frame `from`.
    fn spliced(
        &self,
        before: &Trajectory,
        event: usize,
        from: usize,
        course: &Trajectory,
    ) -> Trajectory {
        let mut all = before.clone();
        let skip = event - from;
        let put = |to: &mut Vec<f64>, from: &[f64], first: usize, skip: usize| {
            let width = to.len() / self.frames;
            to[first * width..].copy_from_slice(&from[skip * width..]);
        };
        put(&mut all.states, &course.states, event, skip);
        // What acts from frame `from` on belongs to the new course; contacts before a course's row 0 to the old one.
        put(&mut all.actions, &course.actions, from, 0);
        let kinds = self.simulator.event_columns().len();
        for t in event.max(from + 1)..self.frames {
            let (to, own) = (kinds * t, kinds * (t - from));
            all.events[to..to + kinds].copy_from_slice(&course.events[own..own + kinds]);
            for k in 0..kinds {
                all.event_times[to + k] = course.event_times[own + k] + from as f64 * self.dt;
            }
        }
        self.with_energies(all)
    }

    /// With the energies of its states under the clip's own parameters.
    fn with_energies(&self, mut trajectory: Trajectory) -> Trajectory {
        if self.simulator.energy_unit().is_some() {
            let width = self.simulator.state_columns().len();
            let states = trajectory.states.chunks_exact(width);
            let energy = |state| self.simulator.energy(state, &trajectory.parameters);
            trajectory.energies = states.filter_map(energy).flatten().collect();
        }
        trajectory
    }

    /// Flies on from the frame before the event as if there were no walls: by gravity and drag alone, where that is how
    /// the world flies.
    fn passed(&self, event: usize, body: &Body, trajectory: &Trajectory) -> Option<Trajectory> {
        let (place, velocity) = (body.place?, body.velocity?);
        let columns = self.simulator.event_columns();
        let row = &trajectory.events[columns.len() * event..columns.len() * (event + 1)];
        let touched = row.iter().position(|&count| count > 0)?;
        let name = &columns[touched].name;
        let wall = ["left", "right", "bottom", "top"].map(|side| format!("hit_{side}"));
        if !wall.contains(name) && !name.starts_with("hit_edge_") || self.bodies().len() > 1 {
            return None;
        }
        let fly = |state: &mut [f64], time: f64| {
            let flown = self.flown(&trajectory.parameters, time, |axis| {
                [state[place[axis]], state[velocity[axis]]]
            });
            for axis in 0..2 {
                (state[place[axis]], state[velocity[axis]]) = (flown[axis][0], flown[axis][1]);
            }
        };
        // The formula must be this world's: it is held to the last interval before the event that is free of contacts.
        let known = (1..event)
            .rev()
            .find(|&t| self.contacts(trajectory, t) == 0)?;
        let mut state = self.state(trajectory, known - 1).to_vec();
        fly(&mut state, self.dt);
        let pairs = [place, velocity].into_iter().flatten();
        let want = self.state(trajectory, known);
        if pairs.into_iter().any(|j| (state[j] - want[j]).abs() > SAME) {
            return None;
        }
        let width = want.len();
        let mut all = trajectory.clone();
        for t in event..self.frames {
            let (before, after) = all.states.split_at_mut(t * width);
            let state = &mut after[..width];
            for j in place.into_iter().chain(velocity) {
                state[j] = before[(t - 1) * width + j];
            }
            fly(state, self.dt);
        }
        let kinds = columns.len();
        all.events[kinds * event..].fill(0);
        all.event_times[kinds * event..].fill(f64::NAN);
        Some(self.with_energies(all))
    }

    /// Place and velocity along both axes after `time` s of free flight: acceleration g - c v with drag c.
    fn flown(
        &self,
        parameters: &[f64],
        time: f64,
        now: impl Fn(usize) -> [f64; 2],
    ) -> [[f64; 2]; 2] {
        let columns = self.simulator.parameter_columns();
        let value = |name: &str| {
            let at = columns.iter().position(|column| column.name == name);
            at.map_or(0.0, |at| parameters[at])
        };
        let drag = value("drag");
        [0, 1].map(|axis| {
            let [p, v] = now(axis);
            let g = value(["gravity_x", "gravity_y"][axis]);
            if drag == 0.0 {
                return [p + v * time + 0.5 * g * time * time, v + g * time];
            }
            let (last, decayed) = (g / drag, -exp_m1(-drag * time)); // terminal velocity, 1 - exp(-c t)
            let slid = decayed / drag;
            [
                p + last * time + (v - last) * slid,
                v + (last - v) * decayed,
            ]
        })
    }

    /// The look with another colour for the body's parts, what the world says of colours put in.
    fn painted(
        &self,
        kind: Violation,
        body: &Body,
        possible: &Recording,
        chance: &mut Rng,
    ) -> Look {
        let mut look = possible.look.clone();
        let tints = self.simulator.tints(&possible.trajectory.parameters);
        for (part, colour) in look.parts.iter_mut().enumerate() {
            if let Some([hue, saturation, value]) = tints.get(part) {
                *colour = [*hue, *saturation, value * colour[2]];
            }
            if body.number.is_some_and(|own| own != part) {
                continue;
            }
            let [hue, saturation, value] = *colour;
            *colour = match (kind, saturation >= 0.3) {
                (Violation::Colour, true) => [(hue + 180.0) % 360.0, saturation, value],
                (Violation::Colour, false) => [chance.random_range(0.0..360.0), 1.0, value],
                _ if value >= 0.5 => [hue, saturation, 0.5 * value],
                _ => [hue, saturation, 0.5 + 0.5 * value],
            };
        }
        look
    }
}

/// A world whose colours the look says alone, where the second field asks for it.
struct Untinted<'a>(&'a dyn Simulator, bool);

impl Simulator for Untinted<'_> {
    fn check(&self) -> Result<(), Error> {
        self.0.check()
    }
    fn state_columns(&self) -> Vec<Column> {
        self.0.state_columns()
    }
    fn parameter_columns(&self) -> Vec<Column> {
        self.0.parameter_columns()
    }
    fn event_columns(&self) -> Vec<Column> {
        self.0.event_columns()
    }
    fn begin(&self, rng: &mut Rng) -> Result<crate::Begun, Error> {
        self.0.begin(rng)
    }
    fn view(&self) -> crate::Rectangle {
        self.0.view()
    }
    fn parts(&self) -> Vec<String> {
        self.0.parts()
    }
    fn tints(&self, parameters: &[f64]) -> Vec<[f64; 3]> {
        match self.1 {
            true => Vec::new(),
            false => self.0.tints(parameters),
        }
    }
    fn background(&self, parameters: &[f64]) -> Vec<Shape> {
        self.0.background(parameters)
    }
    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        self.0.bodies(state, parameters, shapes);
    }
}
