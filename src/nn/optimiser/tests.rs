//! Adam against algorithm 1 by hand; clipping, order of the parts, what stops an update.

use super::*;

/// One micro-batch with these gradients.
fn part<F: Float>(gradients: &[(&Param<F>, &[F])]) -> Gradients<F, Cpu> {
    let mut out = Gradients::leaky();
    for (p, g) in gradients {
        out.get_or_alloc_mut(&p.tensor).unwrap().copy_from_slice(g);
    }
    out
}

fn param<F: Float>(values: &[f64]) -> Param<F> {
    Param::new([values.len()], values).unwrap()
}

/// Named as in a model.
fn named<F: Float>(list: Vec<&mut Param<F>>) -> Vec<(String, &mut Param<F>)> {
    let names = ["first", "second", "third"].map(String::from);
    names.into_iter().zip(list).collect()
}

/// Kingma & Ba 2015, algorithm 1, for one number.
#[derive(Default)]
struct ByHand {
    m: f64,
    v: f64,
    t: i32,
}

impl ByHand {
    fn step(&mut self, x: &mut f64, g: f64, rate: f64) {
        self.t += 1;
        self.m = 0.9 * self.m + 0.1 * g;
        self.v = 0.999 * self.v + 0.001 * g * g;
        let m = self.m / (1.0 - 0.9_f64.powi(self.t));
        let v = self.v / (1.0 - 0.999_f64.powi(self.t));
        *x -= rate * m / (v.sqrt() + 1e-8);
    }
}

#[test]
fn five_updates_are_those_of_algorithm_1_at_each_parameters_rate() {
    let (mut a, mut b) = (
        param::<f64>(&[1.0, -2.0]),
        param::<f64>(&[0.5]).at_rate(5.0),
    );
    let mut want = [1.0, -2.0, 0.5];
    let mut hands = [ByHand::default(), ByHand::default(), ByHand::default()];
    let mut adam = Adam::new();
    for step in 0..5 {
        let g: Vec<f64> = (0..3).map(|i| f64::from(3 * step + i).sin()).collect();
        let rate = 0.1 / f64::from(step + 1);
        // Two parts whose sum, divided by the scale of -4, is g; the clip is far away.
        let mut parts = [0.25, 0.75].map(|share| {
            let scaled: Vec<f64> = g.iter().map(|g| -4.0 * share * g).collect();
            part(&[(&a, &scaled[..2]), (&b, &scaled[2..])])
        });
        let norm = adam
            .update(named(vec![&mut a, &mut b]), &mut parts, -4.0, 1e9, rate)
            .unwrap();
        let want_norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(
            (norm - want_norm).abs() < 1e-14,
            "{norm} against {want_norm}"
        );
        for (i, hand) in hands.iter_mut().enumerate() {
            hand.step(&mut want[i], g[i], if i == 2 { 5.0 * rate } else { rate });
        }
        let got = [a.values(), b.values()].concat();
        let error = got
            .iter()
            .zip(want)
            .map(|(g, w)| (g - w).abs())
            .fold(0.0, f64::max);
        // 1 - 0.999^t is rounded to 1e-13 of itself at the first steps.
        assert!(error < 1e-12, "step {step}: {got:?} against {want:?}");
    }
    assert_eq!(adam.step(), 5);
}

