//! Which way to authenticate is taken, by the names of the credentials that there are. Sees no secret.

use super::model::{AuthScheme, Provider};

impl Provider {
    /// The first way to authenticate, in the document's order, whose required credentials are all there.
    pub fn auth_for(&self, is_there: impl Fn(&str) -> bool) -> Option<&AuthScheme> {
        self.auth.iter().find(|scheme| scheme.required.iter().all(|name| is_there(name)))
    }

    /// The names of all credentials that the provider knows, in the document's order, each once.
    pub fn credential_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.auth.iter().flat_map(|scheme| scheme.required.iter().chain(&scheme.optional)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use crate::diag::Diagnostics;
    use crate::provider::Catalog;
    use crate::text::SourceMap;

    #[test]
    fn the_first_complete_way_to_authenticate_is_taken() {
        let catalog = Catalog::built_in(&mut SourceMap::default(), &mut Diagnostics::default());
        let huawei = catalog.get("huawei").unwrap();
        for (there, expected) in [
            (&["auth_token", "access_key", "secret_key"][..], Some("token")),
            (&["iam_user", "iam_password", "iam_domain", "access_key", "secret_key"], Some("aksk")),
            (&["iam_user", "iam_password", "iam_domain", "access_key"], Some("iam")),
            (&["access_key", "security_token"], None),
            (&[], None),
        ] {
            let scheme = huawei.auth_for(|name| there.contains(&name));
            assert_eq!(scheme.map(|scheme| scheme.name.as_str()), expected, "{there:?}");
        }
        assert_eq!(huawei.credential_names().len(), 8);
        assert!(huawei.credential_names().iter().all(|name| huawei.environment.contains_key(*name)));
    }
}
