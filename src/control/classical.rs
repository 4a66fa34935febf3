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
/// start: torque I (w0^2 error - 2 w0 velocity) on each link beside what damping takes, w0 = 2/s, I its moment of inertia
/// about its joint.
struct Arm {
    /// On which side the elbow is, 1 or -1.
    elbow: Option<f64>,
}

impl Controller for Arm {
    fn act(&mut self, now: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        let (&[a, b, va, vb, x, y, ..], &[l1, l2, m1, m2, damping, to_x, to_y]) =
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
        // The second motor pushes the first link back; what the joints' damping takes is given back.
        Ok(vec![one + two + damping * va, two + damping * (vb - va)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Course, Ilqr, Objective, Range, Score, Search, Still, Task, Thought};
    use super::super::{Outcome, TrueIlqr, TrueSearch};
    use super::*;
    use simulators::{Cartpole, PendulumV1, Reacher, TwoRooms, Video};

    fn course<'a>(world: &'a dyn Simulator, video: &'a Video, dt: f64, steps: usize) -> Course<'a> {
        Course {
            world,
            video,
            dt,
            task: Task::World,
            place: Vec::new(),
            steps,
            seeds: Seeds::new(7),
        }
    }

    /// Means of return and score of the classical controller and of one that does nothing, and the last costs.
    fn means(name: &str, course: &Course, episodes: u64) -> [f64; 4] {
        let score = Score::of(name, 2.0);
        let mut sums = [0.0; 4];
        for i in 0..episodes {
            let trial = course.trial(i).unwrap();
            let own = classical(name, course.world, course.dt, &trial.parameters);
            let mut told = own.unwrap().unwrap();
            let mut still = Still(course.world.action_limits().len());
            let found = course.run(&trial, told.as_mut(), false).unwrap();
            let idle = course.run(&trial, &mut still, false).unwrap();
            let own = [
                found.total(),
                score.value(&found),
                score.value(&idle),
                *found.distances.last().unwrap(),
            ];
            for (sum, value) in sums.iter_mut().zip(own) {
                *sum += value;
            }
        }
        let sums = sums.map(|sum| sum / episodes as f64);
        println!("{name}: {sums:?}");
        sums
    }

    #[test]
    fn energy_shaping_swings_gymnasiums_pendulum_up_with_its_return() {
        let (world, video) = (PendulumV1::default(), Video::default());
        let course = course(&world, &video, 0.05, 200);
        let [total, upright, idle, _] = means("pendulum_v1", &course, 40);
        // Gymnasium's own episodes: -144.7 +- 89.2, so a mean of 40 is within 45 of it at 3 standard errors; upright 1.00
        // and .03.
        assert!((-190.0..=-100.0).contains(&total), "{total}");
        assert!(upright > 0.99 && idle < 0.15, "{upright} {idle}");
    }

    #[test]
    fn the_regulator_of_the_linearised_law_keeps_the_pole_up() {
        let (world, video) = (Cartpole::default(), Video::default());
        let course = course(&world, &video, 0.05, 100);
        let [total, kept, idle, _] = means("cartpole", &course, 4);
        assert_eq!((total, kept), (0.0, 1.0));
        assert!(idle < 0.7, "{idle}");
    }

    #[test]
    fn the_way_through_the_door_leads_to_every_goal_and_straight_on_to_few() {
        let world = TwoRooms {
            other_room: true,
            ..TwoRooms::default()
        };
        let video = Video::default();
        let course = course(&world, &video, 0.2, 50);
        let [_, reached, idle, last] = means("two_rooms", &course, 30);
        assert_eq!((reached, idle), (1.0, 0.0));
        assert!(last < 0.1, "{last}");
    }

    #[test]
    fn the_arms_joints_come_to_the_target() {
        let (world, video) = (Reacher::default(), Video::default());
        let course = course(&world, &video, 0.1, 60);
        let [_, reached, idle, last] = means("reacher", &course, 6);
        assert!(reached == 1.0 && idle < 0.6, "{reached} {idle}");
        // Critically damped at 2/s: after 6 s e^-12 of some px is left.
        assert!(last < 0.1, "{last}");
    }

    #[test]
    fn the_linearised_law_of_the_pendulum_is_its_derivative() {
        let world = PendulumV1::default();
        let law = linearised(&world, 0.05, &[0.0, 0.0, 0.0, 1.0], &[10.0, 1.0, 1.0]).unwrap();
        // w+ = w + (15 sin a + 3 u) dt, a+ = a + w+ dt at a = 0.
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got} {want}");
        near(law.state[(1, 0)], 0.75);
        near(law.state[(1, 1)], 1.0);
        near(law.state[(0, 0)], 1.0 + 0.75 * 0.05);
        near(law.input[(1, 0)], 0.15);
        near(law.input[(0, 0)], 0.15 * 0.05);
        near(law.offset[1], 0.0);
    }

    /// A planner that searches in the world itself predicts what comes.
    #[test]
    fn plans_in_the_true_simulator_cost_what_they_were_expected_to() {
        let (world, video) = (PendulumV1::default(), Video::default());
        let course = course(&world, &video, 0.05, 12);
        let range = Range {
            scale: vec![1.2],
            limits: world.action_limits(),
        };
        let mut trial = course.trial(1).unwrap();
        trial.judge = Some(Objective::Task);
        let mut by = TrueSearch {
            world: &world,
            dt: 0.05,
            objective: Objective::Task,
            search: Search {
                horizon: 10,
                candidates: 20,
                iterations: 2,
                elites: 5,
            },
            range: range.clone(),
            thought: Thought::default(),
            plan: None,
        };
        let found: Outcome = course.run(&trial, &mut by, false).unwrap();
        assert_eq!(found.judged.len(), 3);
        for plan in &found.judged {
            assert_eq!((plan.chosen, plan.drawn), (0.0, 0.0));
        }
        let mut near = TrueIlqr {
            world: &world,
            dt: 0.05,
            ilqr: Ilqr {
                horizon: 10,
                iterations: 2,
            },
            range,
            thought: Vec::new(),
        };
        assert!(course.run(&trial, &mut near, false).unwrap().total() >= -12.0 * 17.0);
    }
}
