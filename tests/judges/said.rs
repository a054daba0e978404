//! What the vendors' pages say, operation by operation, copied by hand: examples, required fields, types, allowed values. The sources
//! stand in each document's `info.description`; where a page contradicts itself, docs/proofs.md tells what was taken.

use super::pages::{Field, Page, Place};

/// All operations of the built-in documents and of the example.
pub(crate) const PAGES: [Page; 25] = [
    Page {
        provider: "digicert",
        operation: "revoke",
        method: "PUT",
        base: "https://www.digicert.com/services/v2",
        path: "/certificate/{certificate_id}/revoke",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"certificate_id": "112358", "comments": "I no longer need this cert."}"#,
        fields: &[
            Field {
                name: "certificate_id",
                place: Place::Path,
                required: true,
                right: &[r#""1""#, r#""0A:1B:2c""#],
                wrong: &[r#""shop""#, r#""0x12""#, r#""12 34""#, r#""12:""#],
            },
            COMMENTS,
            REVOCATION_REASON,
            SKIP_APPROVAL,
        ],
    },
    Page {
        provider: "digicert",
        operation: "revoke-order",
        method: "PUT",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}/revoke",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55, "comments": "I no longer need this cert."}"#,
        fields: &[ORDER_ID, COMMENTS, REVOCATION_REASON, SKIP_APPROVAL],
    },
    Page {
        provider: "digicert",
        operation: "get-order",
        method: "GET",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55}"#,
        fields: &[ORDER_ID],
    },
    Page {
        provider: "digicert",
        operation: "get-request",
        method: "GET",
        base: "https://www.digicert.com/services/v2",
        path: "/request/{request_id}",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"request_id": 1}"#,
        fields: &[Field {
            name: "request_id",
            place: Place::Path,
            required: true,
            right: &["198"],
            wrong: &[r#""first""#, "0", "-1", "1.5"],
        }],
    },
    Page {
        provider: "naver",
        operation: "revoke",
        method: "POST",
        base: "https://certificatemanager.apigw.ntruss.com/api/v2",
        path: "/certificate/revoke",
        auth: NCP,
        example: r#"{"orderId": "1", "certificateNo": 1, "revokeType": "superseded"}"#,
        fields: &[
            Field {
                name: "orderId",
                place: Place::Body,
                required: true,
                right: &[r#""0012""#],
                wrong: &["1", "null", r#""""#, r#"["1"]"#],
            },
            Field {
                name: "certificateNo",
                place: Place::Body,
                required: true,
                right: &["0", "55882"],
                wrong: &[r#""1""#, "-1", "1.5", "null", "true"],
            },
            Field {
                name: "revokeType",
                place: Place::Body,
                required: true,
                right: &[r#""affiliationChanged""#, r#""superseded""#, r#""cessationOfOperation""#, r#""unspecified""#],
                wrong: &[r#""keyCompromise""#, r#""Superseded""#, r#""SUPERSEDED""#, r#""""#, "4", "null"],
            },
        ],
    },
    Page {
        provider: "naver",
        operation: "reissue",
        method: "POST",
        base: "https://certificatemanager.apigw.ntruss.com/api/v2",
        path: "/certificate/{certificateNo}/reissue",
        auth: NCP,
        example: r#"{"certificateNo": "55882",
            "csr": "-----BEGIN CERTIFICATE REQUEST-----CCAUICAQAwFTHzV1ht+BbMeZlD\n-----END CERTIFICATE REQUEST-----\n",
            "certificateName": "ncloudcertificate", "commonName": "*.ncloud.com",
            "dnsName": ["ncloud.com", "ncloud-docs.com"], "validationMethod": "D"}"#,
        fields: &[
            Field {
                name: "certificateNo",
                place: Place::Path,
                required: true,
                right: &[r#""1""#],
                wrong: &[r#""0""#, r#""shop""#, r#""-1""#, r#""1.5""#, r#""1 2""#],
            },
            Field {
                name: "csr",
                place: Place::Body,
                required: true,
                right: &[],
                wrong: &[r#""""#, "1", "null", r#""MIICCAUICAQ""#, r#""-----BEGIN CERTIFICATE-----\nCCAU\n""#],
            },
            Field {
                name: "certificateName",
                place: Place::Body,
                required: true,
                right: &[r#""shop""#, r#""shop-2026""#],
                wrong: &[r#""ab""#, r#""2026""#, r#""shop 1""#, r#""shop.example""#, "1", "null"],
            },
            Field {
                name: "commonName",
                place: Place::Body,
                required: true,
                right: &[r#""shop.example.com""#],
                wrong: &[r#""""#, "1", "null"],
            },
            Field {
                name: "dnsName",
                place: Place::Body,
                required: false,
                right: &[r#"["ncloud.com"]"#],
                wrong: &[r#""ncloud.com""#, "[1]", r#"[""]"#, "{}", "null"],
            },
            Field {
                name: "validationMethod",
                place: Place::Body,
                required: true,
                right: &[r#""D""#],
                wrong: &[r#""E""#, r#""F""#, r#""d""#, r#""DNS""#, "1", "null"],
            },
        ],
    },
    Page {
        provider: "naver",
        operation: "get-paid-certificates",
        method: "GET",
        base: "https://certificatemanager.apigw.ntruss.com/api/v2",
        path: "/certificate/getPaidCertificates",
        auth: NCP,
        example: r#"{"page": 1, "pageSize": 20}"#,
        fields: &[
            Field { name: "page", place: Place::Query, required: false, right: &["7"], wrong: &["0", "1.5", r#""x""#] },
            Field {
                name: "pageSize",
                place: Place::Query,
                required: false,
                right: &["100"],
                wrong: &["0", "-5", r#""x""#],
            },
            Field {
                name: "certificateName",
                place: Place::Query,
                required: false,
                right: &[r#""shop""#, r#""가게 & Söhne""#],
                wrong: &[],
            },
        ],
    },
    Page {
        provider: "huawei",
        operation: "revoke-ca",
        method: "POST",
        base: "https://ccm.ae-ad-1.myhuaweicloud.com",
        path: "/v1/private-certificate-authorities/{ca_id}/revoke",
        auth: HUAWEI,
        example: r#"{"ca_id": "6434f74f-2d13-4e6a-89eb-93ee313f1a43", "reason": "KEY_COMPROMISE"}"#,
        fields: &[
            CA_ID,
            Field {
                name: "reason",
                place: Place::Body,
                // "If you do not want to provide the revocation reason, set the request body to {}."
                required: false,
                right: &[
                    r#""UNSPECIFIED""#,
                    r#""KEY_COMPROMISE""#,
                    r#""CERTIFICATE_AUTHORITY_COMPROMISE""#,
                    r#""AFFILIATION_CHANGED""#,
                    r#""SUPERSEDED""#,
                    r#""CESSATION_OF_OPERATION""#,
                    r#""CERTIFICATE_HOLD""#,
                    r#""PRIVILEGE_WITHDRAWN""#,
                    r#""ATTRIBUTE_AUTHORITY_COMPROMISE""#,
                ],
                wrong: &[r#""keyCompromise""#, r#""KEYCOMPROMISE""#, r#""CA_COMPROMISE""#, r#""""#, "1", "null"],
            },
        ],
    },
    Page {
        provider: "huawei",
        operation: "show-ca",
        method: "GET",
        base: "https://ccm.ae-ad-1.myhuaweicloud.com",
        path: "/v1/private-certificate-authorities/{ca_id}",
        auth: HUAWEI,
        example: r#"{"ca_id": "6434f74f-2d13-4e6a-89eb-93ee313f1a43"}"#,
        fields: &[CA_ID],
    },
    Page {
        provider: "in-house",
        operation: "revoke",
        method: "POST",
        base: "https://ca-main.example.com/api/v1",
        path: "/certificates/{serial}/revoke",
        auth: &[&["X-CA-Token"]],
        example: r#"{"serial": "00e5", "cause": "key", "ticket": "INC-42"}"#,
        fields: &[
            SERIAL,
            Field {
                name: "cause",
                place: Place::Body,
                required: true,
                right: &[r#""none""#, r#""key""#, r#""replaced""#, r#""closed""#],
                wrong: &[r#""keyCompromise""#, "1", "null"],
            },
            Field {
                name: "ticket",
                place: Place::Body,
                required: false,
                right: &[r#""INC-43""#],
                wrong: &["42", "null", r#""0123456789012345678901234567890123456789x""#],
            },
        ],
    },
    Page {
        provider: "in-house",
        operation: "show",
        method: "GET",
        base: "https://ca-main.example.com/api/v1",
        path: "/certificates/{serial}",
        auth: &[&["X-CA-Token"]],
        example: r#"{"serial": "00e5"}"#,
        fields: &[SERIAL],
    },
    Page {
        provider: "digicert",
        operation: "list-reissues",
        method: "GET",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}/reissue",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55}"#,
        fields: &[ORDER_ID],
    },
    Page {
        provider: "digicert",
        operation: "reissue",
        method: "POST",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}/reissue",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55, "certificate.common_name": "example.com", "certificate.dns_names": ["sub.example.com"], "certificate.csr": "<csr>", "certificate.server_platform.id": 2, "certificate.signature_hash": "sha256"}"#,
        fields: REISSUE,
    },
    Page {
        provider: "digicert",
        operation: "list-duplicates",
        method: "GET",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}/duplicate",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55}"#,
        fields: &[ORDER_ID],
    },
    Page {
        provider: "digicert",
        operation: "duplicate",
        method: "POST",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}/duplicate",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55, "certificate.common_name": "example.com", "certificate.dns_names": ["sub.example.com"], "certificate.csr": "<csr>", "certificate.server_platform.id": 2, "certificate.signature_hash": "sha256"}"#,
        fields: REISSUE,
    },
    Page {
        provider: "digicert",
        operation: "download",
        method: "GET",
        base: "https://www.digicert.com/services/v2",
        path: "/certificate/download/order/{order_id}/format/{format_type}",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55, "format_type": "pem_all"}"#,
        fields: &[ORDER_ID, field("format_type", Place::Path, true, &[r#""pem_noroot""#], &[r#""zip""#])],
    },
    Page {
        provider: "digicert",
        operation: "cancel-order-request",
        method: "PUT",
        base: "https://www.digicert.com/services/v2",
        path: "/order/certificate/{order_id}/status",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"order_id": 55, "status": "canceled", "note": "a message"}"#,
        fields: &[
            ORDER_ID,
            field("status", Place::Body, true, &[], &[r#""issued""#, "1"]),
            field("note", Place::Body, true, &[r#""x""#], &["1", "null"]),
        ],
    },
    Page {
        provider: "digicert",
        operation: "approve",
        method: "PUT",
        base: "https://www.digicert.com/services/v2",
        path: "/request/{request_id}/status",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"request_id": 1, "status": "approved", "processor_comment": "a message"}"#,
        fields: &[REQUEST_ID, field("status", Place::Body, true, &[], &[r#""pending""#, "1"]), PROCESSOR_COMMENT],
    },
    Page {
        provider: "digicert",
        operation: "reject",
        method: "PUT",
        base: "https://www.digicert.com/services/v2",
        path: "/request/{request_id}/status",
        auth: &[&["X-DC-DEVKEY"]],
        example: r#"{"request_id": 1, "status": "rejected", "processor_comment": "a message"}"#,
        fields: &[REQUEST_ID, field("status", Place::Body, true, &[], &[r#""pending""#, "1"]), PROCESSOR_COMMENT],
    },
    Page {
        provider: "vault",
        operation: "revoke",
        method: "POST",
        base: "https://127.0.0.1:8200/v1/pki",
        path: "/revoke",
        auth: &[&["X-Vault-Token"]],
        example: r#"{"serial_number": "39:dd:2e:90:b7:23:1f:8d"}"#,
        fields: &[field("serial_number", Place::Body, true, &[r#""01:ab""#], &[r#""39dd2e""#, "1", "null"]), NAMESPACE],
    },
    Page {
        provider: "vault",
        operation: "revoke-with-key",
        method: "POST",
        base: "https://127.0.0.1:8200/v1/pki",
        path: "/revoke-with-key",
        auth: &[&["X-Vault-Token"]],
        example: r#"{"serial_number": "39:dd:2e:90:b7:23:1f:8d", "private_key": "-----BEGIN PRIVATE KEY-----"}"#,
        fields: &[
            field("serial_number", Place::Body, true, &[r#""01:ab""#], &[r#""39dd2e""#, "1", "null"]),
            field("private_key", Place::Body, true, &[r#""x""#], &["1", "null"]),
            NAMESPACE,
        ],
    },
    Page {
        provider: "vault",
        operation: "get-certificate",
        method: "GET",
        base: "https://127.0.0.1:8200/v1/pki",
        path: "/cert/{serial}",
        auth: &[&["X-Vault-Token"]],
        example: r#"{"serial": "39:dd:2e:90:b7:23:1f:8d"}"#,
        fields: &[field("serial", Place::Path, true, &[r#""01:ab""#], &[r#""39dd2e""#]), NAMESPACE],
    },
    Page {
        provider: "vault",
        operation: "list-certificates",
        method: "GET",
        base: "https://127.0.0.1:8200/v1/pki",
        path: "/certs",
        auth: &[&["X-Vault-Token"]],
        example: r#"{"list": true}"#,
        fields: &[field("list", Place::Query, true, &[], &[r#""no""#]), NAMESPACE],
    },
    Page {
        provider: "vault",
        operation: "list-revoked",
        method: "GET",
        base: "https://127.0.0.1:8200/v1/pki",
        path: "/certs/revoked",
        auth: &[&["X-Vault-Token"]],
        example: r#"{"list": true}"#,
        fields: &[field("list", Place::Query, true, &[], &[r#""no""#]), NAMESPACE],
    },
    Page {
        provider: "vault",
        operation: "reissue",
        method: "POST",
        base: "https://127.0.0.1:8200/v1/pki",
        path: "/sign/{role}",
        auth: &[&["X-Vault-Token"]],
        example: r#"{"role": "web", "csr": "-----BEGIN", "common_name": "www.example.com"}"#,
        fields: &[
            field("role", Place::Path, true, &[r#""my-role""#], &[]),
            field("csr", Place::Body, true, &[r#""x""#], &["1", "null"]),
            field("common_name", Place::Body, true, &[r#""*.example.com""#], &["1", "null"]),
            field("alt_names", Place::Body, false, &[r#""a.example.com,b.example.com""#], &["1"]),
            field("ip_sans", Place::Body, false, &[r#""192.0.2.1""#], &["1"]),
            field("uri_sans", Place::Body, false, &[r#""spiffe://a/b""#], &["1"]),
            field("ttl", Place::Body, false, &[r#""768h""#], &[r#""for ever""#, "1"]),
            NAMESPACE,
        ],
    },
];

/// The pages of this file, and those beside it.
pub(crate) fn all() -> impl Iterator<Item = &'static Page> {
    PAGES.iter().chain(&super::said_enterprise::PAGES)
}

pub(crate) const fn field(
    name: &'static str,
    place: Place,
    required: bool,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
) -> Field {
    Field { name, place, required, right, wrong }
}

const REISSUE: &[Field] = &[
    ORDER_ID,
    field("certificate.common_name", Place::Body, true, &[r#""*.example.com""#], &[]),
    field("certificate.dns_names", Place::Body, false, &["[]"], &[]),
    field("certificate.csr", Place::Body, true, &[r#""x""#], &[]),
    field("certificate.signature_hash", Place::Body, false, &[r#""sha384""#, r#""sha512""#], &[]),
    field("certificate.server_platform.id", Place::Body, false, &["-1"], &[]),
    field("certificate.ca_cert_id", Place::Body, false, &[r#""x""#], &[]),
    COMMENTS,
    SKIP_APPROVAL,
];

const REQUEST_ID: Field = field("request_id", Place::Path, true, &["198"], &[r#""first""#, "0", "-1", "1.5"]);

const PROCESSOR_COMMENT: Field = field("processor_comment", Place::Body, false, &[r#""x""#], &["1", "null"]);

const NAMESPACE: Field = field("X-Vault-Namespace", Place::Header, false, &[r#""team/a""#], &[]);

const COMMENTS: Field = Field {
    name: "comments",
    place: Place::Body,
    required: false,
    right: &[r#""""#, r#""철회 · révogation \"1\"""#],
    wrong: &["1", "true", "null", r#"["x"]"#, "{}"],
};

const REVOCATION_REASON: Field = Field {
    name: "revocation_reason",
    place: Place::Body,
    required: false,
    right: &[r#""superseded""#],
    wrong: &[r#""certificate_hold""#, r#""SUPERSEDED""#, r#""""#, "4", "null"],
};

const SKIP_APPROVAL: Field = Field {
    name: "skip_approval",
    place: Place::Body,
    required: false,
    right: &["true", "false"],
    wrong: &[r#""true""#, "1", "null"],
};

const ORDER_ID: Field = Field {
    name: "order_id",
    place: Place::Path,
    required: true,
    right: &["1"],
    wrong: &[r#""shop""#, "0", "-1", "1.5"],
};

const CA_ID: Field = Field {
    name: "ca_id",
    place: Place::Path,
    required: true,
    right: &[r#""00000000-0000-0000-0000-000000000000""#],
    wrong: &[
        // One character less, one more; no UUID; upper case.
        r#""6434f74f-2d13-4e6a-89eb-93ee313f1a4""#,
        r#""6434f74f-2d13-4e6a-89eb-93ee313f1a433""#,
        r#""6434f74f_2d13_4e6a_89eb_93ee313f1a43""#,
        r#""6434F74F-2D13-4E6A-89EB-93EE313F1A43""#,
    ],
};

const SERIAL: Field = Field {
    name: "serial",
    place: Place::Path,
    required: true,
    right: &[r#""1""#],
    wrong: &[r#""00:e5""#, r#""shop""#, r#""0123456789abcdef0123456789abcdef012345678""#],
};

const NCP: &[&[&str]] = &[&["x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2"]];

const HUAWEI: &[&[&str]] = &[&["X-Auth-Token"], &["Authorization", "X-Sdk-Date"]];
