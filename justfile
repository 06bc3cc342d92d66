# Short names for what people and .ci/run do; `just` lists them.

default:
    @just --list --unsorted

# what a change must pass before it is proposed: quick, no network
check: test lint doc

# unit and integration tests; needs nothing but Rust
test:
    cargo test

# formatting and lints
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# the API's documentation, without a dead link
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# licences, duplicates and sources of the dependencies
deny:
    cargo deny check -D warnings licenses bans sources

# known vulnerabilities in the dependencies; needs github.com
advisories:
    cargo deny check advisories

# the story, once
demo:
    cargo run -- demo --once

# a real Keycloak behind a real Cambio
keycloak *arguments:
    tests/keycloak/run {{arguments}}

# the admin page in Chromium; `--screenshots` writes docs/images anew
page *arguments:
    tests/page/run {{arguments}}

# the image's content and the manifests
deploy:
    tests/deploy/run

# a real kube-apiserver as an issuer
apiserver *arguments:
    tests/deploy/apiserver {{arguments}}

# floods, slow peers, smuggling, large inputs, faults, reloads, secrets, and a soak of ten minutes; `--smoke` is shorter
abuse *arguments:
    cargo build --release
    tests/abuse/run {{arguments}}

# every fuzz target for a minute, or for SECONDS, or only the targets named; needs cargo-fuzz
fuzz *arguments:
    tests/fuzz/run {{arguments}}

# beside nginx and HAProxy
bench *arguments:
    cargo build --release
    bench/run {{arguments}}

# all that continuous integration runs, or the steps named
ci *steps:
    .ci/run {{steps}}
