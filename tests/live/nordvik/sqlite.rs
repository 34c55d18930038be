//! The database of a shop without a server.

use super::{Company, Refused, Said, refused, said};
use crate::harness::Findings;

pub(super) const COMPANY: Company = Company {
    name: "shop",
    script: include_str!("../data/nordvik.sqlite.sql"),
    policy: include_str!("../data/nordvik.sqlite.yaml"),
    findings: FINDINGS,
    rules: RULES,
    refused: REFUSED,
    emptied: &[],
    compared: &[
        ("audit_entry", r#"select "table", operation, row_id from audit_entry"#),
        ("employee", "select id, department_id, manager_id, full_name, email, joined_on, left_on from employee"),
        ("employee_history", "select employee_id, old from employee_history"),
        ("job_archive", "select id, state from job_archive"),
    ],
    codes: [4, 4, 4],
};

const FINDINGS: &Findings = &[
    ("cascade", &["campaign", "webhook"]),
    ("column_type", &["memo_search.body"]),
    ("evidence_unanchored", &[""]),
    ("foreign_key_not_indexed", &["department.head_id"]),
    (
        "foreign_keys_on",
        &[
            "category",
            "customer",
            "document",
            "employee",
            "invoice",
            "job",
            "order",
            "payment",
            "ticket",
            "ticket_message",
        ],
    ),
    ("reference_without_key", &["announcement_reader.announcement_id", "employee_history.employee_id"]),
    (
        "references_are_set",
        &[
            "customer.account_manager_id",
            "document.owner_id",
            "employee.manager_id",
            "job.parent_id",
            "product.category_id",
            "shipment.order_id",
            "ticket.assignee_id",
            "ticket.customer_id",
            "upload.message_id",
        ],
    ),
    (
        "references_keep_rows",
        &[
            "category.parent_id",
            "consent.customer_id",
            "customer.referred_by",
            "department.head_id",
            "document.replaced_by",
            "invoice.order_id",
            "order.customer_id",
            "payment.invoice_id",
            "refund.payment_id",
        ],
    ),
    (
        "since_not_indexed",
        &[
            "Notes v1.0.Created At",
            "access_log.at",
            "announcement.posted_at",
            "api_token.revoked_at",
            "category.archived_on",
            "contact.last_contacted_at",
            "customer_tag.tagged_at",
            "document.updated_at",
            "document_version.saved_at",
            "employee.left_on",
            "invoice.issued_on",
            "newsletter_subscription.unsubscribed_at",
            "password_reset.used_at",
            "payment.received_at",
            "post.posted_at",
            "time_entry.day",
            "upload.uploaded_at",
            "webhook_delivery.attempted_at_ms",
        ],
    ),
    ("table_kind", &["active_customer", "memo_search"]),
    ("trigger_before_delete", &["invoice", "upload"]),
    ("trigger_copies", &["contact", "customer", "customer", "employee", "job", "post"]),
    ("trigger_deletes", &["announcement"]),
];

const RULES: &[Said] = &[
    said("access-log", "access_log", 450, "at < unixepoch('now', '-30 days')"),
    said(
        "addresses",
        "address",
        60,
        "unixepoch((select c.closed_at from customer c where c.id = t.customer_id)) < unixepoch('now', '-3 years')",
    ),
    said("api-tokens", "api_token", 20, "revoked_at < unixepoch('now', '-90 days')"),
    said("audit-entries", "audit_entry", 200, "at < datetime('now', '-1 year')"),
    said("call-notes", "\"Notes v1.0\"", 70, "\"Created At\" < datetime('now', '-2 years')"),
    said("categories", "category", 10, "archived_on < date('now', '-2 years')")
        .but("exists (select 1 from category c where c.parent_id = t.id)", &[("foreign_key", 7)]),
    said("contacts", "contact", 155, "last_contacted_at < datetime('now', '-3 years')"),
    said("customer-tags", "customer_tag", 104, "tagged_at < datetime('now', '-3 years')"),
    said("document-versions", "document_version", 150, "saved_at < datetime('now', '-1 year')"),
    said(
        "documents",
        "document",
        25,
        "kind = 'draft' and id <= 28 and updated_at < datetime('now', '-1 year') \
         and not exists (select 1 from document_version v where v.document_id = t.id \
                         and v.saved_at >= datetime('now', '-1 year'))",
    )
    .but("exists (select 1 from document d where d.replaced_by = t.id)", &[("foreign_key", 5)]),
    said("events", "event", 75, "kind = 'view' and day < date('now', '-2 years')"),
    said("jobs", "job", 150, "state in ('done', 'failed') and finished_at < unixepoch('now', '-14 days')"),
    said("login-attempts", "login_attempt", 250, "at < unixepoch('now', '-90 days')"),
    said("memos", "memo", 20, "written_at < datetime('now', '-3 years')"),
    said("newsletter", "newsletter_subscription", 72, "unsubscribed_at < datetime('now', '-1 year')"),
    said(
        "order-lines",
        "order_line",
        240,
        "(select o.placed_at from \"order\" o where o.id = t.order_id) < datetime('now', '-10 years')",
    ),
    said("password-resets", "password_reset", 50, "requested_at < datetime('now', '-7 days')"),
    said("payments", "payment", 35, "received_at < datetime('now', '-10 years')")
        .but("exists (select 1 from refund r where r.payment_id = t.id)", &[("foreign_key", 3)]),
    said("invoices", "invoice", 40, "issued_on < date('now', '-10 years')").but(
        "paid_on is null or exists (select 1 from payment p where p.invoice_id = t.id)",
        &[("foreign_key", 3), ("trigger_cancels", 5)],
    ),
    said("orders", "\"order\"", 120, "placed_at < datetime('now', '-10 years')")
        .but("exists (select 1 from invoice i where i.order_id = t.id)", &[("foreign_key", 8)]),
    said("posts", "post", 30, "posted_at < datetime('now', '-5 years')"),
    said("time-entries", "time_entry", 300, "day < date('now', '-2 years')"),
    said("uploads", "upload", 66, "unixepoch(uploaded_at) < unixepoch('now', '-2 years')")
        .but("legal_hold", &[("row_refused", 6)]),
    said("ticket-messages", "ticket_message", 260, "sent_at < datetime('now', '-2 years')"),
    said(
        "tickets",
        "ticket",
        29,
        "status = 'closed' and closed_at < datetime('now', '-2 years') and id not in (2, 3) \
         and not exists (select 1 from ticket_message m where m.ticket_id = t.id \
                         and m.sent_at >= datetime('now', '-2 years'))",
    ),
    said("web-sessions", "web_session", 160, "last_seen_at < datetime('now', '-30 days')"),
    // Of all that goes with a customer only contacts hold one back.
    said(
        "customers",
        "customer",
        26,
        "unixepoch(coalesce((select max(o.placed_at) from \"order\" o where o.customer_id = t.id), closed_at)) \
         < unixepoch('now', '-3 years') and not exists (select 1 from contact c where c.customer_id = t.id \
                                                        and c.last_contacted_at >= datetime('now', '-3 years'))",
    )
    .but(
        "exists (select 1 from consent c where c.customer_id = t.id) \
         or exists (select 1 from customer c where c.referred_by = t.id)",
        &[("foreign_key", 7)],
    ),
    said(
        "employees",
        "employee",
        7,
        "left_on < date('now', '-2 years') \
         and not exists (select 1 from time_entry e where e.employee_id = t.id and e.day >= date('now', '-2 years')) \
         and not exists (select 1 from api_token a where a.employee_id = t.id \
                         and (a.revoked_at is null or a.revoked_at >= unixepoch('now', '-90 days')))",
    )
    .but("exists (select 1 from department d where d.head_id = t.id)", &[("foreign_key", 1)]),
    said("webhook-deliveries", "webhook_delivery", 300, "attempted_at_ms < 1000 * unixepoch('now', '-90 days')"),
];

const REFUSED: &[Refused] = &[
    refused("active-customers", "blocked", "table_kind"),
    Refused { planned: false, ..refused("announcements", "blocked", "effect_differs") },
    refused("campaigns", "blocked", "cascade"),
    refused("memo-search", "blocked", "table_kind"),
    refused("webhooks", "blocked", "cascade"),
];
