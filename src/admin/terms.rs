//! What an owner sets down for one account: read from words, and said back in words.

use serde::{Deserialize, Serialize};

use crate::model::method::{Method, Methods};
use crate::model::mode::Mode;
use crate::model::strength::Strength;
use crate::model::terms::Terms;
use crate::store::people::Edit;
use crate::store::terms::Change;

/// The word for "as the installation has it".
const INHERIT: &str = "inherit";

/// Terms as typed; what is not given stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsWish {
    /// The ways that count, with commas, or `inherit`.
    pub methods: Option<String>,
    /// How firmly identity has to be proven: `2fa`, `passkey` or `inherit`.
    pub require: Option<String>,
    /// Whether they may change their factors: `on`, `off` or `inherit`.
    pub self_service: Option<String>,
}

/// What was set down for an account, for people and programs; nothing where the installation decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsLine {
    /// The ways that count.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    /// How firmly identity has to be proven.
    #[serde(default)]
    pub require: Option<String>,
    /// Whether they may change their factors.
    #[serde(default)]
    pub self_service: Option<bool>,
}

impl From<&Terms> for TermsLine {
    fn from(terms: &Terms) -> Self {
        let Terms { methods, demanded, self_service } = *terms;
        let names = || methods.iter().map(|method| method.name().to_owned()).collect();
        Self {
            methods: (methods != Methods::ALL).then(names),
            require: demanded.map(|strength| strength.name().to_owned()),
            self_service,
        }
    }
}

/// What is to become of somebody's terms.
///
/// # Errors
/// What is said of a text that cannot be taken.
pub fn read(wish: &TermsWish) -> Result<Change, String> {
    let methods = edit(wish.methods.as_deref(), |text| {
        let known = Method::ALL.map(Method::name).join(", ");
        Methods::parse(text)
            .ok_or_else(|| format!("`{}` is no list of ways to sign in: {known}, or {INHERIT}", text.escape_debug()))
    })?;
    let demanded = edit(wish.require.as_deref(), |text| match text {
        "2fa" => Ok(Strength::TwoFactor),
        "passkey" => Ok(Strength::Passkey),
        other => Err(format!("`{}` cannot be demanded: 2fa, passkey, or {INHERIT}", other.escape_debug())),
    })?;
    let self_service = edit(wish.self_service.as_deref(), |text| match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("`{}` says nothing here: on, off, or {INHERIT}", other.escape_debug())),
    })?;
    Ok(Change { methods, demanded, self_service })
}

fn edit<T>(text: Option<&str>, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<Edit<T>, String> {
    match text.map(str::trim) {
        None => Ok(Edit::Keep),
        Some(INHERIT) => Ok(Edit::Clear),
        Some(text) => parse(text).map(Edit::Set),
    }
}

/// Why nobody could sign in under these terms where `everywhere` is all that counts; `None` if that can be done. Where one owner signs in,
/// ways are not told apart.
pub fn shuts_out(current: &Terms, change: &Change, (mode, everywhere): (Mode, Methods)) -> Option<String> {
    if mode.is_single_owner() {
        let told = "`--methods` tells ways with passwords apart, and with `auth.mode = \"single_owner\"` there are none; \
                    `--require passkey` admits nothing but a passkey; nothing was changed";
        return matches!(change.methods, Edit::Set(_)).then(|| told.to_owned());
    }
    let methods = match change.methods {
        Edit::Keep => current.methods,
        Edit::Clear => Methods::ALL,
        Edit::Set(methods) => methods,
    };
    let demanded = match change.demanded {
        Edit::Keep => current.demanded,
        Edit::Clear => None,
        Edit::Set(strength) => Some(strength),
    };
    let firm = methods.and(everywhere).at_least(demanded.unwrap_or(Strength::Password));
    let asked = demanded.map(|strength| format!(" for {}", strength.name())).unwrap_or_default();
    let told =
        || format!("of {methods}, none is allowed here and firm enough{asked}; `user disable` bars sign-in; nothing was changed");
    firm.is_empty().then(told)
}

/// The change in words, for the trail.
pub fn in_words(wish: &TermsWish) -> String {
    let parts = [("methods", &wish.methods), ("require", &wish.require), ("self-service", &wish.self_service)];
    let told = parts.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} {}", value.trim())));
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(methods: &str, require: &str, self_service: &str) -> TermsWish {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TermsWish { methods: given(methods), require: given(require), self_service: given(self_service) }
    }

    #[test]
    fn terms_are_read_and_said_back() {
        assert!(read(&wish("", "", "")).expect("nothing").is_nothing());
        let change = read(&wish("passkey, password+totp", "2fa", "off")).expect("terms");
        assert_eq!(change.methods, Edit::Set(Methods::of([Method::Passkey, Method::PasswordTotp])));
        assert_eq!((change.demanded, change.self_service), (Edit::Set(Strength::TwoFactor), Edit::Set(false)));
        let change = read(&wish("inherit", "inherit", "inherit")).expect("terms");
        assert_eq!((change.methods, change.demanded, change.self_service), (Edit::Clear, Edit::Clear, Edit::Clear));
        for (methods, require, self_service) in
            [("oidc", "", ""), (" ", "", ""), ("", "password", ""), ("", "none", ""), ("", "", "yes")]
        {
            assert!(read(&wish(methods, require, self_service)).is_err(), "{methods} {require} {self_service}");
        }
    }

    /// The attack (on ourselves): a person is shut out by a slip of the hand.
    #[test]
    fn terms_that_nobody_can_meet_are_refused() {
        let codes = Methods::of([Method::PasswordTotp]);
        let read = |methods: &str, require: &str| read(&wish(methods, require, "")).expect("terms");
        let free = Terms::default();
        assert!(shuts_out(&free, &read("passkey", ""), (Mode::People, codes)).is_some());
        assert!(shuts_out(&free, &read("", "passkey"), (Mode::People, codes)).is_some());
        assert!(shuts_out(&Terms { methods: codes, ..free }, &read("", "passkey"), (Mode::People, Methods::ALL)).is_some());
        for (methods, require) in [("passkey,password+totp", "2fa"), ("inherit", ""), ("", "inherit")] {
            assert_eq!(shuts_out(&free, &read(methods, require), (Mode::People, codes)), None, "{methods} {require}");
        }
        let alone = |current: &Terms, methods: &str, require: &str| {
            shuts_out(current, &read(methods, require), (Mode::SingleOwner, Methods::ALL)).is_some()
        };
        assert!(alone(&free, "password", "") && alone(&free, "passkey", "passkey"));
        let kept = Terms { methods: codes, ..free };
        assert!(!alone(&kept, "", "passkey") && !alone(&kept, "inherit", ""), "what was set down for another mode says nothing");
    }
}
