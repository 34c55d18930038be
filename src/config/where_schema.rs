//! The JSON Schema of `where`: written by hand, since its grammar is no struct.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};

use super::raw_where::RawWhere;

/// A mapping of conditions as `not` takes it.
struct Negated;
/// What is asked of one path.
struct Condition;
/// One value.
struct Literal;
/// Operators, all of which must hold.
struct Operators;

/// What can stand as a key.
const PATH: &str = "A key is a column, or a place inside a JSON column: `column.member`, `column[].member` for every \
                    element of an array. A backslash takes the next character as it is: `a\\.b` is one name, `\\any` a \
                    column that is called like a word of the grammar.";

fn list<T: JsonSchema>(generator: &mut SchemaGenerator, description: &str) -> Schema {
    let items = generator.subschema_for::<T>();
    json_schema!({ "description": description, "type": "array", "items": items, "minItems": 1 })
}

/// A mapping of conditions, with what `or_null` means there.
fn mapping(generator: &mut SchemaGenerator, description: &str, or_null: Option<&str>) -> Schema {
    let mut properties = json!({
        "any": list::<RawWhere>(generator, "At least one of these holds."),
        "all": list::<RawWhere>(generator, "Every one of these holds."),
        "not": described(generator.subschema_for::<Negated>(), "This does not hold."),
    });
    let or_null = match or_null {
        Some(description) => json!({ "description": description, "type": "boolean" }),
        None => json!({ "description": "Belongs among operators, or in `not`.", "not": {} }),
    };
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("or_null".into(), or_null);
    }
    json_schema!({
        "description": format!("{description} {PATH}"),
        "type": "object",
        "minProperties": 1,
        "properties": properties,
        "additionalProperties": generator.subschema_for::<Condition>(),
    })
}

fn described(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".into(), description.into());
    schema
}

/// The operators that compare with something, each with what it is compared with.
fn operators(generator: &mut SchemaGenerator) -> Json {
    let one = |generator: &mut SchemaGenerator, description: &str| {
        described(generator.subschema_for::<Literal>(), description)
    };
    let ordered = |description: &str| json!({ "description": description, "type": ["string", "integer", "number"] });
    let text = |description: &str| json!({ "description": description, "type": "string", "minLength": 1 });
    let truth = |description: &str| json!({ "description": description, "type": "boolean" });
    json!({
        "eq": one(generator, "Equal to this, of the same type."),
        "ne": one(generator, "Another value of the same type. Never true of NULL or what is missing, unless `or_null`."),
        "lt": ordered("Less than this: numbers by value, text by code points."),
        "le": ordered("Less than this or equal."),
        "gt": ordered("Greater than this."),
        "ge": ordered("Greater than this or equal."),
        "in": list::<Literal>(generator, "Equal to one of these."),
        "not_in": list::<Literal>(
            generator,
            "Equal to none of these. Never true of NULL or what is missing, unless `or_null`."
        ),
        "like": text("Text of this form: `%` is any text, `_` any one character; a backslash takes the next as it is."),
        "prefix": text("Text that begins with this."),
        "is_null": truth("Whether it is NULL, JSON null or missing."),
        "exists": truth("Whether it is there at all, JSON null included. Only inside JSON."),
        "or_null": truth("Whether what is unknown (NULL, missing, of another type) matches too. Default: false."),
    })
}

macro_rules! named_schema {
    ($type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

named_schema!(RawWhere, "Where", |generator| mapping(
    generator,
    "What must hold beside the period: a mapping is AND.",
    None
));

named_schema!(Negated, "Not", |generator| mapping(
    generator,
    "What must not hold: a mapping is AND.",
    Some("Whether it matches too when what stands here is unknown. Default: false.")
));

named_schema!(Condition, "Condition", |generator| {
    let one = generator.subschema_for::<Literal>();
    let many = list::<Literal>(generator, "Equal to one of these.");
    let operators = generator.subschema_for::<Operators>();
    json_schema!({
        "description": "What is asked of a value: a value is equality, a list is one of, a mapping has operators.",
        "anyOf": [one, many, operators],
    })
});

named_schema!(Literal, "Literal", |_generator| json_schema!({
    "description": "A value, exact in type and code points; a time or date is text and compares with no column of times.",
    "type": ["string", "integer", "number", "boolean"],
}));

named_schema!(Operators, "Operators", |generator| json_schema!({
    "description": "Operators, all of which must hold.",
    "type": "object",
    "minProperties": 1,
    "properties": operators(generator),
    "additionalProperties": false,
}));
