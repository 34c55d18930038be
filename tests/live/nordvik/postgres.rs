//! The company's main database.

use super::{Company, Refused, Said, refused, said};
use crate::harness::Findings;

pub(super) const COMPANY: Company = Company {
    name: "erp",
    script: include_str!("../data/nordvik.sql"),
    policy: include_str!("../data/nordvik.yaml"),
    findings: FINDINGS,
    rules: RULES,
    refused: REFUSED,
    emptied: &["events-2022-11"],
    compared: &[
        ("audit.entry", r#"select "table", operation, old->>'id' from audit.entry"#),
        (
            "catalog.product",
            "select id, sku, name, category_id, price, attributes, discontinued_at from catalog.product",
        ),
        ("hr.employee", "select id, department_id, manager_id, full_name, email, joined_on, left_on from hr.employee"),
        // Whether a subordinate who goes as well lost the manager first is a matter of batches.
        (
            "hr.employee_history",
            "select employee_id, old->>'full_name' from hr.employee_history where operation = 'delete'",
        ),
        ("ops.job_archive", "select id, queue, state from ops.job_archive"),
    ],
    codes: [4, 5, 5],
};

const FINDINGS: &Findings = &[
    ("cascade", &["integration.webhook", "marketing.campaign"]),
    ("delete_rule", &["crm.lead"]),
    ("deletes_published", &["crm.customer", "ops.device_ping", "sales.order"]),
    ("durability_weak", &[""]),
    ("evidence_unanchored", &[""]),
    (
        "foreign_key_not_indexed",
        &[
            "analytics.event_note.(happened_at, event_id)",
            "analytics.event_note.(happened_at, event_id)",
            "catalog.category.parent_id",
            "hr.department.head_id",
        ],
    ),
    (
        "is_partition",
        &[
            "analytics.event_2022_11",
            "analytics.event_2022_12",
            "analytics.metric_eu",
            "sales.order_event_0",
            "sales.order_event_1",
        ],
    ),
    ("matview_keeps_copies", &["crm.customer_value", "crm.customer_value"]),
    ("reference_without_key", &["hr.employee_history.employee_id", "hr.salary_note.employee_id"]),
    (
        "references_are_set",
        &[
            "catalog.product.category_id",
            "crm.customer.account_manager_id",
            "docs.document.owner_id",
            "docs.upload.message_id",
            "hr.employee.manager_id",
            "ops.job.parent_id",
            "sales.shipment.order_id",
            "support.ticket.assignee_id",
            "support.ticket.customer_id",
        ],
    ),
    (
        "references_keep_rows",
        &[
            "analytics.event_note.(happened_at, event_id)",
            "analytics.event_note.(happened_at, event_id)",
            "catalog.category.parent_id",
            "crm.consent.customer_id",
            "crm.customer.referred_by",
            "docs.document.replaced_by",
            "finance.invoice.order_id",
            "finance.payment.invoice_id",
            "finance.refund.payment_id",
            "hr.department.head_id",
            "sales.order.customer_id",
        ],
    ),
    ("replica_identity", &["ops.device_ping"]),
    ("row_security", &["hr.salary_note"]),
    (
        "since_not_indexed",
        &[
            "Legacy App.Notes v1.0.Created At",
            "analytics.metric_eu.day",
            "auth.api_token.revoked_at",
            "auth.password_reset.expires_at",
            "catalog.category.archived_on",
            "community.post.posted_at",
            "crm.contact.last_contacted_at",
            "crm.customer_tag.tagged_at",
            "crm.lead.created_at",
            "docs.document.updated_at",
            "docs.document_version.saved_at",
            "docs.upload.uploaded_at",
            "finance.invoice.issued_on",
            "finance.payment.received_at",
            "hr.employee.left_on",
            "hr.salary_note.noted_at",
            "hr.time_entry.day",
            "integration.webhook_delivery.attempted_at_ms",
            "marketing.newsletter_subscription.unsubscribed_at",
            "ops.access_log.at",
            "ops.device_ping.at",
            "sales.order_event_0.happened_at",
            "sales.order_event_1.happened_at",
        ],
    ),
    ("table_kind", &["analytics.event", "crm.active_customer"]),
    ("tls_unverified", &[""]),
    ("trigger_before_delete", &["docs.upload", "finance.invoice"]),
    ("trigger_copies", &["community.post", "crm.contact", "crm.customer", "hr.employee", "ops.job"]),
];

const RULES: &[Said] = &[
    said("access-log", "ops.access_log", 450, "to_timestamp(at) < now() - interval '30 days'"),
    said(
        "addresses",
        "crm.address",
        60,
        "(select c.closed_at from crm.customer c where c.id = t.customer_id) < now() - interval '3 years'",
    ),
    said("api-tokens", "auth.api_token", 20, "revoked_at < now() - interval '90 days'"),
    said("audit-entries", "audit.entry", 200, "at < now() - interval '1 year'"),
    said("call-notes", r#""Legacy App"."Notes v1.0""#, 70, r#""Created At" < now() - interval '2 years'"#),
    said("categories", "catalog.category", 10, "archived_on < now() - interval '2 years'")
        .but("exists (select from catalog.category c where c.parent_id = t.id)", &[("foreign_key", 7)]),
    said("contacts", "crm.contact", 155, "last_contacted_at < now() - interval '3 years'"),
    said("customer-tags", "crm.customer_tag", 104, "tagged_at < now() - interval '3 years'"),
    said("document-versions", "docs.document_version", 150, "saved_at < now() - interval '1 year'"),
    said(
        "documents",
        "docs.document",
        25,
        "kind = 'draft' and number <= 28 and updated_at < now() - interval '1 year' \
         and not exists (select from docs.document_version v where v.document_id = t.id \
                         and v.saved_at >= now() - interval '1 year')",
    )
    .but("exists (select from docs.document d where d.replaced_by = t.id)", &[("foreign_key", 5)]),
    said("events-2022-11", "analytics.event_2022_11", 240, "true")
        .but("exists (select from analytics.event_note n where n.event_id = t.id)", &[("foreign_key", 4)]),
    said("events-2022-12", "analytics.event_2022_12", 60, "kind = 'view'"),
    said("jobs", "ops.job", 150, "state in ('done', 'failed') and finished_at < now() - interval '14 days'"),
    said("login-attempts", "auth.login_attempt", 250, "at < now() - interval '90 days'"),
    said("metrics-eu", "analytics.metric_eu", 100, "day < now() - interval '1 year'"),
    said("newsletter", "marketing.newsletter_subscription", 72, "unsubscribed_at < now() - interval '1 year'"),
    said("order-events-0", "sales.order_event_0", 126, "happened_at < now() - interval '10 years'"),
    said("order-events-1", "sales.order_event_1", 114, "happened_at < now() - interval '10 years'"),
    said(
        "order-lines",
        "sales.order_line",
        240,
        "(select o.placed_at from sales.\"order\" o where o.id = t.order_id) < now() - interval '10 years'",
    ),
    said("password-resets", "auth.password_reset", 50, "requested_at < now() - interval '7 days'"),
    said("payments", "finance.payment", 35, "received_at < now() - interval '10 years'")
        .but("exists (select from finance.refund r where r.payment_id = t.id)", &[("foreign_key", 3)]),
    said("invoices", "finance.invoice", 40, "issued_on < now() - interval '10 years'").but(
        "paid_on is null or exists (select from finance.payment p where p.invoice_id = t.id)",
        &[("foreign_key", 3), ("trigger_cancels", 5)],
    ),
    said("orders", "sales.\"order\"", 120, "placed_at < now() - interval '10 years'")
        .but("exists (select from finance.invoice i where i.order_id = t.id)", &[("foreign_key", 8)]),
    said("time-entries", "hr.time_entry", 300, "day < now() - interval '2 years'"),
    said("uploads", "docs.upload", 60, "not legal_hold and uploaded_at < now() - interval '2 years'"),
    said("ticket-messages", "support.ticket_message", 260, "sent_at < now() - interval '2 years'"),
    said(
        "tickets",
        "support.ticket",
        29,
        "status = 'closed' and closed_at < now() - interval '2 years' and id not in (2, 3) \
         and not exists (select from support.ticket_message m where m.ticket_id = t.id \
                         and m.sent_at >= now() - interval '2 years')",
    ),
    said("web-sessions", "auth.web_session", 160, "last_seen_at < now() - interval '30 days'"),
    // Of all that goes with a customer only contacts hold one back.
    said(
        "customers",
        "crm.customer",
        26,
        "coalesce((select max(o.placed_at) from sales.\"order\" o where o.customer_id = t.id), closed_at) \
         < now() - interval '3 years' and not exists (select from crm.contact c where c.customer_id = t.id \
                                                      and c.last_contacted_at >= now() - interval '3 years')",
    )
    .but(
        "exists (select from crm.consent c where c.customer_id = t.id) \
         or exists (select from crm.customer c where c.referred_by = t.id)",
        &[("foreign_key", 7)],
    ),
    said(
        "employees",
        "hr.employee",
        7,
        "left_on < now() - interval '2 years' \
         and not exists (select from hr.time_entry e where e.employee_id = t.id and e.day >= now() - interval '2 years') \
         and not exists (select from auth.api_token a where a.employee_id = t.id \
                         and (a.revoked_at is null or a.revoked_at >= now() - interval '90 days'))",
    )
    .but("exists (select from hr.department d where d.head_id = t.id)", &[("foreign_key", 1)]),
    said(
        "webhook-deliveries",
        "integration.webhook_delivery",
        300,
        "to_timestamp(attempted_at_ms / 1000) < now() - interval '90 days'",
    ),
];

const REFUSED: &[Refused] = &[
    refused("active-customers", "blocked", "table_kind"),
    refused("campaigns", "blocked", "cascade"),
    refused("device-pings", "blocked", "replica_identity"),
    refused("events", "blocked", "table_kind"),
    refused("leads", "blocked", "delete_rule"),
    Refused { planned: false, ..refused("posts", "blocked", "effect_differs") },
    refused("salary-notes", "blind", "row_security"),
    refused("webhooks", "blocked", "cascade"),
];
