//! Mistakes in Odoo destinations and their records.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "url = \"https://erp\"",
        "url = \"https://a:b@erp\"",
        "destination.odoo[0].url: a URL holds no user and no password here",
    ),
    (
        "url = \"https://erp\"",
        "url = \"http://erp\"\ntls = {}",
        "destination.odoo[0].tls: `tls` has no effect with http://",
    ),
    ("database = \"d\"", "database = \" \"", "destination.odoo[0].database: this cannot be empty"),
    (
        "model = \"m.m\"",
        "model = \"m m\"",
        "destination.odoo[0].record[0].model: `m m` is not the technical name of a model",
    ),
    (
        "{ x = \"{order}\" }",
        "{ id = \"1\" }",
        "destination.odoo[0].record[0].fields.id: `id` is the record's external id",
    ),
    ("{ x = \"{order}\" }", "{}", "destination.odoo[0].record[0].fields: a record needs one field or more"),
    (
        "{ x = \"{order}\" }",
        "{ x = [1] }",
        "destination.odoo[0].record[0].fields.x: expected a string or a number or true or false or a table, found a list",
    ),
    // How events share a record.
    (
        "on = \"workorder.*\"",
        "mode = \"updat\"\non = \"workorder.*\"",
        "destination.odoo[0].record[0].mode: `updat` is not allowed here (allowed: create, update) (did you mean `update`?)",
    ),
    ("on = \"workorder.*\"", "", "destination.odoo[0].record[0]: missing key `on`: the events that it is for"),
    (
        "on = \"workorder.*\"",
        "on = \"workorder.*\"\nmode = \"update\"",
        "destination.odoo[0].record[0]: missing key `key`: it says which events share a record",
    ),
    (
        "on = \"workorder.*\"",
        "on = \"workorder.*\"\nkey = \"{order}\"",
        "destination.odoo[0].record[0].key: `key` has no effect with mode = \"create\"",
    ),
    (
        "on = \"workorder.*\"",
        "on = \"workorder.*\"\nmode = \"update\"\nkey = \"all\"",
        "destination.odoo[0].record[0].key: `all` is the same for every event",
    ),
    (
        "on = \"workorder.*\"",
        "open = \"workorder.started\"\nkey = \"{order}\"\nclose_fields = { y = 1 }",
        "destination.odoo[0].record[0]: missing key `close`: the events that end an interval",
    ),
    (
        "on = \"workorder.*\"",
        "on = \"workorder.*\"\nclose = \"workorder.finished\"\nopen = \"workorder.*\"\nkey = \"{order}\"\nclose_fields = { y = 1 }",
        "destination.odoo[0].record[0].on: `on` has no effect on an interval",
    ),
    (
        "on = \"workorder.*\"",
        "close = \"workorder.finished\"\nopen = \"workorder.*\"\nkey = \"{order}\"",
        "destination.odoo[0].record[0]: missing key `close_fields`: what is written when an interval ends",
    ),
    // Related records.
    (
        "{ x = \"{order}\" }",
        "{ x = { value = \"{order}\" } }",
        "destination.odoo[0].record[0].fields.x: how is the record found? (allowed: `x/id` by external id",
    ),
    (
        "{ x = \"{order}\" }",
        "{ \"x/id\" = { value = \"{order}\", mising = \"wait\" } }",
        "destination.odoo[0].record[0].fields.\"x/id\": unknown key `mising` (did you mean `missing`?)",
    ),
    (
        "{ x = \"{order}\" }",
        "{ \"x/id\" = { value = \"{order}\", missing = \"wate\" } }",
        "destination.odoo[0].record[0].fields.\"x/id\".missing: `wate` is not allowed here (allowed: wait, dead-letter, empty)",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = { find = \"m.n\", value = \"{order}\" } }",
        "destination.odoo[0].record[0].fields.x: missing key `by`: the field that has the value",
    ),
    (
        "{ x = \"{order}\" }",
        "{ \"x/id\" = { find = \"m.n\", by = \"code\", value = \"{order}\" } }",
        "destination.odoo[0].record[0].fields.\"x/id\": a search needs no `/` in the field's name (write `x`)",
    ),
    // Which events, and what is done with late ones.
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nwhen = { \"asset.line\" = 1 }",
        "destination.odoo[0].record[0].when.\"asset.line\": an asset has no `asset.line`",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nwhen = { order = [] }",
        "destination.odoo[0].record[0].when.order: the list is empty",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nwhen = { \"a b\" = 1 }",
        "destination.odoo[0].record[0].when.\"a b\": `a b` is neither a name nor a JSON pointer",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nunique = [\"nmae\"]",
        "destination.odoo[0].record[0].unique[0]: `nmae` is none of `fields` (allowed: x)",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nstale_after = \"8h\"",
        "destination.odoo[0].record[0]: missing key `when_stale`: what becomes of an event that is older",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nstale_after = \"8h\"\nwhen_stale = \"create\"",
        "destination.odoo[0].record[0].stale_after: `stale_after` has no effect with when_stale",
    ),
    (
        "{ x = \"{order}\" }",
        "{ x = \"{order}\" }\nwhen_stale = \"skip\"",
        "destination.odoo[0].record[0]: missing key `stale_after`: from which age on an event is skipped",
    ),
    (
        "fields = { x = \"{order}\" }",
        "fields = { x = \"{order}\" }\n[[destination.odoo.record]]\nname = \"R\"\non = [\"*\"]\nmodel = \"m.m\"\nfields = { x = \"y\" }",
        "destination.odoo[0].record[1].name: `r` is there twice",
    ),
];
