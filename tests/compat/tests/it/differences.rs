//! The table of intended differences: what a recorded request is answered now, and which defect of the original that
//! mends.
//!
//! The defects are listed in `proto-docs/compatibility.md`; a row that differs no more is a failure as well.

/// Is one row: recordings (none is all of them), place, what comes, why. Place and what comes may have one `*` for
/// anything.
pub(crate) type Row = (&'static [u16], &'static str, &'static str, &'static str);

/// A refusal that the caller can mend was a recovered panic.
const NOT_OURS: &str = "all failures of validation were 500; clients cannot read those and crash";
/// The words were Go's, or the database's.
const WORDS: &str =
    "internals of Go or SQL as the message; what is wrong and where is said instead";
/// Rows that did not exist were updated.
const UNKNOWN: &str = "updates of unknown ids answered 200";
/// The house has more services than MIG.
const HOUSE: &str =
    "no defect: permissions of the other services follow MIG's nineteen; clients pass over them";

/// Everything was asked for.
const NO_FILTER: &str = "a search without a filter was broken SQL";
/// A row said it was never changed.
const MODIFIED: &str = "lastmodified of investigators never changed";

/// A key is random.
const NEW_KEY: &str = "no defect: a key is made each time";
/// Loaders look for 200 only.
const REFUSED: &str = "refusals of loaders were 500";
/// A condition was SQL.
const CONDITION: &str = "a condition over loaders was any SQL, and was not looked at when it came";
/// A signature was text.
const SIGNED: &str = "any text counted as a signature";

/// Lists where an answer is meant to differ.
pub(crate) const INTENDED: &[Row] = &[
    (
        &[7],
        "body",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBGsB4w*",
        "no defect: the packets are kept in the form in which they were uploaded",
    ),
    (
        &[15],
        "*",
        "*",
        "no defect: a doubled slash is answered at once, which needs one request less",
    ),
    (&[45], "*", "*", "status and permissions could not be saved with PostgreSQL 10 and later"),
    (&[47], "status", "409", NOT_OURS),
    (&[49, 51, 53, 57, 65, 67, 83, 165, 169, 173], "status", "400", NOT_OURS),
    (&[291, 293, 295, 297, 299, 301, 303, 307, 309], "status", "400", NOT_OURS),
    (
        &[51],
        "/collection/error/message",
        "the permissions are not a JSON object of booleans: *",
        WORDS,
    ),
    (
        &[53],
        "/collection/error/message",
        "LoadArmoredPubKey() -> the text is not an armored key",
        WORDS,
    ),
    (&[57], "/collection/error/message", "the parameter 'investigatorid' is missing", WORDS),
    (
        &[65],
        "/collection/error/message",
        "Wrong parameters 'id': 'strconv.ParseFloat: parsing \"abc\": invalid syntax'",
        WORDS,
    ),
    (&[165], "/collection/error/message", "the parameter 'actionid' is missing", WORDS),
    (&[173], "/collection/error/message", "the parameter 'commandid' is missing", WORDS),
    (
        &[291, 309],
        "/collection/error/message",
        "the action is not valid JSON: EOF while parsing a value at line 1 column 0",
        WORDS,
    ),
    (
        &[303],
        "/collection/error/message",
        "investigator \"Bob Investigator\" signed the action twice*",
        "an action with two signatures by one key was stored, ran, and answered 500",
    ),
    (&[307], "/collection/error/message", "action name is longer than 2048 characters", WORDS),
    (&[71], "*", "*", UNKNOWN),
    (
        &[73],
        "/collection/error/message",
        "Insufficient permissions to access endpoint",
        "a new investigator could not log in for five minutes",
    ),
    (
        &[27, 31, 39, 41, 89],
        "/collection/items/0/data/6/value",
        "1",
        "new endpoints were counted as 0 most of the time",
    ),
    (
        &[177],
        "*/destructiontime",
        "9998-01-11T11:11:11Z",
        "GET /agent said that every agent is destroyed since the year 1",
    ),
    (&[181, 189, 201, 217, 273, 285, 287, 289], "status", "400", NOT_OURS),
    (&[183, 185, 191, 199, 239, 283], "status", "200", NO_FILTER),
    (&[183, 185, 191, 199, 239, 283], "/collection/*", "*", NO_FILTER),
    (&[201], "*/after", "2022-05-16T18:35:56Z", "no defect: what cannot be read keeps its default"),
    (
        &[227],
        "*/next",
        "http://127.0.0.1:18340/api/v1/search?type=agent&after=2022-05-16T18%3A35%3A56Z&before=2031-05-29T18%3A35%3A56Z&agentname=a%25&limit=2&offset=3",
        "the next page lost target and foundanything, and was not encoded",
    ),
    (&[241], "*/lastmodified", "2026-11-21T18:*", MODIFIED),
    (
        &[273, 285, 287, 289],
        "/collection/error/message",
        "target: position *",
        "a target was SQL, and its errors were the database's",
    ),
    (&[277], "*", "*", "limit was off by two and not applied to targets"),
    (&[], "*/permissions", "{search action * playbook_run}", HOUSE),
    (&[325], "/collection/items/0/data/0/value/apikey", "*", NEW_KEY),
    (&[93, 103, 127, 129, 131, 137, 143, 147, 159], "status", "400", NOT_OURS),
    (&[95, 97, 99], "/collection/items/0/data/0/value/prefix", "*", NEW_KEY),
    (&[95, 97], "/collection/items/0/data/0/value/key", "*", NEW_KEY),
    (&[111, 113], "status", "404", REFUSED),
    (&[117], "*", "*", UNKNOWN),
    (&[119, 149], "status", "404", NOT_OURS),
    (&[119], "/collection/error/message", "Loader ID '777' not found", WORDS),
    (&[149], "/collection/error/message", "Manifest ID '999' not found", WORDS),
    (&[123, 135], "status", "400", CONDITION),
    (&[123, 135], "/collection/error", "{code message}", CONDITION),
    (&[127], "/collection/error/message", "the form's JSON does not parse: *", WORDS),
    (&[137, 143, 147], "/collection/error/message", "the parameter 'manifestid' is missing", WORDS),
    (&[141], "*", "*", "the documented address of a manifest was 404"),
    (&[151], "*/status", "staged", SIGNED),
    (&[151], "*/signatures", "null", SIGNED),
    (
        &[157],
        "*/sha256",
        "*",
        "a server built with Go 1.10 or later forgot the last piece of each file, which is all of a small one",
    ),
    (&[187], "status", "200", NO_FILTER),
    (&[187], "/collection/*", "*", NO_FILTER),
    (
        &[259],
        "*",
        "*",
        "limit was off by two and not applied to loaders; a loader without a name could be made",
    ),
];
