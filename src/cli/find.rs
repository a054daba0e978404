//! `certsweep find`: which certificates are meant. Reads files; with `--at`, chooses which accounts are asked for their lists, by which operations,
//! and what their rows are to the search. The engine asks.

use super::context::{Context, Exit, build_senders};
use super::options::FindArgs;
use super::process::with_signals;
use super::status::quoted;
use crate::engine::inquiry::{Listing, RowReader, RowWish, WantedList, read_lists};
use crate::find::contents::{ListColumns, listed};
use crate::find::criteria::{WantedIssuer, moment_after, serials, time_range};
use crate::find::search::{GONE, search};
use crate::find::target_list::{TargetList, Unplaced};
use crate::find::{Criteria, Gathered, LocatedCertificate, Looked, NamePatterns, Placement, Search, SearchResult};
use crate::journal::files::replace;
use crate::pki::public_keys::DebianKeys;
use crate::pki::{Certificate, SpkiFingerprint, pem, public_keys};
use crate::plan::Settings;
use crate::plan::settings_of;
use crate::provider::listing::ListedRow;
use crate::provider::listing::lists_for;
use crate::provider::model::Operation;
use crate::provider::{Catalog, params};
use crate::text::{Secret, SourceMap, file, safe};
use crate::time::Clock;
use crate::view::progress::{SearchProgress, summary};
use crate::view::terminal::{grouped, plural};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Looks for certificates and writes the list of them.
pub fn find(context: &Context, args: &FindArgs) -> Exit {
    let catalog = match context.catalog(&context.provider_directories()) {
        Ok(catalog) => catalog,
        Err(exit) => return exit,
    };
    let wrong = |why: &str| {
        context.printer.error(why);
        Exit::Usage
    };
    if let Err(exit) = context.check_place("-o", args.output.as_deref()) {
        return exit;
    }
    let mut placement = match Placement::new(&catalog, &args.providers, &args.action) {
        Ok(placement) => placement,
        Err(why) => return wrong(&format!("--provider: {why}")),
    };
    let lists = match AskedLists::choose(context, args, &catalog) {
        Ok(lists) => lists,
        Err(exit) => return exit,
    };
    lists.place(&catalog, &mut placement, &args.action);
    let request = match request(args, &placement, context.clock.now()) {
        Ok(request) => request,
        Err(why) => return wrong(&why),
    };
    let mut progress = SearchProgress::begin(&context.printer, context.clock.elapsed());
    let mut looking = |looked: &Looked| progress.looked(looked.files + looked.rows, || context.clock.elapsed());
    let mut gathered = search(&request, &mut looking);
    let asked = !args.accounts.is_empty();
    let read = if asked {
        lists.read(context, args, &catalog, &placement, &mut gathered, &mut looking)
    } else {
        Ok(ListsRead::Whole)
    };
    progress.end();
    let read = match read {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let mut result = gathered.finish();
    let unplaced = place(&placement, &mut result.found);
    let list = match list(args, &result.found) {
        Ok(list) => list,
        Err(why) => return context.failed(&why),
    };
    let written = match &args.output {
        None if context.global.json => {
            context.printer.result_json(&to_json(&list, &result, &unplaced));
            Ok(())
        }
        _ if result.found.is_empty() => Ok(()),
        output => context.write_to(output.as_deref(), |output| list.write(output)),
    };
    if let Err(error) = written {
        return context.failed(&error);
    }
    tell(context, &result, &unplaced, asked);
    if let Some(path) = args.output.as_ref().filter(|_| !result.found.is_empty()) {
        let list = quoted(path);
        let list = safe::terminal(&list);
        context.printer.hint(&format!(
            "new keys and requests, to replace: certsweep csr --from {list} --out keys\n        or a plan of the list as it is: certsweep init --from \
             {list} -o plan.yaml"
        ));
    }
    match read {
        ListsRead::Refused => Exit::Environment,
        ListsRead::Whole if !result.found.is_empty() => Exit::Well,
        ListsRead::Whole | ListsRead::NotWhole => Exit::NotAllWell,
    }
}

/// A file as the list names it: from the list's directory on where it lies below, else from the root, since nobody knows where the list goes.
pub(super) fn reference(path: &Path, list: Option<&Path>) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let base = list.and_then(|list| std::path::absolute(list).ok()?.parent().map(Path::to_owned));
    let shown = base.as_ref().and_then(|base| path.strip_prefix(base).ok()).unwrap_or(&path);
    format!("file:{}", shown.display())
}

