//! Classical controllers of the worlds' own tasks, given the true state: what the numbers of the others are held to.

use super::controller::{Controller, Now};
use super::{Aim, Lqr, TrueLqr};
use crate::error::Result;
use crate::measure::input_law::InputLaw;
use crate::seeds::{Rng, Seeds};
use nalgebra::{DMatrix, DVector};
use simulators::{Episode, Simulator};
use std::f64::consts::{PI, TAU};

/// The classical controller of a world's task by the world's name, and what it is called; none where there is none.
///
/// # Errors
/// What the world fails with.
pub fn classical(
    name: &str,
    world: &dyn Simulator,
    dt: f64,
    parameters: &[f64],
) -> Result<Option<Box<dyn Controller>>> {
    Ok(match name {
        "pendulum_v1" => Some(Box::new(Swing)),
        "cartpole" => Some(Box::new(upright(world, dt, parameters)?)),
        "two_rooms" => {
            let view = world.view();
            Some(Box::new(Through {
                middle: 0.5 * (view.left + view.right),
                dt,
                limits: world.action_limits(),
            }))
        }
        "reacher" => Some(Box::new(Arm { elbow: None })),
        _ => None,
    })
}

/// What [`classical`] is called in tables.
pub fn classical_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "pendulum_v1" => "true state, energy shaping",
        "cartpole" => "true state, LQR",
        "two_rooms" => "true state, way through the door",
        "reacher" => "true state, joint control",
        _ => return None,
    })
}

/// An angle within -pi..pi.
pub(super) fn wrapped(angle: f64) -> f64 {
    (angle + PI).rem_euclid(TAU) - PI
}

/// Energy shaping far from upright, a linear controller near it, for the rod of `pendulum_v1` with angle a, velocity w:
///
/// ```text
/// E = m l^2 w^2/6 + m g l/2 (cos a - 1),   u = -5 E sign(w)      |a| >= .5 or |w| >= 3
/// u = -15 a - 4 w                                                else
/// ```
///
/// (Astrom and Furuta 2000, with gains for gymnasium's constants.)
struct Swing;

impl Controller for Swing {
    fn act(&mut self, now: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        let (&[angle, speed, ..], &[g, m, l, ..]) = (now.state, now.parameters) else {
            return Ok(vec![0.0]);
        };
        let angle = wrapped(angle);
        if angle.abs() < 0.5 && speed.abs() < 3.0 {
            return Ok(vec![-15.0 * angle - 4.0 * speed]);
        }
        let energy = m * l * l * speed * speed / 6.0 + 0.5 * m * g * l * (angle.cos() - 1.0);
        let way = if speed < 0.0 { -1.0 } else { 1.0 };
        Ok(vec![-5.0 * energy * way])
    }
}

/// The law of a world near a state (D) and no action, by central differences over one frame.
///
/// # Errors
/// What the world fails with.
pub fn linearised(
    world: &dyn Simulator,
    dt: f64,
    at: &[f64],
    parameters: &[f64],
) -> Result<InputLaw> {
    const STEP: f64 = 1e-4; // Errors of 1e-8 relative, far above the simulators' 1e-10 over it.
    let (n, k) = (at.len(), world.action_limits().len());
    let next = |state: &[f64], action: &[f64]| -> Result<Vec<f64>> {
        let mut rng = Seeds::new(0).stream("control/linearised", 0);
        let mut ahead = Episode::resume(world, state, parameters, dt, &mut rng)?;
        ahead.step(action)?;
        Ok(ahead.state().to_vec())
    };
    let still = vec![0.0; k];
    let slope = |of: &dyn Fn(f64) -> Result<Vec<f64>>| -> Result<DVector<f64>> {
        let (up, down) = (of(STEP)?, of(-STEP)?);
        let each = up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * STEP));
        Ok(DVector::from_vec(each.collect()))
    };
    let (mut state, mut input) = (DMatrix::zeros(n, n), DMatrix::zeros(n, k));
    for j in 0..n {
        let moved = |h: f64| {
            let mut own = at.to_vec();
            own[j] += h;
            next(&own, &still)
        };
        state.set_column(j, &slope(&moved)?);
    }
    for j in 0..k {
        let pushed = |h: f64| {
            let mut own = still.clone();
            own[j] = h;
            next(at, &own)
        };
        input.set_column(j, &slope(&pushed)?);
    }
    let here = DVector::from_row_slice(at);
    let offset = DVector::from_vec(next(at, &still)?) - &state * here;
    Ok(InputLaw {
        state,
        input,
        offset,
    })
}

