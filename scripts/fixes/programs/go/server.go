// server.go serves a small page; serve and handler, in a file of its own, say how; the mistake is there.
package main

import (
	"log"
	"net/http"
)

func main() {
	log.Fatal(serve(http.HandlerFunc(handler)))
}
