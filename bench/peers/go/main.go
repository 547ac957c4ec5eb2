// The routes of the benchmark on Go's net/http/fcgi, as a bare handler. Listens on the Unix socket that
// is the program's argument.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
)

const hello = "Hello World!"

type item struct {
	ID          int      `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Stock       int      `json:"stock"`
	Tags        []string `json:"tags"`
}

type listing struct {
	Items []item `json:"items"`
}

func items() listing {
	var all []item
	for index := 0; index < 80; index++ {
		all = append(all, item{
			ID:          1000 + index,
			Name:        fmt.Sprintf("item %d", 1000+index),
			Description: "plain words and nothing that needs an escape",
			Stock:       100 + index,
			Tags:        []string{"first", "second"},
		})
	}
	return listing{all}
}

func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func main() {
	catalogue := items()
	file := bytes.Repeat([]byte("a"), 1024*1024)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hello":
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", strconv.Itoa(len(hello)))
			io.WriteString(w, hello)
		case "/json":
			body, err := json.Marshal(catalogue)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			send(w, "application/json", body)
		case "/download":
			send(w, "application/octet-stream", file)
		case "/upload":
			octets, _ := io.Copy(io.Discard, r.Body)
			send(w, "text/plain", []byte(strconv.FormatInt(octets, 10)))
		default:
			http.NotFound(w, r)
		}
	})
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(fcgi.Serve(listener, handler))
}
