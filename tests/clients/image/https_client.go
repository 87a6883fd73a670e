// A Go client: net/http as it is, nothing set up. Prints each answer's protocol, status and body.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	for _, url := range os.Args[1:] {
		request, err := http.NewRequest("POST", url, strings.NewReader("from go"))
		if err == nil {
			request.Header.Set("Authorization", "Bearer "+os.Getenv("API_KEY"))
			var answer *http.Response
			if answer, err = http.DefaultClient.Do(request); err == nil {
				var body []byte
				if body, err = io.ReadAll(answer.Body); err == nil {
					fmt.Printf("%s %d %s\n", answer.Proto, answer.StatusCode, body)
				}
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
