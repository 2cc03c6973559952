//! `writ search`, and lists of what MIG's search finds.

use crate::cli::{Search, Subject};
use crate::context::Context;
use crate::exit::{Because, Exit, Failure};
use crate::http::Api;
use crate::output::Format;
use crate::output::found::{
    Actions, Agents, Commands, Found, Investigators, Kind, Loaders, Manifests,
};
use crate::output::list::{List, Rows};

/// Says how many are asked for at a time.
const PAGE: usize = 500;

pub(super) async fn run(context: &Context, args: &Search) -> Result<Exit, Failure> {
    match args.subject {
        Subject::Action => some::<Actions>(context, args).await,
        Subject::Command => some::<Commands>(context, args).await,
        Subject::Agent => some::<Agents>(context, args).await,
        Subject::Investigator => some::<Investigators>(context, args).await,
        Subject::Manifest => some::<Manifests>(context, args).await,
        Subject::Loader => some::<Loaders>(context, args).await,
    }
}

/// Prints as many as are asked for, and says whether there may be more.
async fn some<K: Kind>(context: &Context, args: &Search) -> Result<Exit, Failure> {
    let api = context.api()?;
    let (limit, offset) = (into_usize(args.limit), into_usize(args.offset));
    let mut list = List::<Found<K>>::new(args.output.output, context.screen);
    let query = args.filter.parameters();
    let printed = pages(&api, &query, offset, Some(limit), &mut list).await?;
    list.finish()?;
    if printed == 0 {
        context.screen.note("nothing was found");
    } else if printed == limit {
        let next = offset.saturating_add(limit);
        context.screen.note(&format!("there may be more\n  next: --offset {next}"));
    }
    Ok(Exit::Ok)
}

/// Prints all that `query` finds.
pub(super) async fn all<K: Kind>(
    context: &Context,
    query: &[(&str, String)],
    format: Format,
) -> Result<Exit, Failure> {
    let api = context.api()?;
    let mut list = List::<Found<K>>::new(format, context.screen);
    pages(&api, query, 0, None, &mut list).await?;
    list.finish()?;
    Ok(Exit::Ok)
}

/// Reads page by page from `offset` on until `limit` or the end; gives how many there were.
async fn pages<K: Kind>(
    api: &Api,
    query: &[(&str, String)],
    offset: usize,
    limit: Option<usize>,
    list: &mut List<Found<K>>,
) -> Result<usize, Failure>
where
    Found<K>: Rows,
{
    let mut printed = 0;
    loop {
        let size = limit.map_or(PAGE, |limit| PAGE.min(limit - printed));
        let mut query = query.to_vec();
        query.push(("limit", size.to_string()));
        query.push(("offset", (offset + printed).to_string()));
        let found = api.mig_search(K::NAME, &query).await?;
        let count = found.len();
        for raw in found.into_iter().take(size) {
            let value = serde_json::from_str(raw.get())
                .because(|| "the server's answer is not what this version expects".into())?;
            list.push(&raw, &value)?;
        }
        printed += count.min(size);
        if count < size || limit.is_some_and(|limit| printed >= limit) {
            return Ok(printed);
        }
    }
}

fn into_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
