package adapter

import (
	"encoding/json"
	"reflect"
	"testing"
)

// messages are what a client may send, or not.
var messages = []string{
	`{"seq":1,"type":"request","command":"next","arguments":{"threadId":1}}`,
	` {"arguments":{"a":"}\",{","b":[1,{"c":[]}]},"command":"evaluate","seq":12,"type":"request"} `,
	`{"seq":1,"type":"request","command":"threads"}`,
	`{"seq": 1, "type": "request", "command": "threads"}`,
	`{"seq":1,"type":"request","command":"threads","arguments":null}`,
	`{"seq":1,"type":"request","command":"t\u0068reads","extra":[1]}`,
	`{"seq":1,"type":"response","request_seq":3,"success":true,"command":"runInTerminal","body":{"processId":4}}`,
	`{"Seq":1,"TYPE":"request","command":"x"}`,
	`{"seq":1,"seq":2,"type":"request","command":"x","command":"y"}`,
	`{"seq": 1,"type": "request","arguments": {"a": 1} }`, "\f{}", `{"arguments": }`,
	`{"seq":01}`, `{"seq":-1}`, `{"seq":+1}`, `{"seq":1.5}`, `{"seq":0}`, `{"seq":"1"}`, `{"seq":99999999999999999999}`,
	`{"type":"request","command":"x","arguments":{]}`, `{"type":"request","arguments":}`, `{"type":"request",}`, `{"type"}`,
	`{"type":"request","arguments":{"a":1}`, `{"type":"request"}}`, `{"type":"request"},{}`, `{}`, `{`, `}`, ``, `[]`, `null`, `{"":1}`,
	`{"type":"request` + "\n" + `"}`, `{"type":"requ` + "\xff" + `est"}`, `{"arguments":1 2}`, `{"arguments":"a""b"}`,
}

// TestDecodeMessage: it reads what encoding/json reads, and refuses what that refuses.
func TestDecodeMessage(t *testing.T) {
	for _, s := range messages {
		sameAsJSON(t, []byte(s))
	}
	if m := (&incoming{}); !m.sorted([]byte(messages[0])) || !m.sorted([]byte(messages[1])) || !m.sorted([]byte(messages[2])) {
		t.Error("what editors send is left to encoding/json")
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, s := range messages {
		f.Add([]byte(s))
	}
	f.Fuzz(sameAsJSON)
}

func sameAsJSON(t *testing.T, content []byte) {
	var want incoming
	wantErr := json.Unmarshal(content, &want)
	got, err := decodeMessage(content)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %+v, %v, not %+v, %v", content, got, err, want, wantErr)
	}
}
