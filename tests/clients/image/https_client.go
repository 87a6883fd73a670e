// A Go client: net/http as it is but for one patience, since an emulated processor shared with another test can take
// longer over a handshake than the default's 10 s. Prints each answer's protocol, status and body.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	http.DefaultTransport.(*http.Transport).TLSHandshakeTimeout = 2 * time.Minute
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
