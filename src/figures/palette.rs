//! Up to 256 colours for pictures of many: median cut (Heckbert 1982), the same bytes for the same pictures.

use std::collections::{BTreeMap, HashMap};

/// Colours of a GIF.
const MOST: usize = 256;

/// A palette, and which of its colours every pixel has.
pub(super) struct Palette {
    /// RGB after RGB, at most 256.
    pub colours: Vec<u8>,
    places: HashMap<[u8; 3], u8>,
}

/// Colours that are near each other, with the number of their pixels.
type Bin = Vec<([u8; 3], u64)>;

impl Palette {
    /// Of all RGB pixels of all pictures: exact where they have at most 256 colours.
    pub fn of<'a>(pictures: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        for pixel in pictures.flat_map(|picture| picture.chunks_exact(3)) {
            *counts.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
        }
        let mut bins: Vec<Bin> = vec![counts.into_iter().collect()];
        while bins.len() < MOST {
            // The bin whose colours lie furthest apart, weighed by its pixels, is cut.
            let worth = |bin: &Bin| {
                let pixels: u64 = bin.iter().map(|(_, count)| count).sum();
                let (_, spread) = widest(bin);
                u64::from(spread).pow(2) * pixels
            };
            let all = bins.iter().enumerate().filter(|(_, bin)| bin.len() > 1);
            let Some((at, _)) = all.max_by_key(|(at, bin)| (worth(bin), usize::MAX - at)) else {
                break;
            };
            let (low, high) = cut(std::mem::take(&mut bins[at]));
            bins[at] = low;
            bins.push(high);
        }
        let mut places = HashMap::new();
        let mut colours = Vec::with_capacity(3 * bins.len());
        for (at, bin) in bins.iter().enumerate() {
            let pixels: u64 = bin.iter().map(|(_, count)| count).sum();
            for channel in 0..3 {
                let all = bin.iter();
                let sum: u64 = all.map(|(c, count)| u64::from(c[channel]) * count).sum();
                colours.push(((sum + pixels / 2) / pixels.max(1)) as u8);
            }
            places.extend(bin.iter().map(|(colour, _)| (*colour, at as u8)));
        }
        Self { colours, places }
    }

    /// Places in the palette of RGB pixels that it was made of.
    pub fn indexed(&self, rgb: &[u8]) -> Vec<u8> {
        let place = |p: &[u8]| self.places.get(&[p[0], p[1], p[2]]).copied().unwrap_or(0);
        rgb.chunks_exact(3).map(place).collect()
    }
}

/// The channel in which colours lie furthest apart, and how far.
fn widest(bin: &Bin) -> (usize, u8) {
    let spread = |channel: usize| {
        let all = || bin.iter().map(|(colour, _)| colour[channel]);
        all().max().unwrap_or(0) - all().min().unwrap_or(0)
    };
    let (mut best, mut most) = (0, 0);
    for channel in 0..3 {
        if spread(channel) > most {
            (best, most) = (channel, spread(channel));
        }
    }
    (best, most)
}

/// Two halves of about as many pixels, along the widest channel; neither is empty.
fn cut(mut bin: Bin) -> (Bin, Bin) {
    let (channel, _) = widest(&bin);
    bin.sort_by_key(|(colour, _)| (colour[channel], *colour));
    let pixels: u64 = bin.iter().map(|(_, count)| count).sum();
    let mut below = 0;
    let at = bin.iter().position(|(_, count)| {
        below += count;
        2 * below >= pixels
    });
    let at = (at.unwrap_or(0) + 1).clamp(1, bin.len() - 1);
    let high = bin.split_off(at);
    (bin, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_are_exact_and_many_are_near() {
        let few: Vec<u8> = (0..200u8).flat_map(|i| [i, 255 - i, i / 2]).collect();
        let palette = Palette::of([&few[..]].into_iter());
        for (pixel, at) in few.chunks(3).zip(palette.indexed(&few)) {
            assert_eq!(&palette.colours[3 * at as usize..][..3], pixel);
        }
        // 16 x 16 x 16 colours in 256: cubes of side 2 or 3 of these steps, so at most 1.5 steps of 17 off.
        let many: Vec<u8> = (0..4096u16)
            .flat_map(|i| [i % 16, i / 16 % 16, i / 256].map(|v| 17 * v as u8))
            .collect();
        let palette = Palette::of([&many[..]].into_iter());
        assert_eq!(palette.colours.len(), 3 * 256);
        for (pixel, at) in many.chunks(3).zip(palette.indexed(&many)) {
            let got = &palette.colours[3 * at as usize..][..3];
            let far = pixel.iter().zip(got).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(far.unwrap() <= 34, "{pixel:?} became {got:?}");
        }
    }
}
