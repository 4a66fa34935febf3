//! Exact where bf16 is exact, and how far off where it is not.

use super::*;
use crate::kernels::winograd;
use crate::kernels::winograd::tests::{numbers, products};

/// Images smaller than a block, lines that cut blocks, pixel shuffle, several blocks of channels, more images than a group.
fn shapes() -> Vec<(usize, Shape)> {
    let shape = |channels, out, height, width, upscale| Shape {
        channels,
        height,
        width,
        padding: 1,
        out,
        upscale,
    };
    let all = [
        (3, shape(32, 32, 8, 8, 1)),
        (9, shape(32, 128, 4, 4, 2)),
        (5, shape(64, 64, 5, 6, 1)),
        (2, shape(32, 128, 16, 12, 2)),
    ];
    if !all.iter().all(|(_, s)| suits(s)) {
        eprintln!("skipped: this machine has no matrix unit for bf16");
        return vec![];
    }
    all.into()
}

/// Whole numbers from -3 to 3: exact in bf16, and so are their sums in f32.
fn whole(name: &str, n: usize) -> Vec<f32> {
    let all = numbers(name, n).into_iter();
    all.map(|v| (v * 3.49).round()).collect()
}

#[test]
fn whole_numbers_give_exactly_the_plain_sums() {
    for (images, s) in shapes() {
        let x = whole("x", images * s.input_len());
        let (w, b) = (whole("w", 9 * s.channels * s.out), whole("b", s.out));
        let gy = whole("gy", images * s.output_len());
        let mut want = vec![0.0; gy.len()];
        let (mut gx, mut gw) = (whole("start", x.len()), whole("start", w.len()));
        let (mut wx, mut ww) = (gx.clone(), gw.clone());
        let (mut gb, mut wb) = (whole("start", s.out), whole("start", s.out));
        let mut of = vec![0; gy.len()];
        products(images, &s, |to, pixel, weight, o| {
            want[to] += x[pixel] * w[weight];
            of[to] = o;
        });
        want.iter_mut()
            .zip(&of)
            .for_each(|(y, &o)| *y = (*y + b[o]).max(0.0));
        let mut y = vec![f32::NAN; gy.len()];
        forward(s, &x, &w, &b, true, &mut y);
        assert_eq!(y, want, "{s:?}");
        let through = |to: usize| if want[to] > 0.0 { gy[to] } else { 0.0 };
        products(images, &s, |to, pixel, weight, _| {
            wx[pixel] += through(to) * w[weight];
            ww[weight] += through(to) * x[pixel];
        });
        (0..gy.len()).for_each(|to| wb[of[to]] += through(to));
        backward(
            s,
            (&x, &w),
            (&gy, Some(&y)),
            Some(&mut gx),
            &mut gw,
            &mut gb,
        );
        assert_eq!(gx, wx, "{s:?} gx");
        assert_eq!(gw, ww, "{s:?} gw");
        assert_eq!(gb, wb, "{s:?} gb");
        let mut again = whole("start", w.len());
        backward(s, (&x, &w), (&gy, Some(&y)), None, &mut again, &mut wb);
        assert_eq!(again, gw, "without the gradient of the image");
    }
}

#[test]
fn rounding_errs_by_less_than_five_thousandths_of_the_largest() {
    for (images, s) in shapes() {
        let x = numbers("x", images * s.input_len());
        let (w, b) = (numbers("w", 9 * s.channels * s.out), numbers("b", s.out));
        let gy = numbers("gy", images * s.output_len());
        let mut found = [(); 2].map(|()| {
            let zeros = |n: usize| vec![0.0; n];
            [gy.len(), x.len(), w.len(), b.len()].map(zeros)
        });
        let [narrow, wide] = &mut found;
        let [y, gx, gw, gb] = narrow;
        forward(s, &x, &w, &b, false, y);
        backward(s, (&x, &w), (&gy, None), Some(gx), gw, gb);
        let [y, gx, gw, gb] = wide;
        winograd::forward(s, &x, &w, &b, false, y);
        winograd::backward(s, (&x, &w), (&gy, None), Some(gx), gw, gb);
        for (k, (narrow, wide)) in narrow.iter().zip(&*wide).enumerate() {
            let largest = wide.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let errors = narrow.iter().zip(wide).map(|(a, b)| (a - b).abs());
            let worst = errors.fold(0.0f32, f32::max) / largest;
            assert!(worst < 5e-3, "{s:?}, array {k}: {worst}");
            // The bias alone sees no product.
            assert!(
                k == 3 || worst > 1e-5,
                "{s:?}, array {k}: nothing was rounded"
            );
        }
    }
}
