//! The same bytes natively and in WebAssembly: states and frames of every example of every world.
//!
//! Skipped with the reason without node, or without `KINOSTATE_WASM`, the module that `cargo build --release --target
//! wasm32-unknown-unknown` makes in `page/`; `.ci/run` has both.

use rand_chacha::rand_core::SeedableRng;
use simulators::{AnySimulator, Rng, Video, render};
use std::io::Write;
use std::process::{Command, Stdio};

const FRAMES: usize = 30;
const DT: f64 = 0.1;
const SEEDS: u32 = 4;

/// Reads lines of JSON, runs each world in the module, prints SHA-256 of states and of frames, one line a seed.
const SCRIPT: &str = r#"
const { createHash } = require("crypto"), fs = require("fs");
WebAssembly.instantiate(fs.readFileSync(process.argv[1]), {}).then(({ instance: { exports: x } }) => {
  const sum = (address, bytes) => createHash("sha256").update(new Uint8Array(x.memory.buffer, address, bytes)).digest("hex");
  for (const line of fs.readFileSync(0, "utf8").trim().split("\n")) {
    const [frames, dt, seeds, world] = JSON.parse(line), text = new TextEncoder().encode(JSON.stringify(world));
    for (let seed = 0; seed < seeds; seed++) {
      const room = x.input(text.length); // may grow the memory: before its buffer is asked for
      new Uint8Array(x.memory.buffer, room, text.length).set(text);
      const count = x.simulate(frames, dt, seed);
      if (!count) {
        console.log(new TextDecoder().decode(new Uint8Array(x.memory.buffer, x.message(), x.message_length())));
        continue;
      }
      console.log(sum(x.output(), 8 * count), sum(x.pixels(), x.pixel_count()));
    }
  }
});
"#;

fn hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let sum = Sha256::digest(bytes);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn states_and_frames_have_the_same_bytes_natively_and_in_webassembly() {
    let Ok(module) = std::env::var("KINOSTATE_WASM") else {
        println!("skipped: KINOSTATE_WASM does not name the module of page/");
        return;
    };
    let mut node = match Command::new("node")
        .args(["-e", SCRIPT, &module])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    {
        Ok(node) => node,
        Err(error) => return println!("skipped: node: {error}"),
    };
    let worlds = AnySimulator::examples();
    let mut asked = String::new();
    for world in &worlds {
        let world = serde_json::to_string(world).unwrap();
        asked += &format!("[{FRAMES}, {DT}, {SEEDS}, {world}]\n");
    }
    node.stdin
        .take()
        .unwrap()
        .write_all(asked.as_bytes())
        .unwrap();
    let mut own = Vec::new();
    for world in &worlds {
        for seed in 0..SEEDS {
            let mut rng = Rng::seed_from_u64(seed.into());
            let trajectory = world.simulate(FRAMES, DT, &mut rng).unwrap();
            let frames = render(&**world, &trajectory, &Video::default()).unwrap();
            let states: Vec<u8> = (trajectory.states.iter())
                .flat_map(|v| v.to_le_bytes())
                .collect();
            own.push((world.name(), seed, [hex(&states), hex(&frames)]));
        }
    }
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = output.lines().collect();
    assert_eq!(theirs.len(), own.len(), "{output}");
    let mut differ = Vec::new();
    for ((name, seed, [states, frames]), line) in own.iter().zip(theirs) {
        match line.split_once(' ') {
            Some((one, _)) if one != states => differ.push(format!("{name}, seed {seed}: states")),
            Some((_, one)) if one != frames => differ.push(format!("{name}, seed {seed}: frames")),
            Some(_) => {}
            None => differ.push(format!("{name}, seed {seed}: {line}")),
        }
    }
    println!("{} sequences of {} worlds", own.len(), worlds.len());
    assert!(differ.is_empty(), "differ:\n{}", differ.join("\n"));
}
