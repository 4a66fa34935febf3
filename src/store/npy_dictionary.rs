//! The Python dictionary in an `.npy` header, of which only the form that NumPy writes is taken: no general literals, so
//! no recursion and nothing allocated but one string and one short list.

/// NumPy itself allows 32 axes, later 64.
pub(super) const MAX_AXES: usize = 32;

/// The text that is still to be read.
pub(super) struct Dictionary<'a>(&'a str);

impl<'a> Dictionary<'a> {
    /// Gives (descr, whether the order is column-major, shape).
    pub(super) fn parse(text: &'a str) -> std::result::Result<(String, bool, Vec<usize>), String> {
        let mut this = Self(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        this.expect("{")?;
        while !this.take("}") {
            let key = this.string()?;
            this.expect(":")?;
            let twice = match key {
                "descr" => descr.replace(this.string()?.to_string()).is_some(),
                "fortran_order" => fortran.replace(this.boolean()?).is_some(),
                "shape" => shape.replace(this.tuple()?).is_some(),
                other => return Err(format!("unknown key {other:?}")),
            };
            if twice {
                return Err(format!("key {key:?} stands twice"));
            }
            if !this.take(",") {
                this.expect("}")?;
                break;
            }
        }
        if !this.0.trim().is_empty() {
            return Err(format!("unexpected {:?} after the dictionary", this.0));
        }
        Ok((
            descr.ok_or("no key 'descr'")?,
            fortran.ok_or("no key 'fortran_order'")?,
            shape.ok_or("no key 'shape'")?,
        ))
    }

    fn take(&mut self, token: &str) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> std::result::Result<(), String> {
        if self.take(token) {
            return Ok(());
        }
        let got: String = self.0.chars().take(16).collect();
        Err(format!("expected {token:?}, got {got:?}"))
    }

    fn string(&mut self) -> std::result::Result<&'a str, String> {
        let quote = if self.take("\"") { '"' } else { '\'' };
        if quote == '\'' {
            self.expect("'")?;
        }
        let (text, rest) = self.0.split_once(quote).ok_or("a string has no end")?;
        self.0 = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> std::result::Result<bool, String> {
        if self.take("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn tuple(&mut self) -> std::result::Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            self.0 = self.0.trim_start();
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.0.split_at(digits);
            let axis = shape.len();
            if axis == MAX_AXES {
                return Err(format!("expected at most {MAX_AXES} axes"));
            }
            shape.push(
                number
                    .parse()
                    .map_err(|e| format!("size of axis {axis}: {e}"))?,
            );
            self.0 = rest;
            if !self.take(",") {
                if axis == 0 {
                    return Err("expected a comma after the only size of a shape".into());
                }
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}
