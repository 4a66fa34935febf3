//! I3D with few channels against JAX, and files that are not its weights.

use super::*;

/// Numbers in [-1, 1): Knuth's MMIX generator, as `noise` of `tests/golden/i3d.py`.
fn noise(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((state >> 40) as f32) / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The network's arrays with two or three channels, as `small` of `tests/golden/i3d.py`.
fn small() -> IndexMap<String, (Vec<usize>, Vec<f32>)> {
    let mut all = IndexMap::new();
    let mut seed = 0;
    let mut unit = |name: &str, k: usize, before: usize, after: usize| {
        seed += 1;
        let fan = k.pow(3) * before;
        let scaled = |count, seed, by: f32, add: f32| -> Vec<f32> {
            noise(count, seed).iter().map(|v| add + v * by).collect()
        };
        let mut add = |name: String, sizes: &[usize], values| {
            all.insert(name, (sizes.to_vec(), values));
        };
        let bound = (6.0 / fan as f64).sqrt() as f32;
        let kernel = scaled(fan * after, seed, bound, 0.0);
        add(
            format!("params/{name}/Conv_0/kernel"),
            &[k, k, k, before, after],
            kernel,
        );
        let bias = scaled(after, seed + 1000, 0.1, 0.0);
        add(format!("params/{name}/BatchNorm_0/bias"), &[after], bias);
        let stats = [1, 1, 1, 1, after];
        let mean = scaled(after, seed + 2000, 0.1, 0.0);
        add(format!("batch_stats/{name}/BatchNorm_0/mean"), &stats, mean);
        let var = scaled(after, seed + 3000, 0.5, 1.0);
        add(format!("batch_stats/{name}/BatchNorm_0/var"), &stats, var);
    };
    unit("Conv3d_1a_7x7", 7, 3, 2);
    unit("Conv3d_2b_1x1", 1, 2, 2);
    unit("Conv3d_2c_3x3", 3, 2, 3);
    for (n, block) in MIXED.iter().enumerate() {
        let before = if n == 0 { 3 } else { 9 };
        let mut branch = |part: &str, k, before, after| {
            unit(&format!("Mixed_{block}/Branch_{part}"), k, before, after);
        };
        branch("0/Conv3d_0a_1x1", 1, before, 2);
        branch("1/Conv3d_0a_1x1", 1, before, 2);
        branch("1/Conv3d_0b_3x3", 3, 2, 3);
        branch("2/Conv3d_0a_1x1", 1, before, 2);
        branch("2/Conv3d_0b_3x3", 3, 2, 2);
        branch("3/Conv3d_0b_1x1", 1, before, 2);
    }
    let last = "params/Logits/Conv3d_0c_1x1/Conv_0";
    all.insert(
        format!("{last}/kernel"),
        (vec![1, 1, 1, 9, 5], noise(45, 9000)),
    );
    all.insert(format!("{last}/bias"), (vec![5], noise(5, 9001)));
    all
}

fn network(all: IndexMap<String, (Vec<usize>, Vec<f32>)>) -> Result<I3d> {
    let path = Path::new("i3d.safetensors");
    I3d::of(Weights { path, all }, "small".into())
}

#[test]
fn logits_are_those_of_jax() {
    // `python tests/golden/i3d.py small OUT`, jax 0.10 on x86-64.
    let want = [
        -0.709_602_65,
        -0.689_915_36,
        -0.901_577_41,
        0.362_371_39,
        0.172_807_89,
    ];
    let clip: Vec<f32> = noise(9 * 64, 77).iter().map(|v| (v + 1.0) / 2.0).collect();
    let got = network(small())
        .unwrap()
        .logits(&clip, [9, 1, 8, 8])
        .unwrap();
    println!("{got:?}");
    for (got, want) in got.iter().zip(want) {
        // Sums of up to 1029 numbers below 1 in single precision, nine blocks one after the other.
        assert!((got - want).abs() < 1e-5, "{got} {want}");
    }
    assert_eq!(got.len(), want.len());
}

#[test]
fn weights_of_another_network_are_refused_by_the_array_that_does_not_fit() {
    let missing = "params/Mixed_4d/Branch_2/Conv3d_0b_3x3/Conv_0/kernel";
    let mut all = small();
    all.shift_remove(missing);
    let refused = |all| match network(all) {
        Ok(_) => panic!("was taken"),
        Err(error) => error.to_string(),
    };
    assert!(refused(all).contains(&format!("there is no float32 array `{missing}`")));
    let mut all = small();
    all[missing].0[0] = 5;
    assert!(refused(all).contains("expected [3, 3, 3, 2] and any, got [5, 3, 3, 2, 2]"));
    let mut all = small();
    all.insert("params/more".into(), (vec![1], vec![0.0]));
    assert!(refused(all).contains("I3D has no array `params/more`"));
}

#[test]
fn clips_that_the_network_cannot_take_are_refused() {
    let own = network(small()).unwrap();
    for sizes in [[8, 1, 4, 4], [9, 2, 4, 4]] {
        let count = sizes.iter().product();
        let error = own
            .logits(&vec![0.0; count], sizes)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("9 or more frames of 1 or 3 channels"),
            "{error}"
        );
    }
}
