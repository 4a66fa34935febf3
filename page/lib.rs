//! Worlds and a trained model that watches them, in WebAssembly, by plain exports: JSON and numbers go through the module's own
//! memory.
//!
//! A caller asks [`input`] for room and writes there, calls, and reads what stands at the places that the other functions tell.
//! [`simulate`] gives a whole sequence of a world (`{"pendulum": {}}`, as an experiment file names it). [`open`] begins a live page
//! (`{"world", "video", "dt", "watcher"}`), which [`begin`], [`step`], [`hold`] and [`kick`] move; after each, the world's frame stands
//! at [`pixels`], the believed picture at [`picture`] and numbers at [`output`]. The module imports nothing.

use online::{Belief, Parts, Watcher, ellipse};
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use simulators::{AnySimulator, Hand, Rng, Video, render};
use std::cell::RefCell;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static NUMBERS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
    static FRAMES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static PICTURE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
    static LIVE: RefCell<Option<Live>> = const { RefCell::new(None) };
}

/// What [`open`] reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    world: AnySimulator,
    video: Video,
    dt: f64,
    watcher: Parts,
}

/// A world and who watches it.
struct Live {
    world: AnySimulator,
    video: Video,
    dt: f64,
    hand: Hand,
    watcher: Watcher,
    belief: Option<Belief>,
}

/// Room for `bytes` bytes of input.
#[unsafe(no_mangle)]
pub extern "C" fn input(bytes: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|room| {
        room.resize(bytes, 0);
        room.as_mut_ptr()
    })
}

/// Where numbers stand, f64: the states (T, D) of the last sequence, or what a live page tells.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const f64 {
    NUMBERS.with_borrow(|numbers| numbers.as_ptr())
}

/// How many numbers there are.
#[unsafe(no_mangle)]
pub extern "C" fn output_count() -> usize {
    NUMBERS.with_borrow(Vec::len)
}

/// Where frames (T, C, H, W) stand, u8.
#[unsafe(no_mangle)]
pub extern "C" fn pixels() -> *const u8 {
    FRAMES.with_borrow(|frames| frames.as_ptr())
}

/// How many bytes of frames there are.
#[unsafe(no_mangle)]
pub extern "C" fn pixel_count() -> usize {
    FRAMES.with_borrow(Vec::len)
}

/// Where the believed picture (C, H, W) stands, u8.
#[unsafe(no_mangle)]
pub extern "C" fn picture() -> *const u8 {
    PICTURE.with_borrow(|picture| picture.as_ptr())
}

/// Where the message of the last failure stands, UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn message() -> *const u8 {
    MESSAGE.with_borrow(|text| text.as_ptr())
}

/// How many bytes that message has.
#[unsafe(no_mangle)]
pub extern "C" fn message_length() -> usize {
    MESSAGE.with_borrow(String::len)
}

/// Simulates the world that [`input`] names and draws it with the default video; returns how many values of states there
/// are, 0 after a failure, which [`message`] tells.
#[unsafe(no_mangle)]
pub extern "C" fn simulate(frames: usize, dt: f64, seed: u32) -> usize {
    told(sequence(frames, dt, seed))
}

/// Opens the live page that [`input`] describes, at the world's first state; 0 after a failure.
#[unsafe(no_mangle)]
pub extern "C" fn open() -> usize {
    told(opened().map(|live| {
        LIVE.set(Some(live));
        1
    }))
}

/// Begins again with another draw of the world; 0 after a failure.
#[unsafe(no_mangle)]
pub extern "C" fn begin(seed: u32) -> usize {
    live(|live| {
        live.hand = hand(&live.world, &live.video, live.dt, seed)?;
        live.watcher.restart();
        live.belief = None;
        Ok(())
    })
}

/// The world moves on by one frame (but at the first, and not while it is held), and the model sees it, or not where `seen` is 0;
/// 0 after a failure.
#[unsafe(no_mangle)]
pub extern "C" fn step(seen: u32) -> usize {
    live(|live| {
        if live.belief.is_some() {
            live.hand.step().map_err(|e| e.to_string())?;
        }
        let frame = live.hand.frame().map_err(|e| e.to_string())?;
        live.see(&frame, seen != 0)
    })
}

/// The model sees the frame (C, H, W), u8, at [`input`] in place of the world's, or no frame where `seen` is 0; 0 after a failure.
#[unsafe(no_mangle)]
pub extern "C" fn watch(seen: u32) -> usize {
    live(|live| {
        let frame = INPUT.with_borrow(Clone::clone);
        live.see(&frame, seen != 0)
    })
}

