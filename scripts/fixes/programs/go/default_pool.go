package main

import (
	"io"
	"net/http"
)

// fix: from here
var client = &http.Client{}

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
