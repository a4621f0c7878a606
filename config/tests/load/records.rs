//! Records of Odoo destinations: sets that files bring, and records that are there already.

use plantlink_config::{
    Absent, Button, Config, Destination, Each, Environment, Loaded, OdooDestination, Sharing, Which,
};

use crate::folder::Folder;

/// A destination with these keys and tables.
fn plant(records: &str) -> String {
    format!(
        r#"
include = ["odoo/*.toml"]
plant = {{ id = "p", gateway = "g" }}
flow = [{{ name = "all", events = ["*"], to = "erp" }}]
[[source.mqtt]]
name = "mes"
url = "mqtt://mes"
topic = [{{ filter = "mes/#", type = "workorder.finished" }}]
[[destination.odoo]]
name = "erp"
url = "https://erp"
database = "prod"
login = "plantlink"
api_key = {{ file = "key" }}
{records}
"#
    )
}

const SET: &str = r#"
[[records.orders]]
name = "finished"
on = "workorder.finished"
model = "x_order"
fields = { x_name = "{order}" }
"#;

fn loaded(records: &str, set: &str) -> Loaded {
    let plant = plant(records);
    Folder::with(&[("plantlink.toml", &plant), ("odoo/orders.toml", set), ("key", "k")]).load(Environment::Run)
}

fn erp(config: &Config) -> &OdooDestination {
    let [Destination::Odoo(erp)] = config.destinations.as_slice() else { panic!("{:?}", config.destinations) };
    erp
}

fn problems(records: &str) -> Vec<String> {
    loaded(records, SET).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_destination_has_the_records_of_the_sets_that_it_names_before_its_own() {
    let own = r#"
records = ["orders"]
[[destination.odoo.record]]
name = "own"
on = "*"
model = "x_any"
fields = { x_name = "{event_id}" }
"#;
    let loaded = loaded(own, SET);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let names: Vec<&str> = erp(&config).records.iter().map(|record| &*record.name).collect();
    assert_eq!(names, ["finished", "own"]);
}

#[test]
fn a_set_is_taken_as_far_as_the_plant_serves_it_and_told_once_where_it_serves_none() {
    let lot = SET.replace("workorder.finished", "lot.produced").replace("finished", "lot");
    assert_eq!(loaded("records = [\"orders\"]", &format!("{SET}{lot}")).problems, []);
    let unserved = format!("{lot}{}", lot.replace("\"lot\"", "\"second\""));
    let told: Vec<String> =
        loaded("records = [\"orders\"]", &unserved).problems.iter().map(ToString::to_string).collect();
    let told: Vec<&String> = told.iter().filter(|problem| problem.contains("brings")).collect();
    let [told] = told.as_slice() else { panic!("{told:#?}") };
    assert!(told.contains("destination.odoo[0].records[0]: no flow to `erp` brings"), "{told}");
    assert!(told.contains("a record of `orders` takes"), "{told}");
}

#[test]
fn what_the_agent_tells_of_itself_serves_records_too() {
    let own = SET.replace("[[records.orders]]", "records = [\"orders\"]\n[[destination.odoo.record]]");
    let own = own.replace("workorder.finished", "agent.started").replace("finished", "gateway");
    assert_eq!(loaded(&own, SET).problems, []);
}

#[test]
fn what_is_wrong_in_a_set_is_told_once_in_its_own_file() {
    let loaded = loaded("records = [\"orders\"]", &SET.replace("fields", "feilds"));
    let told: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.iter().filter(|problem| problem.contains("feilds")).count(), 1, "{told:#?}");
    assert!(told.iter().all(|problem| problem.contains("odoo/orders.toml")), "{told:#?}");
}

#[test]
fn a_set_that_is_not_there_is_an_error_with_the_nearest_name() {
    let told = problems("records = [\"order\"]");
    assert!(
        told.iter().any(|problem| problem.contains("`order`") && problem.contains("did you mean `orders`")),
        "{told:#?}"
    );
    assert!(told.iter().any(|problem| problem.contains("no destination has the records `orders`")), "{told:#?}");
}

#[test]
fn a_destination_without_any_records_is_an_error() {
    let told = problems("");
    assert!(told.iter().any(|problem| problem.contains("a destination needs records")), "{told:#?}");
}

/// A record with these keys.
fn record(keys: &str) -> String {
    format!(
        "records = [\"orders\"]\n[[destination.odoo.record]]\nname = \"own\"\non = \"workorder.*\"\nmodel = \"x_order\"\n{keys}\nfields = {{ x_good = \"{{good}}\" }}\n"
    )
}

