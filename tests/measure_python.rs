//! Measures against scikit-image and SciPy, where they are installed; elsewhere skipped with the reason.

use kinostate::array::Array;
use kinostate::measure::assignment::assign;
use kinostate::measure::frechet::Moments;
use kinostate::measure::picture::{psnr, ssim};
use kinostate::measure::surprise::auroc;
use kinostate::measure::validity::earth_mover;
use kinostate::seeds::Seeds;
use rand::RngExt;
use serde_json::{Value, json};
use std::process::Command;

/// Runs a script that reads `data` from the file it is given and prints JSON; None where a module is missing.
fn python(module: &str, script: &str, data: &Value) -> Option<Value> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |arguments: &[&str]| Command::new(&python).args(arguments).output();
    if !run(&["-c", &format!("import numpy, {module}")]).is_ok_and(|out| out.status.success()) {
        println!("skipped: {python} with {module} is not installed (PYTHON names another one)");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.json");
    std::fs::write(&path, data.to_string()).unwrap();
    let output = run(&["-c", script, path.to_str().unwrap()]).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn draws(values: usize, stream: u64) -> Vec<f64> {
    let mut rng = Seeds::new(11).stream("measure/python", stream);
    (0..values).map(|_| rng.random()).collect()
}

#[test]
fn ssim_and_psnr_are_those_of_scikit_image() {
    let shape = [3, 24, 31];
    let a: Vec<f32> = draws(3 * 24 * 31, 0).iter().map(|v| *v as f32).collect();
    let noise = draws(a.len(), 1);
    let b: Vec<f32> = a
        .iter()
        .zip(noise)
        .map(|(a, n)| 0.8 * a + 0.2 * n as f32)
        .collect();
    let script = "
import json, sys
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
data = json.load(open(sys.argv[1]))
a, b = (np.array(data[k]).reshape(3, 24, 31) for k in 'ab')
print(json.dumps([structural_similarity(a, b, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5,
                                        use_sample_covariance=False),
                  peak_signal_noise_ratio(a, b, data_range=1.0)]))
";
    let Some(want) = python("skimage", script, &json!({ "a": a, "b": b })) else {
        return;
    };
    let got = [ssim(&a, &b, shape).unwrap(), psnr(&a, &b).unwrap()];
    println!("ours {got:?}, scikit-image {want}");
    // Ours takes the difference of f32 pixels in f32 for the PSNR: 1e-7 of each.
    assert!(
        (got[0] - want[0].as_f64().unwrap()).abs() < 1e-9,
        "{got:?} {want}"
    );
    assert!(
        (got[1] - want[1].as_f64().unwrap()).abs() < 1e-5,
        "{got:?} {want}"
    );
}

#[test]
fn frechet_distance_assignment_earth_mover_and_auroc_are_those_of_scipy() {
    let (rows, width) = (40, 6);
    let a = draws(rows * width, 2);
    // Mixed columns: covariances that do not commute.
    let b: Vec<f64> = draws(rows * width, 3)
        .chunks_exact(width)
        .flat_map(|r| {
            (0..width)
                .map(|j| 0.3 + r[j] - 0.7 * r[(j + 1) % width])
                .collect::<Vec<_>>()
        })
        .collect();
    let cost = draws(7 * 9, 4);
    let labels: Vec<bool> = draws(50, 5).iter().map(|v| *v < 0.3).collect();
    // Rounded to tenths: ties.
    let scores: Vec<f64> = draws(50, 6).iter().map(|v| (10.0 * v).round()).collect();
    let script = "
import json, sys
import numpy as np
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from scipy.stats import mannwhitneyu, wasserstein_distance
data = json.load(open(sys.argv[1]))
a, b = (np.array(data[k]).reshape(40, 6) for k in 'ab')
A, B = np.cov(a.T), np.cov(b.T)
frechet = ((a.mean(0) - b.mean(0))**2).sum() + np.trace(A + B - 2 * np.real(sqrtm(A @ B)))
cost = np.array(data['cost']).reshape(7, 9)
i, j = linear_sum_assignment(cost)
labels, scores = np.array(data['labels']), np.array(data['scores'])
u = mannwhitneyu(scores[labels], scores[~labels]).statistic
print(json.dumps([frechet, cost[i, j].sum(), wasserstein_distance(data['a'], data['b'][:100]),
                  u / labels.sum() / (~labels).sum()]))
";
    let data = json!({ "a": a, "b": b, "cost": cost, "labels": labels, "scores": scores });
    let Some(want) = python("scipy", script, &data) else {
        return;
    };
    let moments = |x: &[f64]| {
        let rows = Array::new([rows, width], x.to_vec()).unwrap();
        Moments::of(&rows).unwrap()
    };
    let found = assign(&cost, 7, 9);
    let pairs = found.iter().enumerate();
    let got = [
        moments(&a).frechet(&moments(&b)).unwrap(),
        pairs.map(|(i, j)| cost[9 * i + j.unwrap()]).sum(),
        earth_mover(&a, &b[..100]),
        auroc(&scores, &labels).unwrap(),
    ];
    println!("ours {got:?}, SciPy {want}");
    for (k, got) in got.iter().enumerate() {
        // Six-column matrices of condition 1e3: a root keeps some 1e-12.
        let want = want[k].as_f64().unwrap();
        assert!((got - want).abs() < 1e-9, "number {k}: {got} {want}");
    }
}
