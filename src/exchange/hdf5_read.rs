//! HDF5 files, read: groups, arrays of numbers and their attributes, as h5py, MATLAB (7.3) and our own export write
//! them.
//!
//! Source: HDF5 File Format Specification version 3.0. Superblocks 0 to 3; object headers 1 and 2; groups as symbol
//! tables or links; compact, contiguous and chunked arrays (chunks by B-tree version 1, as all libraries write unless
//! they are asked for `libver="latest"`); the filters deflate, shuffle and Fletcher-32. What is not read is named, with
//! the way round.
//!
//! Every address and length is checked against the file, every table has a bound, and what an array unpacks to is told
//! before it is unpacked.
//!
//! Considered: `hdf5-reader` and `hdf5-pure` read far more of the format and unpack arrays into memory as a whole;
//! `hdf5-metno` wants the C library.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Marks an address that is nowhere.
pub(super) const NOWHERE: u64 = u64::MAX;
/// Blocks of metadata that are read at most: a damaged file may lead in circles.
const MOST_BLOCKS: usize = 200_000;
/// Bytes of one block of metadata at most.
const MOST_BYTES: u64 = 16 << 20;
/// Groups in groups.
const MOST_DEPTH: usize = 12;
/// Axes of an array.
const MOST_AXES: usize = 32;

/// Number type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// Letter of NumPy's word for it: u, i or f.
    pub letter: char,
    /// Bytes a value.
    pub size: usize,
    /// Whether the first byte is the greatest.
    pub big: bool,
}

/// Where the values of an array lie.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// In the header itself.
    Compact(Vec<u8>),
    /// One after the other from an address on.
    Contiguous(u64),
    /// In blocks of this shape, found by a B-tree.
    Chunked { tree: u64, chunk: Vec<u64> },
}

/// A step between the values and their bytes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Deflate,
    Shuffle,
    Fletcher32,
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub number: Number,
    pub shape: Vec<u64>,
    pub place: Place,
    /// In the order in which they were applied.
    pub filters: Vec<Filter>,
    pub attributes: BTreeMap<String, Attribute>,
}

/// What an attribute says, where it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    Number(f64),
    Texts(Vec<String>),
}

/// What stands under a name: an array, or why it is not read.
pub(super) type Entry = std::result::Result<Found, String>;

/// An opened file: every array under its path from the root, `train/frames`.
pub(super) struct Reader {
    pub path: PathBuf,
    file: File,
    length: u64,
    /// Where addresses count from: MATLAB puts 512 bytes of its own in front.
    base: u64,
    blocks: usize,
    pub arrays: BTreeMap<String, Entry>,
    /// Attributes of the root.
    pub attributes: BTreeMap<String, Attribute>,
}

/// The messages of an object header: type and body.
type Messages = Vec<(u16, Vec<u8>)>;

