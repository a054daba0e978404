//! docs/proofs.md and the tests say the same numbers and versions, as far as they are known without a judge.

use crate::accepted::{documents, pages};
use crate::{acme, acme_prism, huawei, naver, openssl, program, refused, verified};

#[test]
fn the_paper_says_how_much_is_judged() {
    let paper = include_str!("../../docs/proofs.md");
    let (mut built, mut shown) = (0, 0);
    for (provider, _) in documents() {
        let samples: usize = provider.operations.iter().map(|operation| operation.samples.len()).sum();
        built += (samples + provider.operations.len()) * provider.auth.len();
        shown += pages(&provider).map(|page| page.right().len()).sum::<usize>();
    }
    for words in [
        format!("{built} requests |"),
        format!("{shown} requests |"),
        format!("{} requests |", refused::count()),
        format!("{} signed requests and their payloads, {} wrong ones |", acme_prism::SIGNED, acme_prism::wrong()),
        format!("{} actions |", program::ACTIONS.matches("{id:").count()),
        format!("{} signatures of {} requests", naver::count(), naver::requests().len()),
        format!("{} signatures of {} requests", huawei::count(), huawei::requests().len()),
        format!("{} certificates of {} CAs", openssl::count(), openssl::authorities()),
        format!("{} certificates by certbot's library, {} by lego", acme::CERTIFICATES, acme::BY_LEGO),
        format!("{} in flight at once, {} good nonces in a hundred refused", acme::CONCURRENCY, acme::REFUSED_NONCES),
        format!("{} revocations of a run |", verified::SEEN),
        format!("{} revocations of a run that knows serial numbers alone", verified::NUMBERED),
        format!("{} certificates |", verified::WRONG),
    ] {
        assert!(paper.contains(&words), "`{words}` is not in docs/proofs.md");
    }
}
