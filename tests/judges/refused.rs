//! Every fault that a request can have by the vendor's page is refused, for that fault: the documents are not laxer than the pages.

use super::accepted::{documents, pages};
use super::installed;
use super::prism::Prism;
use super::said;

/// How many wrong requests there are.
pub(crate) fn count() -> usize {
    said::all().map(|page| page.wrong().len()).sum()
}

#[test]
#[ignore = "asks Prism; `.ci/run` installs it and sets CERTSWEEP_JUDGES"]
fn what_the_pages_do_not_allow_is_refused() {
    let (mut refused, mut lax) = (0, Vec::new());
    for (provider, file) in documents() {
        let prism = Prism::start(&file);
        for page in pages(&provider) {
            for wrong in page.wrong() {
                let judged = prism.judge(&wrong.request);
                let told = wrong.says.iter().all(|words| judged.report.contains(words));
                if judged.status == wrong.status && told {
                    refused += 1;
                } else {
                    let (status, says) = (wrong.status, &wrong.says);
                    lax.push(format!("{} {}: {judged:?}, not {status} {says:?}", page.name(), wrong.why));
                }
            }
        }
    }
    assert!(lax.is_empty(), "{} of {}:\n{}", lax.len(), count(), lax.join("\n"));
    assert_eq!(refused, count());
    installed::log(
        "Prism",
        &super::prism::version(),
        &format!("{refused} wrong requests, all refused, each for its fault"),
    );
}
