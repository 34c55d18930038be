//! What became of a person's word about one rule.

use jiff::Timestamp;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule may act.
    Approved {
        /// By whom.
        who: String,
    },
    /// It was written down and approves nothing, because the policy names approvers and none of them signed.
    Noted {
        /// Who it says it was.
        who: String,
        /// How many approvers must sign.
        required: u32,
    },
    /// It counts, and not enough approvers have signed.
    Signed {
        /// Those who have.
        by: Vec<String>,
        /// How many more are needed.
        missing: u32,
        /// Who could still sign.
        others: Vec<String>,
        /// Until when.
        until: Timestamp,
    },
}

// === impl Outcome ===

impl Outcome {
    /// For people.
    pub fn said(&self, rule: &str) -> String {
        match self {
            Self::Approved { who } => format!("{rule}: approved by {who}"),
            Self::Noted { who, required } => {
                let approvers =
                    if *required == 1 { "an approver signs".into() } else { format!("{required} approvers sign") };
                format!(
                    "{rule}: noted for {who}, and not approved: the policy names approvers. It is approved when {approvers} \
                     what `forgetd approve {rule} --statement` prints"
                )
            }
            Self::Signed { by, missing, others, until } => format!(
                "{rule}: signed by {}, and not approved yet: {missing} more of {} must sign the same statement, until {until}",
                by.join(" and "),
                others.join(", "),
            ),
        }
    }

    /// 0: approved; 4: what stops the rule stops it still.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Approved { .. } => 0,
            Self::Noted { .. } | Self::Signed { .. } => 4,
        }
    }
}
