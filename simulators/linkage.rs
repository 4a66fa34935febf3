//! Bodies linked by joints, as a multibody of Rapier: joint angles and their velocities, nothing that could drift apart.
//!
//! The engine steps joint angles with the forces of gravity, of joint springs and of joint damping; [`crate::extrapolation`]
//! makes its steps exact to a tolerance. The rod of a pendulum needs no constraint that a solver could only nearly satisfy.

use crate::extrapolation::Engine;
use rapier2d::prelude::*;

/// One rigid body of a linkage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Link {
    /// Index of the body it hangs on, an earlier one; None for the first.
    pub parent: Option<usize>,
    /// Where the joint is, as seen from the parent's centre of mass, px; for a pinned first link in the world.
    pub from: [Real; 2],
    /// Where the joint is, as seen from its own centre of mass, px.
    pub to: [Real; 2],
    /// Mass, kg.
    pub mass: Real,
    /// Moment of inertia about the centre of mass, kg px^2.
    pub inertia: Real,
    /// Stiffness of the joint's spring, kg px^2/s^2, and the relative angle at which it is at rest, rad.
    pub spring: [Real; 2],
    /// Damping of the joint, kg px^2/s.
    pub damping: Real,
    /// Whether the joint slides along x, without spring, in place of turning.
    pub slides: bool,
}

/// A linkage in an engine of its own. Its state y: coordinates q, then their velocities. q is one angle a joint (of the body
/// relative to its parent, rad), after x, y (px) and angle (rad) of the first body where that is free.
pub(crate) struct Linkage {
    world: PhysicsWorld,
    /// Any joint: the way to the multibody.
    handle: MultibodyJointHandle,
    /// Coordinates, those of the engine's multibody now.
    q: Vec<Real>,
    /// Of every link: its body, that of its parent where that is no ground, and whether its joint slides.
    bodies: Vec<(RigidBodyHandle, Option<RigidBodyHandle>, bool)>,
}

impl Linkage {
    /// Bodies at angle 0, the first one pinned to the world or free at the origin; at least one joint. None where links do not
    /// form a tree.
    pub fn new(links: &[Link], pinned: bool, gravity: [Real; 2]) -> Option<Self> {
        let mut world = PhysicsWorld {
            gravity: Vector::from(gravity),
            ..PhysicsWorld::default()
        };
        let settings = &mut world.integration_parameters;
        settings.normalized_max_linear_velocity = Real::MAX;
        settings.num_solver_iterations = 1; // nothing to solve
        let ground = pinned.then(|| world.insert_body(RigidBodyBuilder::fixed()));
        let (mut bodies, mut joints) = (Vec::new(), Vec::new());
        for link in links {
            let mass = MassProperties::new(Vector::ZERO, link.mass, link.inertia);
            let body = RigidBodyBuilder::dynamic()
                .additional_mass_properties(mass)
                .can_sleep(false);
            let body = world.insert_body(body);
            let parent = link
                .parent
                .map_or(ground, |parent| bodies.get(parent).copied());
            if let Some(parent) = parent {
                let [from, to] = [link.from, link.to].map(Vector::from);
                let joint: GenericJoint = match link.slides {
                    true => PrismaticJointBuilder::new(Vector::new(1.0, 0.0))
                        .local_anchor1(from)
                        .local_anchor2(to)
                        .contacts_enabled(false)
                        .into(),
                    false => RevoluteJointBuilder::new()
                        .local_anchor1(from)
                        .local_anchor2(to)
                        .contacts_enabled(false)
                        .into(),
                };
                joints.push(world.insert_multibody_joint(parent, body, joint)?);
            }
            bodies.push(body);
        }
        let handle = *joints.first()?;
        // One step of no time lets the engine learn of the free body's three coordinates.
        world.integration_parameters.dt = 1e-12;
        world.step();
        let sprung = links.iter().filter(|link| link.parent.is_some() || pinned);
        let free = if pinned { 0 } else { 3 };
        let (multibody, _) = world.multibody_joints.get_mut(handle)?;
        multibody.damping_mut().fill(0.0); // the engine has a default of its own
        for (k, link) in sprung.enumerate() {
            multibody.damping_mut()[free + k] = link.damping;
            // Link 0 is the ground or the free body.
            let [stiffness, rest] = link.spring;
            if !link.slides {
                let joint = &mut multibody.link_mut(k + 1)?.joint;
                joint.set_spring(2, stiffness, rest);
            }
        }
        let n = multibody.ndofs();
        let mut q = vec![0.0; n];
        if !pinned {
            let pose = multibody.root().local_to_world();
            q[..2].copy_from_slice(&[pose.translation.x, pose.translation.y]);
        }
        let driven = links.iter().zip(&bodies).map(|(link, &body)| {
            let parent = link.parent.map(|parent| bodies[parent]);
            (body, parent, link.slides)
        });
        let bodies = driven.collect();
        Some(Self {
            world,
            handle,
            q,
            bodies,
        })
    }
}

impl Engine for Linkage {
    fn load(&mut self, y: &[Real]) {
        let PhysicsWorld {
            multibody_joints,
            bodies,
            ..
        } = &mut self.world;
        let Some((multibody, _)) = multibody_joints.get_mut(self.handle) else {
            return; // it was there when the linkage was made
        };
        let (q, v) = y.split_at(self.q.len());
        let change: Vec<Real> = q.iter().zip(&self.q).map(|(new, old)| new - old).collect();
        multibody.apply_displacements(&change);
        multibody
            .generalized_velocity_mut()
            .as_mut_slice()
            .copy_from_slice(v);
        multibody.forward_kinematics(bodies, false);
        multibody.update_rigid_bodies(bodies, true);
        self.q.copy_from_slice(q);
    }

    fn step(&mut self, dt: Real) {
        self.world.integration_parameters.dt = dt;
        self.world.step();
        // The engine moves every coordinate by its new velocity.
        if let Some((multibody, _)) = self.world.multibody_joints.get(self.handle) {
            let velocity = multibody.generalized_velocity();
            for (q, v) in self.q.iter_mut().zip(velocity.iter()) {
                *q += dt * v;
            }
        }
    }

    /// One force (along x) or torque a joint, on its body and back on its parent; for the first joints where there are fewer.
    fn drive(&mut self, action: &[Real]) {
        for &(body, ..) in &self.bodies {
            self.world.bodies[body].reset_forces(true);
            self.world.bodies[body].reset_torques(true);
        }
        for (&(body, parent, slides), &push) in self.bodies.iter().zip(action) {
            for (body, push) in [(Some(body), push), (parent, -push)] {
                let Some(body) = body.map(|body| &mut self.world.bodies[body]) else {
                    continue;
                };
                match slides {
                    true => body.add_force(Vector::new(push, 0.0), true),
                    false => body.add_torque(push, true),
                }
            }
        }
    }

    fn save(&self, y: &mut [Real]) {
        let (q, v) = y.split_at_mut(self.q.len());
        q.copy_from_slice(&self.q);
        if let Some((multibody, _)) = self.world.multibody_joints.get(self.handle) {
            v.copy_from_slice(multibody.generalized_velocity().as_slice());
        }
    }
}
