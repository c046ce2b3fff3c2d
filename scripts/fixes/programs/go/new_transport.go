package main

import (
	"io"
	"net/http"
)

// fix: paste here

func call(url string) error {
	// fix: from here
	client := &http.Client{Transport: &http.Transport{}}
	// fix: to here
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}
