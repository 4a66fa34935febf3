//! Frames that show too little of what moves.

use super::*;
use crate::array::Array;
use crate::latents::Given;

/// Clips of which frame 3 of the first and frame 1 of the second show nothing but the background, which is black.
fn with_hidden_frames() -> (Clips<f64>, Vec<bool>) {
    let clips = clips::<f64>();
    let hidden = [3, STEPS + 1];
    let pixels = nn::tensor::values(&clips.frames).iter().enumerate();
    let shown = pixels.map(|(i, &v)| if hidden.contains(&(i / 64)) { 0.0 } else { v });
    let frames = matrix(shown.collect(), 2 * STEPS, 64).unwrap();
    let seen = (0..2 * STEPS).map(|t| !hidden.contains(&t)).collect();
    (Clips { frames, ..clips }, seen)
}

fn common() -> Common {
    Common {
        mean: vec![0.5; 64],
        background: vec![0.0; 64],
        foreground: 32.0,
        ..Common::default()
    }
}

/// Models with a law of codes: frames count from that share of the usual foreground on.
fn models(share: f64) -> Vec<Box<dyn Model<f64>>> {
    let laws = examples().into_iter().filter_map(|config| match config {
        AnyModel::LgVae(own) => Some(AnyModel::LgVae(LgVae {
            seen_from: share,
            ..own
        })),
        AnyModel::KalmanVae(own) => Some(AnyModel::KalmanVae(KalmanVae {
            seen_from: share,
            ..own
        })),
        _ => None,
    });
    let built = laws.map(|config| {
        let mut model = build::<f64>(&config);
        model.start_at(&common()).unwrap();
        model
    });
    let built: Vec<_> = built.collect();
    assert!(built.len() >= 2, "models with a law expected");
    built
}

fn log_mean(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = values.iter().map(|v| (v - most).exp()).sum();
    most + (sum / values.len() as f64).ln()
}

fn is_linear(model: &dyn Model<f64>) -> bool {
    model.state_space().is_some_and(|own| own.law().is_some())
}

fn terms(model: &dyn Model<f64>, clips: &Clips<f64>, at: Schedule) -> Vec<Vec<f64>> {
    let mut rng = Seeds::new(4).stream("occlusion", 0);
    let terms = model.objective(clips, at, &mut rng).unwrap();
    terms.into_iter().map(|term| term.per_frame).collect()
}

/// A hidden frame's code is no measurement, its picture is: until then all is as where the frame is missing, then not. To a
/// law that is blended by past codes it is a missing frame.
#[test]
fn a_hidden_frame_tells_what_its_picture_does_and_no_code() {
    let (clips, seen) = with_hidden_frames();
    let missing = Clips {
        seen: Some(Seen {
            frames: seen,
            pixels: None,
        }),
        ..clips.clone()
    };
    let mut learn = 0;
    for (own, plain) in models(0.5).iter().zip(models(0.0)) {
        let z = |model: &dyn Model<f64>, clips: &Clips<f64>| {
            let mut rng = Seeds::new(4).stream("occlusion", 0);
            let about = [Query::about(Given::UpTo)];
            let found = model.infer(clips, &about, &mut rng).unwrap();
            found[0].need("z").unwrap().clone()
        };
        let hidden = z(own.as_ref(), &clips);
        assert_eq!(hidden, z(own.as_ref(), &clips));
        let (never, always) = (z(plain.as_ref(), &missing), z(plain.as_ref(), &clips));
        let learns = hidden != never;
        learn += usize::from(learns);
        assert!(learns || !is_linear(own.as_ref()));
        let n = hidden.shape()[2];
        for (clip, first) in [(0, 3), (1, 1)] {
            for t in 0..STEPS {
                let of = |array: &Array| array.row(clip)[t * n..][..n].to_vec();
                let far = |a: Vec<f64>, b: Vec<f64>| {
                    let off = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
                    off.fold(0.0, f64::max)
                };
                let off = far(of(&hidden), of(&never));
                // Another path of the same filter: rounding.
                let same = off < 1e-9;
                let expected = t < first || !learns;
                assert_eq!(same, expected, "clip {clip}, frame {t}: {off}");
                assert!(t < first || far(of(&hidden), of(&always)) > 1e-9);
            }
        }
    }
    assert!(learn >= 2, "laws with one and with several modes learn");
}

#[test]
fn a_hidden_frame_has_pixels_and_no_code_of_its_own() {
    let (clips, seen) = with_hidden_frames();
    for model in models(0.5) {
        for at in [
            Schedule::bound(),
            Schedule {
                step: 0,
                ..Schedule::bound()
            },
        ] {
            let found = terms(model.as_ref(), &clips, at);
            for (t, seen) in seen.iter().enumerate() {
                // Of pixels, and of the entropy of codes.
                assert!(found[0][t] < 0.0);
                assert_eq!(found[2][t] != 0.0, *seen);
            }
        }
    }
}

