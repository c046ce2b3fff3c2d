// Frontsvc is the service of the write-ups: each incoming request makes one call to a second service.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"

	"lab/outgoing"
)

func main() {
	options := outgoing.Options{Body: "read"}
	addr := flag.String("addr", ":8080", "where to listen")
	backend := flag.String("backend", "", "URL of the second service")
	flag.StringVar(&options.Mode, "mode", "shared-default", outgoing.Modes)
	flag.DurationVar(&options.IdleTimeout, "idle-timeout", 0, "http.Transport.IdleConnTimeout")
	flag.IntVar(&options.MaxIdle, "max-idle", 0, "http.Transport.MaxIdleConns")
	flag.IntVar(&options.PerHost, "per-host", 0, "http.Transport.MaxIdleConnsPerHost")
	flag.IntVar(&options.MaxConns, "max-conns", 0, "http.Transport.MaxConnsPerHost")
	flag.Parse()

	caller, err := outgoing.NewCaller(options)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := caller.Get(*backend); err != nil {
			log.Print(err)
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}