fn request(args: &FindArgs, placement: &Placement, now: Timestamp) -> Result<Search, String> {
    for place in &args.places {
        std::fs::metadata(place).map_err(|error| unreadable(place, &error))?;
    }
    Ok(Search {
        criteria: criteria(args, now)?,
        places: args.places.clone(),
        passwords: args.passwords.iter().map(|reference| password(reference)).collect::<Result<_, _>>()?,
        columns: ListColumns { named: args.columns(), parameters: placement.parameters() },
        keeps_certificates: args.out.is_some(),
        all: args.all,
        now,
    })
}

fn criteria(args: &FindArgs, now: Timestamp) -> Result<Criteria, String> {
    let mut keys: HashSet<SpkiFingerprint> = HashSet::new();
    for key in &args.keys {
        keys.extend(keys_of(key)?);
    }
    let serials = args.serials.as_ref().map(|path| {
        let all = serials(&read_text(path)?);
        let all = all.map_err(|line| format!("{}:{line}: there is no serial number in this line", path.display()))?;
        if all.is_empty() { Err(format!("{}: there is no serial number in it", path.display())) } else { Ok(all) }
    });
    let names = args.names.as_ref().map(|text| {
        let mut names = NamePatterns::default();
        let path = Path::new(text);
        // No name holds one: what does is a path, and a mistake in it no pattern that nothing fits.
        if text.contains(std::path::MAIN_SEPARATOR) || is_there(path) {
            for (line, number) in read_text(path)?.lines().zip(1_u32..) {
                let name = line.split('#').next().unwrap_or_default().trim();
                if !name.is_empty() {
                    names.add(name).map_err(|why| format!("{text}:{number}: {why}"))?;
                }
            }
        } else {
            names.add(text)?;
        }
        if names.is_empty() { Err(format!("{text}: there is no name in it")) } else { Ok(names) }
    });
    let issuer = args.issuer.as_ref().map(|text| {
        let path = Path::new(text);
        if !is_there(path) {
            return Ok(WantedIssuer::Text(text.clone()));
        }
        let bytes = file::read(path, MAX_NAMED).map_err(|error| unreadable(path, &error))?;
        let all = Certificate::parse_all(&bytes).map_err(|why| format!("{text}: {why}; {}", why.help()))?;
        Ok::<_, String>(WantedIssuer::Certificates(all))
    });
    let mut debian = DebianKeys::default();
    for path in &args.debian_keys {
        let read = debian.read(&read_text(path)?);
        read.map_err(|line| format!("{}:{line}: this is no fingerprint of 20 hexadecimal digits", path.display()))?;
    }
    Ok(Criteria {
        keys: (!args.keys.is_empty()).then_some(keys),
        serials: serials.transpose()?,
        names: names.transpose()?,
        issuer: issuer.transpose()?,
        issued: args.issued_between.as_deref().map(time_range).transpose()?.unwrap_or_default(),
        expires_before: args.expires_before.as_deref().map(|text| moment_after(text, now)).transpose()?,
        weak: args.weak,
        debian,
    })
}

/// Whether a text that may name a file does: one or a pipe is there. Directories have names of hosts, and are not meant.
fn is_there(path: &Path) -> bool {
    path.exists() && !path.is_dir()
}

/// The keys of a file, or the fingerprint that is written in its place.
fn keys_of(named: &str) -> Result<Vec<SpkiFingerprint>, String> {
    let path = Path::new(named);
    if let Some(fingerprint) = SpkiFingerprint::parse(named).filter(|_| !path.exists()) {
        return Ok(vec![fingerprint]);
    }
    let bytes = file::read(path, MAX_NAMED).map_err(|error| unreadable(path, &error))?;
    public_keys::of_file(&bytes).map_err(|why| format!("{named}: {why}"))
}

