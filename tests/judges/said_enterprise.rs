//! What the pages of Sectigo, EJBCA and Keyfactor Command say, operation by operation, copied by hand like [`super::said`]. EJBCA's are those of its
//! own OpenAPI description and its source, Sectigo's those of its clients where its page is cut off.

use super::pages::{Field, Page, Place};
use super::said::field;

/// All operations of these documents.
pub(crate) const PAGES: [Page; 13] = [
    Page {
        provider: "ejbca",
        operation: "revoke",
        method: "PUT",
        base: EJBCA,
        path: "/v1/certificate/{issuer_dn}/{certificate_serial_number}/revoke",
        // Prism does not see client certificates: `ejbca.rs`.
        auth: &[&[]],
        example: r#"{"issuer_dn": "CN=ExampleCA", "certificate_serial_number": "1234567890ABCDEF", "reason": "KEY_COMPROMISE"}"#,
        fields: &[
            ISSUER_DN,
            CERTIFICATE_SERIAL_NUMBER,
            field(
                "reason",
                Place::Query,
                true,
                &[
                    r#""UNSPECIFIED""#,
                    r#""CA_COMPROMISE""#,
                    r#""AFFILIATION_CHANGED""#,
                    r#""SUPERSEDED""#,
                    r#""CESSATION_OF_OPERATION""#,
                    r#""CERTIFICATE_HOLD""#,
                    r#""PRIVILEGES_WITHDRAWN""#,
                    r#""AA_COMPROMISE""#,
                ],
                // The last two of them lift a hold.
                &[r#""keyCompromise""#, r#""PRIVILEGE_WITHDRAWN""#, "1", r#""REMOVE_FROM_CRL""#, r#""NOT_REVOKED""#],
            ),
            field("date", Place::Query, false, &[r#""2018-06-15T14:07:09Z""#], &[r#""2018-06-15""#, r#""yesterday""#]),
        ],
    },
    Page {
        provider: "ejbca",
        operation: "revocation-status",
        method: "GET",
        base: EJBCA,
        path: "/v1/certificate/{issuer_dn}/{certificate_serial_number}/revocationstatus",
        auth: &[&[]],
        example: r#"{"issuer_dn": "CN=ExampleCA", "certificate_serial_number": "1234567890ABCDEF"}"#,
        fields: &[ISSUER_DN, CERTIFICATE_SERIAL_NUMBER],
    },
    Page {
        provider: "ejbca",
        operation: "reissue",
        method: "POST",
        base: EJBCA,
        path: "/v1/certificate/pkcs10enroll",
        auth: &[&[]],
        example: r#"{"certificate_request": "-----BEGIN CERTIFICATE REQUEST-----\nMIICh...V8shQ==\n-----END CERTIFICATE REQUEST-----",
            "certificate_profile_name": "ENDUSER", "end_entity_profile_name": "ExampleEEP", "certificate_authority_name": "CN=ExampleCA",
            "username": "JohnDoe", "password": "foo123", "include_chain": true}"#,
        fields: &[
            field("certificate_request", Place::Body, true, &[], &["1", "null", r#""""#]),
            field("certificate_profile_name", Place::Body, true, &[r#""SERVER""#], &["1", "null"]),
            field("end_entity_profile_name", Place::Body, true, &[r#""EMPTY""#], &["1", "null"]),
            field("certificate_authority_name", Place::Body, true, &[r#""ExampleCA""#], &["1", "null"]),
            field("username", Place::Body, true, &[r#""가게""#], &["1", "null"]),
            field("password", Place::Body, true, &[r#""x""#], &["1", "null"]),
            field("include_chain", Place::Body, true, &["true"], &[r#""true""#, "1"]),
        ],
    },
    Page {
        provider: "ejbca",
        operation: "list-certificates",
        method: "POST",
        base: EJBCA,
        path: "/v2/certificate/search",
        auth: &[&[]],
        example: r#"{"criteria": [{"property": "STATUS", "value": "CERT_ACTIVE", "operation": "EQUAL"}],
            "pagination.page_size": 500, "pagination.current_page": 1}"#,
        fields: &[
            field("criteria", Place::Body, true, &[], &[r#""STATUS""#, "{}", "null"]),
            field("pagination.page_size", Place::Body, true, &[], &[]),
            field("pagination.current_page", Place::Body, true, &["2"], &[]),
        ],
    },
    Page {
        provider: "keyfactor",
        operation: "revoke",
        method: "POST",
        base: KEYFACTOR,
        path: "/Certificates/Revoke",
        auth: AUTHORIZATION,
        example: r#"{"CertificateIds": [42], "Reason": 1, "Comment": "a comment", "EffectiveDate": "2026-11-29T08:00:00.000Z", "CollectionId": 0}"#,
        fields: &[
            // A list of several is Keyfactor's, and not ours: see the document.
            field("CertificateIds", Place::Body, true, &["[1]"], &["[]", "42", "null", "[1, 2]"]),
            field("Reason", Place::Body, false, &["0", "2", "3", "4", "5", "6"], &["-1", "7", "999", r#""1""#]),
            field("Comment", Place::Body, true, &[r#""철회 · \"1\"""#], &["1", "null", r#""""#]),
            field("EffectiveDate", Place::Body, false, &[r#""2026-11-29T08:00:00Z""#], &["1", r#""tomorrow""#]),
            field("CollectionId", Place::Body, false, &["3"], &[r#""3""#, "null"]),
        ],
    },
    Page {
        provider: "keyfactor",
        operation: "get-certificate",
        method: "GET",
        base: KEYFACTOR,
        path: "/Certificates/{id}",
        auth: AUTHORIZATION,
        example: r#"{"id": 42}"#,
        fields: &[field("id", Place::Path, true, &["1"], &[r#""shop""#, "0", "1.5"])],
    },
    Page {
        provider: "keyfactor",
        operation: "list-certificates",
        method: "GET",
        base: KEYFACTOR,
        path: "/Certificates",
        auth: AUTHORIZATION,
        example: r#"{"pq.includeRevoked": true, "pq.returnLimit": 200}"#,
        fields: &[
            field("pq.includeRevoked", Place::Query, true, &[], &[r#""yes""#]),
            field("pq.returnLimit", Place::Query, true, &[], &[r#""x""#]),
            field("pq.pageReturned", Place::Query, false, &["2"], &["0", r#""x""#]),
            field("pq.queryString", Place::Query, false, &[r#""CN -contains \"shop\"""#], &[]),
        ],
    },
    Page {
        provider: "sectigo",
        operation: "revoke",
        method: "POST",
        base: SECTIGO,
        path: "/ssl/v1/revoke/{sslId}",
        auth: SECTIGO_AUTH,
        example: r#"{"sslId": 123, "reasonCode": 1, "reason": "key out"}"#,
        fields: &[SSL_ID, REASON_CODE, REVOCATION_REASON],
    },
    Page {
        provider: "sectigo",
        operation: "revoke-by-serial",
        method: "POST",
        base: SECTIGO,
        path: "/ssl/v1/revoke/serial/{serialNumber}",
        auth: SECTIGO_AUTH,
        example: r#"{"serialNumber": "6A0B1C", "reasonCode": 4, "reason": "INC-42"}"#,
        fields: &[
            field("serialNumber", Place::Path, true, &[r#""0A""#], &[r#""shop""#, r#""0x1A""#]),
            REASON_CODE,
            REVOCATION_REASON,
        ],
    },
    Page {
        provider: "sectigo",
        operation: "reissue",
        method: "POST",
        base: SECTIGO,
        path: "/ssl/v1/replace/{sslId}",
        auth: SECTIGO_AUTH,
        example: r#"{"sslId": 123, "csr": "-----BEGIN CERTIFICATE REQUEST-----", "commonName": "shop.example.com",
            "subjectAlternativeNames": ["www.shop.example.com"], "reason": ""}"#,
        fields: &[
            SSL_ID,
            field("csr", Place::Body, true, &[r#""x""#], &["1", "null", r#""""#]),
            field("commonName", Place::Body, true, &[r#""*.example.com""#], &["1", "null"]),
            field("subjectAlternativeNames", Place::Body, false, &["[]"], &[r#""a.example.com,b.example.com""#, "[1]"]),
            // It may be empty, and must be there.
            field("reason", Place::Body, true, &[r#""INC-42""#], &["1", "null"]),
        ],
    },
    Page {
        provider: "sectigo",
        operation: "collect",
        method: "GET",
        base: SECTIGO,
        path: "/ssl/v1/collect/{sslId}/{format}",
        auth: SECTIGO_AUTH,
        example: r#"{"sslId": 123, "format": "x509CO"}"#,
        fields: &[SSL_ID, field("format", Place::Path, true, &[r#""pemia""#], &[r#""zip""#])],
    },
    Page {
        provider: "sectigo",
        operation: "get-certificate",
        method: "GET",
        base: SECTIGO,
        path: "/ssl/v1/{sslId}",
        auth: SECTIGO_AUTH,
        example: r#"{"sslId": 123}"#,
        fields: &[SSL_ID],
    },
    Page {
        provider: "sectigo",
        operation: "list-certificates",
        method: "GET",
        base: SECTIGO,
        path: "/ssl/v1",
        auth: SECTIGO_AUTH,
        example: r#"{"size": 200}"#,
        fields: &[
            field("size", Place::Query, true, &[], &[r#""x""#]),
            field("position", Place::Query, false, &["0", "200"], &["-1", r#""x""#]),
            field("status", Place::Query, false, &[r#""Revoked""#], &[r#""REVOKED""#]),
            field("serialNumber", Place::Query, false, &[r#""6A0B1C""#], &[r#""shop""#]),
            field("commonName", Place::Query, false, &[r#""*.example.com""#], &[]),
        ],
    },
];

const EJBCA: &str = "https://localhost:8443/ejbca/ejbca-rest-api";
const KEYFACTOR: &str = "https://localhost/KeyfactorAPI";
const SECTIGO: &str = "https://cert-manager.com/api";

const AUTHORIZATION: &[&[&str]] = &[&["Authorization"]];
const SECTIGO_AUTH: &[&[&str]] = &[&["login", "password", "customerUri"], &["Authorization"]];

const ISSUER_DN: Field = field("issuer_dn", Place::Path, true, &[r#""CN=Sub CA,O=A/B""#], &[r#""Sub CA""#]);
const CERTIFICATE_SERIAL_NUMBER: Field =
    field("certificate_serial_number", Place::Path, true, &[r#""00""#], &[r#""shop""#, r#""12:34""#]);
const SSL_ID: Field = field("sslId", Place::Path, true, &["1"], &[r#""shop""#, "0", "1.5"]);
const REASON_CODE: Field = field(
    "reasonCode",
    Place::Body,
    false,
    &["0", "1", "3", "4", "5"],
    &["2", "6", "9", r#""1""#, r#""keyCompromise""#],
);
const REVOCATION_REASON: Field = field("reason", Place::Body, true, &[r#""철회 · \"1\"""#], &["1", "null", r#""""#]);
