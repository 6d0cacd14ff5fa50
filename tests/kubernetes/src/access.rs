//! Who may do what: the token, the rights that a test grants, and the reviews that tell a client of them.

use crate::{call::Place, refusal::Refusal, resource::Resource};
use serde_json::{Value, json};

/// Who asks, as far as the double is concerned.
pub const USER: &str = "system:serviceaccount:selfheal:selfheal";

/// One rule of a Role or, without namespaces, of a ClusterRole; `*` stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Such as `get`, `patch`.
    pub verbs: Vec<String>,
    /// Empty text for the core group.
    pub groups: Vec<String>,
    /// Such as `pods`, `deployments/scale`.
    pub resources: Vec<String>,
    /// Only objects with these names; none means all.
    pub names: Vec<String>,
    /// Only in these namespaces; none means everywhere.
    pub namespaces: Vec<String>,
}

impl Right {
    /// A right everywhere, on all names.
    #[must_use]
    pub fn new(verbs: &[&str], group: &str, resources: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            verbs: owned(verbs),
            groups: owned(&[group]),
            resources: owned(resources),
            names: Vec::new(),
            namespaces: Vec::new(),
        }
    }

    /// The same in one namespace more.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespaces.push(namespace.to_owned());
        self
    }

    /// The rules of a Role or ClusterRole; `namespace` for a Role.
    ///
    /// # Panics
    ///
    /// When the object has no rules.
    #[must_use]
    pub fn of_role(role: &Value, namespace: Option<&str>) -> Vec<Self> {
        let texts = |rule: &Value, field: &str| {
            let items = rule[field].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let rules = role["rules"].as_array().expect("a Role and a ClusterRole have rules");
        let right = |rule: &Value| Self {
            verbs: texts(rule, "verbs"),
            groups: texts(rule, "apiGroups"),
            resources: texts(rule, "resources"),
            names: texts(rule, "resourceNames"),
            namespaces: namespace.map(str::to_owned).into_iter().collect(),
        };
        rules.iter().map(right).collect()
    }

    fn allows(&self, asked: &Asked) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|one| one == "*" || one == text);
        has(&self.verbs, asked.verb)
            && has(&self.groups, asked.group)
            && has(&self.resources, asked.resource)
            && (self.names.is_empty() || has(&self.names, asked.name))
            && (self.namespaces.is_empty() || has(&self.namespaces, asked.namespace))
    }
}

/// One question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    /// With the subresource, as in `pods/exec`.
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
}

/// What is granted; everything until a test says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) token: Option<String>,
    pub(crate) rights: Option<Vec<Right>>,
    /// Whether a request without the right is refused; reviews answer by the rights in any case.
    pub(crate) enforced: bool,
}

impl Access {
    fn allows(&self, asked: &Asked) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.iter().any(|right| right.allows(asked)))
    }

    /// # Errors
    ///
    /// 401 without the right token.
    pub(crate) fn check_token(&self, authorization: &str) -> Result<(), Refusal> {
        match &self.token {
            Some(token) if authorization.strip_prefix("Bearer ") != Some(token) => {
                Err(Refusal::unauthorized())
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    ///
    /// 403 without the right, where rights are enforced.
    pub(crate) fn check(&self, resource: &Resource, place: &Place, verb: &str) -> Result<(), Refusal> {
        let (name, namespace) = (place.name.unwrap_or_default(), place.namespace.unwrap_or_default());
        let full = place.resource();
        let asked = Asked { verb, group: place.group, resource: &full, name, namespace };
        if !self.enforced || self.allows(&asked) {
            return Ok(());
        }
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let because = format!(
            "User \"{USER}\" cannot {verb} resource \"{full}\" in API group \"{}\" {scope}",
            place.group
        );
        Err(Refusal::forbidden(resource, name, &because))
    }

    /// Answers a SelfSubjectAccessReview or SelfSubjectRulesReview.
    pub(crate) fn review(&self, plural: &str, mut review: Value) -> Option<Value> {
        let status = match plural {
            "selfsubjectaccessreviews" => {
                let about = &review["spec"]["resourceAttributes"];
                let text = |field: &str| about[field].as_str().unwrap_or_default();
                let resource = match text("subresource") {
                    "" => text("resource").to_owned(),
                    subresource => format!("{}/{subresource}", text("resource")),
                };
                let (verb, group) = (text("verb"), text("group"));
                let asked = Asked {
                    verb,
                    group,
                    resource: &resource,
                    name: text("name"),
                    namespace: text("namespace"),
                };
                json!({ "allowed": self.allows(&asked) })
            }
            "selfsubjectrulesreviews" => {
                let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
                let all = [Right::new(&["*"], "*", &["*"])];
                let rights = self.rights.as_deref().unwrap_or(&all).iter();
                let here = rights.filter(|right| {
                    right.namespaces.is_empty() || right.namespaces.iter().any(|one| one == namespace)
                });
                let rules: Vec<Value> = here
                    .map(|right| {
                        let mut rule = json!({ "verbs": right.verbs, "apiGroups": right.groups, "resources": right.resources });
                        if !right.names.is_empty() {
                            rule["resourceNames"] = json!(right.names);
                        }
                        rule
                    })
                    .collect();
                json!({ "resourceRules": rules, "nonResourceRules": [], "incomplete": false })
            }
            _ => return None,
        };
        if !review["metadata"].is_object() {
            review["metadata"] = json!({});
        }
        review["status"] = status;
        Some(review)
    }
}
