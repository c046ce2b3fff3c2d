package main

import (
	"io"
	"net/http"
	"time"
)

// fix: from here
var client = &http.Client{Transport: &http.Transport{IdleConnTimeout: 500 * time.Millisecond}}

// fix: to here

func call(url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}
