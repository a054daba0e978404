//! `certsweep find --at`: which accounts are asked for their lists, by which operations; and what their rows are to `find`. The engine asks.

use super::context::{Context, build_senders};
use super::exit::Exit;
use super::list_args::FindArgs;
use super::process::with_signals;
use crate::engine::listing::{Listing, RowReader, RowWish, WantedList, read_lists};
use crate::find::exports;
use crate::find::search::GONE;
use crate::find::{Gathered, Looked, Placement};
use crate::plan::Settings;
use crate::plan::accounts::settings_of;
use crate::provider::listing::{ListedRow, lists_for};
use crate::provider::model::Operation;
use crate::provider::{Catalog, params};
use crate::text::{SourceMap, safe};
use crate::time::Clock as _;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::rc::Rc;

/// The lists of accounts that are to be read.
#[derive(Debug)]
pub struct AskedLists {
    settings: Settings,
    wanted: Vec<WantedList>,
}

/// How their reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListsRead {
    /// All were read whole.
    Whole,
    /// Not all.
    NotWhole,
    /// A provider refused, or cannot be reached.
    Refused,
}

impl AskedLists {
    /// Chooses the lists of the accounts that the command line names.
    ///
    /// # Errors
    /// The exit code; why was printed.
    pub fn choose(context: &Context, args: &FindArgs, catalog: &Catalog) -> Result<Self, Exit> {
        let asked: Vec<(String, Vec<(String, String)>)> = args.accounts.iter().map(|text| divided(text)).collect();
        let names: Vec<String> = asked.iter().map(|(name, _)| name.clone()).collect();
        let from_environment =
            std::env::var_os("CERTSWEEP_SETTINGS").filter(|path| !path.is_empty()).map(PathBuf::from);
        let file = args.settings.clone().or(from_environment);
        let mut sources = SourceMap::default();
        let (settings, findings) = settings_of(&names, file.as_deref(), catalog, context.clock.now(), &mut sources);
        context.findings(&findings, &sources);
        let settings = settings.ok_or(Exit::Usage)?;
        let mut wanted: Vec<WantedList> = Vec::new();
        let mut is_wrong = false;
        for (index, ((name, given), account)) in asked.iter().zip(&settings.accounts).enumerate() {
            let chosen = match catalog.get(&account.provider) {
                Some(provider) => {
                    let action = provider.actions().find(|(operation, _)| operation.name == args.action);
                    let action = action.ok_or_else(|| {
                        let all: Vec<&str> = provider.actions().map(|(operation, _)| operation.name.as_str()).collect();
                        format!(
                            "`{}` has no action `{}`; it has {}",
                            provider.id,
                            safe::terminal(&args.action),
                            all.join(", ")
                        )
                    });
                    action.and_then(|(action, _)| {
                        let names: Map<String, Value> =
                            given.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
                        let lists = lists_for(provider, action, &names)?;
                        lists
                            .into_iter()
                            .map(|list| Ok((list, typed(&provider.operations[list], action, given)?)))
                            .collect::<Result<Vec<_>, String>>()
                    })
                }
                None => Err(format!("there is no provider document `{}`", account.provider)),
            };
            match chosen {
                Ok(lists) => wanted.extend(lists.into_iter().map(|(operation, parameters)| WantedList {
                    account: index,
                    operation,
                    parameters,
                })),
                Err(why) => {
                    is_wrong = true;
                    context.printer.error(&format!("--at {}: {why}", safe::terminal(name)));
                }
            }
        }
        if is_wrong { Err(Exit::Usage) } else { Ok(Self { settings, wanted }) }
    }

    /// Tells the placement of the accounts.
    pub fn place(&self, catalog: &Catalog, placement: &mut Placement, action: &str) {
        for account in &self.settings.accounts {
            if let Some(provider) = catalog.get(&account.provider) {
                placement.add_account(&account.name, provider, action);
            }
        }
    }

