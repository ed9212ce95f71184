// lego for `tests/run --full`: tests/e2e/takeover.py takes over what it keeps. Debian's is years old.
module doorward/tests/lego

go 1.25.0

tool github.com/go-acme/lego/v4/cmd/lego

require github.com/go-acme/lego/v4 v4.35.2
