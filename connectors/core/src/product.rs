//! Products: what speaks an engine's protocol, how each is told from the others, and whether forgetd works with it.
//!
//! Each connector keeps one table of them. It recognises a server by it, and the documentation is written from it.

use std::fmt;

use crate::{Atomicity, Cause, Fault, FaultClass, FenceKind};

/// One product that speaks an engine's protocol, in one form in which it runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Product {
    /// As it names itself.
    pub name: &'static str,
    /// In which form, where that makes a difference: `Galera`, `sharded`. Empty where it makes none.
    pub form: &'static str,
    /// What tells it from the products that stand behind it in the table: all of these. Nothing: it is what is left.
    pub signs: &'static [Sign],
    /// How far it was tried.
    pub trust: Trust,
    /// Whether an effect and its receipt share one commit.
    pub atomicity: Atomicity,
    /// How a stale holder is kept out.
    pub fence: FenceKind,
    /// What else is to be known, in one or two sentences; may be empty.
    pub note: &'static str,
}

/// Something that a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Its version, or the comment beside it, holds one of these words; case does not count.
    Word(&'static [&'static str]),
    /// Its version begins like this.
    Begins(&'static str),
    /// It has this function of its own.
    Function(&'static str),
    /// This extension was created in the database.
    Extension(&'static str),
    /// It has this setting, and the setting is neither empty nor off.
    Setting(&'static str),
    /// The name of the host in the URL, or the one by which it calls itself, ends in one of these.
    Host(&'static [&'static str]),
    /// It tells this of its build, and the value is not empty.
    Build(&'static str),
    /// It greets with this word.
    Greets(&'static str),
}

/// How far a product was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Tests run on these versions: whenever the project is built, and in the long form. Either may be empty.
    Tested {
        /// Whenever the project is built.
        every_build: &'static str,
        /// In the long form.
        long_form: &'static str,
    },
    /// The protocol is tested on this other product: no server of its own could be had for the tests.
    ByProtocol(&'static str),
    /// Never. It is refused unless the operator accepts it.
    Untried,
    /// It cannot be worked with, and why; no setting changes that.
    Impossible(&'static str),
}

/// What to do with a product that was never tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnsupportedEngine {
    /// Say so and do nothing.
    #[default]
    Refuse,
    /// Say so and go on.
    Accept,
}

/// The first of `products` all of whose signs `shows` finds. A table ends in what is left, so that something is found.
pub fn recognise(products: &'static [Product], shows: impl Fn(&Sign) -> bool) -> Option<&'static Product> {
    products.iter().find(|product| product.signs.iter().all(&shows))
}

// === impl Product ===

impl Product {
    /// The name, and the form in which it runs.
    pub fn title(&self) -> String {
        match self.form {
            "" => self.name.into(),
            form => format!("{} ({form})", self.name),
        }
    }

    /// Whether it was never tested, and yet may be worked with.
    pub fn is_untried(&self) -> bool {
        self.trust == Trust::Untried
    }

    /// Whether it may be worked with. `database` is its name in the policy. The fault names the product and what to do.
    pub fn admit(&self, wanted: UnsupportedEngine, database: &str) -> Result<(), Fault> {
        // A replica is named behind its database.
        let entry = database.split('.').next().unwrap_or(database);
        let detail = match (self.trust, wanted) {
            (Trust::Impossible(why), _) => format!("{} cannot be worked with: {why}", self.title()),
            (Trust::Untried, UnsupportedEngine::Refuse) => format!(
                "{} was never tested with forgetd; to go on all the same, try it on a copy of the data and write \
                 `unsupported_engine: accept` under `databases.{entry}`",
                self.title()
            ),
            _ => return Ok(()),
        };
        Err(Fault::new(FaultClass::Blocked(Cause::Unsupported), "recognise the server", database).with_detail(detail))
    }
}

// === impl Sign ===

impl Sign {
    /// Whether it is a word of the version and of what stands beside it. Other signs are not looked for there.
    pub fn is_in(&self, version: &str, comment: &str) -> bool {
        match self {
            Self::Word(words) => {
                let (version, comment) = (version.to_lowercase(), comment.to_lowercase());
                words
                    .iter()
                    .map(|word| word.to_lowercase())
                    .any(|word| version.contains(&word) || comment.contains(&word))
            }
            Self::Begins(start) => version.starts_with(start),
            _ => false,
        }
    }

    /// Whether one of these hosts, without their ports, has a name that it means.
    pub fn is_host<'h>(&self, mut hosts: impl Iterator<Item = &'h str>) -> bool {
        let Self::Host(ends) = self else { return false };
        hosts.any(|host| ends.iter().any(|end| host.to_lowercase().ends_with(end)))
    }
}

/// For people, in the documentation.
impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        match self {
            Self::Word(words) => write!(f, "{} in its version or the comment beside it", any(words)),
            Self::Begins(start) => write!(f, "its version begins with `{start}`"),
            Self::Function(name) => write!(f, "function `{name}()`"),
            Self::Extension(name) => write!(f, "extension `{name}` in the database"),
            Self::Setting(name) => write!(f, "setting `{name}`"),
            Self::Host(ends) => write!(f, "a host in {}", any(ends)),
            Self::Build(name) => write!(f, "`{name}` in `buildInfo`"),
            Self::Greets(word) => write!(f, "`{word}` in `hello`"),
        }
    }
}

// === impl Trust ===

/// For people, in the documentation.
impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tested { every_build, long_form: "" } => write!(f, "tested in every build: {every_build}"),
            Self::Tested { every_build: "", long_form } => write!(f, "tested in the long form: {long_form}"),
            Self::Tested { every_build, long_form } => {
                write!(f, "tested in every build: {every_build}; in the long form: {long_form}")
            }
            Self::ByProtocol(on) => write!(f, "its protocol is tested on {on}; no server of its own could be had"),
            Self::Untried => f.write_str("never tested: only with `unsupported_engine: accept`"),
            Self::Impossible(why) => write!(f, "refused: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Product, Sign, Trust, UnsupportedEngine, recognise};
    use crate::{Atomicity, FenceKind};

    const fn product(name: &'static str, signs: &'static [Sign], trust: Trust) -> Product {
        let (atomicity, fence) = (Atomicity::Atomic, FenceKind::Lock);
        Product { name, form: "", signs, trust, atomicity, fence, note: "" }
    }

    const PRODUCTS: &[Product] = &[
        product("Both", &[Sign::Word(&["one"]), Sign::Setting("two")], Trust::Untried),
        product("One", &[Sign::Word(&["ONE", "uno"])], Trust::Impossible("it forgets by itself")),
        product("Left", &[], Trust::ByProtocol("One")),
    ];

    #[test]
    fn the_first_product_that_shows_all_its_signs_is_meant() {
        for (version, two, name) in
            [("1 one", true, "Both"), ("1 oNe", false, "One"), ("1 Uno", true, "One"), ("1", true, "Left")]
        {
            let shows = |sign: &Sign| matches!(sign, Sign::Setting(_)) && two || sign.is_in(version, "");
            assert_eq!(recognise(PRODUCTS, shows).unwrap().name, name, "{version} {two}");
        }
    }

    #[test]
    fn only_what_was_never_tried_can_be_accepted() {
        let [both, one, left] = PRODUCTS else { panic!("three") };
        let said =
            |product: &Product, wanted| product.admit(wanted, "crm.replicas[0]").map_err(|fault| fault.to_string());
        let refused = said(both, UnsupportedEngine::Refuse).unwrap_err();
        for part in ["crm.replicas[0]: ", "Both was never tested", "`unsupported_engine: accept` under `databases.crm`"]
        {
            assert!(refused.contains(part), "{refused}");
        }
        assert_eq!(said(both, UnsupportedEngine::Accept), Ok(()));
        for wanted in [UnsupportedEngine::Refuse, UnsupportedEngine::Accept] {
            assert!(said(one, wanted).unwrap_err().contains("One cannot be worked with: it forgets by itself"));
            assert_eq!(said(left, wanted), Ok(()));
        }
    }

    #[test]
    fn hosts_are_known_by_how_they_end() {
        let sign = Sign::Host(&[".docdb.example"]);
        assert!(sign.is_host(["localhost", "A.b.DOCDB.example"].into_iter()));
        assert!(!sign.is_host(["docdb.example.org"].into_iter()));
    }
}
