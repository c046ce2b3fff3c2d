package main

import (
	"io"
	"net/http"
	"time"
)

// fix: from here
var client = &http.Client{Timeout: 200 * time.Millisecond}

// fix: to here

func call(url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return nil // given up
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}
