//! Columns that look like references to a table's key, by their names alone.

/// Shorter names without an underscore mean too many things.
const LETTERS_MIN: usize = 5;

/// Names that a column elsewhere would have if it referenced `table` by its key column `key`, in the spellings that are
/// usual: `lead_id`, `leadId`, `LeadID`, `LEAD_ID` and so on.
pub fn reference_names(table: &str, key: &str) -> Vec<String> {
    let (table, key) = (table.to_lowercase(), key.to_lowercase());
    let mut names = vec![];
    for stem in [singular(&table), Some(table.clone()), Some(format!("{table}s"))].into_iter().flatten() {
        for id in ["id", key.as_str()] {
            names.extend(spellings(&stem, id));
            names.extend(spellings(id, &stem));
        }
        // `lead_id` of the table `lead` itself.
        if key.contains(&stem) && key != stem {
            names.push(key.clone());
        }
    }
    names.retain(|name| name.contains('_') || name.len() >= LETTERS_MIN);
    names.sort();
    names.dedup();
    names
}

/// Two words as one name.
fn spellings(first: &str, second: &str) -> Vec<String> {
    let snake = format!("{first}_{second}");
    let words: Vec<&str> = snake.split('_').filter(|word| !word.is_empty()).collect();
    let pascal: String = words.iter().map(|word| capital(word)).collect();
    let camel = words.first().map(|word| (*word).to_owned()).into_iter();
    let camel: String = camel.chain(words.iter().skip(1).map(|word| capital(word))).collect();
    let loud = |name: &str| name.strip_suffix("Id").map(|stem| format!("{stem}ID"));
    let louder = [loud(&camel), loud(&pascal)].into_iter().flatten();
    let upper = snake.to_uppercase();
    louder.chain([format!("{first}{second}"), snake, upper, camel, pascal]).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The English singular, where the name is a plural.
fn singular(table: &str) -> Option<String> {
    if let Some(stem) = table.strip_suffix("ies") {
        return Some(format!("{stem}y"));
    }
    let sibilant = ["sses", "xes", "ches", "shes"].iter().any(|end| table.ends_with(end));
    let stem = if sibilant { table.strip_suffix("es") } else { table.strip_suffix('s') };
    stem.filter(|stem| !stem.is_empty() && !stem.ends_with('s'))
        .or_else(|| stem.filter(|_| sibilant))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{reference_names, singular};

    #[test]
    fn a_reference_is_named_after_its_table() {
        for (table, key, named) in [
            ("lead", "id", &["lead_id", "leads_id", "leadid", "id_lead"][..]),
            ("Leads", "id", &["lead_id", "leads_id", "leadid", "leadsid", "id_lead"]),
            ("lead", "number", &["lead_number", "leadnumber", "lead_id"]),
            ("lead", "lead_id", &["lead_id"]),
            ("companies", "id", &["company_id", "companies_id"]),
            ("addresses", "id", &["address_id"]),
            ("lead", "id", &["leadId", "LeadId", "leadID", "LeadID", "LEAD_ID", "idLead"]),
            ("order_line", "id", &["order_line_id", "orderLineId", "OrderLineID", "ORDER_LINE_ID"]),
            ("ärende", "id", &["ärende_id", "ärendeId", "ÄrendeId"]),
        ] {
            let names = reference_names(table, key);
            for name in named {
                assert!(names.iter().any(|found| found == name), "{table}.{key}: {name} in {names:?}");
            }
            assert!(!names.contains(&"id".to_owned()) && !names.contains(&"number".to_owned()), "{names:?}");
        }
        assert!(!reference_names("a", "id").contains(&"aid".to_owned()));
    }

    #[test]
    fn plurals_lose_their_end() {
        for (table, stem) in
            [("leads", Some("lead")), ("boxes", Some("box")), ("address", None), ("s", None), ("lead", None)]
        {
            assert_eq!(singular(table).as_deref(), stem, "{table}");
        }
    }
}
