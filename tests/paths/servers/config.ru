# A Rack site whose middle is forbidden, for Puma.
says = ->(marker) { ->(_env) { [200, { "content-type" => "text/plain" }, [ENV.fetch(marker)]] } }
map("/admin") { run says["SECRET"] }
map("/public") { run says["OPEN"] }
map("/") { run says["OUTSIDE"] }
