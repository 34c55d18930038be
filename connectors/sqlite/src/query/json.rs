//! Paths into JSON that a column keeps as text, or as the bytes of SQLite's own JSONB.
//!
//! Members are found by walking an object with `json_each`, which gives their names as they are meant: SQLite's path
//! language has no exact way to write every name. Of several members of one name the first counts, as everywhere in
//! SQLite; PostgreSQL's `jsonb` keeps the last. What is no JSON (by RFC 8259; SQLite's own extensions are none) has
//! nothing inside. Numbers are what SQLite makes of them: 64-bit integers, and doubles for everything else.

use forgetd_connector::{Cause, Check, Path, PathStep, Shape, Test};

use super::check::{self, Operand};
use super::composer::{Composer, Refused};

/// A JSON value, by how it is reached. It may be missing.
enum Node {
    /// What a column holds: an expression that is NULL where that is no JSON.
    Whole(String),
    /// The first member of this bound name of an object.
    Member { object: String, name: String, alias: String },
    /// A row of `json_each` with this alias.
    Part(String),
}

/// What is asked of the value at a path.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// This check.
    Check(&'a Check),
    /// This check of every member of a name.
    Each(&'a Check),
    /// Whether there is one, and whether it has this shape.
    Shape {
        /// How it looks.
        shape: &'a Shape,
        /// Whether one of this shape is looked for, or one of another.
        wanted: bool,
    },
}

/// The JSON that a column holds, as an argument of the JSON functions; NULL where it holds none.
pub(super) fn whole(column: &str) -> String {
    // The parser stops at a NUL, and takes bytes for JSONB by their length alone.
    let text = |text: &str| format!("json_valid({text}) and instr({text}, char(0)) = 0");
    let (is_text, bytes) = (text(column), format!("cast({column} as text)"));
    let is_bytes = text(&bytes);
    // A column of a type that SQLite takes for one of numbers keeps the text of a number as the number.
    let number = format!("case when json_valid({bytes}) then {bytes} end");
    format!(
        "case typeof({column}) when 'text' then case when {is_text} then {column} end \
         when 'integer' then {number} when 'real' then {number} \
         when 'blob' then case when json_valid({column}, 8) then {column} when {is_bytes} then {bytes} end end"
    )
}

// === impl Composer ===

impl Composer<'_> {
    /// A test of what lies inside a JSON column.
    pub(super) fn inside(&mut self, test: &Test) -> Result<String, Refused> {
        let refused = |refused: Refused| Refused { at: test.path.to_string(), ..refused };
        if test.path.is_many() && matches!(test.check, Check::Null(_) | Check::Exists(_)) {
            return Err(refused(Refused::new(Cause::ColumnType, "")));
        }
        let whole = Node::Whole(whole(&self.own(&test.path.column)));
        self.at(&whole, &test.path.steps, Asked::Check(&test.check)).map_err(refused)
    }

    /// Whether what is asked is so; NULL where nothing is there. With the JSON that the column holds.
    pub(super) fn shaped_inside(&mut self, path: &Path, asked: Asked<'_>) -> Result<(String, String), Refused> {
        let json = whole(&self.own(&path.column));
        let found = self.at(&Node::Whole(json.clone()), &path.steps, asked)?;
        Ok((found, json))
    }

    fn at(&mut self, node: &Node, steps: &[PathStep], asked: Asked<'_>) -> Result<String, Refused> {
        match steps {
            [] => self.leaf(node, asked),
            // Every member of this name counts, though readers see one: what is not seen is kept all the same.
            [PathStep::Field(name), rest @ ..] if !matches!(asked, Asked::Check(_)) => {
                let name = self.query.bind_value(&forgetd_connector::Value::Text(name.clone()));
                let alias = self.json_alias();
                let one = self.at(&Node::Part(alias.clone()), rest, asked)?;
                let object = node.object();
                Ok(format!("(select max({one}) from json_each({object}) as {alias} where {alias}.key = {name})"))
            }
            [PathStep::Field(name), rest @ ..] => {
                let name = self.query.bind_value(&forgetd_connector::Value::Text(name.clone()));
                let member = Node::Member { object: node.object(), name, alias: self.json_alias() };
                self.at(&member, rest, asked)
            }
            [PathStep::Each, rest @ ..] => {
                let alias = self.json_alias();
                let one = self.at(&Node::Part(alias.clone()), rest, asked)?;
                // Unknown elements matter only where no other is true.
                Ok(format!(
                    "(select case when count(t) = count(*) or max(t) then max(t) end \
                     from (select {one} as t from json_each({}) as {alias}))",
                    node.array()
                ))
            }
        }
    }

    fn leaf(&mut self, node: &Node, asked: Asked<'_>) -> Result<String, Refused> {
        let (Node::Member { alias, .. } | Node::Part(alias)) = node else {
            return Err(Refused::new(Cause::Internal, ""));
        };
        let check = match asked {
            Asked::Check(check) | Asked::Each(check) => check,
            Asked::Shape { shape, wanted } => {
                let alike = self.json_alike(alias, shape)?;
                let not = if wanted { "" } else { "not " };
                return Ok(node.select(&format!("({alias}.type <> 'null' and {not}{alike})")));
            }
        };
        Ok(match check {
            Check::Null(wanted) => {
                let null = format!("ifnull({}, 1)", node.select(&format!("{alias}.type = 'null'")));
                if *wanted { null } else { format!("(not {null})") }
            }
            Check::Exists(wanted) => {
                let there = format!("({} is not null)", node.select("1"));
                if *wanted { there } else { format!("(not {there})") }
            }
            check => {
                let asked = check::compose(&Operand::json(alias), check, self.code_points, &mut self.query)?;
                node.select(&asked)
            }
        })
    }
}

// === impl Node ===

impl Node {
    /// The value as an object; nothing, or something without named members, where it is none.
    fn object(&self) -> String {
        match self {
            // Elements of an array have numbers for names, a scalar has none: neither is a text.
            Self::Whole(json) => json.clone(),
            Self::Member { .. } | Self::Part(_) => self.container("object"),
        }
    }

    /// The value as an array; NULL where it is none.
    fn array(&self) -> String {
        match self {
            Self::Whole(json) => format!("case json_type({json}) when 'array' then {json} end"),
            Self::Member { .. } | Self::Part(_) => self.container("array"),
        }
    }

    fn container(&self, kind: &str) -> String {
        match self {
            Self::Whole(json) => json.clone(),
            Self::Member { alias, .. } | Self::Part(alias) => {
                self.select(&format!("case {alias}.type when '{kind}' then {alias}.value end"))
            }
        }
    }

    /// An expression over the row that the value is; NULL where it is missing.
    fn select(&self, expression: &str) -> String {
        match self {
            Self::Member { object, name, alias } => {
                format!("(select {expression} from json_each({object}) as {alias} where {alias}.key = {name} limit 1)")
            }
            Self::Whole(_) | Self::Part(_) => expression.to_owned(),
        }
    }
}
