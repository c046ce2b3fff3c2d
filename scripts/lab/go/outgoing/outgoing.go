// Package outgoing makes HTTP calls the ways that people make them: well, and in each of the ways the captures are about.
package outgoing

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Options say how a program calls its second service.
type Options struct {
	Mode        string        // where the client comes from, see Caller
	Body        string        // what is done with the response's body: read, leak, close
	IdleTimeout time.Duration // http.Transport.IdleConnTimeout; 0 is "no limit", as in a bare http.Transport{}
	MaxIdle     int           // http.Transport.MaxIdleConns
	PerHost     int           // http.Transport.MaxIdleConnsPerHost; 0 is the default, 2
	MaxConns    int           // http.Transport.MaxConnsPerHost; 0 is no limit
	Timeout     time.Duration // http.Client.Timeout, for the modes that share a client; 0 is none
	Post        int           // POST a body of so many bytes; 0 is GET
	Sent        io.Writer     // a line "seconds port" for each request sent, tries again included; nil for none
	From        string        // the address to call from, for the modes that make a Transport; "" lets the kernel choose
}

// Modes lists the words that Mode takes.
const Modes = "new-transport, new-client, shared-default, transport, disable-keepalives, req-close"

// Caller makes calls; its zero value is of no use, see NewCaller.
type Caller struct {
	options Options
	shared  *http.Client
	mu      sync.Mutex
	leaked  []*http.Response
}

// NewCaller builds the clients that Mode shares between calls.
func NewCaller(options Options) (*Caller, error) {
	caller := &Caller{options: options}
	switch options.Mode {
	case "new-transport", "new-client":
	case "shared-default", "req-close":
		caller.shared = http.DefaultClient
		// The certificate is the lab's own; and the captures are of HTTP/1.1, over TLS too.
		http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		http.DefaultTransport.(*http.Transport).ForceAttemptHTTP2 = false
	case "transport":
		caller.shared = &http.Client{Transport: caller.transport()}
	case "disable-keepalives":
		transport := caller.transport()
		transport.DisableKeepAlives = true
		caller.shared = &http.Client{Transport: transport}
	default:
		return nil, fmt.Errorf("unknown mode %q; one of %s", options.Mode, Modes)
	}
	if caller.shared != nil {
		caller.shared.Timeout = options.Timeout
	}
	return caller, nil
}

func (c *Caller) transport() *http.Transport {
	var dialer net.Dialer // as a bare http.Transport has it
	if c.options.From != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.options.From)}
	}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		IdleConnTimeout:     c.options.IdleTimeout,
		MaxIdleConns:        c.options.MaxIdle,
		MaxIdleConnsPerHost: c.options.PerHost,
		MaxConnsPerHost:     c.options.MaxConns,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // the lab's certificates are its own
	}
}

func (c *Caller) client() *http.Client {
	switch c.options.Mode {
	case "new-transport":
		return &http.Client{Transport: c.transport()}
	case "new-client":
		return &http.Client{} // over http.DefaultTransport
	}
	return c.shared
}

// logged has each sending of a request written down with the port that it left from.
func (c *Caller) logged(ctx context.Context) context.Context {
	var port int
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { port = info.Conn.LocalAddr().(*net.TCPAddr).Port },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				fmt.Fprintf(c.options.Sent, "%.6f %d\n", float64(time.Now().UnixMicro())/1e6, port)
			}
		},
	})
}

// Get makes one call, a POST where Options.Post says so, and treats the body as Options.Body says; it returns the status.
func (c *Caller) Get(url string) (int, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if c.options.Post > 0 {
		method, body = http.MethodPost, bytes.NewReader(bytes.Repeat([]byte("b"), c.options.Post))
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return 0, err
	}
	if c.options.Sent != nil {
		request = request.WithContext(c.logged(request.Context()))
	}
	request.Close = c.options.Mode == "req-close"
	response, err := c.client().Do(request)
	if err != nil {
		return 0, err
	}
	switch c.options.Body {
	case "read":
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	case "close":
		response.Body.Close()
	case "leak":
		c.mu.Lock()
		c.leaked = append(c.leaked, response)
		c.mu.Unlock()
	default:
		err = fmt.Errorf("unknown body treatment %q; one of read, close, leak", c.options.Body)
	}
	return response.StatusCode, err
}
