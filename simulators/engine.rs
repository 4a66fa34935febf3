//! The Rapier world of one ball among fixed flat walls: how it is set up, stepped and read.

use rapier2d::prelude::*;

/// A flat wall: what lies behind the plane through `point` across `normal`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    /// Middle of its face, px.
    pub point: [Real; 2],
    /// Into the room, length 1.
    pub normal: [Real; 2],
}

impl Wall {
    /// How far before the wall a point lies, px.
    pub fn distance(&self, [x, y]: [Real; 2]) -> Real {
        let [nx, ny] = self.normal;
        (x - self.point[0]) * nx + (y - self.point[1]) * ny
    }
}

/// What a ball is and where it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ball {
    /// Radius, px.
    pub radius: Real,
    /// Coefficient of restitution, 0..=1.
    pub restitution: Real,
    /// Position (px) and velocity (px/s): x, y, vx, vy.
    pub state: [Real; 4],
}

/// Whether contacts act in this step.
struct Contacts(bool);

impl PhysicsHooks for Contacts {
    fn filter_contact_pair(&self, _: &PairFilterContext) -> Option<SolverFlags> {
        self.0.then_some(SolverFlags::COMPUTE_RIGID_IMPULSES)
    }
}

/// One ball in one Rapier world without friction; gravity comes as kicks. Every sequence has a world of its own (1.5 us to build, of some
/// 50 us), so its bytes can't depend on what was simulated before.
pub(crate) struct Engine {
    world: PhysicsWorld,
    ball: RigidBodyHandle,
    surface: ColliderHandle,
    /// The walls, then the blocks.
    walls: Vec<ColliderHandle>,
    /// The bodies of the blocks.
    blocks: Vec<RigidBodyHandle>,
    restitution: Real,
    /// Change of velocity that awaits the next step, px/s.
    kick: Vector,
}

impl Engine {
    /// A ball among walls `length` px long.
    pub fn new(walls: &[Wall], length: Real, ball: Ball) -> Self {
        let mut world = PhysicsWorld {
            gravity: Vector::ZERO,
            ..PhysicsWorld::default()
        };
        let settings = &mut world.integration_parameters;
        settings.length_unit = ball.radius;
        settings.normalized_max_linear_velocity = Real::MAX;
        settings.num_solver_iterations = 1; // one ball, one or two contacts: solved in one pass
        settings.warmstart_coefficient = 0.0; // an impact starts from nothing
        settings.contact_recycling = false; // gaps are always measured anew
        settings.max_ccd_substeps = 0; // no step passes an impact
        let material = |collider: ColliderBuilder| {
            collider
                .restitution(ball.restitution)
                .friction(0.0)
                .active_hooks(ActiveHooks::FILTER_CONTACT_PAIRS)
        };
        let half = 0.5 * length;
        let walls = walls.iter().map(|wall| {
            let normal = Vector::from(wall.normal);
            let behind = Vector::from(wall.point) - normal * half;
            let turned = Rotation::from_cos_sin_unchecked(normal.x, normal.y); // exact, unlike an angle
            let slab =
                ColliderBuilder::cuboid(half, length).position(Pose::from_parts(behind, turned));
            world.colliders.insert(material(slab))
        });
        let walls = walls.collect();
        let [x, y, vx, vy] = ball.state;
        let (body, surface) = world.insert(
            RigidBodyBuilder::dynamic()
                .translation(Vector::new(x, y))
                .linvel(Vector::new(vx, vy))
                .lock_rotations()
                .can_sleep(false),
            material(ColliderBuilder::ball(ball.radius)),
        );
        Self {
            world,
            ball: body,
            surface,
            walls,
            blocks: Vec::new(),
            restitution: ball.restitution,
            kick: Vector::ZERO,
        }
    }

