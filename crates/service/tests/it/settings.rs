//! Flags, their variables, and what is shown of them.

use crate::support::Small;
use service::Settings;

fn help() -> String {
    Settings::<Small>::parse(["--help"]).err().unwrap().to_string()
}

#[test]
fn every_flag_has_a_variable_named_after_its_service() {
    let help = help();
    for variable in [
        "[env: WRIT_INVESTIGATION_API_DATABASE_URL]",
        "[env: WRIT_INVESTIGATION_API_LISTEN]",
        "[env: WRIT_INVESTIGATION_API_ADMIN_LISTEN]",
        "[env: WRIT_INVESTIGATION_API_EXPLODE]",
        "[env: AMQP_URL]",
        "[env: WRIT_PUBLIC_URL]",
        "[env: WRIT_PGP_ALLOW_SHA1]",
    ] {
        assert!(help.contains(variable), "{variable} is not in\n{help}");
    }
    let flags = help.lines().filter(|line| line.trim_start().starts_with("--"));
    for flag in flags {
        assert!(help.contains(&format!("{}\n", flag.trim_end())), "{flag}");
    }
    assert_eq!(help.matches("[env: ").count(), help.matches("      --").count(), "{help}");
}

#[test]
fn a_wrong_setting_is_named() {
    for (flags, word) in [
        (&["--workers", "many"][..], "--workers"),
        (&["--trusted-proxies", "home"], "not a network"),
        (&["--nonsense"], "--nonsense"),
    ] {
        let error = Settings::<Small>::parse(flags).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_misspelt_variable_is_found() {
    let given = [
        "WRIT_INVESTIGATION_API_DATABASE_URL",
        "WRIT_INVESTIGATION_API_EXPLODES",
        "WRIT_SCHEDULER_DATABASE_URL",
        "AMQP_URL",
    ];
    let unknown = Settings::<Small>::unknown(given.map(Into::into));
    assert_eq!(unknown, ["WRIT_INVESTIGATION_API_EXPLODES"]);
}
