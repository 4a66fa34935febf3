//! Python reads the shards: `numpy.load(path, mmap_mode="r")` sees the values that were written.

mod data_support;

use data_support::{config, make};
use kinostate::data::Dataset;
use kinostate::store::npy;
use std::process::Command;

/// Prints shape, type and a position-dependent sum of every array, computed by NumPy.
const SCRIPT: &str = "
import json, sys
import numpy as np
for path in sys.argv[1:]:
    a = np.load(path, mmap_mode='r')
    assert a.flags['C_CONTIGUOUS'] and a.offset % 64 == 0
    flat = np.nan_to_num(np.asarray(a, dtype=np.float64).ravel(), nan=-1.0)
    print(json.dumps({'shape': a.shape, 'type': a.dtype.str, 'bits': [x.hex() for x in flat.tolist()[:200]],
                      'sum': float(np.sum(flat * (1 + np.arange(flat.size) % 7)))}))
";

fn python(script: &str, arguments: &[String]) -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |script: &str, arguments: &[String]| {
        Command::new(&python)
            .arg("-c")
            .arg(script)
            .args(arguments)
            .output()
    };
    if !run("import numpy", &[]).is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} with numpy is not installed (PYTHON names another one)");
        return None;
    }
    let output = run(script, arguments).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn check(line: &str, shape: &[usize], kind: &str, values: &[f64]) {
    let got: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(got["shape"], serde_json::json!(shape));
    assert_eq!(got["type"], kind);
    let sum: f64 = values
        .iter()
        .enumerate()
        .map(|(i, v)| v * (1 + i % 7) as f64)
        .sum();
    let error = (got["sum"].as_f64().unwrap() - sum).abs();
    // NumPy adds pairwise, we in order: both are within n times the rounding of the largest sum.
    assert!(
        error <= 1e-12 * sum.abs().max(1.0) * values.len() as f64,
        "{error}"
    );
    for (hex, value) in got["bits"].as_array().unwrap().iter().zip(values) {
        assert_eq!(hex.as_str().unwrap().parse::<Hex>().unwrap().0, *value);
    }
}

/// A double in Python's `float.hex` form, which is exact.
struct Hex(f64);
impl std::str::FromStr for Hex {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (sign, digits) = text.strip_prefix('-').map_or((1.0, text), |t| (-1.0, t));
        let (mantissa, exponent) = digits
            .strip_prefix("0x")
            .and_then(|t| t.split_once('p'))
            .ok_or(text)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let parse = |t: &str| u64::from_str_radix(t, 16).map_err(|e| e.to_string());
        let value =
            parse(whole)? as f64 + parse(fraction)? as f64 / 16f64.powi(fraction.len() as i32);
        let exponent: i32 = exponent.parse().map_err(|_| text)?;
        Ok(Self(sign * value * 2f64.powi(exponent)))
    }
}

#[test]
fn numpy_maps_every_array_of_a_shard_with_equal_values() {
    let dir = tempfile::tempdir().unwrap();
    make(&config(7), dir.path());
    let names = ["frames", "states", "parameters", "events", "event_times"];
    let paths = names.map(|name| {
        let path = dir.path().join(format!("train/shard-00001/{name}.npy"));
        path.to_str().unwrap().to_string()
    });
    let Some(output) = python(SCRIPT, &paths) else {
        return;
    };
    let lines: Vec<_> = output.lines().collect();
    let data = Dataset::open(dir.path()).unwrap();
    let train = data.split("train").unwrap();
    let [d, p, e] = [
        data.state_columns(),
        data.parameter_columns(),
        data.event_columns(),
    ]
    .map(<[_]>::len);
    let bytes =
        |of: &dyn Fn(usize) -> Vec<u8>| (3..6).flat_map(of).map(f64::from).collect::<Vec<_>>();
    let floats = |of: &dyn Fn(usize) -> Vec<f64>| {
        let value = |v: f64| if v.is_nan() { -1.0 } else { v };
        (3..6).flat_map(of).map(value).collect::<Vec<_>>()
    };
    check(
        lines[0],
        &[3, 9, 1, 32, 32],
        "|u1",
        &bytes(&|i| train.frames(i).to_vec()),
    );
    check(
        lines[1],
        &[3, 9, d],
        "<f8",
        &floats(&|i| train.states(i).to_vec()),
    );
    check(
        lines[2],
        &[3, p],
        "<f8",
        &floats(&|i| train.parameters(i).to_vec()),
    );
    check(
        lines[3],
        &[3, 9, e],
        "|u1",
        &bytes(&|i| train.events(i).to_vec()),
    );
    check(
        lines[4],
        &[3, 9, e],
        "<f8",
        &floats(&|i| train.event_times(i).to_vec()),
    );
}

#[test]
fn numpy_reads_all_types_and_odd_shapes_and_we_read_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    npy::write(path("a.npy"), &[], &[0.1f32]).unwrap();
    npy::write::<f64>(path("b.npy"), &[3, 0], &[]).unwrap();
    npy::write(path("c.npy"), &[4], &[1u8, 2, 3, 255]).unwrap();
    let paths = ["a.npy", "c.npy"].map(path);
    let Some(output) = python(SCRIPT, &paths) else {
        return;
    };
    let lines: Vec<_> = output.lines().collect();
    check(lines[0], &[], "<f4", &[f64::from(0.1f32)]);
    check(lines[1], &[4], "|u1", &[1.0, 2.0, 3.0, 255.0]);
    // mmap of nothing is refused by NumPy; a plain load is not.
    let script = "
import sys, numpy as np
folder = sys.argv[1]
assert np.load(folder + '/b.npy').shape == (3, 0)
np.save(folder + '/d.npy', np.arange(6, dtype='<f8').reshape(2, 3))
np.save(folder + '/e.npy', np.asfortranarray(np.arange(6, dtype='<f8').reshape(2, 3)))
np.save(folder + '/f.npy', np.array([{}, None], dtype=object))
np.save(folder + '/g.npy', np.zeros(3, dtype=[('a', '<f8')]))
np.save(folder + '/h.npy', np.zeros(3, dtype='>f8'))
";
    python(script, &[dir.path().to_str().unwrap().to_string()]);
    let open = |name| npy::Npy::<f64>::open(path(name));
    let ours = open("d.npy").unwrap();
    assert_eq!(
        (ours.shape(), ours.values()),
        ([2, 3].as_slice(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].as_slice())
    );
    for (name, reason) in [
        ("e.npy", "column-major"),
        ("f.npy", "an object array"),
        ("g.npy", "expected \"'\""),
        ("h.npy", ">f8"),
    ] {
        let error = open(name).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
