//! The analyze stage: everything about one trained model as a [`Study`], and what each analysis finds in it.
