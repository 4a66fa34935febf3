//! Gymnasium's pendulum against gymnasium: states, rewards, returns of known controllers.

use rand::RngExt;
use rand_chacha::rand_core::SeedableRng;
use simulators::{Episode, PendulumV1, Rng};

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// Gymnasium 1.4.0, `gymnasium.make("Pendulum-v1").unwrapped` with `state = [2.5, -1]`, stepped by the torques of
/// [`TORQUES`] over and over: angle, angular velocity and minus reward of each step.
const GYMNASIUM: [[f64; 3]; 30] = [
    [
        2.487_442_705_403_898_6,
        -0.251_145_891_922_032_5,
        6.353_999_999_999_999,
    ],
    [
        2.482_703_594_238_861_6,
        -0.094_782_223_300_742_54,
        6.197_678_638_569_997,
    ],
    [
        2.510_673_439_548_343,
        0.559_396_906_189_637_1,
        6.166_405_503_831_944,
    ],
    [
        2.575_764_057_076_661,
        1.301_812_350_566_36,
        6.338_773_609_918_961,
    ],
    [
        2.655_709_004_178_716,
        1.598_898_942_041_100_2,
        6.804_522_017_336_732_5,
    ],
    [
        2.753_166_073_274_340_6,
        1.949_141_381_912_492_3,
        7.308_438_097_561_922,
    ],
    [
        2.879_825_617_682_311,
        2.533_190_888_159_409,
        7.963_838_639_697_225,
    ],
    [
        3.031_189_704_419_258_4,
        3.027_281_734_738_951_3,
        8.939_101_195_844_687,
    ],
    [
        3.171_685_496_369_93,
        2.809_915_839_013_436,
        10.108_554_494_325_718,
    ],
    [
        3.319_302_977_030_210_5,
        2.952_349_613_205_607_5,
        10.472_203_774_902_384,
    ],
    [
        3.475_291_341_855_711,
        3.119_767_296_510_018,
        9.660_235_290_831_226,
    ],
    [
        3.603_996_959_695_004,
        2.574_112_356_785_851,
        8.861_563_318_939_577,
    ],
    [
        3.725_723_782_301_115,
        2.434_536_452_122_218,
        7.842_345_643_832_928,
    ],
    [
        3.841_770_300_451_389_5,
        2.320_930_363_005_487,
        7.137_306_224_904_899,
    ],
    [
        3.928_403_560_518_441_8,
        1.732_665_201_341_046,
        6.499_669_010_069_719,
    ],
    [
        3.988_482_881_744_95,
        1.201_586_424_530_162_2,
        5.845_209_944_402_332,
    ],
    [
        4.035_466_288_768_35,
        0.939_668_140_468_003_6,
        5.414_040_214_857_119,
    ],
    [
        4.068_218_294_891_573,
        0.655_040_122_464_470_5,
        5.144_538_407_148_629,
    ],
    [
        4.055_985_373_214_411,
        -0.244_658_433_543_237_35,
        4.952_986_621_727_913,
    ],
    [
        4.022_295_246_778_36,
        -0.673_802_528_721_016_3,
        4.967_615_320_764_864,
    ],
    [
        3.974_685_632_341_679_5,
        -0.952_192_288_733_612_7,
        5.161_024_849_992_143,
    ],
    [
        3.884_325_447_362_974_7,
        -1.807_203_699_574_096_5,
        5.423_837_764_199_096,
    ],
    [
        3.778_353_882_126_100_2,
        -2.119_431_304_737_49,
        6.082_817_148_214_803_5,
    ],
    [
        3.665_085_022_806_516_6,
        -2.265_377_186_391_672_7,
        6.727_379_373_485_602,
    ],
    [
        3.527_819_619_241_682,
        -2.745_308_071_296_691_7,
        7.368_132_478_696_731,
    ],
    [
        3.376_428_115_541_338_5,
        -3.027_830_074_006_872,
        8.345_711_714_898_197,
    ],
    [
        3.231_311_000_587_889_6,
        -2.902_342_299_068_974,
        9.370_012_866_846_716,
    ],
    [
        3.097_833_959_413_45,
        -2.669_540_823_488_788,
        10.160_295_865_331_047,
    ],
    [
        2.950_997_345_632_210_5,
        -2.936_732_275_624_791,
        10.313_220_060_922_53,
    ],
    [
        2.819_514_861_466_440_3,
        -2.629_649_683_315_402_6,
        9.572_034_979_797_987,
    ],
];
const TORQUES: [f64; 10] = [2.0, -2.0, 1.3, 3.5, -0.7, 0.0, 2.0, 2.0, -5.0, 1.1];

#[test]
fn pendulum_v1_has_the_states_and_costs_of_gymnasium() {
    let world = PendulumV1::default();
    let start = [2.5, -1.0, -f64::sin(2.5), f64::cos(2.5)];
    let parameters = [10.0, 1.0, 1.0];
    let mut episode = Episode::resume(&world, &start, &parameters, 0.05, &mut rng(1)).unwrap();
    for (k, [angle, speed, cost]) in GYMNASIUM.into_iter().enumerate() {
        let paid = episode.step(&[TORQUES[k % 10]]).unwrap().unwrap();
        let state = episode.state();
        for (got, want) in [(state[0], angle), (state[1], speed), (paid, cost)] {
            assert!((got - want).abs() < 1e-9, "step {k}: {got} {want}"); // rounding of the same scheme
        }
    }
}

/// Mean and standard deviation of the return of `episodes` of 200 steps under a policy of the state.
fn returns(episodes: u64, policy: &mut dyn FnMut(&[f64]) -> f64) -> [f64; 2] {
    let world = PendulumV1::default();
    let totals: Vec<f64> = (0..episodes)
        .map(|seed| {
            let mut episode = Episode::begin(&world, 0.05, &mut rng(seed)).unwrap();
            let step = |_| {
                let torque = policy(episode.state());
                -episode.step(&[torque]).unwrap().unwrap()
            };
            (0..200).map(step).sum()
        })
        .collect();
    let n = totals.len() as f64;
    let mean = totals.iter().sum::<f64>() / n;
    let variance = totals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    [mean, variance.sqrt()]
}

#[test]
fn pendulum_v1_gives_the_returns_of_known_controllers() {
    let mut noise = rng(77);
    let mut random = |_: &[f64]| noise.random_range(-2.0..=2.0);
    let mut energy = |state: &[f64]| {
        let angle = (state[0] + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU);
        let (angle, speed) = (angle - std::f64::consts::PI, state[1]);
        if angle.abs() < 0.5 && speed.abs() < 3.0 {
            return -(15.0 * angle + 4.0 * speed);
        }
        let above = speed * speed / 6.0 + 5.0 * (angle.cos() - 1.0); // energy, less that of standing upright
        if speed == 0.0 {
            2.0
        } else {
            -5.0 * above * speed.signum()
        }
    };
    // From gymnasium 1.4.0, 100 episodes: zero -1180 +- 351, random -1208 +- 294, energy shaping -144.7 +- 89.2. Two
    // means of 100 episodes each differ by 6 sqrt(2/100) standard deviations at most.
    for (name, [mean, std], [want, spread]) in [
        ("zero", returns(100, &mut |_| 0.0), [-1180.0, 351.0]),
        ("random", returns(100, &mut random), [-1208.0, 294.0]),
        ("energy", returns(100, &mut energy), [-144.7, 89.2]),
    ] {
        println!("{name}: {mean:.1} +- {std:.1}");
        assert!(
            (mean - want).abs() < 6.0 * spread * f64::sqrt(0.02),
            "{name}: {mean} {want}"
        );
    }
}
