// Client runs a load against one URL and then stays alive and quiet until it is killed.
//
// The load is a list of phases, WORKERSxREQUESTS@PERIOD: "20x1,1x12@1s" is 20 requests at once and then, when all are
// answered, 12 in a row from one worker, one each second; "rest@2s" is silence.  It prints "done" and the number of requests when it is through.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lab/outgoing"
)

type phase struct {
	workers, requests int
	period            time.Duration
}

func parse(text string) (phases []phase, err error) {
	for _, item := range strings.Split(text, ",") {
		counts, period, paced := strings.Cut(item, "@")
		var p phase
		if counts == "rest" {
			counts = "0x0"
		}
		if _, err = fmt.Sscanf(counts, "%dx%d", &p.workers, &p.requests); err != nil {
			return nil, fmt.Errorf("phase %q: %w", item, err)
		}
		if paced {
			if p.period, err = time.ParseDuration(period); err != nil {
				return nil, err
			}
		}
		phases = append(phases, p)
	}
	return phases, nil
}

func main() {
	var options outgoing.Options
	url := flag.String("url", "", "what to GET")
	load := flag.String("load", "1x10@100ms", "phases, WORKERSxREQUESTS@PERIOD, separated by commas")
	flag.StringVar(&options.Mode, "mode", "shared-default", outgoing.Modes)
	flag.StringVar(&options.Body, "body", "read", "read, leak or close")
	flag.DurationVar(&options.IdleTimeout, "idle-timeout", 0, "http.Transport.IdleConnTimeout")
	flag.IntVar(&options.MaxIdle, "max-idle", 0, "http.Transport.MaxIdleConns")
	flag.IntVar(&options.PerHost, "per-host", 0, "http.Transport.MaxIdleConnsPerHost")
	flag.IntVar(&options.MaxConns, "max-conns", 0, "http.Transport.MaxConnsPerHost")
	flag.DurationVar(&options.Timeout, "timeout", 0, "http.Client.Timeout")
	flag.IntVar(&options.Post, "post", 0, "POST a body of so many bytes")
	sent := flag.String("sent", "", "log of the requests sent, where the server cannot know of all")
	tolerate := flag.Bool("tolerate", false, "go on after a call that failed")
	flag.StringVar(&options.From, "from", "", "address to call from")
	together := flag.Bool("together", false, "all workers of a phase call at the same moments, not spread over the period")
	flag.Parse()

	phases, err := parse(*load)
	if err != nil {
		log.Fatal(err)
	}
	if *sent != "" {
		file, err := os.Create(*sent)
		if err != nil {
			log.Fatal(err)
		}
		options.Sent = file
	}
	caller, err := outgoing.NewCaller(options)
	if err != nil {
		log.Fatal(err)
	}
	var requests atomic.Int64
	for _, p := range phases {
		if p.workers == 0 {
			time.Sleep(p.period)
		}
		var group sync.WaitGroup
		for worker := range p.workers {
			group.Add(1)
			go func() {
				defer group.Done()
				next := time.Now()
				if !*together {
					next = next.Add(p.period * time.Duration(worker) / time.Duration(p.workers))
				}
				for range p.requests {
					time.Sleep(time.Until(next))
					next = next.Add(p.period)
					status, err := caller.Get(*url)
					if (err != nil || status != 200) && !*tolerate {
						log.Fatalf("status %d, %v", status, err)
					}
					requests.Add(1)
				}
			}()
		}
		group.Wait()
	}
	fmt.Println("done", requests.Load())
	select {}
}
