//! The simulators in WebAssembly, by plain exports: JSON and numbers go through the module's own memory.
//!
//! A caller asks [`input`] for room, writes a world as JSON there (`{"pendulum": {}}`, as an experiment file names it), calls
//! [`simulate`], and reads states at [`output`] and frames at [`pixels`]. The module imports nothing.

use rand_chacha::rand_core::SeedableRng;
use simulators::{AnySimulator, Rng, Video, render};
use std::cell::RefCell;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static STATES: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
    static FRAMES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Room for `bytes` bytes of input.
#[unsafe(no_mangle)]
pub extern "C" fn input(bytes: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|room| {
        room.resize(bytes, 0);
        room.as_mut_ptr()
    })
}

/// Where the states (T, D) of the last sequence stand, f64.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const f64 {
    STATES.with_borrow(|states| states.as_ptr())
}

/// Where its frames (T, C, H, W) stand, u8.
#[unsafe(no_mangle)]
pub extern "C" fn pixels() -> *const u8 {
    FRAMES.with_borrow(|frames| frames.as_ptr())
}

/// How many bytes of frames there are.
#[unsafe(no_mangle)]
pub extern "C" fn pixel_count() -> usize {
    FRAMES.with_borrow(Vec::len)
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
    match run(frames, dt, seed) {
        Ok((states, pixels)) => {
            let count = states.len();
            STATES.set(states);
            FRAMES.set(pixels);
            count
        }
        Err(text) => {
            MESSAGE.set(text);
            0
        }
    }
}

fn run(frames: usize, dt: f64, seed: u32) -> Result<(Vec<f64>, Vec<u8>), String> {
    let world: AnySimulator = INPUT
        .with_borrow(|text| serde_json::from_slice(text))
        .map_err(|error| error.to_string())?;
    let mut rng = Rng::seed_from_u64(seed.into());
    let trajectory = world
        .simulate(frames, dt, &mut rng)
        .map_err(|error| error.to_string())?;
    let pixels =
        render(&*world, &trajectory, &Video::default()).map_err(|error| error.to_string())?;
    Ok((trajectory.states, pixels))
}
