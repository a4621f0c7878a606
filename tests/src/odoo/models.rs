//! The models that the fake Odoo knows, as far as the mappings of plants touch them.

use super::schema::{Field, Kind, Model, Refusal, Rule};

/// The model of this name.
pub(super) fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

const fn optional(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { name, label, kind, required: false }
}

const fn required(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { name, label, kind, required: true }
}

const fn refusal(label: &'static str, model: &'static str, groups: &'static [&'static str]) -> Refusal {
    Refusal { label, model, groups }
}

const MODELS: &[Model] = &[
    Model {
        name: "maintenance.request",
        fields: &[
            required("name", "Subjects", Kind::Char),
            optional("equipment_id", "Equipment", Kind::Many2one("maintenance.equipment")),
            optional(
                "maintenance_type",
                "Maintenance Type",
                Kind::Selection(&[("corrective", "Corrective"), ("preventive", "Preventive")]),
            ),
            optional(
                "priority",
                "Priority",
                Kind::Selection(&[("0", "Very Low"), ("1", "Low"), ("2", "Normal"), ("3", "High")]),
            ),
            optional("description", "Description", Kind::Html),
            optional("request_date", "Request Date", Kind::Date),
            optional("schedule_date", "Scheduled Date", Kind::Datetime),
            optional("duration", "Duration", Kind::Float),
            optional("archive", "Archive", Kind::Boolean),
            optional("owner_user_id", "Created by User", Kind::Many2one("res.users")),
        ],
        refusal: refusal("Maintenance Request", "maintenance.request", &["User types/Internal User"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "maintenance.equipment",
        fields: &[
            required("name", "Equipment Name", Kind::Char),
            optional("model", "Model", Kind::Char),
            optional("partner_ref", "Vendor Reference", Kind::Char),
            optional("serial_no", "Serial Number", Kind::Char),
            optional("note", "Note", Kind::Html),
            optional("active", "Active", Kind::Boolean),
        ],
        refusal: refusal("Maintenance Equipment", "maintenance.equipment", &["Maintenance/Equipment Manager"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "mrp.workcenter",
        fields: &[required("name", "Work Center", Kind::Char), optional("code", "Code", Kind::Char)],
        refusal: refusal(
            "Resources",
            "resource.resource",
            &["Employees/Officer: Manage all employees", "Manufacturing/Administrator"],
        ),
        rule: Rule::Nothing,
    },
    Model {
        name: "mrp.workcenter.productivity.loss",
        fields: &[required("name", "Blocking Reason", Kind::Char)],
        refusal: refusal(
            "Workcenter Productivity Losses",
            "mrp.workcenter.productivity.loss",
            &["Manufacturing/Administrator"],
        ),
        rule: Rule::Nothing,
    },
    Model {
        name: "mrp.workcenter.productivity",
        fields: &[
            required("workcenter_id", "Work Center", Kind::Many2one("mrp.workcenter")),
            required("loss_id", "Loss Reason", Kind::Many2one("mrp.workcenter.productivity.loss")),
            optional("date_start", "Start Date", Kind::Datetime),
            optional("date_end", "End Date", Kind::Datetime),
            optional("description", "Description", Kind::Char),
        ],
        refusal: refusal("Workcenter Productivity Log", "mrp.workcenter.productivity", &["Manufacturing/User"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "product.product",
        fields: &[required("name", "Name", Kind::Char), optional("default_code", "Internal Reference", Kind::Char)],
        refusal: refusal(
            "Product Variant",
            "product.product",
            &["Inventory/Administrator", "Manufacturing/Administrator"],
        ),
        rule: Rule::Nothing,
    },
    Model {
        name: "mrp.bom",
        fields: &[required("product_id", "Product", Kind::Many2one("product.product"))],
        refusal: refusal("Bill of Material", "mrp.bom", &["Manufacturing/Administrator"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "mrp.production",
        fields: &[
            optional("name", "Reference", Kind::Char),
            required("product_id", "Product", Kind::Many2one("product.product")),
            optional("product_qty", "Quantity To Produce", Kind::Float),
            optional("qty_producing", "Quantity Producing", Kind::Float),
            optional("bom_id", "Bill of Material", Kind::Many2one("mrp.bom")),
            optional("origin", "Source", Kind::Char),
            optional("qty_produced", "Quantity Produced", Kind::Float),
            optional(
                "state",
                "State",
                Kind::Selection(&[
                    ("draft", "Draft"),
                    ("confirmed", "Confirmed"),
                    ("progress", "In Progress"),
                    ("to_close", "To Close"),
                    ("done", "Done"),
                    ("cancel", "Cancelled"),
                ]),
            ),
        ],
        refusal: refusal("Production Order", "mrp.production", &["Manufacturing/User"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "mrp.workorder",
        fields: &[
            required("name", "Work Order", Kind::Char),
            optional("production_id", "Manufacturing Order", Kind::Many2one("mrp.production")),
            optional("workcenter_id", "Work Center", Kind::Many2one("mrp.workcenter")),
            optional("qty_producing", "Currently Produced Quantity", Kind::Float),
            optional("date_start", "Start", Kind::Datetime),
            optional("date_finished", "End", Kind::Datetime),
            optional(
                "state",
                "Status",
                Kind::Selection(&[
                    ("pending", "Waiting for another WO"),
                    ("waiting", "Waiting for components"),
                    ("ready", "Ready"),
                    ("progress", "In Progress"),
                    ("done", "Finished"),
                    ("cancel", "Cancelled"),
                ]),
            ),
        ],
        refusal: refusal("Work Order", "mrp.workorder", &["Manufacturing/User"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "stock.lot",
        fields: &[
            required("name", "Lot/Serial Number", Kind::Char),
            required("product_id", "Product", Kind::Many2one("product.product")),
            optional("company_id", "Company", Kind::Many2one("res.company")),
        ],
        refusal: refusal("Lot/Serial", "stock.lot", &["Inventory/User"]),
        rule: Rule::OneLotPerProduct,
    },
    Model {
        name: "stock.scrap",
        fields: &[
            required("product_id", "Product", Kind::Many2one("product.product")),
            optional("scrap_qty", "Quantity", Kind::Float),
            optional("state", "Status", Kind::Selection(&[("draft", "Draft"), ("done", "Done")])),
            optional("times_scrapped", "Times Scrapped", Kind::Integer),
        ],
        refusal: refusal("Scrap", "stock.scrap", &["Inventory/User"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "hr.employee",
        fields: &[required("name", "Employee Name", Kind::Char)],
        refusal: refusal("Employee", "hr.employee", &["Employees/Officer: Manage all employees"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "hr.attendance",
        fields: &[
            required("employee_id", "Employee", Kind::Many2one("hr.employee")),
            required("check_in", "Check In", Kind::Datetime),
            optional("check_out", "Check Out", Kind::Datetime),
        ],
        refusal: refusal("Attendance", "hr.attendance", &["Attendances/Officer: Manage attendances"]),
        rule: Rule::EndsAfterStart {
            start: "check_in",
            end: "check_out",
            text: "\"Check Out\" time cannot be earlier than \"Check In\" time.",
        },
    },
    Model {
        name: "res.company",
        fields: &[required("name", "Company Name", Kind::Char)],
        refusal: refusal("Companies", "res.company", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "res.users",
        fields: &[required("name", "Name", Kind::Char)],
        refusal: refusal("User", "res.users", &["Administration/Access Rights"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "ir.model.data",
        fields: &[required("name", "External Identifier", Kind::Char)],
        refusal: refusal("Model Data", "ir.model.data", &["Administration/Access Rights"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "res.users.apikeys",
        fields: &[required("name", "Description", Kind::Char)],
        refusal: refusal("Users API Keys", "res.users.apikeys", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "stock.quant",
        fields: &[
            required("product_id", "Product", Kind::Many2one("product.product")),
            optional("quantity", "Quantity", Kind::Float),
            optional("inventory_quantity", "Counted Quantity", Kind::Float),
        ],
        refusal: refusal("Quants", "stock.quant", &["Inventory/Administrator"]),
        rule: Rule::Nothing,
    },
    // Every employee may keep files of nobody's, which the agent's marker is one of.
    Model {
        name: "ir.attachment",
        fields: &[required("name", "Name", Kind::Char), optional("description", "Description", Kind::Char)],
        refusal: refusal("Attachment", "ir.attachment", &["User types/Internal User"]),
        rule: Rule::Nothing,
    },
    // The custom model that an administrator makes once for counts, measurements and alarms in quantity.
    Model {
        name: "x_plant_event",
        fields: &[
            required("x_name", "Name", Kind::Char),
            optional("x_equipment_id", "Equipment", Kind::Many2one("maintenance.equipment")),
            optional("x_production_id", "Order", Kind::Many2one("mrp.production")),
            optional("x_kind", "Kind", Kind::Char),
            optional("x_quantity", "Quantity", Kind::Float),
            optional("x_unit", "Unit", Kind::Char),
            optional("x_at", "At", Kind::Datetime),
            optional("x_until", "Until", Kind::Datetime),
            optional("x_device", "Machine", Kind::Char),
            optional("x_code", "Code", Kind::Char),
            optional("x_severity", "Severity", Kind::Char),
            optional("x_scrap", "Scrap", Kind::Float),
            optional("x_rework", "Rework", Kind::Float),
            optional("x_lower", "Lower Limit", Kind::Float),
            optional("x_upper", "Upper Limit", Kind::Float),
            optional("x_evaluation", "Evaluation", Kind::Char),
            optional("x_order", "Order", Kind::Char),
            optional("x_operation", "Operation", Kind::Char),
            optional("x_product", "Product", Kind::Char),
            optional("x_lot", "Lot/Serial Number", Kind::Char),
        ],
        refusal: refusal("Plant Event", "x_plant_event", &["User types/Internal User"]),
        rule: Rule::Nothing,
    },
    // What a custom model is made of.
    Model {
        name: "ir.model",
        fields: &[required("name", "Model Description", Kind::Char), required("model", "Model", Kind::Char)],
        refusal: refusal("Models", "ir.model", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "ir.model.fields",
        fields: &[
            required("name", "Field Name", Kind::Char),
            required("ttype", "Field Type", Kind::Char),
            required("model_id", "Model", Kind::Many2one("ir.model")),
            optional("model", "Model Name", Kind::Char),
            optional("field_description", "Field Label", Kind::Char),
            optional("relation", "Related Model", Kind::Char),
            optional("on_delete", "On Delete", Kind::Char),
            optional("index", "Indexed", Kind::Boolean),
        ],
        refusal: refusal("Fields", "ir.model.fields", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "ir.model.access",
        fields: &[
            required("name", "Name", Kind::Char),
            required("model_id", "Model", Kind::Many2one("ir.model")),
            optional("group_id", "Group", Kind::Many2one("res.groups")),
            optional("perm_read", "Read Access", Kind::Boolean),
            optional("perm_create", "Create Access", Kind::Boolean),
            optional("perm_write", "Write Access", Kind::Boolean),
            optional("perm_unlink", "Delete Access", Kind::Boolean),
        ],
        refusal: refusal("Model Access", "ir.model.access", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "ir.ui.view",
        fields: &[
            required("name", "View Name", Kind::Char),
            optional("model", "Model", Kind::Char),
            optional("type", "View Type", Kind::Char),
            optional("arch", "View Architecture", Kind::Char),
        ],
        refusal: refusal("View", "ir.ui.view", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "ir.actions.act_window",
        fields: &[
            required("name", "Action Name", Kind::Char),
            optional("res_model", "Destination Model", Kind::Char),
            optional("view_mode", "View Mode", Kind::Char),
        ],
        refusal: refusal("Action Window", "ir.actions.act_window", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "ir.ui.menu",
        fields: &[required("name", "Menu", Kind::Char), optional("action", "Action", Kind::Char)],
        refusal: refusal("Menu", "ir.ui.menu", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
    Model {
        name: "res.groups",
        fields: &[required("name", "Name", Kind::Char)],
        refusal: refusal("Access Groups", "res.groups", &["Administration/Settings"]),
        rule: Rule::Nothing,
    },
];
