//! Frames in colour, enlarged, with a ring around what was found.

/// A ring, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    /// Its centre from the upper left corner.
    pub at: [f64; 2],
    /// Its radius.
    pub radius: f64,
}

/// The colour of rings: that of codes in all figures.
const RING: [u8; 3] = [0xE6, 0x9F, 0x00];

/// A frame (C, H, W) as (3, zoom H, zoom W), with a ring.
pub(super) fn marked(frame: &[u8], shape: [usize; 3], zoom: usize, mark: Option<Mark>) -> Vec<u8> {
    let [channels, height, width] = shape;
    let (area, wide, high) = (height * width, width * zoom, height * zoom);
    let mut out = Vec::with_capacity(3 * wide * high);
    for (c, colour) in RING.into_iter().enumerate() {
        let plane = if channels == 3 { c } else { 0 };
        for y in 0..high {
            for x in 0..wide {
                let on_ring = mark.is_some_and(|mark| {
                    let at = |v: usize| (v as f64 + 0.5) / zoom as f64;
                    let far = (at(x) - mark.at[0]).hypot(at(y) - mark.at[1]);
                    // At least one pixel of the large frame wide.
                    (far - mark.radius).abs() < 0.75_f64.max(zoom as f64 * 0.2) / zoom as f64
                });
                out.push(match on_ring {
                    true => colour,
                    false => frame[plane * area + y / zoom * width + x / zoom],
                });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_lies_around_its_place_and_leaves_the_rest() {
        let frame = vec![40; 100];
        let mark = Mark {
            at: [5.0, 5.0],
            radius: 3.0,
        };
        let out = marked(&frame, [1, 10, 10], 2, Some(mark));
        assert_eq!(out.len(), 3 * 400);
        let at = |c: usize, y: usize, x: usize| out[c * 400 + y * 20 + x];
        assert_eq!([at(0, 10, 10), at(0, 0, 0)], [40, 40]);
        // 3 px right of the centre: column 2 (5 + 3) of the enlarged frame.
        assert_eq!([0, 1, 2].map(|c| at(c, 10, 16)), RING);
        assert_eq!(
            marked(&frame, [1, 10, 10], 1, None),
            [frame.clone(), frame.clone(), frame].concat()
        );
    }
}
