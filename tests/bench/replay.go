package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// A recording is what an adapter said in a session, by the requests it said it
// after: for each request a line "0", for each message its length on a line and
// its content.

// save writes the recording of d's session.
func (d *dapPeer) save(path string) {
	f, err := os.Create(path)
	check(err)
	w := bufio.NewWriter(f)
	for _, content := range d.heard {
		fmt.Fprintln(w, len(content))
		_, err = w.Write(content)
		check(err)
	}
	check(w.Flush())
	check(f.Close())
}

// replay is an adapter that does nothing: it answers each request with what the
// recording says, and ends with its input.
func replay(path string) {
	f, err := os.Open(path)
	check(err)
	said := bufio.NewReaderSize(f, 1<<16)
	entry := func() (n int, ok bool) {
		_, err := fmt.Fscanf(said, "%d\n", &n)
		return n, err == nil
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	entry() // the first request's
	for {
		length := 0
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				break
			}
			_, err = fmt.Sscanf(line, "Content-Length: %d", &length)
			check(err)
		}
		_, err = in.Discard(length)
		check(err)
		for n, more := entry(); more && n > 0; n, more = entry() {
			send(said, n)
		}
	}
}

// send writes one message, in one piece if it is small.
func send(said *bufio.Reader, n int) {
	head := fmt.Sprintf("Content-Length: %d\r\n\r\n", n)
	if p, err := said.Peek(n); err == nil {
		_, err = os.Stdout.Write(append([]byte(head), p...))
		check(err)
		_, err = said.Discard(n)
		check(err)
		return
	}
	_, err := os.Stdout.WriteString(head)
	check(err)
	_, err = io.CopyN(os.Stdout, said, int64(n))
	check(err)
}
