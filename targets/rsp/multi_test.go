package rsp

import "testing"

func TestServer(t *testing.T) {
	addr, _ := server(t, "--multi", "127.0.0.1:0")
	c, _ := connect(t, addr, Options{})
	if c.Target() != nil || !c.Server() {
		t.Errorf("target %v, server %v", c.Target(), c.Server())
	}
}
