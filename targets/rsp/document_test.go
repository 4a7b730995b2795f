package rsp

import "testing"

// TestOddNames: a name of any bytes costs itself and not the list that it stands in.
func TestOddNames(t *testing.T) {
	for _, odd := range []string{"\x1b[31m", "\xc3\xa4\xc3", "\x00", "\xff\xfe"} {
		tg := &Target{c: &Conn{}}
		tg.info.Store(&processInfo{})
		list, err := tg.parseThreads([]byte(`<threads><thread id="1" name="first"/><thread id="2" name="` + odd + `"/><thread id="3" name="last"/></threads>`))
		if err != nil || len(list) != 3 || list[0].Name != "first" || list[2].Name != "last" {
			t.Errorf("%q: threads %+v, %v", odd, list, err)
		}
		all, err := parseProcesses([]byte(`<osdata type="processes"><item><column name="pid">1</column><column name="command">a ` + odd + `</column></item><item><column name="pid">2</column><column name="command">b</column></item></osdata>`))
		if err != nil || len(all) != 2 || all[1].Command != "b" {
			t.Errorf("%q: processes %+v, %v", odd, all, err)
		}
		modules := parseLinkMap([]byte(`<library-list-svr4 version="1.0"><library name="/` + odd + `" lm="0x1" l_addr="0x1000" l_ld="0x2000"/><library name="/lib/b.so" lm="0x2" l_addr="0x3000" l_ld="0x4000"/></library-list-svr4>`))
		if len(modules) != 2 || modules[1].Path != "/lib/b.so" {
			t.Errorf("%q: modules %+v", odd, modules)
		}
	}
}
