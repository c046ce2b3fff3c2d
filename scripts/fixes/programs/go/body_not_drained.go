package main

import (
	"fmt"
	"net/http"
)

var client = &http.Client{}

// fix: from here
func fetch(client *http.Client, url string) ([]byte, error) {
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil, nil // nobody wants the body
}

// fix: to here

func call(url string) error {
	_, err := fetch(client, url)
	return err
}
