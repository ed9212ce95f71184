// Go sites whose middle is forbidden: `site KIND PORT`.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
)

func says(marker string) http.HandlerFunc {
	text := os.Getenv(marker)
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// For servers that make a path of the target by themselves.
func own(read func(*http.Request) string) http.Handler {
	secret, open, outside := says("SECRET"), says("OPEN"), says("OUTSIDE")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := read(r)
		switch {
		case name == "/admin" || strings.HasPrefix(name, "/admin/"):
			secret(w, r)
		case name == "/public" || strings.HasPrefix(name, "/public/"):
			open(w, r)
		default:
			outside(w, r)
		}
	})
}

func main() {
	var handler http.Handler
	switch os.Args[1] {
	case "mux":
		mux := http.NewServeMux()
		mux.HandleFunc("/admin/", says("SECRET"))
		mux.HandleFunc("/public/", says("OPEN"))
		mux.HandleFunc("/", says("OUTSIDE"))
		handler = mux
	case "clean":
		handler = own(func(r *http.Request) string { return path.Clean("/" + r.URL.Path) })
	case "lower":
		handler = own(func(r *http.Request) string {
			return path.Clean("/" + strings.ReplaceAll(strings.ToLower(r.URL.Path), `\`, "/"))
		})
	}
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[2], handler))
}