/// A password by reference: on the command line everybody on the machine would read it.
fn password(reference: &str) -> Result<Secret, String> {
    let text = match reference.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => format!("--password: the variable {name} is not set"),
            std::env::VarError::NotUnicode(_) => {
                format!("--password: the variable {name} holds bytes that are no UTF-8 text")
            }
        })?,
        // As it stands: what is undone for lists would be another password.
        Some(("file", path)) => {
            let path = Path::new(path);
            file::read_text(path, MAX_NAMED).map_err(|error| unreadable(path, &error))?
        }
        _ => {
            return Err(
                "--password takes a reference, `env:NAME` or `file:PATH`, and never the password itself".to_owned()
            );
        }
    };
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// A list that a person has: UTF-16 and gzip are undone, as for the lists of plans.
fn read_text(path: &Path) -> Result<String, String> {
    let read = || {
        let bytes = file::read(path, MAX_NAMED)?;
        let bytes = file::read_to_bound(file::decode(Box::new(Cursor::new(bytes)))?, MAX_NAMED)?;
        String::from_utf8(bytes).map_err(|_| io::Error::other("it is neither UTF-8 nor UTF-16 text"))
    };
    read().map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {}", safe::terminal(&path.display().to_string()), file::reason(error))
}

/// The lists of accounts that are to be read.
#[derive(Debug)]
struct AskedLists {
    settings: Settings,
    wanted: Vec<WantedList>,
}

/// How their reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListsRead {
    /// All were read whole.
    Whole,
    /// Not all.
    NotWhole,
    /// A provider refused, or cannot be reached.
    Refused,
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

