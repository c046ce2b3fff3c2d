package main

import (
	"io"
	"net/http"
)

const backend = "http://SERVER_ADDRESS:8081/"

// fix: from here
var client = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 4, MaxIdleConnsPerHost: 4}}

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
