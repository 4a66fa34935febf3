//! The registry's macro: one line `file::Type` declares a simulator's module, its YAML name and its dispatch.

/// Declares the modules, the YAML enum [`AnySimulator`](crate::AnySimulator) and its dispatch. The YAML name is the
/// file's name; the type has `fn examples() -> Vec<Self>`, small instances for the contract tests.
macro_rules! simulators {
    ($($file:ident :: $Sim:ident),* $(,)?) => {
        $(pub mod $file;)*
        $(pub use $file::$Sim;)*

        /// Any registered simulator, as an experiment file names it: a one-key map such as
        /// `bouncing_ball: { restitution: 0.8 }`.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum AnySimulator {
            $(
                #[doc = concat!("See [`", stringify!($Sim), "`].")]
                $Sim($Sim),
            )*
        }

        impl AnySimulator {
            /// The YAML name of every registered simulator.
            pub fn names() -> &'static [&'static str] {
                &[$(stringify!($file)),*]
            }

            /// The YAML name of this one.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$Sim(_) => stringify!($file)),* }
            }

            /// Small instances of each, for contract tests.
            pub fn examples() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend($Sim::examples().into_iter().map(Self::$Sim));)*
                all
            }
        }

        impl std::ops::Deref for AnySimulator {
            type Target = dyn $crate::Simulator;
            fn deref(&self) -> &Self::Target {
                match self { $(Self::$Sim(simulator) => simulator),* }
            }
        }
    };
}
pub(crate) use simulators;
