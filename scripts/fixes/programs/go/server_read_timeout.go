package main

import (
	"fmt"
	"net/http"
	"time"
)

// fix: from here
func serve(handler http.Handler) error {
	server := &http.Server{Addr: ":8080", Handler: handler, ReadTimeout: 500 * time.Millisecond}
	return server.ListenAndServe()
}

// fix: to here

func handler(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "ok")
}
