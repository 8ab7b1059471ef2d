//! The certificates of the primary's certificate authorities, made for this simulation: nobody has their keys.

use serde_json::{Value, json};

use super::super::super::world::time::iso;
use super::super::Scene;

/// In use: 2020 to 2040.
const CURRENT: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBpzCCAU2gAwIBAgIBATAKBggqhkjOPQQDAjBDMQ4wDAYDVQQDDAVuYmF0ZDEk\n\
MCIGA1UECwwbcm9vdEBuYnVwcmltYXJ5LmV4YW1wbGUuY29tMQswCQYDVQQKDAJ2\n\
eDAeFw0yMDAxMDEwMDAwMDBaFw00MDAxMDEwMDAwMDBaMEMxDjAMBgNVBAMMBW5i\n\
YXRkMSQwIgYDVQQLDBtyb290QG5idXByaW1hcnkuZXhhbXBsZS5jb20xCzAJBgNV\n\
BAoMAnZ4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEphTp+Ck19+lWYTvldoeb\n\
xIBr3AmK/Wv1obU2htHzAEGDH9Fi30AUScdscsR2+Zj2qvMVVfY65CLLTWd+fsns\n\
vqMyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUPmWznvt1WJhzV0mDJnzs\n\
g1M2WYwwCgYIKoZIzj0EAwIDSAAwRQIgAwzBHPAafX6slxt86TXrbFJ0Rn5luGR1\n\
KK1OZTr+T7ECIQDCtSUFsLeAE16gwEzbVkn7oop8LtkSmJGppzWVZtvN6Q==\n\
-----END CERTIFICATE-----\n";

/// Its successor: 2025 to 2045.
const NEXT: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBqDCCAU2gAwIBAgIBAjAKBggqhkjOPQQDAjBDMQ4wDAYDVQQDDAVuYmF0ZDEk\n\
MCIGA1UECwwbcm9vdEBuYnVwcmltYXJ5LmV4YW1wbGUuY29tMQswCQYDVQQKDAJ2\n\
eDAeFw0yNTA2MDEwMDAwMDBaFw00NTA2MDEwMDAwMDBaMEMxDjAMBgNVBAMMBW5i\n\
YXRkMSQwIgYDVQQLDBtyb290QG5idXByaW1hcnkuZXhhbXBsZS5jb20xCzAJBgNV\n\
BAoMAnZ4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvKfVOiYPo1brk6idW/so\n\
jSOGuA+GPygVNIyBVvh97l+11YV+W2glLSbxvRQbBh1R4xuHX5uuQpuIC1OE66Za\n\
H6MyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUYJasg/Jj9CVvQDgFiUBU\n\
cVKE6uswCgYIKoZIzj0EAwIDSQAwRgIhAPu9B5o1upsD6gBmmhmA7wBq2YZp0vse\n\
azT6U55ifje+AiEA6bHf2zPAwQiuNLy5qLQ2VPp6DrFEDHkFgYU/Js9zQ+w=\n\
-----END CERTIFICATE-----\n";

/// Its predecessor: 2005 to 2025.
const FORMER: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBpzCCAU2gAwIBAgIBAzAKBggqhkjOPQQDAjBDMQ4wDAYDVQQDDAVuYmF0ZDEk\n\
MCIGA1UECwwbcm9vdEBuYnVwcmltYXJ5LmV4YW1wbGUuY29tMQswCQYDVQQKDAJ2\n\
eDAeFw0wNTA2MDEwMDAwMDBaFw0yNTA2MDEwMDAwMDBaMEMxDjAMBgNVBAMMBW5i\n\
YXRkMSQwIgYDVQQLDBtyb290QG5idXByaW1hcnkuZXhhbXBsZS5jb20xCzAJBgNV\n\
BAoMAnZ4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+5Tlyr0PIPW0gJ9GvsnA\n\
3Jd1myxJ2P+L0l3v0NVVE0TLktw3DHaQMdHJN1466tHOol8R/kwluaSga2Q1mduC\n\
zaMyMDAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUZ0pp/MZTIePycGJe3Q0O\n\
0aLc858wCgYIKoZIzj0EAwIDSAAwRQIhAOgZ7st6vE2iyzJ1vNWHLDpFpisqOzPG\n\
dvjUL/g5zmDdAiAETn83EOJZ/ldCtsd3SuU5e9QnCcNhlItr0HY48R8GkA==\n\
-----END CERTIFICATE-----\n";

pub(super) fn body(_: &Scene) -> Value {
    let authorities: [(&str, &str, i64, i64); 3] = [
        (CURRENT, "ADD", 1_577_836_800_000, 2_208_988_800_000),
        (NEXT, "ADD", 1_748_736_000_000, 2_379_888_000_000),
        (FORMER, "REMOVE", 1_117_584_000_000, 1_748_736_000_000),
    ];
    let authorities = authorities.map(|(pem, action, from, until)| {
        let details = json!({"notBefore": iso(from), "notAfter": iso(until)});
        json!({"caCert": pem, "caCertAction": action, "caCertDetails": details})
    });
    json!({"trustVersion": "3", "webRootCertificateData": [], "caCertificateData": authorities})
}
