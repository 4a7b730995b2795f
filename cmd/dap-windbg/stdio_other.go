//go:build !unix

package main

import "os"

func polled(f *os.File) *os.File { return f }