impl AskedLists {
    /// Chooses the lists of the accounts that the command line names.
    ///
    /// # Errors
    /// The exit code; why was printed.
    fn choose(context: &Context, args: &FindArgs, catalog: &Catalog) -> Result<Self, Exit> {
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
    fn place(&self, catalog: &Catalog, placement: &mut Placement, action: &str) {
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
    fn read(
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

impl RowReader for ListedRows<'_, '_> {
    fn row(&mut self, list: usize, row: &ListedRow, is_whole: bool) -> RowWish {
        let sighting = match listed(row, &self.accounts[list]) {
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

/// Places all; why some are not placed, and how many.
fn place(placement: &Placement, found: &mut [LocatedCertificate]) -> BTreeMap<Unplaced, u64> {
    let mut unplaced = BTreeMap::new();
    for one in found {
        if let Err(why) = placement.place(one) {
            *unplaced.entry(why).or_default() += 1;
        }
    }
    unplaced
}

/// The list, and the certificates that it names, where they are wanted.
fn list(args: &FindArgs, found: &[LocatedCertificate]) -> Result<TargetList, String> {
    let mut cells = BTreeMap::new();
    if let Some(directory) = &args.out {
        std::fs::create_dir_all(directory)
            .map_err(|error| format!("--out {}: {}", directory.display(), file::directory_reason(&error)))?;
        for one in found {
            let Some(chain) = one.known.whole.as_ref().map(|whole| &whole.chain) else { continue };
            let path = directory.join(format!("{}.pem", stem(one)));
            let text: String = chain.iter().map(|der| pem::encode("CERTIFICATE", der)).collect();
            replace(&path, |file| file.write_all(text.as_bytes())).map_err(|error| error.to_string())?;
            cells.insert(one.known.fingerprint, reference(&path, args.output.as_deref()));
        }
    }
    Ok(TargetList::new(found, |one| {
        let made = cells.get(&one.known.fingerprint).cloned();
        let there = || {
            let file = one.known.whole.as_ref()?.file.as_ref()?;
            Some(reference(Path::new(file), args.output.as_deref()))
        };
        made.or_else(there).unwrap_or_default()
    }))
}

/// What a certificate's file is called: its name, and what tells it from others of that name.
fn stem(found: &LocatedCertificate) -> String {
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || "-.".contains(letter) { letter } else { '_' };
    let name: String = found.known.common_name.chars().take(MAX_STEM).map(allowed).collect();
    let digits = hex::encode(&found.known.fingerprint.unwrap_or_default()[..4]);
    // A leading point would hide it.
    format!("{}-{digits}", name.trim_start_matches(['.', '-']))
}

fn to_json(list: &TargetList, result: &SearchResult, unplaced: &BTreeMap<Unplaced, u64>) -> Value {
    let row = |(_, cells): &(u32, Vec<String>)| -> Map<String, Value> {
        list.header.iter().cloned().zip(cells.iter().map(|cell| cell.as_str().into())).collect()
    };
    let (looked, left_out) = (&result.looked, &result.left_out);
    serde_json::json!({
        "found": list.rows.iter().map(row).collect::<Vec<_>>(),
        "looked_through": {
            "files": looked.files, "certificates": looked.certificates, "rows": looked.rows, "other_files": looked.others,
            "sockets_pipes_devices": looked.specials,
        },
        "left_out": {"expired": left_out.expired, "revoked": left_out.revoked, "of_cas": left_out.cas, "not_issued": left_out.not_issued},
        "not_found": {"keys": result.unmet.keys, "serials": result.unmet.serials, "names": result.unmet.names},
        "undecided": result.undecided.iter().map(|(what, undecided)| (*what, undecided.count)).collect::<BTreeMap<_, _>>(),
        "undecided_rows": result.undecided.iter().map(|(what, undecided)| (*what, &undecided.rows)).collect::<BTreeMap<_, _>>(),
        "unplaced": unplaced.iter().map(|(why, count)| (reason(why), *count)).collect::<BTreeMap<_, _>>(),
        "unread": result.unread,
        "more_unread": result.more_unread,
    })
}

/// Tells what the list does not show.
fn tell(context: &Context, result: &SearchResult, unplaced: &BTreeMap<Unplaced, u64>, asked: bool) {
    let shown = if context.global.verbose > 0 { usize::MAX } else { MAX_SHOWN };
    for why in result.unread.iter().take(shown) {
        context.printer.warning(&format!("not read: {why}"));
    }
    let more = result.unread.len().saturating_sub(shown) as u64 + result.more_unread;
    if more > 0 {
        let help = if result.more_unread == more { "" } else { "; -v shows them" };
        context.printer.warning(&format!("not read: {} more{help}", plural(more, "place")));
    }
    for (what, undecided) in &result.undecided {
        let rows = plural(undecided.count, "row");
        context.printer.warning(&format!(
            "{rows} of lists could not be judged: the list does not tell {what}, and no file here holds the certificate: {}",
            first_of(context, &undecided.rows, undecided.count)
        ));
    }
    // Of one that was asked for, the summary says it.
    for (what, unmet, all) in [
        ("keys", &result.unmet.keys, result.unmet.of.0),
        ("serial numbers", &result.unmet.serials, result.unmet.of.1),
        ("names", &result.unmet.names, result.unmet.of.2),
    ] {
        if all > 1 && !unmet.is_empty() {
            context.printer.warning(&format!(
                "{} of the {} {what} that were asked for are of no certificate that was found: {}",
                grouped(unmet.len() as u64),
                grouped(all as u64),
                first_of(context, unmet, unmet.len() as u64)
            ));
        }
    }
    for (why, count) in unplaced {
        let nobody = asked && *why == Unplaced::NoProvider;
        let why = if nobody { NOBODY_KNOWS.to_owned() } else { reason(why) };
        context.printer.warning(&format!("{}: {why}", plural(*count, "certificate")));
    }
    let text = summary(result.found.len() as u64, &result.looked, &result.left_out);
    // What was looked through must be known where nothing was found.
    if result.found.is_empty() { context.printer.always(&text) } else { context.printer.note(&text) }
}

/// The first of so many, and how many more there are.
fn first_of(context: &Context, known: &[String], all: u64) -> String {
    let shown = if context.global.verbose > 0 { known.len() } else { MAX_NAMED_ONES.min(known.len()) };
    let first: Vec<_> = known[..shown].iter().map(|text| safe::terminal(text)).collect();
    let more = match all - shown as u64 {
        0 => String::new(),
        more => {
            let help = if shown < known.len() { "; -v shows them" } else { "" };
            format!(", … and {} more{help}", grouped(more))
        }
    };
    format!("{}{more}", first.join(", "))
}

fn reason(why: &Unplaced) -> String {
    match why {
        Unplaced::NoProvider => {
            "nothing says at which provider; `--provider ID` does, or `defaults: {provider: …}` in the plan".to_owned()
        }
        Unplaced::Several(ids) => {
            format!("it may be at each of {ids}, so none is written; `--provider ID` says which is meant")
        }
        Unplaced::NoTarget(parameter) => {
            format!("no list tells {parameter}; give the provider's export with `--in`, too, or write it into the plan")
        }
    }
}

const NOBODY_KNOWS: &str = "no account that was asked knows it; `--provider ID` says where it is";
/// Bytes of a file that the command line names.
const MAX_NAMED: u64 = 64 << 20;
/// Letters of a name that a file's name takes.
const MAX_STEM: usize = 100;
/// Lines about what could not be read.
const MAX_SHOWN: usize = 50;
/// What was asked for and not found, and rows that nobody could judge, by name.
const MAX_NAMED_ONES: usize = 5;