#[test]
fn a_record_that_is_there_already_is_found_by_its_fields_and_changed_only_while_it_may_be() {
    let keys = r#"
mode = "update"
by = { "production_id.name" = "{order}", kind = "press" }
while = { state = ["ready", "progress"] }
missing = "dead-letter"
unless = { final = false }
"#;
    let loaded = loaded(&record(keys), SET);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let own = erp(&config).records.last().unwrap();
    assert_eq!(own.unless.asked.len(), 1);
    let Sharing::Existing { existing, .. } = &own.sharing else { panic!("{:?}", own.sharing) };
    let Which::Having(by) = &existing.which else { panic!("{:?}", existing.which) };
    let fields: Vec<&str> = by.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["production_id.name", "kind"]);
    assert_eq!(existing.only_while, [("state".to_owned(), vec!["ready".into(), "progress".into()])]);
    assert_eq!(existing.missing, Absent::DeadLetter);
}

/// A record with these keys that writes no fields.
fn pressing(keys: &str) -> String {
    format!("records = [\"orders\"]\n[[destination.odoo.record]]\nname = \"own\"\non = \"workorder.*\"\n{keys}\n")
}

#[test]
fn a_button_is_pressed_on_a_record_that_is_there_in_the_state_for_it() {
    let keys = r#"
model = "mrp.production"
mode = "update"
by = { name = "{order}" }
while = { state = "to_close" }
button = "button_mark_done"
"#;
    let loaded = loaded(&pressing(keys), SET);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    let own = erp(&config).records.last().unwrap();
    let Sharing::Press { existing, button, .. } = &own.sharing else { panic!("{:?}", own.sharing) };
    assert_eq!((*button, own.fields.len()), (Button::ButtonMarkDone, 0));
    assert_eq!(existing.only_while, [("state".to_owned(), vec!["to_close".into()])]);
}

#[test]
fn a_button_without_a_state_or_of_another_model_or_where_nothing_is_there_is_an_error() {
    let by = "mode = \"update\"\nby = { name = \"{order}\" }";
    let to_close = "while = { state = \"to_close\" }";
    let order = "model = \"mrp.production\"";
    let done = "button = \"button_mark_done\"";
    for (keys, words) in [
        ([order, by, done, ""], "missing key `while`: in which state the button may be pressed"),
        ([order, by, done, "while = {}"], "a condition needs one value or more"),
        (["model = \"mrp.workorder\"", by, done, to_close], "`button_mark_done` is a button of `mrp.production`"),
        ([order, by, "button = \"action_validate\"", to_close], "`action_validate` is not allowed here"),
        ([order, by, "", to_close], "missing key `fields`"),
        (
            [order, by, done, "while = { state = \"x\" }\nfields = { a = \"b\" }"],
            "`fields` has no effect beside `button`",
        ),
        ([order, done, "fields = { a = \"b\" }", ""], "`button` has no effect with mode = \"create\""),
        (
            [order, done, "mode = \"update\"", "key = \"{order}\""],
            "`button` has no effect on records that are made here",
        ),
    ] {
        let told = problems(&pressing(&keys.join("\n")));
        assert!(told.iter().any(|problem| problem.contains(words)), "{keys:?}: {told:#?}");
    }
}

#[test]
fn a_record_can_be_made_for_each_number() {
    let loaded = loaded(&record("each = \"number\""), SET);
    assert_eq!(loaded.problems, []);
    let config = loaded.config.unwrap();
    assert!(matches!(erp(&config).records.last().unwrap().sharing, Sharing::Create { each: Each::Number, .. }));
}

#[test]
fn what_has_no_effect_or_names_nothing_is_an_error() {
    for (keys, words) in [
        ("by = { name = \"{order}\" }", "`by` has no effect with mode = \"create\""),
        ("while = { state = \"ready\" }", "`while` has no effect on records that are made here"),
        ("missing = \"wait\"", "`missing` has no effect on records that are made here"),
        ("mode = \"update\"\nby = { name = \"x\" }", "`by` looks nothing up"),
        ("mode = \"update\"\nby = { name = \"{order}\" }\nkey = \"{order}\"", "`key` has no effect beside `by`"),
        ("mode = \"update\"\nof = \"finished\"", "says which of the other's records it is"),
        ("mode = \"update\"\nof = \"finished\"\nkey = \"{order}\"", "`finished` makes no records that events share"),
        ("mode = \"update\"\nof = \"finishd\"\nkey = \"{order}\"", "there is no record `finishd` in this destination"),
        ("mode = \"update\"\nkey = \"{order}\"\neach = \"number\"", "`each` has no effect with mode = \"update\""),
        ("each = \"number\"\nunique = [\"x_good\"]", "`unique` has no effect with each = \"number\""),
    ] {
        let told = problems(&record(keys));
        assert!(told.iter().any(|problem| problem.contains(words)), "{keys}: {told:#?}");
    }
}