    /// Adds a convex obstacle that stands still. It counts as the next wall.
    pub fn add_obstacle(&mut self, obstacle: ColliderBuilder) {
        let surface = obstacle
            .restitution(self.restitution)
            .friction(0.0)
            .active_hooks(ActiveHooks::FILTER_CONTACT_PAIRS);
        let surface = self.world.colliders.insert(surface);
        self.walls.push(surface);
    }

    /// Adds an upright block that moves as it is told, whatever hits it. It counts as the next wall.
    pub fn add_block(&mut self, centre: [Real; 2], half_size: [Real; 2]) {
        let body = RigidBodyBuilder::kinematic_velocity_based().translation(Vector::from(centre));
        let surface = ColliderBuilder::cuboid(half_size[0], half_size[1])
            .restitution(self.restitution)
            .friction(0.0)
            .active_hooks(ActiveHooks::FILTER_CONTACT_PAIRS);
        let (body, surface) = self.world.insert(body, surface);
        self.blocks.push(body);
        self.walls.push(surface);
    }

    /// Velocity of block number `block` from now on, px/s.
    pub fn move_block(&mut self, block: usize, velocity: [Real; 2]) {
        self.world.bodies[self.blocks[block]].set_linvel(Vector::from(velocity), true);
    }

    /// Centre (px) and velocity (px/s) of block number `block`: x, y, vx, vy.
    pub fn block(&self, block: usize) -> [Real; 4] {
        let body = &self.world.bodies[self.blocks[block]];
        let (position, velocity) = (body.translation(), body.linvel());
        [position.x, position.y, velocity.x, velocity.y]
    }

    /// Velocity of a wall, px/s: 0 for all but blocks.
    pub fn velocity_of(&self, wall: &Collider) -> Vector {
        let body = wall.parent().map(|body| self.world.bodies[body].linvel());
        body.unwrap_or(Vector::ZERO)
    }

    /// Centre of the ball, px.
    pub fn position(&self) -> Vector {
        self.world.bodies[self.ball].translation()
    }

    /// Velocity of the ball, px/s.
    pub fn velocity(&self) -> Vector {
        self.world.bodies[self.ball].linvel() + self.kick
    }

    /// Sets the velocity of the ball, px/s.
    pub fn set_velocity(&mut self, velocity: Vector) {
        self.world.bodies[self.ball].set_linvel(velocity, true);
        self.kick = Vector::ZERO;
    }

    /// Adds to the velocity, px/s.
    pub fn kick(&mut self, change: Vector) {
        self.kick += change;
    }

    /// The walls, in the order they were given; for queries of geometry.
    pub fn walls(&self) -> impl Iterator<Item = &Collider> {
        self.walls
            .iter()
            .map(|handle| &self.world.colliders[*handle])
    }

    /// Puts a wall's contact into the engine, or takes it out.
    pub fn enable(&mut self, wall: usize, enabled: bool) {
        self.world.colliders[self.walls[wall]].set_enabled(enabled);
    }

    /// One step of `dt` s: straight flight, and contacts where they act.
    ///
    /// In free flight a kick is handed over as the gravity of this step, which the engine adds to the velocity before it
    /// moves the ball; setting the velocity takes a third longer. Contacts need the velocity itself, to reverse it.
    pub fn step(&mut self, dt: Real, contacts: bool) {
        if contacts {
            self.set_velocity(self.velocity());
        }
        self.world.gravity = self.kick / dt;
        self.kick = Vector::ZERO;
        self.world.integration_parameters.dt = dt;
        self.world.step_with_events(&Contacts(contacts), &());
    }

    /// The walls that pushed the ball in the last step.
    pub fn pushing(&self) -> impl Iterator<Item = usize> {
        let pushed = |wall: &ColliderHandle| {
            let pair = self.world.narrow_phase.contact_pair(self.surface, *wall);
            pair.is_some_and(|pair| pair.total_impulse_magnitude() > 0.0)
        };
        let walls = self.walls.iter().enumerate();
        walls.filter_map(move |(index, wall)| pushed(wall).then_some(index))
    }
}
