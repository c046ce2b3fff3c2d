// Server answers every GET with a body of one size and logs which connection asked, as JSON lines.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

type countKey struct{}

type logLine struct {
	At   float64 `json:"at"` // seconds since the epoch, when the request was read
	Addr string  `json:"addr"`
	Port int     `json:"port"`
	Nth  int64   `json:"nth"` // on its connection
}

func main() {
	addr := flag.String("addr", ":8081", "where to listen")
	idleTimeout := flag.Duration("idle-timeout", 0, "http.Server.IdleTimeout")
	delay := flag.Duration("delay", 0, "time taken for each answer")
	size := flag.Int("size", 200, "bytes of body")
	chunked := flag.Bool("chunked", false, "send the body in chunks, flushed every 4 kB")
	maxRequests := flag.Int64("max-requests", 0, "say Connection: close on this response of a connection; 0 never")
	certificate := flag.String("certificate", "", "speak TLS, with this certificate")
	key := flag.String("key", "", "the certificate's")
	logPath := flag.String("log", "", "where to write the request log")
	flag.Parse()

	lines := make(chan logLine, 1<<16)
	if *logPath != "" {
		file, err := os.Create(*logPath)
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			encoder := json.NewEncoder(file)
			for line := range lines {
				if err := encoder.Encode(line); err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	body := bytes.Repeat([]byte("0123456789abcde\n"), *size/16+1)[:*size]

	handler := func(w http.ResponseWriter, r *http.Request) {
		nth := r.Context().Value(countKey{}).(*atomic.Int64).Add(1)
		if *logPath != "" {
			host, port, _ := net.SplitHostPort(r.RemoteAddr)
			number, _ := strconv.Atoi(port)
			lines <- logLine{float64(time.Now().UnixMicro()) / 1e6, host, number, nth}
		}
		time.Sleep(*delay)
		if *maxRequests > 0 && nth >= *maxRequests {
			w.Header().Set("Connection", "close")
		}
		w.Header().Set("Content-Type", "text/plain")
		if !*chunked {
			w.Header().Set("Content-Length", strconv.Itoa(*size))
			w.Write(body)
			return
		}
		for rest := body; len(rest) > 0; {
			piece := rest[:min(4096, len(rest))]
			if _, err := w.Write(piece); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			rest = rest[len(piece):]
		}
	}

	server := &http.Server{
		Addr:        *addr,
		Handler:     http.HandlerFunc(handler),
		IdleTimeout: *idleTimeout,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, countKey{}, new(atomic.Int64))
		},
	}
	if *certificate != "" {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // HTTP/1.1 alone
		log.Fatal(server.ListenAndServeTLS(*certificate, *key))
	}
	log.Fatal(server.ListenAndServe())
}
