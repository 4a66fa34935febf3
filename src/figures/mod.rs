//! Figures as data, and how each is drawn: SVG for papers and pages, PNG at 2x.
//!
//! An analysis fills a [`Figure`] (plain data, saved in its JSON); the plot stage draws it. One file (its data, how it is
//! drawn, an example, tests) and one line in `figures!` add a kind.

mod canvas;
mod clips;
mod colours;
mod film_gif;
mod font;
mod legend;
mod numbers;
mod palette;
mod pixels;
mod plot;
mod range;
mod render;
mod style;
mod trace;

use crate::error::Result;
use canvas::Canvas;
use serde::{Deserialize, Serialize};

pub use clips::{clip_gif, contact_sheet};
pub use style::Look;

/// What a kind of figure has to offer.
trait Draw: Sized {
    /// Lays the figure out.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when its arrays do not fit each other.
    fn draw(&self) -> Result<Canvas>;

    /// The same as an animation, where there is one.
    ///
    /// # Errors
    /// As [`Draw::draw`].
    fn animate(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// A realistic example: drawn by the contract tests and by `cargo run --example figures`.
    fn example() -> Self;
}

/// Declares every kind's module and makes the enum of them.
macro_rules! figures {
    ($($module:ident::$Kind:ident),+ $(,)?) => {
        $(mod $module; pub use $module::*;)+

        /// Any figure, as data.
        #[allow(clippy::large_enum_variant, reason = "there are tens of them, and their series are on the heap")]
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Figure {
            $(#[doc = concat!("See [`", stringify!($Kind), "`].")] $Kind($Kind),)+
        }

        $(impl From<$Kind> for Figure {
            fn from(figure: $Kind) -> Self {
                Self::$Kind(figure)
            }
        })+

        impl Figure {
            /// One realistic example of every kind, with the kind's name.
            pub fn examples() -> Vec<(&'static str, Self)> {
                vec![$((stringify!($module), $Kind::example().into())),+]
            }

            fn draw(&self) -> Result<Canvas> {
                match self { $(Self::$Kind(figure) => figure.draw(),)+ }
            }

            fn animate(&self) -> Result<Option<Vec<u8>>> {
                match self { $(Self::$Kind(figure) => figure.animate(),)+ }
            }
        }
    };
}

figures! {
    curves::Curves, probe_scatter::ProbeScatter, law::Law, eigenvalues::Eigenvalues,
    trajectories::Trajectories, latent_map::LatentMap, filmstrip::Filmstrip, regimes::Regimes,
    traversal::Traversal, sample_fan::SampleFan, skill_over_horizon::SkillOverHorizon,
    sample_strip::SampleStrip, ledger::Ledger, attention_map::AttentionMap,
    score_map::ScoreMap,
}

/// Pixels a px in [`Figure::png`].
const ZOOM: usize = 2;

impl Figure {
    /// The figure as a self-contained SVG document, sizes in px of 1/96 inch: 321 px is a journal's column of 85 mm.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when arrays of the figure do not fit each other.
    pub fn svg(&self) -> Result<String> {
        render::svg(&self.draw()?)
    }

    /// The figure as PNG with two pixels a px of the SVG.
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height, rgb) = render::bitmap(&self.draw()?, ZOOM)?;
        pixels::png_rgb(width, height, &rgb, ZOOM)
    }

    /// The figure as an animated GIF, for the kinds that move ([`Filmstrip`]).
    ///
    /// # Errors
    /// As [`Figure::svg`].
    pub fn gif(&self) -> Result<Option<Vec<u8>>> {
        self.animate()
    }
}

#[cfg(test)]
mod tests;