/// Frames over which the regulator of [`upright`] has settled.
const SETTLED: usize = 200;

/// The linear-quadratic regulator of cart and pole about upright.
fn upright(world: &dyn Simulator, dt: f64, parameters: &[f64]) -> Result<TrueLqr> {
    let law = linearised(world, dt, &[0.0; 4], parameters)?;
    let aim = Aim {
        // Cart's place and velocity in m, pole's angle and velocity in 0.2 rad.
        matrix: DMatrix::from_diagonal(&DVector::from_row_slice(&[1.0, 0.3, 5.0, 1.0])),
        offset: DVector::zeros(4),
        target: DVector::zeros(4),
        spread: 1.0,
        effort: 0.1,
        scale: vec![10.0],
    };
    Ok(TrueLqr {
        lqr: Lqr::new(&law, &aim, SETTLED)?,
        columns: vec![0, 1, 2, 3],
    })
}

/// Straight to the goal of `two_rooms`, or to the door and through it.
struct Through {
    /// Of the wall between the rooms, x.
    middle: f64,
    dt: f64,
    limits: Vec<[f64; 2]>,
}

impl Controller for Through {
    fn act(&mut self, now: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        let (&[x, y, ..], &[radius, door, to_x, to_y]) = (now.state, now.parameters) else {
            return Ok(vec![0.0; 2]);
        };
        let side = |x: f64| if x > self.middle { 1.0 } else { -1.0 };
        // Far enough from the wall to pass its edges.
        let before = radius + 2.0;
        let mut to = [to_x, to_y];
        if side(x) != side(to_x) || (x - self.middle).abs() < radius + 1.0 {
            let at_door = (x - self.middle).abs() < before + 0.1 && (y - door).abs() < 0.5;
            let way = if at_door { side(to_x) } else { side(x) };
            to = [self.middle + way * before, door];
        }
        let velocity = [(to[0] - x) / self.dt, (to[1] - y) / self.dt];
        // Slower along both axes alike, so that the way stays straight.
        let share = velocity.iter().zip(&self.limits).map(|(v, [low, high])| {
            let most = if *v < 0.0 { -low } else { *high };
            if v.abs() > most { most / v.abs() } else { 1.0 }
        });
        let share = share.fold(1.0, f64::min);
        Ok(velocity.iter().map(|v| share * v).collect())
    }
}

/// The joints of `reacher` to the angles at which the arm's end is at the target, of which the nearer are chosen at the
/// start: torque I (w0^2 error - 2 w0 velocity) on each link, w0 = 2/s, I its moment of inertia about its joint.
struct Arm {
    /// On which side the elbow is, 1 or -1.
    elbow: Option<f64>,
}

impl Controller for Arm {
    fn act(&mut self, now: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        let (&[a, b, va, vb, x, y, ..], &[l1, l2, m1, m2, _, to_x, to_y]) =
            (now.state, now.parameters)
        else {
            return Ok(vec![0.0; 2]);
        };
        // The pivot is where the arm begins.
        let pivot = [
            x - l1 * a.cos() - l2 * b.cos(),
            y - l1 * a.sin() - l2 * b.sin(),
        ];
        let (dx, dy) = (to_x - pivot[0], to_y - pivot[1]);
        let reach = dx.hypot(dy).clamp((l1 - l2).abs().max(1e-6), l1 + l2);
        let bend = (reach * reach + l1 * l1 - l2 * l2) / (2.0 * reach * l1);
        let bend = bend.clamp(-1.0, 1.0).acos();
        let about = dy.atan2(dx);
        let goal = |side: f64| {
            let first = about + side * bend;
            let rest = [
                reach * about.cos() - l1 * first.cos(),
                reach * about.sin() - l1 * first.sin(),
            ];
            [wrapped(first - a), wrapped(rest[1].atan2(rest[0]) - b)]
        };
        let far = |side: f64| goal(side).iter().map(|d| d.abs()).sum::<f64>();
        let side = *self
            .elbow
            .get_or_insert(if far(1.0) <= far(-1.0) { 1.0 } else { -1.0 });
        let [first, second] = goal(side);
        let torque = |inertia: f64, off: f64, speed: f64| inertia * (4.0 * off - 4.0 * speed);
        let one = torque((m1 / 3.0 + m2) * l1 * l1, first, va);
        let two = torque(m2 * l2 * l2 / 3.0, second, vb);
        // The second motor pushes the first link back.
        Ok(vec![one + two, two])
    }
}
