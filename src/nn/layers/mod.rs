//! Layers: parameters with the operations that they enter, named and started as a whole.
//!
//! A new layer, for instance y = f(x W):
//! 1. a struct of [`Param`](crate::Param)s and other layers, with its equations and shapes in the doc comment,
//!    `#[derive(Clone, Debug)]`;
//! 2. `new(sizes .., rng)`: settings checked (`Error::Config`), weights drawn from `rng`, the reason of every scale
//!    beside it;
//! 3. `forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>>`, made of [`ops`](crate::ops) alone: no gradient
//!    to write. A layer with a state has `start`, `step(x, state)` and `seq(x, steps, ..)`, which a test holds equal;
//! 4. `impl Module`: every parameter under `{at}.name`, those of layers in it by their own `parameters`. One that it
//!    forgets is neither learned nor stored;
//! 5. tests: `check::layer_gradients_agree` with [`check::scattered`](crate::check::scattered) parameters,
//!    `check::refuses`.
//!
//! Frames that are data have no tape (`&Mat<F>`), so that no gradient is made for them; [`ConvTrunk::features_through`]
//! is for frames that a network made. Images inside networks are channels-last.

mod attention;
pub mod decoder;
pub mod encoder;
mod heads;
mod linear;
mod mover;
mod recurrent;
mod trunk;
mod upsampler;

pub use attention::{Cache, SelfAttention, Transformer, TransformerBlock};
pub use heads::{CategoricalHead, GaussianHead};
pub use linear::{LayerNorm, Linear, Mlp};
pub use mover::Mover;
pub use recurrent::{Gru, Lstm, LstmState};
pub use trunk::{ConvTrunk, Features};
pub use upsampler::Upsampler;