/// Of one linear law and the exact likelihood. Where frames may be hidden, a law of several modes is followed along as many
/// paths as inference does, and one that is trained on a sampled bound is reported by the filter.
#[test]
fn where_every_frame_is_seen_nothing_changes() {
    let clips = clips::<f64>();
    let of = |share: f64| {
        let config = AnyModel::LgVae(LgVae {
            seen_from: share,
            ..LgVae::default()
        });
        let mut model = build::<f64>(&config);
        model.start_at(&common()).unwrap();
        terms(model.as_ref(), &clips, Schedule::bound())
    };
    let (own, plain) = (of(0.5), of(0.0));
    assert_eq!(own.len(), plain.len());
    for (own, plain) in own.iter().flatten().zip(plain.iter().flatten()) {
        // Another path of the same filter: rounding.
        assert!(
            (own - plain).abs() < 1e-9 * plain.abs().max(1.0),
            "{own} {plain}"
        );
    }
}

/// The reported part of a hidden frame, beside the same from many draws of the law's prediction through the decoder.
#[test]
fn a_hidden_frame_is_worth_what_its_picture_is_where_the_law_expects_the_body() {
    let (clips, _) = with_hidden_frames();
    let mut all = models(0.5);
    all.retain(|model| is_linear(model.as_ref()));
    let model = &all[0];
    let mut rng = Seeds::new(4).stream("occlusion", 1);
    let law = model.state_space().unwrap().law().unwrap();
    let filtered = &model
        .infer(&clips, &[Query::about(Given::UpTo)], &mut rng)
        .unwrap()[0];
    let n = law.latent;
    let row = |name: &str, size: usize| {
        nalgebra::DVector::from_row_slice(&filtered.need(name).unwrap().data()[2 * size..][..size])
    };
    let a = nalgebra::DMatrix::from_row_slice(n, n, &law.transition_matrix);
    let q = nalgebra::DMatrix::from_row_slice(n, n, &law.transition_cov);
    let p = nalgebra::DMatrix::from_row_slice(n, n, row("z_cov", n * n).as_slice());
    let mean = &a * row("z", n) + nalgebra::DVector::from_row_slice(&law.transition_offset);
    let root = (&a * p * a.transpose() + q).cholesky().unwrap().l();
    let noise = nalgebra::DMatrix::from_row_slice(law.code, law.code, &law.emission_cov);
    let noise = noise.cholesky().unwrap().l();
    let mut normal = |size: usize| {
        nalgebra::DVector::from_fn(size, |_, _| -> f64 {
            rand_distr::Distribution::sample(&rand_distr::StandardNormal, &mut rng)
        })
    };
    let mut likelihoods = Vec::new();
    for _ in 0..4000 {
        let z = &mean + &root * normal(n);
        let code = nalgebra::DVector::from_vec(law.emit(z.as_slice())) + &noise * normal(law.code);
        let mut beliefs = Beliefs::default();
        let code = Array::new([1, 1, law.code], code.as_slice().to_vec()).unwrap();
        beliefs.insert("a", &Beliefs::STATES, code).unwrap();
        // Every pixel is 0: log p(x | a) = sum log(1 - mean), Bernoulli.
        let dark = model.decode(&beliefs).unwrap();
        likelihoods.push(dark.iter().map(|v| (1.0 - v).ln()).sum::<f64>());
    }
    let expected = log_mean(&likelihoods);
    let mut values = Vec::new();
    for i in 0..50 {
        let mut rng = Seeds::new(4).stream("occlusion/again", i);
        let terms = model
            .objective(&clips, Schedule::bound(), &mut rng)
            .unwrap();
        values.push(terms[0].per_frame[3]);
    }
    let found = log_mean(&values);
    // Codes are drawn in training and means when read, so the two expect slightly different places.
    assert!(
        (found - expected).abs() < 0.02 * expected.abs(),
        "{found} against {expected}"
    );
}

/// A clip is read alike alone and beside others, also one in which nothing is ever seen.
#[test]
fn a_clip_that_hides_its_body_throughout_is_read_alike_alone_and_beside_another() {
    let clips = clips::<f64>();
    let pixels = nn::tensor::values(&clips.frames);
    let half = STEPS * 64;
    let shown = (0..2 * half).map(|i| if i < half { 0.0 } else { pixels[i] });
    let both = Clips {
        frames: matrix(shown.collect(), 2 * STEPS, 64).unwrap(),
        ..clips.clone()
    };
    let alone = Clips {
        frames: matrix(vec![0.0; half], STEPS, 64).unwrap(),
        sequences: 1,
        ..clips
    };
    for model in models(0.5) {
        let z = |clips: &Clips<f64>| {
            let mut rng = Seeds::new(4).stream("occlusion", 0);
            let found = model
                .infer(clips, &[Query::about(Given::UpTo)], &mut rng)
                .unwrap();
            let z = found[0].need("z").unwrap();
            z.data()[..z.data().len() / clips.sequences].to_vec()
        };
        assert_eq!(z(&both), z(&alone));
        // The bound of such a clip has no code to stand on, and is told all the same.
        assert!(
            terms(model.as_ref(), &alone, Schedule::bound())
                .iter()
                .flatten()
                .all(|v| v.is_finite())
        );
    }
}