    /// Reads the lists into what was gathered.
    ///
    /// # Errors
    /// The exit code, where nothing was asked, or where it was interrupted.
    pub fn read(
        self,
        context: &Context,
        args: &FindArgs,
        catalog: &Catalog,
        placement: &Placement,
        gathered: &mut Gathered<'_>,
        looking: &mut dyn FnMut(&Looked),
    ) -> Result<ListsRead, Exit> {
        let senders = build_senders(context, &self.settings, catalog, args.ca_file.as_deref())?;
        let titles: Vec<String> = self
            .wanted
            .iter()
            .map(|list| {
                let sender = &senders[list.account];
                format!("{}, {}", sender.name, sender.provider.operations[list.operation].name)
            })
            .collect();
        let accounts: Vec<String> =
            self.wanted.iter().map(|list| self.settings.accounts[list.account].name.clone()).collect();
        let mut rows = ListedRows { titles, accounts, placement, gathered, looking, is_whole: true };
        let ended = with_signals(context, async |stop| {
            let clock = Rc::new(context.clock.clone());
            let listing = Listing { settings: self.settings, senders, clock, wanted: self.wanted, stop };
            Ok(read_lists(listing, &mut rows).await)
        })?;
        let is_whole = rows.is_whole;
        if let Some(number) = ended.stopped {
            context.printer.error("interrupted while lists were read; nothing was written");
            return Err(Exit::Signal(number));
        }
        for (account, why) in &ended.refused {
            context.printer.error(&format!("{account}: {}", safe::terminal(why)));
        }
        Ok(match is_whole {
            _ if !ended.refused.is_empty() => ListsRead::Refused,
            true => ListsRead::Whole,
            false => ListsRead::NotWhole,
        })
    }
}

/// An account's name, and what its lists are asked with. A value may hold commas.
fn divided(text: &str) -> (String, Vec<(String, String)>) {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default().trim().to_owned();
    let mut given: Vec<(String, String)> = Vec::new();
    for part in parts {
        match (part.split_once('='), given.last_mut()) {
            (Some((field, value)), _) => given.push((field.trim().to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(part);
            }
            (None, None) => given.push((part.trim().to_owned(), String::new())),
        }
    }
    (name, given)
}

/// What was given for a list, in the types of its parameters.
fn typed(list: &Operation, action: &Operation, given: &[(String, String)]) -> Result<Map<String, Value>, String> {
    let mut typed = Map::new();
    for (name, value) in given {
        let mut known = list.parameters.iter().chain(&action.parameters);
        let Some(parameter) = known.find(|parameter| parameter.name == *name) else {
            let names: Vec<&str> = list.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            return Err(format!(
                "`{}` has no parameter `{}`; it has {}",
                list.name,
                safe::terminal(name),
                names.join(", ")
            ));
        };
        let value = params::scalar(parameter, value, None).map_err(|wrong| format!("`{name}`: {}", wrong.what))?;
        typed.insert(name.clone(), value);
    }
    Ok(typed)
}

/// Takes the rows of lists to what was gathered.
struct ListedRows<'a, 's> {
    /// What a list is called, by its place.
    titles: Vec<String>,
    accounts: Vec<String>,
    placement: &'a Placement,
    gathered: &'a mut Gathered<'s>,
    looking: &'a mut dyn FnMut(&Looked),
    is_whole: bool,
}

impl RowReader for ListedRows<'_, '_> {
    fn row(&mut self, list: usize, row: &ListedRow, is_whole: bool) -> RowWish {
        let sighting = match exports::listed(row, &self.accounts[list]) {
            Ok(sighting) => sighting,
            Err(why) => {
                self.broken(list, why);
                return RowWish::default();
            }
        };
        // With an order all of its certificates are over.
        let others = self.gathered.wants_all() || !GONE.contains(&sighting.status.as_str());
        let is_named = self.placement.is_named(&sighting);
        let detail = self.gathered.take_listed(sighting, is_named, is_whole);
        (self.looking)(&self.gathered.looked);
        RowWish { detail, others }
    }

    fn broken(&mut self, list: usize, why: String) {
        self.is_whole = false;
        self.gathered.note_unread(&format!("{}: {why}", self.titles[list]));
    }
}