#[test]
fn a_gradient_is_clipped_by_its_norm_over_all_parameters_and_the_norm_before_is_told() {
    for (clip, shrink) in [(2.5, 0.5), (5.0, 1.0), (7.0, 1.0)] {
        let (mut a, mut b) = (param::<f64>(&[0.0]), param::<f64>(&[0.0]));
        let mut adam = Adam::new();
        let mut parts = [part(&[(&a, &[6.0]), (&b, &[-8.0])])];
        let norm = adam
            .update(named(vec![&mut a, &mut b]), &mut parts, 2.0, clip, 0.1)
            .unwrap();
        assert_eq!(norm, 5.0);
        // The first moment is a tenth of the gradient that was used.
        for (p, g) in [(&a, 3.0), (&b, -4.0)] {
            let moment = adam.moments(p).unwrap().0[0];
            assert!(
                (moment - 0.1 * shrink * g).abs() < 1e-15,
                "clip {clip}: {moment}"
            );
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_names_its_parameter_and_nothing_is_updated() {
    for bad in [f32::NAN, f32::INFINITY] {
        let (mut a, mut b) = (param::<f32>(&[1.0]), param::<f32>(&[2.0, 3.0]));
        let mut adam = Adam::new();
        let first = &mut [part(&[(&a, &[1.0]), (&b, &[1.0, 1.0])])];
        adam.update(named(vec![&mut a, &mut b]), first, 1.0, 10.0, 0.1)
            .unwrap();
        let before = (a.values().to_vec(), b.values().to_vec());
        let moments = (adam.moments(&a).unwrap(), adam.moments(&b).unwrap());
        let parts = &mut [
            part(&[(&a, &[1.0]), (&b, &[1.0, 1.0])]),
            part(&[(&b, &[1.0, bad])]),
        ];
        let error = adam.update(named(vec![&mut a, &mut b]), parts, 1.0, 10.0, 0.1);
        assert_eq!(
            error.unwrap_err().to_string(),
            "gradient of second is not finite"
        );
        assert_eq!((a.values().to_vec(), b.values().to_vec()), before);
        assert_eq!(
            (adam.moments(&a).unwrap(), adam.moments(&b).unwrap()),
            moments
        );
        assert_eq!(adam.step(), 1);
    }
}

/// In f32, (1e8 + 1) - 1e8 = 0 and (1e8 - 1e8) + 1 = 1.
#[test]
fn parts_are_added_in_the_order_in_which_they_stand() {
    for (parts, sum) in [([1e8, 1.0, -1e8], 0.0), ([1e8, -1e8, 1.0], 1.0)] {
        let mut p = param::<f32>(&[0.0]);
        let mut parts = parts.map(|g| part(&[(&p, &[g])]));
        let norm = Adam::new().update(named(vec![&mut p]), &mut parts, 1.0, 1e9, 0.1);
        assert_eq!(norm.unwrap(), sum);
    }
}

#[test]
fn a_fixed_parameter_stays_and_its_gradient_does_not_count() {
    let (mut a, mut fixed) = (param::<f64>(&[1.0]), param::<f64>(&[2.0]).fixed());
    let mut parts = [part(&[(&a, &[3.0]), (&fixed, &[f64::NAN])])];
    let norm = Adam::new()
        .update(named(vec![&mut a, &mut fixed]), &mut parts, 1.0, 1e9, 0.1)
        .unwrap();
    assert_eq!((norm, fixed.values()), (3.0, &[2.0][..]));
    assert!(a.values()[0] < 1.0);
}

#[test]
fn a_parameter_that_no_gradient_reaches_stays() {
    let (mut a, mut b) = (param::<f64>(&[1.0]), param::<f64>(&[2.0]));
    let mut parts = [part(&[(&a, &[3.0])])];
    Adam::new()
        .update(named(vec![&mut a, &mut b]), &mut parts, 1.0, 1e9, 0.1)
        .unwrap();
    assert_eq!(b.values(), [2.0]);
}

#[test]
fn restored_moments_go_on_as_if_never_stopped() {
    let start = || param::<f32>(&[1.0, -1.0]);
    let one = |adam: &mut Adam<f32>, p: &mut Param<f32>, step: i16| {
        let g = [f32::from(step).sin(), f32::from(step).cos()];
        let mut parts = [part(&[(p, &g)])];
        adam.update(named(vec![p]), &mut parts, 1.0, 0.5, 0.01)
            .unwrap();
    };
    let (mut through, mut p) = (Adam::new(), start());
    (0..6).for_each(|step| one(&mut through, &mut p, step));
    let (mut before, mut q) = (Adam::new(), start());
    (0..3).for_each(|step| one(&mut before, &mut q, step));
    let moments = before.moments(&q).unwrap();
    let mut after = Adam::new();
    after.restore(before.step(), &q, &moments).unwrap();
    (3..6).for_each(|step| one(&mut after, &mut q, step));
    assert_eq!(p.values(), q.values());
    assert_eq!(after.step(), 6);
}

#[test]
fn what_does_not_fit_is_told() {
    let (mut adam, p) = (Adam::<f32>::new(), param(&[0.0, 0.0]));
    let error = adam
        .restore(1, &p, &(vec![0.0; 2], vec![0.0; 3]))
        .unwrap_err();
    assert_eq!(error.to_string(), "optimiser: 2 moments expected, got 3");
    let error = adam.update(vec![], &mut [], 1.0, 1.0, 0.1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "optimiser: at least one micro-batch expected, got none"
    );
}