/// Takes hold of the body nearest to a place of the picture, and puts it there; 0 after a failure.
#[unsafe(no_mangle)]
pub extern "C" fn hold(column: f64, row: f64) -> usize {
    live(|live| live.hand.hold([column, row]).map_err(|e| e.to_string()))
}

/// Lets go.
#[unsafe(no_mangle)]
pub extern "C" fn release() -> usize {
    live(|live| {
        live.hand.release();
        Ok(())
    })
}

/// Adds a velocity, pixels/s, to the body nearest to a place; 0 after a failure.
#[unsafe(no_mangle)]
pub extern "C" fn kick(column: f64, row: f64, right: f64, down: f64) -> usize {
    live(|live| {
        live.hand.kick([column, row], [right, down]);
        Ok(())
    })
}

fn told(outcome: Result<usize, String>) -> usize {
    outcome.unwrap_or_else(|text| {
        MESSAGE.set(text);
        0
    })
}

/// Does something to the page that is open, and tells how it stands.
fn live(work: impl FnOnce(&mut Live) -> Result<(), String>) -> usize {
    told(LIVE.with_borrow_mut(|open| {
        let live = open.as_mut().ok_or("no page is open")?;
        work(live)?;
        live.tell()?;
        Ok(1)
    }))
}

fn hand(world: &AnySimulator, video: &Video, dt: f64, seed: u32) -> Result<Hand, String> {
    Hand::new(world.clone(), video.clone(), dt, seed.into()).map_err(|e| e.to_string())
}

fn opened() -> Result<Live, String> {
    let Opened {
        world,
        video,
        dt,
        watcher,
    } = INPUT.with_borrow(|text| serde_json::from_slice(text).map_err(|e| e.to_string()))?;
    let watcher = Watcher::new(&watcher).map_err(|e| e.to_string())?;
    let expected = [video.channels(), video.height, video.width];
    if watcher.frame() != expected {
        let got = watcher.frame();
        return Err(format!(
            "frames of {expected:?} expected, the model reads {got:?}"
        ));
    }
    Ok(Live {
        hand: hand(&world, &video, dt, 0)?,
        world,
        video,
        dt,
        watcher,
        belief: None,
    })
}

impl Live {
    fn see(&mut self, frame: &[u8], seen: bool) -> Result<(), String> {
        let frame: Vec<f32> = frame.iter().map(|&v| f32::from(v) / 255.0).collect();
        let shown = seen.then_some(frame.as_slice());
        self.belief = Some(self.watcher.see(shown).map_err(|e| e.to_string())?);
        Ok(())
    }

    /// Frame, picture and numbers: [whether bodies can be touched, true column, row (NaN where nothing moves), believed column, row,
    /// half axes and angle of the ellipse, surprise, whether the code was a measurement, n, K, then m (n), P (n, n), modes (K), code (p)
    /// of the belief].
    fn tell(&mut self) -> Result<(), String> {
        FRAMES.set(self.hand.frame().map_err(|e| e.to_string())?);
        let Some(belief) = &self.belief else {
            return Ok(());
        };
        let place = self.watcher.place(belief).map_err(|e| e.to_string())?;
        let own = self.hand.place();
        let [long, short, turn] = ellipse(&place.cov);
        let [column, row] = own.unwrap_or([f64::NAN; 2]);
        let mut numbers = vec![
            f64::from(u8::from(own.is_some())),
            column,
            row,
            place.at[0],
            place.at[1],
            long,
            short,
            turn,
            belief.surprise,
            f64::from(u8::from(belief.seen)),
            belief.mean.len() as f64,
            belief.modes.len() as f64,
        ];
        numbers.extend(&belief.mean);
        numbers.extend(&belief.cov);
        numbers.extend(&belief.modes);
        numbers.extend(belief.code.iter().flatten());
        NUMBERS.set(numbers);
        let byte = |v: &f32| (255.0 * v + 0.5) as u8;
        PICTURE.set(place.picture.iter().map(byte).collect());
        Ok(())
    }
}

fn sequence(frames: usize, dt: f64, seed: u32) -> Result<usize, String> {
    let world: AnySimulator = INPUT
        .with_borrow(|text| serde_json::from_slice(text))
        .map_err(|error| error.to_string())?;
    let mut rng = Rng::seed_from_u64(seed.into());
    let trajectory = world
        .simulate(frames, dt, &mut rng)
        .map_err(|error| error.to_string())?;
    let pixels =
        render(&*world, &trajectory, &Video::default()).map_err(|error| error.to_string())?;
    let count = trajectory.states.len();
    NUMBERS.set(trajectory.states);
    FRAMES.set(pixels);
    Ok(count)
}