impl Reader {
    /// Reads the structure of a file.
    ///
    /// # Errors
    /// [`Error::File`] for anything that contradicts itself or leads outside the file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let mut this = Self {
            path: path.to_path_buf(),
            file,
            length,
            base: 0,
            blocks: 0,
            arrays: BTreeMap::new(),
            attributes: BTreeMap::new(),
        };
        let root = this.superblock()?;
        let messages = this.header(root)?;
        this.attributes = attributes(&messages);
        this.group(messages, String::new(), 0)?;
        Ok(this)
    }

    pub fn wrong(&self, message: impl std::fmt::Display) -> Error {
        Error::file(&self.path, format!("expected an HDF5 file: {message}"))
    }

    /// Bytes of the file, from an address on.
    pub fn bytes(&mut self, address: u64, count: u64) -> Result<Vec<u8>> {
        let from = address
            .checked_add(self.base)
            .filter(|_| address != NOWHERE);
        let Some(from) = from.filter(|from| {
            from.checked_add(count)
                .is_some_and(|end| end <= self.length)
        }) else {
            return Err(self.wrong(format!(
                "{count} bytes at {address} lie outside its {} bytes (truncated?)",
                self.length
            )));
        };
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
        self.file
            .seek(SeekFrom::Start(from))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(Error::io(&self.path))?;
        Ok(bytes)
    }

    /// A block of metadata, counted.
    fn block(&mut self, address: u64, count: u64) -> Result<Vec<u8>> {
        self.blocks += 1;
        if self.blocks > MOST_BLOCKS || count > MOST_BYTES {
            return Err(self.wrong("more metadata than any file needs"));
        }
        self.bytes(address, count)
    }

    /// Finds the superblock and gives the address of the root's header.
    fn superblock(&mut self) -> Result<u64> {
        let mut at = 0;
        loop {
            if self.bytes(at, 8).is_ok_and(|b| b == b"\x89HDF\r\n\x1a\n") {
                break;
            }
            at = if at == 0 { 512 } else { at * 2 };
            if at > 1 << 20 || at + 8 > self.length {
                return Err(self.wrong("got other first bytes"));
            }
        }
        let version = self.bytes(at + 8, 1)?[0];
        let (sizes, rest) = match version {
            0 => (self.bytes(at + 13, 2)?, at + 24),
            1 => (self.bytes(at + 13, 2)?, at + 28),
            2 | 3 => (self.bytes(at + 9, 2)?, at + 12),
            other => return Err(self.wrong(format!("got superblock version {other}"))),
        };
        if sizes != [8, 8] {
            return Err(self.wrong(format!(
                "expected addresses and lengths of 8 bytes, got {sizes:?}"
            )));
        }
        let root = match version {
            // After base, free space, end and driver: the root's entry, whose second word is its header.
            0 | 1 => rest + 40,
            _ => rest + 24,
        };
        let (base, root) = (self.bytes(rest, 8)?, self.bytes(root, 8)?);
        // Where the base is nonsense (a file with something put in front), the signature's place is what counts.
        self.base = match word(&base, 0) {
            Some(base) if base == at => base,
            _ => at,
        };
        word(&root, 0).ok_or_else(|| self.wrong("truncated"))
    }

    /// The messages of an object header, those of its continuations too.
    fn header(&mut self, address: u64) -> Result<Messages> {
        let start = self.block(address, 16)?;
        let mut messages = Vec::new();
        if start.starts_with(b"OHDR") {
            let flags = start[5];
            let mut at = address + 6;
            at += if flags & 0x20 != 0 { 16 } else { 0 };
            at += if flags & 0x10 != 0 { 4 } else { 0 };
            let width = 1 << (flags & 3);
            let size = self.block(at, width)?;
            let size = number(&size);
            let block = self.block(at + width, size)?;
            let mut left = vec![block];
            while let Some(block) = left.pop() {
                for (kind, body) in self.messages_2(&block, flags)? {
                    match continuation(kind, &body) {
                        Some((place, size)) => {
                            let block = self.block(place, size)?;
                            let end = block.len().saturating_sub(4).max(4);
                            let inner = block.get(4..end).unwrap_or_default();
                            left.push(inner.to_vec());
                        }
                        None => messages.push((kind, body)),
                    }
                }
            }
            return Ok(messages);
        }
        if start[0] != 1 {
            return Err(self.wrong(format!("no object header at {address}")));
        }
        let size = u64::from(half(&start, 8).unwrap_or(0))
            + (u64::from(half(&start, 10).unwrap_or(0)) << 16);
        let block = self.block(address + 16, size)?;
        let mut left = vec![block];
        while let Some(block) = left.pop() {
            let mut at = 0;
            while let (Some(kind), Some(size)) = (half(&block, at), half(&block, at + 2)) {
                let Some(body) = block.get(at + 8..at + 8 + usize::from(size)) else {
                    break;
                };
                match continuation(kind, body) {
                    Some((place, size)) => left.push(self.block(place, size)?),
                    None => messages.push((kind, body.to_vec())),
                }
                at += 8 + usize::from(size);
            }
        }
        Ok(messages)
    }

    fn messages_2(&self, block: &[u8], flags: u8) -> Result<Messages> {
        let order = if flags & 4 != 0 { 2 } else { 0 };
        let (mut at, mut found) = (0, Vec::new());
        while let (Some(&kind), Some(size)) = (block.get(at), half(block, at + 1)) {
            let from = at + 4 + order;
            let Some(body) = block.get(from..from + usize::from(size)) else {
                break;
            };
            found.push((u16::from(kind), body.to_vec()));
            at = from + usize::from(size);
        }
        Ok(found)
    }

    /// Takes in everything below a group.
    fn group(&mut self, messages: Messages, name: String, depth: usize) -> Result<()> {
        if depth > MOST_DEPTH {
            return Err(self.wrong("groups in groups without end"));
        }
        let mut links: Vec<(String, u64)> = Vec::new();
        for (kind, body) in &messages {
            match kind {
                // Symbol table (IV.A.2.r): a B-tree of names and their heap.
                0x11 => {
                    let (Some(tree), Some(heap)) = (word(body, 0), word(body, 8)) else {
                        return Err(self.wrong("a symbol table that ends early"));
                    };
                    let heap = self.block(heap, 32)?;
                    let (Some(size), Some(names)) = (word(&heap, 8), word(&heap, 24)) else {
                        return Err(self.wrong("a heap that ends early"));
                    };
                    let names = self.block(names, size)?;
                    self.symbols(tree, &names, &mut links, 0)?;
                }
                // Link (IV.A.2.g).
                0x06 => links.extend(link(body)),
                // Link info (IV.A.2.c) with a heap: links that are not in this header.
                0x02 => {
                    let at = if body.get(1).is_some_and(|flags| flags & 1 != 0) {
                        10
                    } else {
                        2
                    };
                    if word(body, at).is_some_and(|heap| heap != NOWHERE) {
                        return Err(self.wrong(format!(
                            "group /{name} keeps its links in a heap (libver=\"latest\"), which is not read; write it with h5py.File(.., libver=\"earliest\"), or run h5repack --low=0 --high=0"
                        )));
                    }
                }
                _ => {}
            }
        }
        for (link, address) in links {
            let path = match name.is_empty() {
                true => link,
                false => format!("{name}/{link}"),
            };
            if self.arrays.contains_key(&path) || self.arrays.len() > MOST_BLOCKS {
                continue;
            }
            let messages = self.header(address)?;
            let has = |kind: u16| messages.iter().any(|(k, _)| *k == kind);
            if has(0x08) {
                let entry = array(&messages);
                self.arrays.insert(path, entry);
            } else if has(0x11) || has(0x02) || has(0x06) {
                self.group(messages, path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Names and addresses below a node of a group's B-tree (III.A.1).
    fn symbols(
        &mut self,
        address: u64,
        names: &[u8],
        links: &mut Vec<(String, u64)>,
        depth: usize,
    ) -> Result<()> {
        let head = self.block(address, 8)?;
        if head.starts_with(b"SNOD") {
            let count = u64::from(half(&head, 6).unwrap_or(0));
            let entries = self.block(address + 8, count * 40)?;
            for entry in entries.chunks_exact(40) {
                let (Some(at), Some(header)) = (word(entry, 0), word(entry, 8)) else {
                    continue;
                };
                // A symbolic link has no header of its own.
                if entry[16] == 2 {
                    continue;
                }
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let name = names.get(at..).unwrap_or_default();
                let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
                links.push((String::from_utf8_lossy(&name[..end]).into_owned(), header));
            }
            return Ok(());
        }
        if !head.starts_with(b"TREE") || depth > MOST_DEPTH {
            return Err(self.wrong(format!("no node of names at {address}")));
        }
        let count = u64::from(half(&head, 6).unwrap_or(0));
        let rest = self.block(address + 24, count * 16 + 8)?;
        for i in 0..count as usize {
            if let Some(child) = word(&rest, 16 * i + 8) {
                self.symbols(child, names, links, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The chunks below a node of an array's B-tree: offset along every axis, address, bytes, mask of filters left out.
    pub fn chunks(&mut self, tree: u64, rank: usize) -> Result<Vec<Chunk>> {
        let mut found = Vec::new();
        let mut left = vec![(tree, 0)];
        while let Some((address, depth)) = left.pop() {
            if address == NOWHERE {
                continue;
            }
            let head = self.block(address, 24)?;
            if !head.starts_with(b"TREE") || head[4] != 1 || depth > MOST_DEPTH {
                return Err(self.wrong(format!("no node of chunks at {address}")));
            }
            let (level, count) = (head[5], usize::from(half(&head, 6).unwrap_or(0)));
            let key = 8 + 8 * (rank + 1);
            let rest = self.block(address + 24, (count * (key + 8)) as u64)?;
            for entry in rest.chunks_exact(key + 8) {
                let child = word(entry, key).unwrap_or(NOWHERE);
                if level > 0 {
                    left.push((child, depth + 1));
                    continue;
                }
                let offsets = (0..rank).map(|k| word(entry, 8 + 8 * k).unwrap_or(0));
                found.push(Chunk {
                    bytes: number(&entry[..4]),
                    mask: number(&entry[4..8]),
                    offset: offsets.collect(),
                    address: child,
                });
            }
        }
        Ok(found)
    }
}

/// One block of a chunked array.
pub(super) struct Chunk {
    pub bytes: u64,
    pub mask: u64,
    pub offset: Vec<u64>,
    pub address: u64,
}

/// Header continuation (IV.A.2.q): where a header goes on.
fn continuation(kind: u16, body: &[u8]) -> Option<(u64, u64)> {
    match kind {
        0x10 => Some((word(body, 0)?, word(body, 8)?)),
        _ => None,
    }
}

/// A hard link's name and address.
fn link(body: &[u8]) -> Option<(String, u64)> {
    let (version, flags) = (*body.first()?, *body.get(1)?);
    let mut at = 2;
    if version != 1 {
        return None;
    }
    if flags & 8 != 0 {
        // Soft and external links lead elsewhere.
        if *body.get(at)? != 0 {
            return None;
        }
        at += 1;
    }
    at += if flags & 4 != 0 { 8 } else { 0 };
    at += if flags & 16 != 0 { 1 } else { 0 };
    let width = 1 << (flags & 3);
    let length = usize::try_from(number(body.get(at..at + width)?)).ok()?;
    at += width;
    let name = body.get(at..at.checked_add(length)?)?;
    Some((
        String::from_utf8_lossy(name).into_owned(),
        word(body, at + length)?,
    ))
}

/// What the messages of an array's header say.
fn array(messages: &Messages) -> Entry {
    let body = |kind: u16| {
        let found = messages.iter().find(|(k, _)| *k == kind);
        found.map(|(_, body)| body.as_slice())
    };
    let number = body(0x03).map_or(Err("no type".into()), datatype)?;
    let shape = body(0x01).and_then(dataspace).ok_or("no shape")?;
    let layout = body(0x08).ok_or("no layout")?;
    Ok(Found {
        place: layout_of(layout, shape.len())?,
        filters: body(0x0b).map_or(Ok(Vec::new()), filters)?,
        attributes: attributes(messages),
        number,
        shape,
    })
}

/// Datatype (IV.A.2.d): numbers, and enumerations of numbers, as h5py stores booleans.
fn datatype(body: &[u8]) -> std::result::Result<Number, String> {
    let (Some(&class), Some(&bits), Some(size)) = (body.first(), body.get(1), quarter(body, 4))
    else {
        return Err("a type that ends early".into());
    };
    let size = size as usize;
    let made = |letter: char| Number {
        letter,
        size,
        big: bits & 1 != 0,
    };
    match (class & 15, size) {
        (0, 1 | 2 | 4 | 8) if bits & 8 != 0 => Ok(made('i')),
        (0, 1 | 2 | 4 | 8) => Ok(made('u')),
        (1, 4 | 8) if bits & 0x40 == 0 => Ok(made('f')),
        (8, _) => datatype(body.get(8..).unwrap_or_default()),
        (3, _) => Err("text, where numbers are expected".into()),
        (6, _) => Err("a table of records, where an array of numbers is expected; save its columns as arrays of their own".into()),
        (7, _) => Err("references (a cell or a structure of MATLAB), where an array of numbers is expected".into()),
        (class, size) => Err(format!(
            "values of class {class} and {size} bytes, where integers or floats of 4 or 8 bytes are expected"
        )),
    }
}

/// Dataspace (IV.A.2.b).
fn dataspace(body: &[u8]) -> Option<Vec<u64>> {
    let (version, rank) = (*body.first()?, usize::from(*body.get(1)?));
    if rank > MOST_AXES {
        return None;
    }
    let start = match version {
        1 => 8,
        2 => 4,
        _ => return None,
    };
    (0..rank).map(|k| word(body, start + 8 * k)).collect()
}

/// Data layout (IV.A.2.i).
fn layout_of(body: &[u8], rank: usize) -> std::result::Result<Place, String> {
    let early = "a layout that ends early";
    let version = *body.first().ok_or(early)?;
    let class = *body.get(if version < 3 { 2 } else { 1 }).ok_or(early)?;
    match (version, class) {
        (1 | 2, 1) => Ok(Place::Contiguous(word(body, 8).ok_or(early)?)),
        (1 | 2, 2) => {
            let sizes = (0..rank).map(|k| quarter(body, 16 + 4 * k).map(u64::from));
            Ok(Place::Chunked {
                tree: word(body, 8).ok_or(early)?,
                chunk: sizes.collect::<Option<_>>().ok_or(early)?,
            })
        }
        (3 | 4, 0) => {
            let size = usize::from(half(body, 2).ok_or(early)?);
            Ok(Place::Compact(body.get(4..4 + size).ok_or(early)?.to_vec()))
        }
        (3 | 4, 1) => Ok(Place::Contiguous(word(body, 2).ok_or(early)?)),
        (3, 2) => {
            if usize::from(*body.get(2).ok_or(early)?) != rank + 1 {
                return Err("chunks of another number of axes than the array".into());
            }
            let sizes = (0..rank).map(|k| quarter(body, 11 + 4 * k).map(u64::from));
            Ok(Place::Chunked {
                tree: word(body, 3).ok_or(early)?,
                chunk: sizes.collect::<Option<_>>().ok_or(early)?,
            })
        }
        (4, 2) => Err(
            "chunks of the newest layout (libver=\"latest\"), which is not read; write it with h5py.File(.., libver=\"earliest\"), or run h5repack --low=0 --high=0".into(),
        ),
        (version, class) => Err(format!("layout version {version}, class {class} is not read")),
    }
}

/// Filter pipeline (IV.A.2.l).
fn filters(body: &[u8]) -> std::result::Result<Vec<Filter>, String> {
    let early = "filters that end early";
    let (version, count) = (*body.first().ok_or(early)?, *body.get(1).ok_or(early)?);
    let mut at = if version == 1 { 8 } else { 2 };
    let mut found = Vec::new();
    for _ in 0..count {
        let id = half(body, at).ok_or(early)?;
        let named = version == 1 || id >= 256;
        let name = match named {
            true => usize::from(half(body, at + 2).ok_or(early)?),
            false => 0,
        };
        let rest = if named { at + 4 } else { at + 2 };
        let values = usize::from(half(body, rest + 2).ok_or(early)?);
        let name = match version {
            1 => name.next_multiple_of(8),
            _ => name,
        };
        let padding = if version == 1 && values % 2 == 1 {
            4
        } else {
            0
        };
        at = rest + 4 + name + 4 * values + padding;
        found.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle,
            3 => Filter::Fletcher32,
            other => {
                let name = match other {
                    4 => "szip",
                    32000 => "LZF",
                    32001 => "Blosc",
                    32004 => "LZ4",
                    32015 => "Zstandard",
                    _ => "unknown",
                };
                return Err(format!(
                    "compressed with filter {other} ({name}), which is not read; write it with compression=\"gzip\", or run h5repack -f GZIP=4"
                ));
            }
        });
    }
    Ok(found)
}

/// The attributes that are numbers or text of fixed length (IV.A.2.m); others are passed over.
fn attributes(messages: &Messages) -> BTreeMap<String, Attribute> {
    let all = messages.iter().filter(|(kind, _)| *kind == 0x0c);
    all.filter_map(|(_, body)| attribute(body)).collect()
}

fn attribute(body: &[u8]) -> Option<(String, Attribute)> {
    let version = *body.first()?;
    let size = |at: usize| half(body, at).map(usize::from);
    let (name, datatype_size, space) = (size(2)?, size(4)?, size(6)?);
    let (mut at, padded): (usize, fn(usize) -> usize) = match version {
        1 => (8, |n| n.next_multiple_of(8)),
        2 => (8, |n| n),
        3 => (9, |n| n),
        _ => return None,
    };
    let mut part = |size: usize| {
        let found = body.get(at..at + size);
        at += padded(size);
        found
    };
    let (name, kind, space) = (part(name)?, part(datatype_size)?, part(space)?);
    let values = body.get(at..)?;
    let shape = dataspace(space)?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, &k| n.checked_mul(usize::try_from(k).ok()?))?;
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let value = match kind.first()? & 15 {
        3 => {
            let size = quarter(kind, 4)? as usize;
            let words = values
                .get(..count.checked_mul(size)?)?
                .chunks_exact(size.max(1));
            Attribute::Texts(words.map(text).collect())
        }
        _ if count == 1 => {
            let number = datatype(kind).ok()?;
            Attribute::Number(number.value(values.get(..number.size)?))
        }
        _ => return None,
    };
    Some((text(name), value))
}

impl Number {
    /// NumPy's word for it, little-endian.
    pub fn descr(self) -> String {
        match self.size {
            1 => format!("|{}1", self.letter),
            size => format!("<{}{size}", self.letter),
        }
    }

    /// The value that its bytes stand for.
    fn value(self, bytes: &[u8]) -> f64 {
        let mut little = [0; 8];
        for (i, &byte) in bytes.iter().enumerate().take(8) {
            little[if self.big { self.size - 1 - i } else { i }] = byte;
        }
        let word = u64::from_le_bytes(little);
        match (self.letter, self.size) {
            ('f', 4) => f64::from(f32::from_bits(word as u32)),
            ('f', _) => f64::from_bits(word),
            ('i', size) => {
                let unused = 64 - 8 * size as u32;
                ((word << unused) as i64 >> unused) as f64
            }
            _ => word as f64,
        }
    }
}

/// The number of these bytes, at most 8, least first.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?).map(number)
}

fn quarter(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|four| number(four) as u32)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| number(two) as u16)
}
