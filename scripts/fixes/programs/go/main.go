// main.go URL CALLERS CALLS PERIOD_MS: callers that call together, CALLS times, a period apart; then alive and quiet.
//
// call, in a file of its own, is what one of them does; the mistake is there.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"time"
)

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	url, callers, calls := os.Args[1], number(os.Args[2]), number(os.Args[3])
	period := time.Duration(number(os.Args[4])) * time.Millisecond
	began := time.Now()
	var group sync.WaitGroup
	for caller := 0; caller < callers; caller++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for nth := 0; nth < calls; nth++ {
				time.Sleep(time.Until(began.Add(period * time.Duration(nth))))
				if err := call(url); err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	group.Wait()
	fmt.Println("done")
	select {}
}
